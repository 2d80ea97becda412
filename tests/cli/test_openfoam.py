"""OpenFOAM cases on the command line: predicted beside them or into them, converted, shown."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from meshop.cli import app
from meshop.io import read

from ..predict.fake import cylinder_flow, extrude, ring
from .test_commands import GIVEN, Run, lines_of_error, run

__all__ = ["run"]
START = """FoamFile {{ version 2.0; format ascii; class vol{rank}Field; object {name}; }}
dimensions {dimensions};
internalField uniform {value};
boundaryField {{ ".*" {{ type zeroGradient; }} sides {{ type empty; }} }}
"""


@pytest.fixture
def case(run: Run) -> Path:
    """A two-dimensional case that is still to be solved: 0/U and 0/p are uniform."""
    extrude(ring(48, 12)).save("case/")
    Path("case/0").mkdir()
    for name, rank, dimensions, value in (
        ("U", "Vector", "[0 1 -1 0 0 0 0]", "(51.5 0 0)"), ("p", "Scalar", "[0 2 -2 0 0 0 0]", "0"),
    ):  # fmt: skip
        text = START.format(name=name, rank=rank, dimensions=dimensions, value=value)
        Path("case/0", name).write_text(text)
    return Path("case")


def digests(folder: Path) -> dict[str, str]:
    return {
        p.as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_predicts_beside_the_case(run: Run, case: Path) -> None:
    before = digests(case)
    for source in ("case/", "case/case.foam"):
        result = run("predict", source, *GIVEN)
        assert result.exit_code == 0, result.stderr
        assert "relative L2" not in result.stdout  # 0/U is where the solver starts
        mesh = read("case.pred.vtu")
        want, _ = cylinder_flow(mesh.cell_centers(), 4.0, -0.4)
        np.testing.assert_array_equal(mesh.cell_data["U_pred"], want.astype(np.float32))
        assert Path("case.pred.png").exists()
    assert digests(case) == before


def test_predicts_into_the_case(run: Run, case: Path) -> None:
    before = digests(case)
    result = run("predict", "case/", *GIVEN, "-o", "case/")
    assert result.exit_code == 0, result.stderr
    assert "wrote U_pred, p_pred into case" in result.stderr
    after = digests(case)
    assert after.keys() - before.keys() == {"case/0/U_pred", "case/0/p_pred"}
    assert {name: after[name] for name in before} == before
    assert Path("case.pred.png").exists()
    mesh = read("case")
    want, pressure = cylinder_flow(mesh.cell_centers(), 4.0, -0.4)
    np.testing.assert_array_equal(mesh.cell_data["U_pred"], want.astype(np.float32))
    np.testing.assert_array_equal(mesh.cell_data["p_pred"], pressure.astype(np.float32))
    assert mesh.field_data["dimensions U_pred"].tolist() == ["[0 0 0 0 0 0 0]"]
    assert "aoa_deg = 4" in str(mesh.field_data["note U_pred"])

    result = run("predict", "case/", "aoa_deg=6", "reynolds=3e6", "-o", "case/")
    assert result.exit_code == 0, result.stderr
    again = digests(case)
    assert again.keys() == after.keys()
    assert {name for name in again if again[name] != after[name]} == {
        "case/0/U_pred", "case/0/p_pred",
    }  # fmt: skip
    assert "aoa_deg = 6" in str(read("case").field_data["note U_pred"])


def test_a_field_of_the_users_is_never_replaced(run: Run, case: Path) -> None:
    text = START.format(name="p_pred", rank="Scalar", dimensions="[0 2 -2 0 0 0 0]", value="7")
    Path("case/0/p_pred").write_text(text)
    before = digests(case)
    assert "p_pred" in lines_of_error(run("predict", "case", *GIVEN, "-o", "case"))[0]
    assert digests(case) == before


@pytest.mark.skipif(shutil.which("foamToVTK") is None, reason="OpenFOAM is not installed")
def test_openfoam_reads_what_was_predicted(run: Run, case: Path) -> None:
    assert run("predict", "case", *GIVEN, "-o", "case", "--no-picture").exit_code == 0
    folders = ("/usr/share/openfoam", "/opt/openfoam", os.environ.get("WM_PROJECT_DIR", ""))
    found = [f for f in folders if f and Path(f, "etc/controlDict").is_file()]
    if not found:
        pytest.skip("OpenFOAM's etc folder is not found")
    done = subprocess.run(
        ["foamToVTK", "-case", "case", "-ascii"],
        env=os.environ | {"WM_PROJECT_DIR": found[0]}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    there = read(next(Path("case/VTK").rglob("internal.vtu"))).cell_data["U_pred"]
    np.testing.assert_allclose(there, read("case").cell_data["U_pred"], rtol=1e-5, atol=1e-6)


def test_converts_there_and_back(run: Run, case: Path) -> None:
    assert run("convert", "case/", "out.vtu").exit_code == 0
    result = run("convert", "out.vtu", "new/")
    assert result.exit_code == 0, result.stderr
    assert "paraview new/new.foam" in result.stderr
    one, two = read("case"), read("new")
    np.testing.assert_array_equal(one.points, two.points)
    np.testing.assert_array_equal(one.cell_nodes, two.cell_nodes)
    np.testing.assert_array_equal(one.cell_data["U"], two.cell_data["U"])
    assert "it exists already" in lines_of_error(run("convert", "out.vtu", "new/"))[1]
    hint = lines_of_error(run("convert", "out.vtu", "bare"))[2]
    assert ".foam" in hint
    assert "/" not in hint
    for command in ("info", "validate", "view"):
        assert CliRunner().invoke(app, [command, "case/"]).exit_code == 0
