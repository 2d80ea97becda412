"""Run OpenFOAM's simpleFoam on a grid and bring the fields back."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .foam_text import FlowOptions, case_files, mesh_files, parse_internal_field
from .grid import Grid

INSTALL_HINT = (
    "try: apt-get install openfoam  (Debian, Ubuntu), or source the etc/bashrc of an "
    "installation, so that simpleFoam is on PATH"
)

DEBIAN_HOME = Path("/usr/share/openfoam")


class CaseError(RuntimeError):
    """A case that could not be meshed, run or accepted; the message says why."""


@dataclass
class Solution:
    """Cell fields in the grid's cell order, and the solver's own coefficients."""

    velocity: NDArray[np.float64]  # (M, 3), free stream 1
    pressure: NDArray[np.float64]  # (M,), kinematic, free stream 0
    nut: NDArray[np.float64]  # (M,)
    lift: float
    drag: float
    moment: float
    iterations: int
    drift: float  # largest change of lift and drag over the last tenth of the iterations


def require_openfoam() -> str:
    """The path of simpleFoam; CaseError with the command that installs it when there is none."""
    program = shutil.which("simpleFoam")
    if program is None:
        raise CaseError(f"solving needs OpenFOAM, and simpleFoam is not on PATH\n{INSTALL_HINT}")
    return program


def solve(
    grid: Grid,
    aoa_deg: float,
    reynolds: float,
    options: FlowOptions | None = None,
    keep: str | Path | None = None,
) -> Solution:
    """Solve the flow around `grid` at `aoa_deg` degrees and chord Reynolds number `reynolds`.

    Runs in a temporary folder, or in `keep`, which then stays for inspection. Raises CaseError
    when OpenFOAM is missing, fails, runs over its time or diverges.
    """
    options = options or FlowOptions()
    program = require_openfoam()
    with tempfile.TemporaryDirectory(prefix="airfoil_case_") as scratch:
        folder = Path(keep) if keep is not None else Path(scratch)
        for name, text in {
            **mesh_files(grid),
            **case_files(aoa_deg, reynolds, options),
        }.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        start = replace(
            options,
            max_iterations=min(options.start_iterations, options.max_iterations),
            gradients="Gauss linear",
        )
        for stage in (start, options):
            for name, text in case_files(aoa_deg, reynolds, stage).items():
                if name.startswith("system/"):
                    (folder / name).write_text(text)
            _run(program, folder, stage)
        return _collect(folder, grid.n_cells)


def _run(program: str, folder: Path, options: FlowOptions) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # cases run beside each other instead
    if "WM_PROJECT_DIR" not in environment and DEBIAN_HOME.is_dir():
        environment["WM_PROJECT_DIR"] = str(DEBIAN_HOME)  # its package sources no bashrc
    log = folder / "log.simpleFoam"
    with log.open("w") as stream:
        try:
            done = subprocess.run(
                [program, "-case", str(folder)],
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=environment,
                timeout=options.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CaseError(f"simpleFoam ran over {options.timeout:g} s") from error
    if done.returncode != 0:
        text = log.read_text(errors="replace")
        if "sigFpe" in text:
            raise CaseError("the solver diverged (floating point exception in simpleFoam)")
        tail = "\n".join(text.splitlines()[-15:])
        raise CaseError(f"simpleFoam failed with code {done.returncode}; its last lines:\n{tail}")


def _collect(folder: Path, n_cells: int) -> Solution:
    times = sorted(int(p.name) for p in folder.iterdir() if p.name.isdigit() and p.name != "0")
    if not times:
        raise CaseError("simpleFoam wrote no solution")
    last = folder / str(times[-1])
    fields = {
        name: parse_internal_field((last / name).read_text(), n_cells) for name in ("U", "p", "nut")
    }
    if not all(np.all(np.isfinite(values)) for values in fields.values()):
        raise CaseError("the solution is not finite: the solver diverged")
    history = _coefficient_history(folder)
    tail = history[-max(2, len(history) // 10) :, 1:3]
    return Solution(
        velocity=fields["U"],
        pressure=fields["p"],
        nut=fields["nut"],
        drag=float(history[-1, 1]),
        lift=float(history[-1, 2]),
        moment=float(history[-1, 3]),
        iterations=times[-1],
        drift=float(np.ptp(tail, axis=0).max()),
    )


def _coefficient_history(folder: Path) -> NDArray[np.float64]:
    """(T, 4): iteration, Cd, Cl, Cm, whatever columns this version of OpenFOAM writes."""
    found = list(folder.glob("postProcessing/coefficients/*/*.dat"))
    if not found:
        raise CaseError("simpleFoam wrote no force coefficients")
    latest = max(found, key=lambda path: int(path.parent.name))
    lines = latest.read_text().splitlines()
    names = [line for line in lines if line.startswith("#")][-1].lstrip("# ").split()
    rows = np.array([line.split() for line in lines if line and not line.startswith("#")], float)
    wanted = {"Cd": "Cd", "Cl": "Cl", "Cm": "CmPitch" if "CmPitch" in names else "Cm"}
    columns = [rows[:, 0]] + [rows[:, names.index(wanted[c])] for c in ("Cd", "Cl", "Cm")]
    return np.stack(columns, axis=1)
