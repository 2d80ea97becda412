"""Nothing is lost in silence: by each format alone, and by each pair of formats in turn.

What a file does not give back is either refused or told by a MeshFileWarning; what a format adds
(a patch for the rest of a boundary, tags of elements, its time) is no loss.
"""

import warnings

import numpy as np
import pytest

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import FORMATS, read, write, write_series
from meshop.mesh import Mesh, Region

FOAM = "/"
ALONE = [".vtu", ".vtp", ".vtm", ".vtk", ".vtkhdf", FOAM, ".su2", ".msh", ".stl", ".obj", ".ply",
         ".med", ".off", ".npy", ".npz", ".pcd", ".las", ".csv", ".xyz"]  # fmt: skip
SERIES = [".pvd", ".vtu.series"]
TEXTS = ["a b", "ä", "<a&b>", "'q'\"d\"", "a/b", "a,b", "a;b", "1", "x", "a:0", " x ", "a\nb", ""]


def solid():
    """A hexahedron, a pyramid, a wedge on it, and a polyhedron like a pyramid."""
    points = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1],
              [0, 1, 1], [0.5, 0.5, 2], [2, 0.5, 0.5], [0, -1, 0], [1, -1, 0]]  # fmt: skip
    faces = [5, 4, 1, 2, 6, 5, 3, 1, 9, 2, 3, 2, 9, 6, 3, 6, 9, 5, 3, 5, 9, 1]
    nodes = [*range(8), 4, 5, 6, 7, 8, 1, 2, 5, 6, 9, 4, 0, 10, 5, 1, 11]
    ends = np.array([-1, -1, len(faces), -1])
    return Mesh(points, [12, 14, 42, 13], [0, 8, 13, 18, 24], nodes, faces=faces, face_offsets=ends)


def plain_solid():
    mesh = solid()
    return Mesh(mesh.points[:9], [12, 14], [0, 8, 13], mesh.cell_nodes[:13])


def plane():
    points = [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1], [3, 0.5], [3, 1]]
    faces = [("triangle", [[0, 1, 4]]), ("quad", [[1, 2, 5, 4]]), ("triangle", [[0, 4, 3]])]
    lines = [("line", [[0, 1], [1, 2]]), ("vertex", [[6]])]
    return Mesh.from_blocks(points, [*faces, ("polygon", [[2, 6, 7, 5, 4]]), *lines])


def flat():
    return Mesh.from_blocks(
        [[0, 0], [1, 0], [1, 1], [0, 1]], [("triangle", [[0, 1, 2], [0, 2, 3]])]
    )


def curved():
    points = np.random.default_rng(0).random((10, 3))
    cells = [("quadratic_tetra", [range(10)]), ("quadratic_triangle", [[0, 1, 2, 4, 5, 6]])]
    return Mesh.from_blocks(points, [*cells, ("quadratic_edge", [[0, 1, 4]])])


def cloud():
    return Mesh(np.arange(15.0).reshape(5, 3) ** 2, [], [0], [])


BARE = {f.__name__: f for f in (solid, plain_solid, plane, flat, curved, cloud)}


def arrays():
    """Name -> n -> an array of n rows."""
    for kind in [
        "?",
        "i1",
        "u1",
        "i2",
        "u2",
        "i4",
        "u4",
        "i8",
        "u8",
        "f2",
        "f4",
        "f8",
        ">f8",
        ">i2",
    ]:
        yield kind, lambda n, kind=kind: (np.arange(n) % 2).astype(kind)
    yield "large", lambda n: np.full(n, 2**63 + 2**12 + 1, np.uint64)
    yield "negative", lambda n: np.full(n, -(2**62) - 1)
    yield "fractions", lambda n: np.arange(n, dtype="f4") / 7
    yield "not finite", lambda n: np.resize([np.nan, np.inf, -np.inf, 0.1], n)
    yield "text", lambda n: np.resize(["ä <", "", "b"], n)
    yield "numbers in text", lambda n: np.arange(n).astype(str)
    yield "spaces in text", lambda n: np.resize([" a "], n)
    for row in [(0,), (1,), (2,), (3,), (6,), (9,), (3, 3)]:
        yield f"{row}", lambda n, row=row: np.random.default_rng(1).random((n, *row))
    yield "not contiguous", lambda n: np.arange(6.0 * n).reshape(3, 2 * n).T[::2, ::-1]
    yield "three bools", lambda n: np.resize([True, False], (n, 3))


def features(mesh, suffix):
    """What a mesh may have besides -> the mesh with it."""
    for where, n in (("point", mesh.n_points), ("cell", mesh.n_cells)):
        if not n:
            continue
        for name, make in arrays():
            yield f"{where} {name}", changed(mesh, **{f"{where}_data": {"a": make(n)}})
        for name in TEXTS if where == "point" or suffix in (".ply", ".msh") else ():
            data = {name: np.arange(n) / 4, "a_b": np.arange(n) / 8}
            yield f"{where} data {name!r}", changed(mesh, **{f"{where}_data": data})
        data, names = {"U": np.ones((n, 3))}, {(where, "U"): ("u", "v", "w")}
        yield f"{where} labels", changed(mesh, **{f"{where}_data": data, "components": names})
    for values in (
        [1.5],
        [],
        [True],
        [3],
        ["a b", "ü"],
        [["a", "b"]],
        np.ones((2, 3, 3)),
        [[1], [2]],
    ):
        yield f"field {values}", changed(mesh, field_data={"a": np.array(values)})
    yield "time", changed(mesh, field_data={"TimeValue": np.array([2.5])})
    yield "single", changed(mesh, storage={"points": "float32"})
    for name, regions in sets(mesh):
        yield f"regions {name}", changed(mesh, regions=regions)


def sets(mesh):
    """Regions of each kind: in another order, repeated, empty, overlapping, of odd names."""
    for kind, ids in (
        ("point", np.arange(mesh.n_points)),
        ("cell", np.arange(mesh.n_cells)),
        ("facet", mesh.boundary_facets().nodes if mesh.dim > 1 else np.empty((0, 2), int)),
    ):
        if not len(ids):
            continue
        last = len(ids) - 1
        for chosen in ([0], [last, 0], [0, 0]):
            yield f"{kind} {chosen}", {"r": Region(kind, ids[chosen])}
        none, every = Region(kind, ids[:0]), Region(kind, ids)
        yield f"{kind} empty", {"none": none}
        yield f"{kind} empty and full", {"none": none, "all": every, "none too": none}
        yield f"{kind} overlapping", {"b": Region(kind, ids[last:]), "a": every}
        for name in TEXTS if kind != "point" else ():
            yield f"{kind} {name!r}", {name: Region(kind, ids[:1]), "a_b": Region(kind, ids[last:])}


def changed(mesh, **parts):
    """A copy that has these parts, checked as any new mesh."""
    new = mesh.copy()
    for name, value in parts.items():
        setattr(new, name, value)
    new.__post_init__()
    return new


def put(mesh, folder, suffix):
    """Write it, read it back: (mesh, what was told)."""
    folder.mkdir()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", MeshFileWarning)
        if suffix in SERIES:
            time = float(mesh.field_data.get("TimeValue", [2.5])[0])
            write_series(folder / f"a{suffix}", [(time, mesh)])
        else:
            write(mesh, f"{folder}/case/" if suffix == FOAM else folder / f"a{suffix}")
    return read(folder / ("case" if suffix == FOAM else f"a{suffix}")), [
        str(w.message) for w in told
    ]


def losses(before, after, suffix):
    """What `after` does not have of `before`."""
    if not np.array_equal(before.points, after.points):
        yield "points"
    for name in ("cell_types", "cell_offsets", "cell_nodes", "faces"):
        old, new = getattr(before, name), getattr(after, name)
        if suffix == FOAM and name in ("cell_nodes", "faces"):  # as it says, in another order
            old, new = (None if a is None else np.sort(a) for a in (old, new))
        if not np.array_equal(old, new):
            yield name
    for where in ("point_data", "cell_data", "field_data"):
        old, new = getattr(before, where), getattr(after, where)
        kept = [name for name in new if name in old]
        if (set(kept) if suffix == FOAM else kept) != (set(old) if suffix == FOAM else list(old)):
            yield f"{where}: {list(old)} are {list(new)}"
            continue
        for name, values in old.items():
            if not same(values, new[name], suffix):
                yield f"{where} {name!r}: {values.dtype} {values.shape}"
    if set(before.regions) - set(after.regions):
        yield f"regions: {list(before.regions)} are {list(after.regions)}"
    for name, region in before.regions.items():
        other = after.regions.get(name, region)
        old, new = region.ids, other.ids
        if suffix == FOAM and region.kind == "facet":  # its faces are wound outwards
            old, new = (np.sort(a, axis=1)[:, -k:] for a, k in ((old, 3), (new, 3)))
        if region.kind != other.kind or (len(old) + len(new) and not np.array_equal(old, new)):
            yield f"region {name!r}: {region.kind} {region.ids.tolist()}"
    if set(before.components) - set(after.components):
        yield "components"


def same(old, new, suffix):
    if old.dtype.kind in "UO":
        return new.dtype.kind in "UO" and old.tolist() == new.tolist()
    if suffix == FOAM and old.dtype.kind == "f":  # as it says, its numbers have 64 bits
        old = old.astype(np.float64)
    return old.dtype == new.dtype and old.shape == new.shape and old.tobytes() == new.tobytes()


def silent(mesh, folder, suffix):
    """Losses of one write that nothing was told of."""
    try:
        found, told = put(mesh, folder, suffix)
    except MeshFileError as error:
        assert f"({'' if suffix in SERIES else format_name(suffix)}" in str(error)
        return []
    return [] if told else list(losses(mesh, found, suffix))


def format_name(suffix):
    name = next(
        f.name
        for f in FORMATS
        if suffix in f.suffixes or (suffix == FOAM and ".foam" in f.suffixes)
    )
    return name if name != "points" else ""


def test_every_own_writer_is_tried():
    own = {
        f.name
        for f in FORMATS
        if f.write and not f.write.__module__.startswith("meshop.io.foreign")
    }
    found = {f.name for f in FORMATS for s in ALONE if s in f.suffixes}
    assert own - found <= {"OpenFOAM", "Abaqus"}  # a folder; through meshio


@pytest.fixture(autouse=True)
def without_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.mark.parametrize("suffix", [*ALONE, *SERIES])
def test_what_a_format_cannot_hold_is_told(tmp_path, suffix):
    found, carriers = {}, []
    for number, (name, make) in enumerate(BARE.items()):
        try:
            _, told = put(make(), tmp_path / f"{number}", suffix)
        except MeshFileError:
            continue
        carriers.append((bool(told), number, name))
        found[name] = silent(make(), tmp_path / f"{number} again", suffix)
    mesh = BARE[min(carriers)[2]]()  # one that is told nothing of as it is, where there is one
    step = 3 if suffix in (".vtkhdf", ".vtm", *SERIES) else 1  # slow, or written as VTU
    for number, (what, one) in enumerate(list(features(mesh, suffix))[::step]):
        found[what] = silent(one, tmp_path / f"one {number}", suffix)
    assert {what: lost for what, lost in found.items() if lost} == {}


@pytest.mark.parametrize("first", [*ALONE, *SERIES])
def test_pairs_of_formats(tmp_path, first):
    """mesh -> first -> read -> second -> read: the second loses nothing in silence."""
    wrong = {}
    for name, make in BARE.items():
        mesh = make()
        mesh.point_data = {"p": np.arange(mesh.n_points) / 4}
        if mesh.n_cells:
            mesh.cell_data = {"U": np.ones((mesh.n_cells, 3))}
            mesh.regions = {"part": Region("cell", [0])}
        try:
            middle, _ = put(mesh, tmp_path / name, first)
        except MeshFileError:
            continue
        for number, second in enumerate([*ALONE, *SERIES]):
            if lost := silent(middle, tmp_path / f"{name} {number}", second):
                wrong[name, second] = lost
    assert wrong == {}
