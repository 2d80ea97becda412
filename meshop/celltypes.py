"""The table of VTK cell types: one row each. Plain data, for meshes and kernels alike.

cpp_ext/cells.h builds the same table in C++; tests/ops/test_cells.py compares the two row by row.
Source: the VTK User's Guide, "VTK file formats", and the node numbering in VTK's vtkCell classes.
"""

from __future__ import annotations

from dataclasses import dataclass

Locals = tuple[tuple[int, ...], ...]

# Facets list corner nodes, ordered so that normals point out of a positively oriented cell (VTK).
_TRI: Locals = ((0, 1), (1, 2), (2, 0))
_QUAD: Locals = ((0, 1), (1, 2), (2, 3), (3, 0))
_PIXEL: Locals = ((0, 1), (1, 3), (3, 2), (2, 0))
_TET: Locals = ((0, 1, 3), (1, 2, 3), (2, 0, 3), (0, 2, 1))
_HEX: Locals = (
    (0, 4, 7, 3), (1, 2, 6, 5), (0, 1, 5, 4), (3, 7, 6, 2), (0, 3, 2, 1), (4, 5, 6, 7),
)  # fmt: skip
_WEDGE: Locals = ((0, 1, 2), (3, 5, 4), (0, 3, 4, 1), (1, 4, 5, 2), (2, 5, 3, 0))
_PYRAMID: Locals = ((0, 3, 2, 1), (0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4))

# Edges in the order in which VTK numbers their mid-side nodes.
_TET_EDGES: Locals = (*_TRI, (0, 3), (1, 3), (2, 3))
_PYRAMID_EDGES: Locals = (*_QUAD, (0, 4), (1, 4), (2, 4), (3, 4))


def _as_voxel(rows: Locals) -> Locals:
    """A voxel is a hexahedron with two corners of each layer exchanged."""
    return tuple(tuple((0, 1, 3, 2, 4, 5, 7, 6)[i] for i in row) for row in rows)


def _prism(n: int) -> Locals:
    sides = tuple((i, (i + 1) % n, (i + 1) % n + n, i + n) for i in range(n))
    return (tuple(reversed(range(n))), tuple(range(n, 2 * n)), *sides)


def _prism_edges(n: int) -> Locals:
    """Both rims, then the pillars."""
    rim = tuple((i, (i + 1) % n) for i in range(n))
    return (*rim, *((a + n, b + n) for a, b in rim), *((i, i + n) for i in range(n)))


def _curved(
    corners: int, edges: Locals, mids: int | None = None, faces: Locals = (), body: bool = False
) -> Locals:
    """Edges of a quadratic cell, whose nodes are: corners, mid-sides, face centres, body centre.

    The first `mids` edges (None: all) have a mid-side node, which splits the edge in two. The
    centre of a face is joined to the mid-side nodes around it, that of the body to those of faces.
    """
    mids = len(edges) if mids is None else mids
    middle = {frozenset(edge): corners + i for i, edge in enumerate(edges[:mids])}
    out: list[tuple[int, ...]] = []
    for a, b in edges[:mids]:
        out += [(a, middle[frozenset((a, b))]), (middle[frozenset((a, b))], b)]
    out += edges[mids:]
    first = corners + mids
    for centre, face in enumerate(faces, first):
        out += [(centre, middle[frozenset((a, face[i - 1]))]) for i, a in enumerate(face)]
    if body:
        out += [(first + len(faces), first + i) for i in range(len(faces))]
    return tuple(out)


@dataclass(frozen=True)
class CellType:
    """One VTK cell type.

    ``size`` nodes, or 0 when it varies (then at least ``min_size``); the first ``corners`` nodes
    are corners (0: all of them, -1: the first half). ``facets`` hold local corner nodes, ``edges``
    pairs of local nodes, all of the cell's; empty where they depend on the size. ``edges`` is None
    where the number of nodes does not say how they are arranged.
    """

    code: int
    name: str
    dim: int
    size: int
    min_size: int
    corners: int
    facets: Locals = ()
    edges: Locals | None = ()


def _fixed(
    code: int, name: str, dim: int, size: int, corners: int, facets: Locals, edges: Locals
) -> CellType:
    return CellType(code, name, dim, size, size, corners, facets, edges)


def _varying(
    code: int,
    name: str,
    dim: int,
    least: int,
    corners: int = 0,
    facets: Locals = (),
    edges: Locals | None = (),
) -> CellType:
    return CellType(code, name, dim, 0, least, corners, facets, edges)


_ENDS: Locals = ((0,), (1,))
_HEX_EDGES, _WEDGE_EDGES = _prism_edges(4), _prism_edges(3)
_SIDES = _HEX[:4]  # the faces of a hexahedron without bottom and top
_ROWS = [
    _fixed(0, "empty", 0, 0, 0, (), ()),
    _fixed(1, "vertex", 0, 1, 1, (), ()),
    _varying(2, "poly_vertex", 0, 1),
    _fixed(3, "line", 1, 2, 2, _ENDS, ((0, 1),)),
    _varying(4, "poly_line", 1, 1),
    _fixed(5, "triangle", 2, 3, 3, _TRI, _TRI),
    _varying(6, "triangle_strip", 2, 3),
    _varying(7, "polygon", 2, 3),
    _fixed(8, "pixel", 2, 4, 4, _PIXEL, _PIXEL),
    _fixed(9, "quad", 2, 4, 4, _QUAD, _QUAD),
    _fixed(10, "tetra", 3, 4, 4, _TET, _TET_EDGES),
    _fixed(11, "voxel", 3, 8, 8, _as_voxel(_HEX), _as_voxel(_HEX_EDGES)),
    _fixed(12, "hexahedron", 3, 8, 8, _HEX, _HEX_EDGES),
    _fixed(13, "wedge", 3, 6, 6, _WEDGE, _WEDGE_EDGES),
    _fixed(14, "pyramid", 3, 5, 5, _PYRAMID, _PYRAMID_EDGES),
    _fixed(15, "pentagonal_prism", 3, 10, 10, _prism(5), _prism_edges(5)),
    _fixed(16, "hexagonal_prism", 3, 12, 12, _prism(6), _prism_edges(6)),
    _fixed(21, "quadratic_edge", 1, 3, 2, _ENDS, _curved(2, ((0, 1),))),
    _fixed(22, "quadratic_triangle", 2, 6, 3, _TRI, _curved(3, _TRI)),
    _fixed(23, "quadratic_quad", 2, 8, 4, _QUAD, _curved(4, _QUAD)),
    _fixed(24, "quadratic_tetra", 3, 10, 4, _TET, _curved(4, _TET_EDGES)),
    _fixed(25, "quadratic_hexahedron", 3, 20, 8, _HEX, _curved(8, _HEX_EDGES)),
    _fixed(26, "quadratic_wedge", 3, 15, 6, _WEDGE, _curved(6, _WEDGE_EDGES)),
    _fixed(27, "quadratic_pyramid", 3, 13, 5, _PYRAMID, _curved(5, _PYRAMID_EDGES)),
    _fixed(28, "biquadratic_quad", 2, 9, 4, _QUAD, _curved(4, _QUAD, faces=((0, 1, 2, 3),))),
    _fixed(
        29, "triquadratic_hexahedron", 3, 27, 8, _HEX,
        _curved(8, _HEX_EDGES, faces=_HEX, body=True),
    ),
    _fixed(
        30, "quadratic_linear_quad", 2, 6, 4, _QUAD, _curved(4, ((0, 1), (2, 3), (1, 2), (3, 0)), 2)
    ),
    _fixed(31, "quadratic_linear_wedge", 3, 12, 6, _WEDGE, _curved(6, _WEDGE_EDGES, 6)),
    _fixed(
        32, "biquadratic_quadratic_wedge", 3, 18, 6, _WEDGE,
        _curved(6, _WEDGE_EDGES, faces=_WEDGE[2:]),
    ),
    _fixed(
        33, "biquadratic_quadratic_hexahedron", 3, 24, 8, _HEX,
        _curved(8, _HEX_EDGES, faces=_SIDES),
    ),
    _fixed(34, "biquadratic_triangle", 2, 7, 3, _TRI, _curved(3, _TRI, faces=((0, 1, 2),))),
    _fixed(35, "cubic_line", 1, 4, 2, _ENDS, ((0, 2), (2, 3), (3, 1))),
    _varying(36, "quadratic_polygon", 2, 6, -1),
    _fixed(
        37, "triquadratic_pyramid", 3, 19, 5, _PYRAMID,
        _curved(5, _PYRAMID_EDGES, faces=_PYRAMID, body=True),
    ),
    _varying(41, "convex_point_set", 3, 1, edges=None),
    _varying(42, "polyhedron", 3, 4),
    *(
        row
        for base, family in ((68, "lagrange"), (75, "bezier"))
        for row in (
            _varying(base, f"{family}_curve", 1, 2, 2, _ENDS, None),
            _varying(base + 1, f"{family}_triangle", 2, 3, 3, _TRI, None),
            _varying(base + 2, f"{family}_quadrilateral", 2, 4, 4, _QUAD, None),
            _varying(base + 3, f"{family}_tetrahedron", 3, 4, 4, _TET, None),
            _varying(base + 4, f"{family}_hexahedron", 3, 8, 8, _HEX, None),
            _varying(base + 5, f"{family}_wedge", 3, 6, 6, _WEDGE, None),
            _varying(base + 6, f"{family}_pyramid", 3, 5, 5, _PYRAMID, None),
        )
    ),
]  # fmt: skip

POLY_LINE, TRIANGLE_STRIP, POLYGON, PIXEL, QUADRATIC_POLYGON = 4, 6, 7, 8, 36
CONVEX_POINT_SET, POLYHEDRON = 41, 42
CURVED_HEXAHEDRA = (72, 79)
WEDGES = (13, 26, 31, 32, 73, 80)

CELL_TYPES: dict[int, CellType] = {row.code: row for row in _ROWS}
CODES: dict[str, int] = {row.name: row.code for row in _ROWS}
