"""convert: series as series, options where a format has them, nothing overwritten by mistake."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from mesh_cases import sample

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import FORMATS, Format, Series, _dispatch, convert, read, write
from meshop.mesh import Mesh

CUBE = [[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sample().save("in.vtu")
    return tmp_path


def test_one_file(folder):
    done = convert("in.vtu", "out.vtu")
    assert (done.source_format, done.target_format, done.times) == ("VTU", "VTU", ())
    before, after = read("in.vtu"), read("out.vtu")
    assert (done.points, done.cells) == (after.n_points, after.n_cells) == (25, 24)
    assert list(after.cell_data) == list(before.cell_data)


def test_arrays_and_options(folder):
    convert("in.vtu", "out.vtu", arrays=["U"], compression="none")
    mesh = read("out.vtu")
    assert list(mesh.point_data) == ["U"] and not mesh.cell_data
    assert b"compressor" not in Path("out.vtu").read_bytes()
    with pytest.raises(MeshFileError, match="there is no 'V'"):
        convert("in.vtu", "new.vtu", arrays=["V"])
    with pytest.raises(MeshFileError, match="no choice of compression"):
        convert("in.vtu", "new.su2", compression="zlib")
    assert not Path("new.vtu").exists() and not Path("new.su2").exists()


def test_the_surface_of_a_volume(folder):
    nodes = [0, 1, 3, 2, 4, 5, 7, 6]
    Mesh.from_blocks(CUBE, [("hexahedron", [nodes])]).save("cube.vtu")
    convert("cube.vtu", "skin.vtu", surface=True)
    skin = read("skin.vtu")
    assert skin.n_cells == 6 and skin.cell_data["owner_cell"].tolist() == [0] * 6
    with pytest.raises(MeshFileError, match="no boundary"):
        convert("skin.vtu", "rim.vtu", surface=True)


def test_what_exists_is_not_overwritten(folder):
    sample(3).save("old.vtu")
    content = Path("old.vtu").read_bytes()
    with pytest.raises(MeshFileError, match="exists already"):
        convert("in.vtu", "old.vtu")
    assert Path("old.vtu").read_bytes() == content
    assert convert("in.vtu", "old.vtu", force=True).points == 25
    os.symlink("in.vtu", "link.vtu")
    for target in ("in.vtu", "./in.vtu", "link.vtu"):
        with pytest.raises(MeshFileError, match="this is the input"):
            convert("in.vtu", target, force=True)


def test_formats_that_are_not_written(folder):
    with pytest.raises(MeshFileError, match=r"reads [.]neu and does not write it"):
        convert("in.vtu", "out.neu")
    with pytest.raises(MeshFileError, match="stands for no format"):
        convert("in.vtu", "out.docx")


# -- several times ------------------------------------------------------------------------------


@pytest.fixture
def steps(folder, monkeypatch):
    """A format .steps that holds the times 0, 0.5 and 2, and writes them too."""
    written = {}

    def load(index):
        mesh = sample()
        mesh.point_data["T"] = np.full(mesh.n_points, float(index))
        return mesh

    def series(path):
        return Series([0.0, 0.5, 2.0], load)

    def put(path, steps, *, compression=None):
        written.update({time: mesh.point_data["T"][0] for time, mesh in steps})
        written["compression"] = compression
        Path(path).write_text("steps")

    new = Format("Steps", (".steps",), read=lambda p: load(2), series=series, write_series=put)
    table = (new, *FORMATS)
    monkeypatch.setattr(_dispatch, "FORMATS", table)
    Path("in.steps").write_text("steps")
    return written


def test_a_series_stays_one(steps):
    done = convert("in.steps", "out.steps", compression="lz4")
    assert done.times == (0.0, 0.5, 2.0) and done.cells == 24
    assert steps == {0.0: 0.0, 0.5: 1.0, 2.0: 2.0, "compression": "lz4"}


def test_one_time_of_several(steps):
    done = convert("in.steps", "half.vtu", time=0.5)
    assert done.times == (0.5,) and read("half.vtu").point_data["T"][0] == 1
    with pytest.warns(MeshFileWarning, match="only 2 of 3"):
        done = convert("in.steps", "last.vtu")
    assert done.times == (2.0,) and read("last.vtu").point_data["T"][0] == 2
    with pytest.raises(MeshFileError, match="no time 7 among 3"):
        convert("in.steps", "never.vtu", time=7.0)


def test_ascii_is_passed_on_as_the_writer_calls_it(folder, monkeypatch):
    said = []
    one = Format("One", (".one",), write=lambda m, p, *, binary=True: said.append(binary))
    two = dataclasses.replace(
        one, name="Two", suffixes=(".two",), write=lambda m, p, *, ascii=False: said.append(ascii)
    )
    table = (one, two, *FORMATS)
    monkeypatch.setattr(_dispatch, "FORMATS", table)
    convert("in.vtu", "a.one", ascii=True)
    convert("in.vtu", "a.two", ascii=True)
    assert said == [False, True]
    with pytest.raises(MeshFileError, match="no choice of ascii"):
        convert("in.vtu", "a.su2", ascii=True)
    write(read("in.vtu"), "b.one")
    assert said[-1] is True
