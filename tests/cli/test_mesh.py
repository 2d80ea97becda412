"""meshop mesh: CAD, surfaces, repair and samples from the command line."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from meshop.cli import app
from meshop.io import read
from meshop.mesh import Mesh

GEOMETRIES = Path(__file__).parents[2] / "geometries"
needs_gmsh = pytest.mark.skipif(
    importlib.util.find_spec("gmsh") is None, reason="gmsh is not installed"
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(GEOMETRIES / "bracket.step", "part.step")
    shutil.copy(GEOMETRIES / "bracket.stl", "part.stl")

    def call(*arguments):
        result = CliRunner().invoke(app, ["mesh", *arguments])
        assert "Traceback" not in result.stderr
        if "gmsh cannot be imported" in result.stderr:
            pytest.skip(result.stderr.splitlines()[1].strip())
        return result

    return call


@needs_gmsh
def test_cad(run):
    result = run("part.step", "--size", "8", "--volume")
    assert result.exit_code == 0, result.stderr
    assert {p.name for p in Path().iterdir()} == {
        "part.step", "part.stl", "part.mesh.vtu", "part.mesh.png",
    }  # fmt: skip
    mesh = read("part.mesh.vtu")
    assert {"bracket", "base", "back", "base hole", "back hole"} <= set(mesh.regions)
    assert "tetra" in result.stdout and "quality  no faults" in result.stdout
    assert "extent   60 x 40 x 50 mm" in result.stdout
    assert "open it: paraview part.mesh.vtu" in result.stderr
    assert Path("part.mesh.png").read_bytes().startswith(b"\x89PNG")


@needs_gmsh
def test_json_and_options(run):
    result = run("part.step", "--size", "0.01", "--unit", "m", "--order", "2", "--no-picture",
                 "--json", "-o", "new/a.vtu")  # fmt: skip
    found = json.loads(result.stdout)
    assert found["schema"] == 1 and found["output"] == "new/a.vtu" and found["picture"] is None
    assert found["types"] == {"quadratic_triangle": found["cells"]} and found["unit"] == "m"
    assert np.diff(found["extent"]).ravel() == pytest.approx([0.06, 0.04, 0.05])
    assert found["regions"]["base"]["kind"] == "cell" and found["quality"] == {}
    assert not Path("new/a.png").exists() and result.stderr == ""


@needs_gmsh
def test_a_surface_is_filled(run):
    result = run("part.stl", "--volume", "--no-picture", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    mesh, surface = read("part.mesh.vtu"), read("part.stl")
    assert np.array_equal(mesh.points[: surface.n_points], surface.points)
    assert mesh.cell_measures()[mesh.cell_types == 10].sum() == pytest.approx(23577, abs=1)


def test_repair(run):
    mesh = read("part.stl")
    triangles = np.delete(mesh.cell_nodes.reshape(-1, 3), 7, axis=0)
    Mesh.from_blocks(mesh.points, [("triangle", triangles)]).save("open.vtu")
    result = run("open.vtu", "--volume", "--no-picture")
    assert result.exit_code == 1 and "3 edges are open" in result.stderr
    assert "--repair" in result.stderr
    result = run("open.vtu", "--repair", "--no-picture", "--json")
    found = json.loads(result.stdout)
    assert found["repair"]["triangles_added"] == 1 and found["repair"]["closed"] is True
    assert found["cells"] == mesh.n_cells
    result = run("open.vtu", "--repair", "--no-picture")
    assert "repair: 1 triangles added in holes; the surface is closed" in result.stderr


def test_sample(run):
    result = run("part.stl", "--sample", "500", "--seed", "3")
    assert result.exit_code == 0 and not Path("part.points.png").exists()
    cloud = read("part.points.vtu")
    assert cloud.n_points == 500 and cloud.n_cells == 0
    assert set(cloud.point_data) == {"Normals", "cell"}


@pytest.mark.parametrize(
    ("arguments", "code", "match"),
    [
        (["part.stl"], 2, "nothing to do"),
        (["part.stl", "--size", "3"], 2, "--size does not apply"),
        (["part.stl", "--order", "2", "--volume"], 2, "--order does not apply"),
        (["part.step", "--size-of", "base"], 2, "expected NAME=SIZE"),
        (["absent.step"], 1, "no such file"),
        (["absent.stl", "--repair"], 1, "no such file"),
        (["part.step", "--size", "-1"], 1, "a positive number"),
        (["part.step", "--unit", "furlong"], 1, "furlong"),
    ],
)
def test_errors_have_three_lines(run, arguments, code, match):
    result = run(*arguments)
    assert result.exit_code == code and result.stdout == "" and match in result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == 3 and lines[2].startswith("  try: ")
