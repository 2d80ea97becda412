"""Meshes for the tests of readers and writers, and exact comparison."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from meshop.mesh import CELL_TYPES, Mesh, Region

PLANE = Mesh.from_blocks(
    [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1]],
    [("triangle", [[0, 1, 4]]), ("quad", [[1, 2, 5, 4]]), ("triangle", [[0, 4, 3]]),
     ("line", [[0, 1], [1, 2], [2, 5], [5, 4]])],
    regions={"airfoil": Region("cell", [3, 4]), "far field": Region("cell", [5, 6])},
)  # fmt: skip
SOLID = Mesh.from_blocks(
    np.random.default_rng(0).random((8, 3)),
    [("tetra", [[0, 1, 2, 3]]), ("wedge", [[0, 1, 2, 3, 4, 5]]), ("pyramid", [[0, 1, 2, 3, 4]]),
     ("hexahedron", [range(8)]), ("tetra", [[4, 5, 6, 7]]), ("triangle", [[0, 1, 2]])],
    regions={"wall": Region("cell", [5])},
)  # fmt: skip

DTYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
FIXED = [row for row in CELL_TYPES.values() if row.size]
VARYING = [CELL_TYPES[code] for code in (2, 4, 6, 7, 36, 41, 68)]
ALL_CODES = [row.code for row in (*FIXED, *VARYING, CELL_TYPES[42])]
TETRA_FACES = ((0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3))


def sample(n=5, seed=0):
    """A plane of quads and triangles with every dtype, vectors, tensors, text and field data."""
    rng = np.random.default_rng(seed)
    axis = np.linspace(0, 1, n)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2) + 0.01 * rng.random(
        (n * n, 2)
    )
    at = np.arange(n * n).reshape(n, n)
    quads = np.stack([at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]], axis=-1).reshape(-1, 4)
    half = len(quads) // 2
    blocks = [
        ("quad", quads[:half]),
        ("triangle", quads[half:, :3]),
        ("triangle", quads[half:, [0, 2, 3]]),
    ]
    mesh = Mesh.from_blocks(points, blocks)
    for dtype in DTYPES:
        values = rng.integers(0, 100, mesh.n_cells) if dtype[0] != "f" else rng.random(mesh.n_cells)
        mesh.cell_data[f"cell {dtype}"] = values.astype(dtype)
    mesh.point_data["U"] = rng.random((mesh.n_points, 3)).astype("f4")
    mesh.point_data["grad"] = rng.random((mesh.n_points, 9))
    mesh.point_data["zero"] = np.zeros(mesh.n_points)
    mesh.field_data["aoa_deg"] = np.array([4.25])
    mesh.field_data["history"] = rng.random((7, 2))
    mesh.field_data["title"] = np.array(["NACA 0012", "Reynolds 3·10⁶", ""])
    return mesh


def assert_same(found, expected, points=None):
    """Everything bit-identical: points, cells, order, names, dtypes, values."""
    assert np.array_equal(found.points, expected.points if points is None else points)
    for name in ("cell_types", "cell_offsets", "cell_nodes", "faces", "face_offsets"):
        a, b = getattr(found, name), getattr(expected, name)
        assert (a is None) == (b is None) and (a is None or np.array_equal(a, b)), name
    for name in ("point_data", "cell_data", "field_data"):
        a, b = getattr(found, name), getattr(expected, name)
        assert list(a) == list(b)
        for key in a:
            assert a[key].dtype.kind == b[key].dtype.kind and a[key].shape == b[key].shape, key
            if a[key].dtype.kind in "US":
                assert a[key].tolist() == b[key].tolist()
            else:
                assert a[key].dtype == b[key].dtype
                assert a[key].tobytes() == b[key].tobytes(), key  # NaN payloads too
    assert list(found.regions) == list(expected.regions)
    for name, region in found.regions.items():
        assert region.kind == expected.regions[name].kind
        assert np.array_equal(region.ids, expected.regions[name].ids)


NAMES = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cs", "Cn"]),
    min_size=1,
    max_size=12,
)


@st.composite
def meshes(
    draw,
    *,
    codes=ALL_CODES,
    dtypes=(*DTYPES, ">f8", ">i4", "?", "f2"),
    shapes=((), (1,), (2,), (3,), (9,), (3, 3)),
    names=NAMES,
    places=("point", "cell", "field"),
    regions=("cell", "facet"),
    stored=("float32", "float64"),
    min_cells=0,
    planar=False,
):
    """Any valid mesh: mixed cells in any order, polyhedra, arrays of any dtype.

    The arguments narrow it to what a format can hold: cell types, dtypes and shapes of arrays,
    their names, which data there are, kinds of regions, float types of points.
    """
    n_points = draw(st.integers(1 if min_cells else 0, 12))
    kind = draw(st.sampled_from(stored))
    finite = {"allow_nan": False, "allow_infinity": False}
    element = st.floats(width=32 if kind == "float32" else 64, **finite)
    points = draw(hnp.arrays(kind, (n_points, 3), elements=element))
    if planar:
        points[:, 2] = 0
    types, ends, nodes, faces, face_ends = [], [0], [], [], []
    for _ in range(draw(st.integers(min_cells, max(6, min_cells))) if n_points else 0):
        row = CELL_TYPES[draw(st.sampled_from(codes))]
        size = row.size or row.min_size + 2 * draw(st.integers(0, 2))
        ids = draw(st.lists(st.integers(0, n_points - 1), min_size=size, max_size=size))
        types.append(row.code)
        nodes += ids
        ends.append(len(nodes))
        if row.code == 42:
            faces += [4, *(v for f in TETRA_FACES for v in (3, *(ids[i] for i in f)))]
        face_ends.append(len(faces) if row.code == 42 else -1)

    def data(length):
        shape = st.sampled_from([(length, *extra) for extra in shapes])
        array = st.tuples(st.sampled_from(dtypes), shape).flatmap(lambda args: hnp.arrays(*args))
        return draw(st.dictionaries(names, array, max_size=3))

    field_data = data(draw(st.integers(1, 3))) if "field" in places else {}
    if "field" in places and draw(st.booleans()):
        text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
        field_data["text"] = np.array(draw(st.lists(text, min_size=1, max_size=3)), dtype=str)
    integers = st.sampled_from(["int32", "int64", "uint32", "uint64"])
    mesh = Mesh(
        points,
        np.array(types, np.uint8),
        np.array(ends),
        np.array(nodes, np.int64),
        data(n_points) if "point" in places else {},
        data(len(types)) if "cell" in places else {},
        field_data,
        storage={"points": kind, "connectivity": draw(integers), "offsets": draw(integers)},
        faces=np.array(faces, np.int64) if faces else None,
        face_offsets=np.array(face_ends, np.int64) if faces else None,
    )
    if mesh.n_cells and "cell" in regions:
        ids = draw(st.lists(st.integers(0, mesh.n_cells - 1), max_size=4))
        mesh.regions["wall"] = Region("cell", np.array(ids, np.int64))
    if mesh.n_cells and "facet" in regions:
        pairs = st.lists(st.tuples(*[st.integers(-1, n_points - 1)] * 2), min_size=1, max_size=4)
        mesh.regions["in let"] = Region("facet", np.array(draw(pairs), np.int64))
    return mesh
