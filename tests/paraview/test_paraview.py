"""ParaView opens what meshop writes: the right points, cells, arrays, regions and times."""

import json
import os
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import FORMATS, read, read_series, write, write_series
from meshop.mesh import Mesh, Region

PVPYTHON = os.environ.get("PVPYTHON") or shutil.which("pvpython")
pytestmark = pytest.mark.skipif(not PVPYTHON, reason="pvpython is not installed")

# What ParaView 5.11 opens by suffix, and how far it keeps a file as it is: "all" gives the points,
# cells and arrays in the file's order; "cells" merges, sorts or renames, so that cell counts and
# bounds agree.
OPENS = {
    **dict.fromkeys(
        (".vtu", ".vtk", ".vtp", ".pvtu", ".vtkhdf", ".hdf", ".pvd", ".vtm", ".vtmb"), "all"
    ),
    **dict.fromkeys((".vti", ".vtr", ".vts", ".pvtp"), "all"),
    **dict.fromkeys((".vtu.series", ".vtk.series", ".vtp.series"), "all"),
    **dict.fromkeys((".stl", ".ply", ".obj"), "cells"),
    **dict.fromkeys((".xdmf", ".xmf", ".case", ".e", ".ex2", ".exo", ".exii", ".cgns"), "cells"),
}
NO_SERIES = (".vtkhdf", ".hdf")  # steps need ParaView 5.12
THROUGH_MESHIO = {".cgns"}  # where meshio writes what ParaView takes for no cells
WRITTEN = {
    s: f
    for f in reversed(FORMATS)
    for s in f.suffixes
    if f.write and s in OPENS
    and not (s in THROUGH_MESHIO and f.write.__module__.endswith("_meshio"))
}  # fmt: skip
SERIES = {
    s: f
    for f in reversed(FORMATS)
    for s in f.suffixes
    if f.write_series and s in OPENS and s not in NO_SERIES
    and (not s.endswith(".series") or s.removesuffix(".series") in WRITTEN)
}  # fmt: skip
TIMES = (0.0, 0.5, 2.0)


def solid(time=0.0):
    """Tetrahedra, hexahedra and wedges, with every kind of array and region."""
    rng = np.random.default_rng(0)
    corners = np.array([[i, j, k] for k in (0, 1) for j in (0, 1) for i in range(4)], float)
    points = np.concatenate([corners + 0.1 * rng.random(corners.shape), [[4.5, 0.5, 0.5]]])
    mesh = Mesh.from_blocks(
        points,
        [("hexahedron", [[0, 1, 5, 4, 8, 9, 13, 12]]), ("wedge", [[1, 2, 5, 9, 10, 13]]),
         ("tetra", [[3, 7, 15, 16], [2, 3, 6, 10]]), ("hexahedron", [[2, 3, 7, 6, 10, 11, 15, 14]]),
         ("quad", [[0, 4, 12, 8]]), ("triangle", [[3, 7, 16]])],
    )  # fmt: skip
    mesh.regions = {
        "inlet": Region("cell", [5]),
        "outlet": Region("cell", [6]),
        "probe": Region("point", [2, 16]),
    }
    return data(mesh, time)


def surface(time=0.0):
    """Triangles alone."""
    rng = np.random.default_rng(1)
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.5], [2, 0, 0.2]], float)
    mesh = Mesh.from_blocks(points + 0.01 * rng.random(points.shape),
                            [("triangle", [[0, 1, 2], [0, 2, 3], [1, 4, 2]])])  # fmt: skip
    return data(mesh, time)


def data(mesh, time):
    rng = np.random.default_rng(2)
    mesh.point_data = {
        "pressure": rng.random(mesh.n_points) + time,
        "velocity": rng.random((mesh.n_points, 3)).astype("f4") * (1 + time),
        "stress": rng.random((mesh.n_points, 9)),
    }
    mesh.cell_data = {
        "material": rng.integers(0, 5, mesh.n_cells).astype(np.int32),
        "count of cells": np.arange(mesh.n_cells, dtype=np.int64) + round(10 * time),
    }
    mesh.field_data = {"angle": np.array([4.25]), "title": np.array(["a study"])}
    return mesh


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """suffix -> (what meshop reads from its file, what ParaView does), one process for all."""
    folder = tmp_path_factory.mktemp("paraview")
    paths: dict[tuple[str, bool], Path] = {}
    out: dict[tuple[str, bool], object] = {}
    for suffix, series in [*((s, False) for s in WRITTEN), *((s, True) for s in SERIES)]:
        path = folder / f"{'many' if series else 'one'}{suffix}"
        try:
            _written(path, _write_steps if series else write)
            paths[suffix, series] = path
        except MeshFileError as error:
            out[suffix, series] = error
    requests, answers = folder / "requests.json", folder / "answers.json"
    requests.write_text(json.dumps([str(path) for path in paths.values()]))
    script = Path(__file__).with_name("inspect_with_pvpython.py")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL"))}
    run = subprocess.run(
        [PVPYTHON, str(script), str(requests), str(answers)],
        env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert answers.exists(), run.stderr[-3000:]
    found = json.loads(answers.read_text())
    return out | {key: (path, found[str(path)]) for key, path in paths.items()}


def of(seen, suffix, series):
    """(path, what ParaView sees)."""
    found = seen[suffix, series]
    if isinstance(found, MeshFileError):
        if "not installed" in found.reason:
            pytest.skip(found.reason)
        raise found
    assert "error" not in found[1], found
    return found


def _write_steps(make, path):
    write_series(path, [(time, make(time)) for time in TIMES])


def _written(path, how):
    """The solid, or where the format holds surfaces only, the surface."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MeshFileWarning)  # STL loses data, and says so
        for make in (solid, surface):
            try:
                return how(make() if how is write else make, path)
            except MeshFileError as error:
                last = error
    raise last


@pytest.mark.parametrize("suffix", WRITTEN)
def test_a_file_is_seen_as_it_is(seen, suffix):
    path, found = of(seen, suffix, False)
    compare(suffix, read(path), found["steps"][-1])


@pytest.mark.parametrize("suffix", SERIES)
def test_a_series_is_seen_as_it_is(seen, suffix):
    path, found = of(seen, suffix, True)
    assert found["times"] == pytest.approx(TIMES)
    for mesh, step in zip(read_series(path), found["steps"], strict=True):
        compare(suffix, mesh, step)


def compare(suffix, mesh, step):
    cells = {str(code): int(np.sum(mesh.cell_types == code)) for code in set(mesh.cell_types)}
    assert step["cells"] == cells
    bounds = [mesh.points.min(axis=0).tolist(), mesh.points.max(axis=0).tolist()]
    assert step["bounds"] == [pytest.approx(b, rel=1e-6, abs=1e-7) for b in bounds]
    if OPENS[suffix] != "all":
        return
    assert_numbers(step["points"], mesh.points)
    for where in ("point_data", "cell_data"):
        ours, theirs = getattr(mesh, where), step[where]
        assert set(theirs) == set(ours)
        for name, values in ours.items():
            assert_numbers(theirs[name], values)
    plain = {n: v for n, v in mesh.field_data.items() if n != "TimeValue"}
    for name, values in plain.items():
        if values.dtype.kind == "U":
            assert step["field_data"][name]["text"] == values.tolist()
        else:
            assert_numbers(step["field_data"][name], values)
    regions = {n: v for n, v in step["field_data"].items() if n.startswith("meshop_region ")}
    if regions:  # else the format has its own: blocks, sets, sides
        assert set(regions) == {f"meshop_region {r.kind} {n}" for n, r in mesh.regions.items()}
        for name, region in mesh.regions.items():
            assert_numbers(regions[f"meshop_region {region.kind} {name}"], region.ids)


def assert_numbers(found, values):
    values = np.asarray(values, dtype=float).reshape(len(values), -1)
    flat = values.ravel()
    assert (found["length"], found["components"]) == values.shape
    assert found["range"] == pytest.approx([flat.min(), flat.max()], rel=1e-12)
    assert found["sum"] == pytest.approx(flat.sum(), rel=1e-9)
    assert found["moment"] == pytest.approx(flat @ np.sin(np.arange(len(flat))), rel=1e-6, abs=1e-9)


def test_the_table_covers_what_is_written():
    """Files of VTK's own kinds must be in the table: ParaView is what they are for."""
    vtk = {s for f in FORMATS if f.write or f.write_series for s in f.suffixes
           if s.startswith((".vt", ".pv")) and not s.endswith(".series")}  # fmt: skip
    assert {".vtu", ".vtk", ".vtkhdf"} <= vtk <= set(OPENS)
