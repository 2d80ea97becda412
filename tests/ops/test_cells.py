"""cell_edges and cell_facets as users call them."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from meshop import ops
from meshop.celltypes import CELL_TYPES
from meshop.ops import reference

from .specs import beside, boxes, cells, polyhedra

KNOWN = [row for row in CELL_TYPES.values() if row.edges]


# -- edges --------------------------------------------------------------------------------------


def test_a_mesh_of_boxes_has_the_edges_that_euler_counts() -> None:
    side = 4
    edges = ops.cell_edges(*boxes(side))
    assert len(edges) == 3 * side * (side + 1) ** 2
    assert torch.equal(edges, edges.unique(dim=0))
    assert bool((edges[:, 0] < edges[:, 1]).all())


def test_mixed_cells() -> None:
    mesh = cells((9, [[0, 1, 2, 3]]), (5, [[1, 4, 2]]))
    assert ops.cell_edges(*mesh).tolist() == [[0, 1], [0, 3], [1, 2], [1, 4], [2, 3], [2, 4]]


def test_polyhedra_have_the_edges_of_their_faces() -> None:
    tetra = polyhedra([[0, 1, 3], [1, 2, 3], [2, 0, 3], [0, 2, 1]])
    assert torch.equal(ops.cell_edges(*tetra), ops.cell_edges(*cells((10, [[0, 1, 2, 3]]))))


@given(st.permutations(range(8)), st.permutations(range(6)))
def test_neither_cell_order_nor_numbering_matters(cell_order: list, numbers: list) -> None:
    rows = [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 2, 4], [1, 3, 5], [0, 1, 5], [2, 4, 5]]
    renumber = torch.tensor(numbers)
    plain = ops.cell_edges(*cells((5, rows)))
    types, offsets, nodes = cells((5, [rows[i] for i in cell_order]))
    found = ops.cell_edges(types, offsets, renumber[nodes])
    assert torch.equal(found, renumber[plain].sort(1).values.unique(dim=0))


# -- the table ----------------------------------------------------------------------------------


@pytest.mark.parametrize("row", KNOWN, ids=lambda row: row.name)
def test_edges_reach_every_node_of_a_cell(row) -> None:
    reached = {0}
    for _ in row.edges:
        reached |= {n for edge in row.edges if reached & {*edge} for n in edge}
    assert reached == {*range(row.size)}
    assert len({frozenset(edge) for edge in row.edges}) == len(row.edges)


@pytest.mark.parametrize("row", KNOWN, ids=lambda row: row.name)
def test_added_nodes_lie_amid_those_they_are_joined_to(row) -> None:
    """VTK's own coordinates of each node say whether the table numbers them as VTK does."""
    vtk = pytest.importorskip("vtkmodules.vtkCommonDataModel")
    cell = vtk.vtkGenericCell.InstantiateCell(row.code)
    at = np.array([cell.GetParametricCoords()[i] for i in range(3 * row.size)]).reshape(-1, 3)
    for node in range(row.corners, row.size):
        near = [n for edge in row.edges if node in edge for n in edge if n < node]
        if row.name == "cubic_line":
            assert abs(at[node] - at[near[0]]).max() == pytest.approx(abs(at[1] - at[0]).max() / 3)
        elif row.name == "quadratic_pyramid" and 4 in near:  # VTK's apex is a whole square here
            assert at[node] == pytest.approx([*at[near[0]][:2], 0.5])
        elif row.name == "triquadratic_pyramid" and node == 18:  # a little lower in VTK
            assert at[node] == pytest.approx(at[near].mean(0), abs=0.01)
        else:
            assert at[node] == pytest.approx(at[near].mean(0), abs=1e-6)


@pytest.mark.parametrize("row", [r for r in KNOWN if r.dim > 1], ids=lambda row: row.name)
def test_edges_are_those_of_the_facets(row) -> None:
    rims = {frozenset(p) for f in row.facets for p in (around(f) if row.dim == 3 else [f])}
    middle: dict[int, set] = {n: set() for n in range(row.corners, row.size)}
    corners = set()
    for a, b in row.edges:
        if a < row.corners and b < row.corners:
            corners.add(frozenset((a, b)))
        elif min(a, b) < row.corners:
            middle[max(a, b)].add(min(a, b))
    assert corners | {frozenset(ends) for ends in middle.values() if ends} == rims


@pytest.mark.parametrize("code", range(256))
def test_the_table_is_the_same_in_both_languages(code: int) -> None:
    row = CELL_TYPES.get(code)
    sizes = {0, 1, 2, 12, *((row.size, row.size - 1, row.size + 1) if row else ())} - {-1}
    for size in sizes:
        mesh = (*cells((code, [[*range(100, 100 + size)]])), None, None)
        for name, more in (("cell_edges", ()), ("cell_facets", (-1,))):
            compiled, plain = getattr(torch.ops.meshop, name), getattr(reference, name)
            try:
                expected = plain(*mesh, *more)
            except RuntimeError:
                with pytest.raises(RuntimeError):
                    compiled(*mesh, *more)
            else:
                found = compiled(*mesh, *more)
                if name == "cell_edges":
                    found, expected = (found,), (expected,)
                assert all(map(torch.equal, found, expected))


# -- facets -------------------------------------------------------------------------------------


def test_facets_of_boxes() -> None:
    side = 4
    facets = ops.cell_facets(*boxes(side))
    assert len(facets.owner) == 3 * side**2 * (side + 1)
    assert len(facets.boundary()) == 6 * side**2
    assert len(facets.pairs()) == 3 * side**2 * (side - 1)
    assert bool((facets.ptr.diff() == 4).all()) and not len(facets.further)
    assert bool((facets.owner.diff() >= 0).all())


def test_facets_are_wound_as_their_owner_has_them() -> None:
    facets = ops.cell_facets(*cells((10, [[0, 1, 2, 3], [4, 1, 3, 2]])))
    shared = int((facets.neighbor == 1).nonzero()[0])
    assert facets.nodes[facets.ptr[shared] : facets.ptr[shared + 1]].tolist() == [1, 2, 3]
    assert facets.padded(facets.boundary())[0].tolist() == [0, 1, 3]


def test_quadratic_cells_meet_linear_ones() -> None:
    facets = ops.cell_facets(*cells((22, [[0, 1, 2, 3, 4, 5]]), (5, [[2, 1, 6]])))
    assert facets.pairs().tolist() == [[0, 1]]
    assert facets.ptr.diff().tolist() == [2] * 5


def test_collapsed_hexahedra_meet_wedges_and_lose_flat_facets() -> None:
    wedge_like = [0, 1, 2, 2, 4, 5, 6, 6]
    facets = ops.cell_facets(*cells((12, [wedge_like]), (10, [[0, 2, 1, 9]])))
    assert facets.pairs().tolist() == [[0, 1]]
    assert facets.ptr.diff()[facets.owner == 0].tolist() == [4, 4, 4, 3, 3]


def test_cells_beyond_the_second_are_told() -> None:
    fan = [[0, 1, 2], [0, 1, 3], [1, 0, 4], [0, 1, 5]]
    facets = ops.cell_facets(*cells((5, fan)))
    assert facets.further.tolist() == [[0, 2], [0, 3]]
    assert (int(facets.owner[0]), int(facets.neighbor[0])) == (0, 1)
    assert facets.pairs().tolist() == [[0, 1], [1, 2], [2, 3]]
    assert len(facets.boundary()) == 8


def test_dim_chooses_the_cells() -> None:
    mesh = cells((12, [[*range(8)]]), (9, [[0, 1, 2, 3], [3, 2, 6, 7]]), (3, [[0, 1], [1, 2]]))
    assert ops.cell_facets(*mesh).ptr.diff().tolist() == [4] * 6
    assert ops.cell_facets(*mesh, dim=2).pairs().tolist() == [[1, 2]]
    assert ops.cell_facets(*mesh, dim=1).nodes.tolist() == [0, 1, 2]
    for nothing in (cells((1, [[4]])), cells()):
        facets = ops.cell_facets(*nothing)
        assert facets.ptr.tolist() == [0] and facets.pairs().shape == (0, 2)
        assert facets.padded(facets.boundary()).shape == (0, 0)


# -- both, on anything ---------------------------------------------------------------------------


def solid_rings(nodes: list[int]) -> list[list[int]]:
    """A bipyramid over all but the last two nodes."""
    *ring, top, bottom = nodes
    sides = [(ring[i - 1], ring[i]) for i in range(len(ring))]
    return [[a, b, top] for a, b in sides] + [[b, a, bottom] for a, b in sides]


@st.composite
def meshes(draw) -> tuple[torch.Tensor, ...]:
    """A few cells of any type on a few nodes: they share edges and facets, and collapse."""
    most = draw(st.integers(3, 16))
    scale = draw(st.sampled_from([1, 1, 1, 10**9, 2**58]))
    node = st.integers(0, most).map(lambda n: n * scale)
    parts = []
    for _ in range(draw(st.integers(0, 9))):
        code = draw(st.sampled_from([*(row.code for row in KNOWN), 1, 2, 4, 6, 7, 36, 42, 42, 10]))
        if code == 42 and draw(st.booleans()):
            ring = draw(st.lists(node, min_size=5, max_size=9, unique=most > 9))
            ring = ring if len({*ring}) > 3 else [scale * i for i in range(5)]
            parts.append(polyhedra(solid_rings(ring)))
        elif code == 42:
            face = st.lists(node, min_size=3, max_size=9)
            rings = st.lists(face, min_size=1, max_size=5)
            parts.append(
                polyhedra(draw(rings.filter(lambda f: len({n for ring in f for n in ring}) > 3)))
            )
        else:
            row = CELL_TYPES[code]
            size = row.size or 2 * draw(st.integers(3, 5))
            ids = draw(st.lists(node, min_size=size, max_size=size, unique=size < most))
            parts.append(cells((code, [ids])))
    return beside(*parts)


def listed(mesh: tuple[torch.Tensor, ...]):
    """(row of the table, nodes, faces) of each cell."""
    types, offsets, nodes, faces, ends = (part.tolist() for part in mesh)
    begin = 0
    for cell, code in enumerate(types):
        rings, at = [], begin + 1
        if code == 42:
            for _ in range(faces[begin]):
                rings.append(faces[at + 1 : at + 1 + faces[at]])
                at += 1 + faces[at]
            begin = ends[cell]
        yield CELL_TYPES[code], nodes[offsets[cell] : offsets[cell + 1]], rings


def around(ring: list[int]) -> list[tuple[int, int]]:
    return [(a, b) for a, b in zip(ring, [*ring[1:], ring[0]], strict=True)]


def oracle_edges(mesh: tuple[torch.Tensor, ...]) -> list[list[int]]:
    found = set()
    for row, nodes, rings in listed(mesh):
        pairs = [(nodes[a], nodes[b]) for a, b in row.edges or ()]
        if row.code == 4:
            pairs = list(itertools.pairwise(nodes))
        elif row.code == 6:
            pairs = [*itertools.pairwise(nodes), *zip(nodes, nodes[2:], strict=False)]
        elif row.code == 7:
            pairs = around(nodes)
        elif row.code == 36:
            half = len(nodes) // 2
            pairs = around([n for both in zip(nodes, nodes[half:], strict=False) for n in both])
        elif row.code == 42:
            pairs = [pair for ring in rings for pair in around(ring)]
        found |= {frozenset(pair) for pair in pairs}
    return sorted(sorted(edge) for edge in found if len(edge) == 2)


def oracle_facets(mesh: tuple[torch.Tensor, ...], dim: int | None):
    """Facets (as wound) and the cells of each, in the order of their first cells."""
    rows = list(listed(mesh))
    dim = max((row.dim for row, _, _ in rows), default=0) if dim is None else dim
    users: dict[frozenset, list[int]] = {}
    wound = {}
    for cell, (row, nodes, rings) in enumerate(rows):
        if row.dim != dim:
            continue
        facets = [[nodes[i] for i in facet] for facet in row.facets] or rings
        if row.code == 4:
            facets = [nodes[:1], nodes[-1:]]
        elif row.code == 6:
            facets = [nodes[:2], nodes[-2:], *map(list, zip(nodes, nodes[2:], strict=False))]
        elif row.code == 7:
            facets = around(nodes)
        elif row.code == 36:
            facets = around(nodes[: len(nodes) // 2])
        for facet in facets:
            if len({*facet}) >= dim > 0:
                users.setdefault(frozenset(facet), []).append(cell)
                wound.setdefault(frozenset(facet), list(dict.fromkeys(facet)))
    return list(wound.values()), list(users.values())


@settings(max_examples=300, deadline=None)
@given(meshes())
def test_edges_agree_with_sets(mesh: tuple) -> None:
    assert ops.cell_edges(*mesh).tolist() == oracle_edges(mesh)


@settings(max_examples=300, deadline=None)
@given(meshes(), st.sampled_from([None, None, 1, 2, 3]))
def test_facets_agree_with_sets(mesh: tuple, dim: int | None) -> None:
    wound, users = oracle_facets(mesh, dim)
    facets = ops.cell_facets(*mesh, dim=dim)
    rows = zip(facets.ptr[:-1].tolist(), facets.ptr[1:].tolist(), strict=True)
    assert [facets.nodes[a:b].tolist() for a, b in rows] == wound
    assert facets.owner.tolist() == [cells[0] for cells in users]
    assert facets.neighbor.tolist() == [cells[1] if len(cells) > 1 else -1 for cells in users]
    assert facets.further.tolist() == [[f, c] for f, cells in enumerate(users) for c in cells[2:]]
    chained = {pair for cells in users for pair in itertools.pairwise(cells) if pair[0] != pair[1]}
    assert facets.pairs().tolist() == sorted(map(list, chained))
    alone = [f for f, cells in enumerate(users) if len(cells) == 1]
    assert facets.boundary().tolist() == alone
    width = max(map(len, wound), default=0)
    padded = [wound[f] + [-1] * (width - len(wound[f])) for f in alone]
    assert facets.padded(facets.boundary()).tolist() == padded


@pytest.mark.parametrize("shuffled", [False, True])
def test_large_meshes_agree_with_the_reference(shuffled: bool) -> None:
    """Enough cells for several chunks and ranges."""
    nodes = boxes(30)[2]
    split = torch.tensor(  # six tetrahedra a box
        [[0, a, b, 6] for a, b in ((1, 2), (2, 3), (3, 7), (7, 4), (4, 5), (5, 1))]
    )
    tets = nodes.reshape(-1, 8)[:, split].reshape(-1, 4)
    if shuffled:
        g = torch.Generator().manual_seed(0)
        tets = torch.randperm(31**3, generator=g)[tets[torch.randperm(len(tets), generator=g)]]
    mesh = (
        torch.full((len(tets),), 10, dtype=torch.uint8),
        torch.arange(len(tets) + 1) * 4,
        tets.reshape(-1),
    )
    assert torch.equal(ops.cell_edges(*mesh), reference.cell_edges(*mesh))
    assert all(
        map(torch.equal, ops.cell_facets(*mesh), reference.cell_facets(*mesh, None, None, -1))
    )


# -- what else goes in, and what does not --------------------------------------------------------


def test_int32_and_wide_types_are_welcome() -> None:
    types, offsets, nodes = boxes(2)
    wide = (types.long(), offsets.int(), nodes.int())
    assert torch.equal(ops.cell_edges(*wide), ops.cell_edges(types, offsets, nodes))
    assert all(map(torch.equal, ops.cell_facets(*wide), ops.cell_facets(types, offsets, nodes)))


def test_both_compile() -> None:
    @torch.compile(fullgraph=True, dynamic=True, backend="aot_eager")
    def both(types: torch.Tensor, offsets: torch.Tensor, nodes: torch.Tensor):
        facets = ops.cell_facets(types, offsets, nodes)
        return ops.cell_edges(types, offsets, nodes), facets.owner, facets.nodes * 2

    for side in (2, 3):
        mesh = boxes(side)
        facets = ops.cell_facets(*mesh)
        expected = (ops.cell_edges(*mesh), facets.owner, facets.nodes * 2)
        assert all(map(torch.equal, both(*mesh), expected))


_types, _offsets, _nodes = cells((5, [[0, 1, 2], [2, 1, 3]]))
_solid = polyhedra([[0, 1, 3], [1, 2, 3], [2, 0, 3], [0, 2, 1]])


def _with(part: int, value: object) -> tuple:
    return tuple(value if i == part else whole for i, whole in enumerate(_solid))


def _stream(at: int, value: int) -> tuple:
    faces = _solid[3].clone()
    faces[at] = value
    return _with(3, faces)


@pytest.mark.parametrize("call", [ops.cell_edges, ops.cell_facets])
@pytest.mark.parametrize(
    ("mesh", "error", "words"),
    [
        ((_types, _offsets, _nodes - 1), IndexError, r"cell_nodes\[0\]: expected .* found -1"),
        ((_types, _offsets + 1, _nodes), ValueError, r"cell_offsets\[0\]"),
        ((_types, _offsets * 2, _nodes), IndexError, r"cell_offsets\[-1\]: expected 6"),
        ((_types, torch.tensor([0, 7, 6]), _nodes), ValueError, "never decrease"),
        ((_types, _offsets[:2], _nodes), ValueError, "expected 3 entries, found 2"),
        ((_types + 4, _offsets, _nodes), ValueError, "VTK type 9: expected 4 nodes, found 3"),
        ((_types + 31, _offsets, _nodes), ValueError, "type 36: expected at least 6 nodes"),
        ((_types + 12, _offsets, _nodes), ValueError, r"cell_types\[0\]: no VTK type 17"),
        ((_types.long() + 300, _offsets, _nodes), ValueError, "no VTK type 305"),
        ((_types.float(), _offsets, _nodes), ValueError, "1-D VTK codes"),
        ((_types, _offsets.double(), _nodes), ValueError, "int32 or int64"),
        (cells((36, [[*range(7)]])), ValueError, "an even number of nodes, found 7"),
        (_solid[:3], ValueError, "cell 0 is a polyhedron"),
        (_solid[:4], ValueError, "both or neither"),
        (_with(4, torch.tensor([16, 3])), ValueError, "face_offsets: expected 1 entries, found 2"),
        (_with(4, torch.tensor([-1])), ValueError, r"face_offsets\[0\]: expected an end"),
        (_with(0, _types[:1] + 5), ValueError, r"face_offsets\[0\]: expected -1"),
        (_with(4, torch.tensor([18])), IndexError, r"expected an end in 1 to 17, found 18"),
        (_with(4, torch.tensor([14])), ValueError, "faces of polyhedron 0"),
        (_with(3, torch.cat([_solid[3], _offsets])), ValueError, "expected to end at 20, found 17"),
        (_stream(0, 5), ValueError, "expected 5 faces"),
        (_stream(0, -1), ValueError, "expected -1 faces"),
        (_stream(0, 3), ValueError, "fill 17 values, found that they fill 13"),
        (_stream(1, 2), ValueError, "one of 2 nodes"),
        (_stream(5, 2**62), ValueError, "found one of"),
        (_stream(2, -3), IndexError, "nodes >= 0"),
    ],
)
def test_errors_say_what_was_found(call, mesh: tuple, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(*mesh)


def test_errors_of_one_alone() -> None:
    curve = cells((68, [[0, 1, 2, 3]]))
    with pytest.raises(ValueError, match="found a lagrange curve"):
        ops.cell_edges(*curve)
    assert ops.cell_facets(*curve).nodes.tolist() == [0, 1]
    with pytest.raises(ValueError, match="dim: expected 1, 2, 3 or None, found 0"):
        ops.cell_facets(*boxes(1), dim=0)


def test_offsets_that_wrap_around_are_refused() -> None:
    wild = torch.tensor([0, 2**62, -(2**63), -(2**62), 0, 3])
    types = torch.full((5,), 7, dtype=torch.uint8)
    for call in (ops.cell_edges, ops.cell_facets):
        with pytest.raises(ValueError, match="cell_offsets"):
            call(types, wild, torch.tensor([0, 1, 2]))


@pytest.mark.parametrize("dtype", [torch.int8, torch.int32, torch.uint16])
def test_types_of_any_integer(dtype: torch.dtype) -> None:
    mesh = (torch.tensor([5], dtype=dtype), torch.tensor([0, 3]), torch.arange(3))
    assert len(ops.cell_edges(*mesh)) == 3


def test_a_facet_of_many_nodes_beside_one_that_repeats() -> None:
    n = 50_000
    big = torch.arange(n)
    faces = torch.cat([torch.tensor([2, n]), big, torch.tensor([4, 0, 1, 1, 2])])
    mesh = (torch.tensor([42]), torch.tensor([0, n]), big, faces, torch.tensor([len(faces)]))
    facets = ops.cell_facets(*mesh)
    assert facets.ptr.diff().tolist() == [n, 3]
