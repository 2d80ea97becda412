"""LAS and LAZ: laspy as oracle, and what comes back."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from mesh_cases import assert_same

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import read
from meshop.mesh import Mesh

ZOO = Path(__file__).parents[3] / "shared" / "data" / "format_zoo"
FILES = sorted([*ZOO.rglob("*.las"), *ZOO.rglob("*.laz")])


def compare(mesh, theirs):
    for axis, name in enumerate("xyz"):
        assert np.array_equal(mesh.points[:, axis], np.asarray(theirs[name]))
    data = dict(mesh.point_data)
    if "RGB" in data:
        data |= dict(zip(("red", "green", "blue"), data.pop("RGB").T, strict=True))
    names = [n for n in theirs.point_format.dimension_names if n not in "XYZ"]
    for name in names:
        values = np.asarray(theirs[name])
        ours = data.get(name, data.get(f"{name}_"))
        assert ours is not None, name
        assert np.array_equal(ours, values) and ours.dtype.itemsize <= max(values.itemsize, 8), name
    assert len(data) == len(names)


@pytest.mark.skipif(not FILES, reason="needs ../shared/data/format_zoo")
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_real_files(path, tmp_path):
    laspy = pytest.importorskip("laspy")
    mesh = read(path)
    compare(mesh, laspy.read(path))
    if mesh.storage["las_format"] in "9 10":
        return  # waveforms: laspy's own writer is no oracle
    for suffix in (".las", ".laz"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            mesh.save(tmp_path / f"a{suffix}")
        again = read(tmp_path / f"a{suffix}")
        assert_same(again, mesh)
        assert again.storage == mesh.storage
        assert np.array_equal(laspy.read(tmp_path / f"a{suffix}").xyz, mesh.points)


@pytest.mark.parametrize("format", range(11))
@pytest.mark.parametrize("packed", [False, True])
def test_laspys_files(tmp_path, format, packed):
    laspy = pytest.importorskip("laspy")
    if packed and format in (4, 5, 9, 10):
        pytest.skip("waveforms are not compressed here")
    version = "1.4" if format > 5 else "1.2" if format < 4 else "1.3"
    header = laspy.LasHeader(point_format=format, version=version)
    header.scales, header.offsets = [0.01, 0.001, 1.0], [5.0, -3.0, 0.0]
    header.add_extra_dim(laspy.ExtraBytesParams("quality", "f8"))
    header.add_extra_dim(laspy.ExtraBytesParams("flow", "3f4"))
    header.add_extra_dim(laspy.ExtraBytesParams("t", "i2", scales=[0.5], offsets=[1.0]))
    theirs = laspy.LasData(header)
    rng = np.random.default_rng(format)
    n = 200
    theirs.x, theirs.y, theirs.z = rng.random((3, n)) * 100
    for name in header.point_format.dimension_names:
        if name in ("X", "Y", "Z"):
            continue
        kind = np.asarray(theirs[name]).dtype
        bits = header.point_format.dimension_by_name(name).num_bits
        shape = np.asarray(theirs[name]).shape
        if name == "t":
            theirs[name] = rng.integers(0, 50, shape) * 0.5 + 1
        elif kind.kind == "f":
            theirs[name] = rng.random(shape).astype(kind)
        else:
            theirs[name] = rng.integers(0, 2 ** min(bits, 7), shape).astype(kind)
    path = tmp_path / ("a.laz" if packed else "a.las")
    theirs.write(path)
    mesh = read(path)
    compare(mesh, theirs)
    assert mesh.point_data["flow"].shape == (n, 3)


def test_a_plain_cloud(tmp_path):
    rng = np.random.default_rng(0)
    mesh = Mesh.from_blocks(rng.integers(0, 1000, (500, 3)) * 0.25)
    mesh.point_data["RGB"] = rng.integers(0, 2**16, (500, 3)).astype(np.uint16)
    mesh.point_data["classification"] = rng.integers(0, 256, 500).astype(np.uint8)
    mesh.point_data["p"] = rng.random(500)
    mesh.point_data["U"] = rng.random((500, 3)).astype("f4")
    mesh.point_data["id"] = rng.integers(0, 2**60, 500)
    for suffix in (".las", ".laz"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            mesh.save(tmp_path / f"a{suffix}", scale=0.25)
        found = read(tmp_path / f"a{suffix}")
        assert np.array_equal(found.points, mesh.points)
        for name, values in mesh.point_data.items():
            assert found.point_data[name].dtype == values.dtype
            assert np.array_equal(found.point_data[name], values), name
    mesh.points = rng.random((500, 3)) * 100
    with pytest.warns(MeshFileWarning, match="rounded to multiples"):
        mesh.save(tmp_path / "b.las")
    assert np.abs(read(tmp_path / "b.las").points - mesh.points).max() < 1e-7
    with pytest.raises(MeshFileError, match="32 bits"):
        mesh.save(tmp_path / "c.las", scale=1e-9)
    for points in (np.empty((0, 3)), np.ones((3, 3))):
        Mesh.from_blocks(points).save(tmp_path / "d.laz")
        assert np.array_equal(read(tmp_path / "d.laz").points, points)


def test_laz_without_the_package(tmp_path):
    Mesh.from_blocks(np.eye(3)).save(tmp_path / "a.laz")
    code = (
        "import sys; sys.modules['lazrs'] = None\nimport meshop\n"
        f"try:\n    meshop.read({str(tmp_path / 'a.laz')!r})\n"
        "except meshop.errors.MeshFileError as error:\n    print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install laspy[lazrs]" in run.stdout
