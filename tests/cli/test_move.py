"""meshop move: what it writes, says and refuses, in one process."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from meshop.cli import app
from meshop.io import read
from meshop.mesh import Mesh
from meshop.viz import _scene

from ..meshes import box, ring
from ..movers.test_adapt import bump
from ..movers.test_move import square
from .test_commands import lines_of_error


@pytest.fixture
def run(tmp_path, monkeypatch):
    """meshop move ... in a folder with square.vtu, quads.vtu, box.vtu and ring.vtu."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_scene, "render", lambda scene, timeout: None)
    for name, mesh in (("square", square(16)), ("quads", square(12, "quad")), ("box", box(4)),
                       ("ring", ring(32, 10, radius=4.0))):  # fmt: skip
        mesh.point_data["u"] = bump(mesh, 0.1 if name != "ring" else 0.6)
        mesh.point_data["id"] = np.arange(mesh.n_points)
        mesh.cell_data["c"] = 1 + mesh.cell_centers()[:, :2] ** 2
        mesh.save(f"{name}.vtu")

    def call(*arguments):
        result = CliRunner().invoke(app, ["move", *map(str, arguments)])
        assert "Traceback" not in result.stderr and "Warning" not in result.stderr
        return result

    return call


def test_move_writes_a_mesh_and_a_picture(run):
    result = run("square.vtu", "--monitor", "error:u")
    assert result.exit_code == 0, result.stderr
    assert {p.name for p in Path().iterdir()} == {
        "square.vtu", "quads.vtu", "box.vtu", "ring.vtu", "square.moved.vtu", "square.moved.png",
    }  # fmt: skip
    rows = [line.rsplit(None, 2) for line in result.stdout.splitlines()]
    assert rows[0] == ["before", "after"] and rows[1] == ["inverted cells", "0", "0"]
    assert rows[2][0] == "least angle" and rows[2][1] == "45.00°"
    numbers = {row[0].strip(): [float(v) for v in row[1:]] for row in rows[3:]}
    assert list(numbers) == [
        "monitor mass a cell, CoV", "over the cell's first size", "error of u (estimate)",
    ]  # fmt: skip
    assert all(after < 0.7 * before for before, after in numbers.values())
    assert "Monge-Ampère, by error:u, " in result.stderr
    assert "wrote square.moved.vtu and square.moved.png" in result.stderr
    assert "open it: paraview square.moved.vtu" in result.stderr
    before, after = read("square.vtu"), read("square.moved.vtu")
    assert np.array_equal(after.cell_nodes, before.cell_nodes)
    assert np.array_equal(after.point_data["id"], before.point_data["id"])
    assert np.abs(after.point_data["u"] - bump(after, 0.1)).max() < 0.1
    centre = after.cell_centers()[:, :2]  # of first order: the old cell's value
    assert np.abs(after.cell_data["c"] - 1 - centre**2).max() < 0.1
    picture = imread("square.moved.png")
    assert picture.shape[1] > 1.5 * picture.shape[0]
    assert len(np.unique(picture[..., :3].reshape(-1, 3), axis=0)) > 100


@pytest.mark.parametrize("method", ["ma", "elastic", "spring", "laplacian", "dmm"])
def test_json_of_each_method(run, method):
    result = run("quads.vtu", "--monitor", "ring:0.25", "--method", method, "--json", "-o",
                 f"new/{method}.vtk", "--no-picture", "--conservative")  # fmt: skip
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert found["schema"] == 1 and found["command"] == "move" and found["method"] == method
    assert found["output"] == f"new/{method}.vtk" and found["picture"] is None
    assert found["monitor"] == "ring:0.25" and found["before"]["error"] is None
    assert found["after"]["inverted"] == 0 and found["iterations"] > 1
    assert found["after"]["stretch"] < 0.8 * found["before"]["stretch"] and found["warnings"] == []
    assert found["seconds"]["total"] > found["seconds"]["move"] > 0
    before, after = read("quads.vtu"), read(f"new/{method}.vtk")
    total = [m.cell_measures() @ m.cell_data["c"][:, :2] for m in (before, after)]
    assert np.allclose(*total, rtol=1e-12)
    assert not Path(f"new/{method}.png").exists()


def test_volumes_and_domains_with_holes(run):
    result = run("box.vtu", "--monitor", "grad:u")
    assert result.exit_code == 0 and Path("box.moved.png").stat().st_size > 5000
    result = run("ring.vtu", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    found = json.loads(run("ring.vtu", "--json", "--no-picture").stdout)
    assert found["method"] == "elastic" and found["monitor"] == "error:u"
    assert found["after"]["error"] < found["before"]["error"]


def test_smoothing(run):
    mesh = square(8)
    inner = np.setdiff1d(np.arange(81), mesh.p1().boundary.points)
    mesh.points[inner, :2] += np.random.default_rng(0).uniform(-0.03, 0.03, (len(inner), 2))
    mesh.save("rough.vtu")
    result = run("rough.vtu", "--method", "laplacian", "--no-picture")
    assert result.exit_code == 0 and "Laplacian, smoothing, 1 iteration\n" in result.stderr
    assert len(result.stdout.splitlines()) == 3
    assert np.abs(read("rough.moved.vtu").points - square(8).points).max() < 1e-5


def test_a_monitor_from_a_file(run):
    mesh = square(30)
    mesh.point_data["size"] = 1 + 5 * bump(mesh, 0.15)
    mesh.save("fine.vtu")
    same = square(16)
    same.point_data["monitor"] = 1 + 5 * bump(same, 0.15)
    same.point_data["other"] = np.ones(same.n_points)
    same.save("same.vtu")
    moved = []
    for monitor in ("fine.vtu", "fine.vtu:size", "same.vtu"):
        result = run("square.vtu", "--monitor", monitor, "--no-picture")
        assert result.exit_code == 0, result.stderr
        moved.append(read("square.moved.vtu").points)
    assert np.array_equal(moved[0], moved[1])
    assert 0 < np.abs(moved[2] - moved[0]).max() < 0.015  # smoothed over cells, which differ
    lines_of_error(run("box.vtu", "--monitor", "fine.vtu"))
    lines_of_error(run("square.vtu", "--monitor", "absent.vtu"))
    told = lines_of_error(run("square.vtu", "--monitor", "fine.vtu:q"))
    assert "there is no array q" in told[1]
    same.point_data["more"] = same.point_data.pop("monitor")
    same.save("same.vtu")
    told = lines_of_error(run("square.vtu", "--monitor", "same.vtu"))
    assert "found 2 arrays" in told[1] and "same.vtu:" in told[2]
    assert lines_of_error(run("square.vtu", "--monitor", "fine.vtu", "--strength", "3"), code=2)


def test_what_makes_no_sense(run):
    lines_of_error(run("square.vtu", "--method", "best"), code=2)
    lines_of_error(run("square.vtu", "--method", "laplacian", "--strength", "3"), code=2)
    lines_of_error(run("square.vtu", "-o", "square.vtu"))
    lines_of_error(run("square.vtu", "-o", "a.abc"))
    lines_of_error(run("absent.vtu"))
    for monitor, why in (("grad:q", "no array q"), ("slope", "expected error:"),
                         ("ring:x", "RADIUS")):  # fmt: skip
        assert why in lines_of_error(run("square.vtu", "--monitor", monitor))[1]
    assert "a number above zero" in lines_of_error(run("box.vtu", "--strength", "-1"))[1]
    assert not list(Path().glob("*.moved.*"))


def test_fields_that_say_nothing(run):
    mesh = square(6)
    mesh.point_data["one"] = np.ones(49)
    mesh.cell_data["bad"] = np.where(np.arange(72) == 5, np.nan, 1.5)
    mesh.save("dull.vtu")
    assert "no field to follow" in lines_of_error(run("dull.vtu"))[0]
    assert "1 everywhere" in lines_of_error(run("dull.vtu", "--monitor", "grad:one"))[1]
    told = lines_of_error(run("dull.vtu", "--monitor", "grad:bad"))
    assert "1 value is NaN or infinite, the first at cell 5" in told[1]
    assert (
        "every point is at the mean" in lines_of_error(run("dull.vtu", "--method", "laplacian"))[1]
    )
    assert not list(Path().glob("*.moved.*"))
    found = json.loads(run("dull.vtu", "--json").stdout)
    assert "no field" in found["error"]["what"]


def test_an_inverted_mesh_is_refused_and_what_was_there_stays(run):
    mesh = square(6)
    mesh.points[8, :2] = 2.0, 2.0
    mesh.point_data["u"] = bump(mesh, 0.1)
    mesh.save("folded.vtu")
    Path("folded.moved.vtu").write_text("mine")
    told = lines_of_error(run("folded.vtu", "--method", "elastic"))
    assert "inverted, flat or not convex" in told[0]
    assert Path("folded.moved.vtu").read_text() == "mine"
    lines = Mesh.from_blocks([[0, 0], [1, 0]], [("line", [[0, 1]])], point_data={"u": [0.5, 1.0]})
    lines.save("lines.vtu")
    lines_of_error(run("lines.vtu"))


def test_what_went_wrong_is_told(run):
    # A ring as narrow as this on so few cells crushes some.
    result = run("ring.vtu", "--monitor", "ring:2,0.05", "--method", "spring", "--strength", "200",
                 "--no-picture")  # fmt: skip
    assert result.exit_code == 0
    assert "warning: " in result.stderr and "--method elastic" in result.stderr
    found = json.loads(
        run("ring.vtu", "--monitor", "ring:2,0.05", "--method", "spring", "--strength", "200",
            "--no-picture", "--json").stdout
    )  # fmt: skip
    assert found["warnings"] and found["after"]["inverted"] == 0
