"""ParaView's file series: what is written comes back, and an old series survives a failure."""

import json

import numpy as np
import pytest
from mesh_cases import assert_same, sample

from meshop.errors import MeshFileError
from meshop.io import read, read_series, write, write_series


def steps(n=3):
    for i in range(n):
        mesh = sample()
        mesh.point_data["zero"] = mesh.point_data["zero"] + i
        yield 0.5 * i, mesh


@pytest.mark.parametrize("suffix", [".vtu", ".vtk"])
def test_series_come_back(tmp_path, suffix):
    path = tmp_path / f"flow past.a{suffix}.series"
    write_series(path, steps())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["flow past.a", path.name]
    assert sorted(p.name for p in (tmp_path / "flow past.a").iterdir()) == [
        f"flow past.a_000{i}{suffix}" for i in range(3)
    ]
    series = read_series(path)
    assert series.times == (0, 0.5, 1)
    for (time, mesh), found in zip(steps(), series, strict=True):
        assert found.field_data.pop("TimeValue").tolist() == [time]
        assert_same(found, mesh)
    assert read(path).point_data["zero"][0] == 2  # the last
    assert read(path, time=0.5).point_data["zero"][0] == 1
    assert list(read(path, arrays=["zero"]).point_data) == ["zero"]
    (tmp_path / "other.name").write_bytes(path.read_bytes())  # by its content, too
    assert len(read_series(tmp_path / "other.name")) == 3


def test_options_reach_the_files(tmp_path):
    write_series(tmp_path / "a.vtk.series", steps(1), binary=False)
    assert b"ASCII" in (tmp_path / "a" / "a_0000.vtk").read_bytes()
    with pytest.raises(MeshFileError, match="bianry"):
        write_series(tmp_path / "b.vtk.series", steps(1), bianry=False)
    assert not (tmp_path / "b").exists()


def test_an_older_series_survives_a_failure_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "a.vtu.series"
    write_series(path, steps(4))
    (tmp_path / "a" / "mine.txt").write_text("kept")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    def failing():
        yield from steps(2)
        raise RuntimeError("the solver fails")

    with pytest.raises(RuntimeError):
        write_series(path, failing())
    for times in ((0, 0), (1, 0), (0, np.inf), ()):
        with pytest.raises(MeshFileError):
            write_series(path, [(t, sample()) for t in times])
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    write_series(path, steps(2))
    left = {p.name for p in tmp_path.rglob("*") if p.is_file()}
    assert left == {"a.vtu.series", "a_0000.vtu", "a_0001.vtu", "mine.txt"}


def test_lists_of_other_programs(tmp_path):
    for i in (0, 1, 2):
        mesh = sample()
        mesh.field_data = {"i": np.array([i])}
        write(mesh, tmp_path / f"f{i}.vtu")
    text = """{
  "file-series-version" : "1.0",
  "files" : [
    { "name" : "f2.vtu", "time" : 10 },
    { "name" : "./f0.vtu", "time" : -1.5e0 },
    { "name" : "f1.vtu", "time" : 2, "more": [] },
  ]
}"""
    (tmp_path / "a.vtu.series").write_text(text)
    series = read_series(tmp_path / "a.vtu.series")
    assert series.times == (-1.5, 2, 10)
    assert [mesh.field_data["i"][0] for mesh in series] == [0, 1, 2]
    files = [{"name": f"f{i}.vtu"} for i in range(3)]
    (tmp_path / "b.vtu.series").write_text(json.dumps({"files": files}))
    assert read_series(tmp_path / "b.vtu.series").times == (0, 1, 2)


def test_a_series_that_names_itself_ends(tmp_path):
    text = '{"file-series-version": "1.0", "files": [{"name": "a.vtu", "time": 0}]}'
    (tmp_path / "a.vtu").write_text(text)
    with pytest.raises(MeshFileError, match="or itself"):
        read(tmp_path / "a.vtu")


def test_names_that_cannot_be(tmp_path):
    with pytest.raises(MeshFileError, match="holds no series"):
        write_series(tmp_path / "a.nonsense.series", steps(1))
    with pytest.raises(MeshFileError, match="folder"):
        write_series(tmp_path / "no" / "a.vtu.series", steps(1))
    (tmp_path / "a").write_text("a file")
    with pytest.raises(MeshFileError, match="in the way"):
        write_series(tmp_path / "a.vtu.series", steps(1))
    (tmp_path / "c.vtu.series").write_text('{"files": [{"name": "gone.vtu", "time": 0}]}')
    with pytest.raises(MeshFileError, match="no such file"):
        read(tmp_path / "c.vtu.series")
