"""The installed command, as users start it: start-up, streams, exit codes, the shipped model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from meshop.io import read
from meshop.predict import predict

GEOMETRIES = Path(__file__).parents[2] / "geometries"
MODEL = Path(__file__).parents[2] / "meshop/surrogate/library/airfoil-rans.safetensors"


def meshop(
    *arguments: str | Path, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from meshop.cli import main; main()", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    return done


def needs(*files: Path) -> None:
    for file in files:
        if not file.is_file():
            pytest.skip(f"{file} is absent")


def test_help_shows_examples_and_starts_at_once() -> None:
    times = []
    for _ in range(3):
        start = os.times()
        done = meshop("--help")
        end = os.times()
        times.append(end.children_user - start.children_user)  # computing, not waiting
    assert done.returncode == 0
    assert "meshop predict airfoil.vtu aoa_deg=4 reynolds=3e6" in done.stdout
    assert min(times) < 0.7


def test_nothing_heavy_is_imported_for_help() -> None:
    code = (
        "import sys, meshop.cli; "
        "heavy = {'torch', 'numpy', 'matplotlib', 'vtk', 'lightning', 'scipy'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_version_and_no_colour_in_a_pipe() -> None:
    done = meshop("--version", FORCE_COLOR="")
    assert done.stdout.startswith("meshop ")
    done = meshop("info", "absent.vtu")
    assert done.returncode == 1
    assert "\033" not in done.stderr


def test_names_that_the_terminal_cannot_show(tmp_path: Path) -> None:
    done = meshop("info", "absent ü.vtu", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    assert done.stderr.startswith("error: absent \\xfc.vtu: ")


def test_a_reader_that_leaves_is_no_error() -> None:
    needs(GEOMETRIES / "airfoil.vtu")
    command = f"{sys.executable} -c 'from meshop.cli import main; main()' models --help | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_the_main_job(tmp_path: Path) -> None:
    source = GEOMETRIES / "airfoil.vtu"
    needs(source, MODEL)
    before = read(source)
    done = meshop("predict", source, "-o", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    (entry,) = json.loads(done.stdout)["results"]
    assert entry["in_training_range"] == 1
    assert entry["disagreement"]["Cl"] < 0.05
    assert entry["scalars"]["Cl"] == pytest.approx(entry["integrated"]["Cl"], abs=0.05)
    assert 0.005 < entry["scalars"]["Cd"] < 0.05
    after = read(entry["output"])
    for name in ("points", "cell_types", "cell_offsets", "cell_nodes"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert after.storage == before.storage
    for name, values in before.point_data.items():
        assert after.point_data[name].tobytes() == values.tobytes()
    assert after.cell_data["U_pred"].shape == (before.n_cells, 3)
    assert Path(entry["picture"]).read_bytes().startswith(b"\x89PNG")


def test_the_solved_case_and_other_formats(tmp_path: Path) -> None:
    files = [GEOMETRIES / name for name in ("airfoil_solved.vtu", "airfoil.su2", "beam.vtu")]
    needs(*files, MODEL)
    done = meshop(
        "predict", *files, "-o", tmp_path, "aoa_deg=6", "reynolds=2.5e6", "--json", "--no-picture"
    )
    assert done.returncode == 1
    solved, su2, beam = json.loads(done.stdout)["results"]
    assert solved["errors"]["near"]["U"] < 0.1
    assert solved["errors"]["scalars"]["Cl"] < 0.03
    assert su2["ok"]
    assert su2["output"].endswith("airfoil.pred.vtu")
    assert not beam["ok"]
    assert "3-D" in beam["error"]["what"]


def test_tiles_change_nothing() -> None:
    source = GEOMETRIES / "airfoil.vtu"
    needs(source, MODEL)
    whole = predict(source, MODEL).mesh.cell_data
    tiled = predict(source, MODEL, tile=3000).mesh.cell_data
    for name in ("U_pred", "p_pred", "nut_pred"):
        scale = np.abs(whole[name]).max()
        np.testing.assert_allclose(tiled[name], whole[name], rtol=1e-4, atol=1e-5 * scale)


def test_the_shipped_model_is_listed() -> None:
    needs(MODEL)
    done = meshop("models")
    assert done.stdout.startswith("airfoil-rans: 2-D")
    assert "aoa_deg from " in done.stdout
    shown = meshop("models", "show", "airfoil-rans")
    assert "this model" in shown.stdout
    assert "nearest case" in shown.stdout
