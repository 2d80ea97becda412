"""info, validate, convert and view, in one process."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import typer
from matplotlib.image import imread
from typer.testing import CliRunner

from meshop.cli import app
from meshop.cli._console import guarded, mesh_warnings, size_text
from meshop.errors import MeshFileWarning
from meshop.io import read
from meshop.mesh import Mesh, Region
from meshop.viz import _scene

from ..meshes import box
from ..predict.fake import ring
from .test_commands import lines_of_error


def solid(n):
    """A cube of tetrahedra, none of them turned inside out."""
    mesh = box(n)
    nodes = mesh.cell_nodes.reshape(-1, 4).copy()
    a, b, c, d = mesh.points[nodes.T]
    turned = np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a) < 0
    nodes[turned] = nodes[turned][:, [1, 0, 2, 3]]
    return Mesh.from_blocks(mesh.points, [("tetra", nodes)])


@pytest.fixture
def run(tmp_path, monkeypatch):
    """meshop(...) in a folder with ring.vtu, box.vtu and bad.vtu; VTK draws nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_scene, "render", lambda scene, timeout: None)
    ring(24, 6).save("ring.vtu")
    mesh = solid(3)
    mesh.regions["floor"] = Region("point", np.flatnonzero(mesh.points[:, 2] == 0))
    mesh.save("box.vtu")
    bad = ring(24, 6)
    bad.points[30] = bad.points[60]
    bad.cell_data["p"] = np.where(np.arange(bad.n_cells) == 5, np.nan, 1.0)
    bad.save("bad.vtu")

    def call(*arguments):
        result = CliRunner().invoke(app, list(map(str, arguments)))
        assert "Traceback" not in result.stderr and "Warning" not in result.stderr
        return result

    return call


# -- info ---------------------------------------------------------------------------------------


def test_info_tells_format_quality_and_graphs(run):
    result = run("info", "ring.vtu")
    assert result.exit_code == 0, result.stderr
    assert "format     VTU, " in result.stdout
    # 24 x 6 quads around: 24 * 7 + 24 * 6 edges; 24 * 6 + 24 * 5 pairs of cells.
    assert "graph      on points: 168 nodes, 624 edges" in result.stdout
    assert "graph      on cells: 144 nodes, 528 edges" in result.stdout
    assert "scaled jacobian: worst" in result.stdout
    assert "quality    no faults" in result.stdout
    found = json.loads(run("info", "ring.vtu", "--json").stdout)
    assert found["schema"] == 1 and found["format"] == "VTU" and found["times"] == []
    assert found["graphs"]["cells"]["edges"] == 528
    assert sum(found["metric"]["counts"]) == 144
    assert found["metric"]["name"] == "scaled_jacobian"


def test_info_of_several_files(run):
    result = run("info", "ring.vtu", "absent.vtu", "box.vtu")
    assert result.exit_code == 1
    assert "error: absent.vtu" in result.stderr
    assert "162 tetra" in result.stdout and "144 quad" in result.stdout
    found = json.loads(run("info", "ring.vtu", "absent.vtu", "--json").stdout)
    assert [entry["file"] for entry in found["results"]] == ["ring.vtu", "absent.vtu"]
    assert found["results"][1]["error"]["why"] == "no such file"
    assert run("info", "ring.vtu", "box.vtu", "--save", "a.png").exit_code == 2


def test_info_draws(run):
    assert run("info", "box.vtu", "--save", "a.png").exit_code == 0
    assert imread("a.png").shape[2] >= 3


def test_info_shows_what_is_bad(run):
    result = run("info", "bad.vtu")
    assert result.exit_code == 0  # it is asked what the file holds, not whether it is good
    assert "not finite cell p" in result.stdout and "duplicate points" in result.stdout


# -- validate -----------------------------------------------------------------------------------


def test_validate_a_good_mesh(run):
    result = run("validate", "ring.vtu")
    assert result.exit_code == 0
    assert result.stdout.startswith("ring.vtu: no faults in 144 cells")


def test_validate_a_bad_mesh(run):
    result = run("validate", "bad.vtu", "--save", "faults.png")
    assert result.exit_code == 1
    assert "error  not finite cell p: 1 row (5)" in result.stdout
    assert "note   duplicate points: 1 point (60)" in result.stdout
    image = imread("faults.png")[..., :3]
    red = (image[..., 0] > 0.7) & (image[..., 1] < 0.45) & (image[..., 2] < 0.5)
    assert red.sum() > 50
    (found,) = json.loads(run("validate", "bad.vtu", "--json").stdout)["results"]
    faults = {fault["name"]: fault for fault in found["faults"]}
    assert faults["not_finite cell p"]["ids"] == [5] and not found["ok"]
    assert faults["duplicate_points"]["severity"] == "note"


def test_validate_several_files(run):
    result = run("validate", "ring.vtu", "bad.vtu", "absent.vtu")
    assert result.exit_code == 1
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["file", "cells", "errors", "notes", "what"]
    assert rows[1][:4] == ["ring.vtu", "144", "0", "0"]
    assert rows[2][0] == "bad.vtu" and rows[2][2] != "0"
    assert rows[3][0] == "absent.vtu"
    found = json.loads(run("validate", "ring.vtu", "absent.vtu", "--json").stdout)
    assert [entry["ok"] for entry in found["results"]] == [True, False]
    assert run("validate", "ring.vtu", "box.vtu").exit_code == 0
    lines_of_error(run("validate", "absent.vtu"))


def test_validate_within_a_tolerance(run):
    mesh = solid(2)
    points = np.vstack([mesh.points, mesh.points[:1] + 1e-6])
    Mesh(points, mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes).save("near.vtu")
    assert "duplicate points" not in run("validate", "near.vtu").stdout
    assert "duplicate points: 1" in run("validate", "near.vtu", "--tolerance", "1e-5").stdout
    lines_of_error(run("validate", "near.vtu", "--tolerance", "9"))


# -- convert ------------------------------------------------------------------------------------


def test_convert(run):
    result = run("convert", "ring.vtu", "new.su2")
    assert result.exit_code == 0, result.stderr
    assert "ring.vtu (VTU, " in result.stderr and "-> new.su2 (SU2, " in result.stderr
    assert "168 points, 144 cells" in result.stderr
    assert "open it: meshop view new.su2" in result.stderr
    lost = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert all("new.su2 (SU2)" in line for line in lost)
    lines_of_error(run("convert", "ring.vtu", "new.su2"))
    assert run("convert", "ring.vtu", "new.su2", "--force", "-q").exit_code == 0


def test_convert_many(run):
    result = run("convert", "ring.vtu", "absent.vtu", "box.vtu", "-o", "made", "--to", "vtu",
                 "--surface", "--json")  # fmt: skip
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["failed"] == 1 and [entry["ok"] for entry in found["results"]] == [
        True,
        False,
        True,
    ]
    assert found["results"][2]["cells"] == 108 and found["results"][2]["warnings"] == []
    assert read("made/box.vtu").dim == 2 and read("made/ring.vtu").dim == 1
    text = run("convert", "ring.vtu", "box.vtu", "-o", "made", "--to", ".msh")
    assert text.exit_code == 0 and text.stdout.splitlines()[0].split()[0] == "file"


@pytest.mark.parametrize(
    "arguments",
    [("ring.vtu",), ("a", "b", "c"), ("ring.vtu", "box.vtu", "-o", "made"),
     ("ring.vtu", "./ring.vtu", "-o", "made", "--to", ".su2")],
)  # fmt: skip
def test_convert_as_it_makes_no_sense(run, arguments):
    lines_of_error(run("convert", *arguments), code=2)


# -- view ---------------------------------------------------------------------------------------


def test_view(run):
    result = run("view", "ring.vtu")
    assert result.exit_code == 0 and "wrote ring.png" in result.stderr
    assert len(np.unique(imread("ring.png")[..., :3].reshape(-1, 3), axis=0)) > 30
    found = json.loads(run("view", "box.vtu", "--save", "b.png", "--clip", "--json").stdout)
    assert found["picture"] == "b.png" and Path("b.png").stat().st_size > 5000
    assert run("view", "ring.vtu", "--array", "boundary", "--no-edges").exit_code == 0
    assert "one of boundary" in lines_of_error(run("view", "ring.vtu", "--array", "q"))[2]
    lines_of_error(run("view", "ring.vtu", "--save", "a.jpg"), code=2)


def test_view_shows_a_field_unless_told_otherwise(run):
    mesh = ring(24, 6)
    mesh.cell_data["U"] = mesh.cell_centers()
    mesh.save("flow.vtu")
    assert json.loads(run("view", "flow.vtu", "--json").stdout)["array"] == "U"
    assert json.loads(run("view", "flow.vtu", "--regions", "--json").stdout)["array"] is None
    assert run("view", "box.vtu", "--from", "-y", "--save", "b.png").exit_code == 0
    assert "one of iso" in lines_of_error(run("view", "box.vtu", "--from", "q"))[2]


@pytest.mark.parametrize("command", ["info", "validate", "view"])
@pytest.mark.parametrize("save", ["a.jpg", "absent/a.png"])
def test_where_a_picture_cannot_go(run, command, save):
    lines_of_error(run(command, "box.vtu", "--save", save), code=2)


def test_a_fault_of_the_disk_is_an_error_of_input(capsys):
    @guarded
    def command():
        Path("absent/file").read_bytes()

    with pytest.raises(typer.Exit) as caught:
        command()
    assert caught.value.exit_code == 1
    assert capsys.readouterr().err.splitlines()[0] == "error: absent/file"


def test_hints_are_short(run):
    for name in ("new.abc", "new.cas"):
        hint = lines_of_error(run("convert", "ring.vtu", name))[2]
        assert ".vtu" in hint and len(hint) < 140
    assert "standard input" in lines_of_error(run("info", "-"))[1]
    Path("ring.vtu.gz").write_bytes(b"\x1f\x8b" + bytes(20))
    assert "gunzip -k" in lines_of_error(run("info", "ring.vtu.gz"))[2]
    Path("made").mkdir()
    assert "-o made --to .vtu" in lines_of_error(run("convert", "ring.vtu", "made"))[2]


def test_the_input_of_mesh_is_kept(run):
    before = Path("box.vtu").read_bytes()
    lines_of_error(run("mesh", "box.vtu", "--volume", "-o", "./box.vtu"))
    lines_of_error(run("mesh", "box.vtu", "--volume", "-o", "a.abc"))
    assert Path("box.vtu").read_bytes() == before


def test_a_window_needs_a_display(run, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    lines_of_error(run("view", "box.vtu", "--window"), code=2)


# -- what they share ----------------------------------------------------------------------------


def test_warnings_become_lines_each_once(capsys):
    @guarded
    def command():
        for _ in range(2):
            warnings.warn("a.su2 (SU2): data\nare lost", MeshFileWarning, stacklevel=1)

    command()
    assert capsys.readouterr().err == "warning: a.su2 (SU2): data are lost\n"
    with mesh_warnings() as found:
        warnings.warn("one", MeshFileWarning, stacklevel=1)
    assert found == ["one"]
    with pytest.warns(UserWarning, match="other"), mesh_warnings():
        warnings.warn("other", UserWarning, stacklevel=1)


def test_sizes():
    assert [size_text(n) for n in (None, 15, 3400, 2.5e9)] == ["-", "15 B", "3.4 kB", "2.5 GB"]
