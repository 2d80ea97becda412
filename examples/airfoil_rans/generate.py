"""Make airfoil cases from scratch: contour, mesh (gmsh), RANS solution (OpenFOAM), one VTU each.

    python examples/airfoil_rans/generate.py OUT --naca 200 --jobs 2
    python examples/airfoil_rans/generate.py OUT --uiuc FOLDER --count 50 --seed 7

Each file holds one flow in the schema of the `airfoil_rans` data set: cell data U, p (over
density, zero in the free stream) and nut; point data `boundary` (0 inside, 1 wall, 2 far field);
field data aoa_deg, reynolds, Cl, Cd, Cm (nose-up about the quarter chord) and iterations. Chord
and free stream are 1. A case that exists is not made again, so an interrupted run continues.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from airfoil_case import (
    CaseError,
    Contour,
    FlowOptions,
    Grid,
    GridOptions,
    Solution,
    integrate,
    make_grid,
    naca4,
    read_coordinates,
    solve,
    wall_edges,
)
from airfoil_case.foam import require_openfoam

from meshop import Mesh

AOA_RANGE = (-4.0, 12.0)  # degrees, uniform
REYNOLDS_RANGE = (1.0e6, 6.3e6)  # log-uniform
# Sections of the data set: camber, its station, thickness; in chords, uniform.
NACA_RANGES = {"m": (0.0, 0.06), "p": (0.25, 0.60), "t": (0.07, 0.20)}
MAX_DRIFT = 0.01  # of lift or drag over the last tenth of the iterations; more is no steady state
MAX_STREAK = 0.005  # a clean case has 0.0005; a tenth of the 250 cases of the data set have more


@dataclass(frozen=True)
class Case:
    """What to solve: a contour, given by parameters or by a coordinate file, and the flow."""

    name: str
    aoa_deg: float
    reynolds: float
    naca: tuple[float, float, float] | None = None
    coordinates: str | None = None

    def contour(self) -> Contour:
        if self.coordinates is not None:
            return read_coordinates(self.coordinates)
        if self.naca is None:
            raise ValueError(f"case {self.name} names no contour")
        return naca4(*self.naca)


def random_conditions(rng: np.random.Generator) -> tuple[float, float]:
    """Angle of attack in degrees and Reynolds number, drawn from the ranges above."""
    low, high = np.log(REYNOLDS_RANGE)
    return float(rng.uniform(*AOA_RANGE)), float(np.exp(rng.uniform(low, high)))


def naca_cases(count: int, seed: int) -> Iterator[Case]:
    """`count` random NACA 4-digit cases. Case i depends on `seed` and i alone."""
    for i in range(count):
        rng = np.random.default_rng([seed, 0, i])
        section = tuple(float(rng.uniform(*NACA_RANGES[key])) for key in ("m", "p", "t"))
        aoa, reynolds = random_conditions(rng)
        yield Case(f"naca_{i:04d}", aoa, reynolds, naca=section)  # type: ignore[arg-type]


def file_cases(folder: Path, count: int | None, seed: int) -> Iterator[Case]:
    """`count` (all, if None) coordinate files of `folder`, in an order that `seed` shuffles."""
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".dat", ".txt", ".csv"))
    if not files:
        raise CaseError(f"{folder} holds no coordinate file (.dat, .txt, .csv)")
    rng = np.random.default_rng([seed, 1])
    for i, k in enumerate(rng.permutation(len(files))[:count].tolist()):
        aoa, reynolds = random_conditions(np.random.default_rng([seed, 1, i]))
        stem = files[k].stem.lower().replace(" ", "_")
        yield Case(f"uiuc_{stem}", aoa, reynolds, coordinates=str(files[k]))


def unsolved_mesh(grid: Grid, field_data: dict[str, float]) -> Mesh:
    """The grid as a `Mesh` with point data `boundary` and the given numbers as field data."""
    types, offsets, nodes = grid.cells()
    return Mesh(
        points=grid.points.astype(np.float32).astype(np.float64),
        cell_types=types,
        cell_offsets=offsets,
        cell_nodes=nodes,
        point_data={"boundary": grid.boundary},
        field_data={k: np.array([v], dtype=np.float64) for k, v in field_data.items()},
        storage={
            "points": "float32",
            "connectivity": "int32",
            "offsets": "int32",
            "types": "uint8",
        },
    )


def solved_mesh(grid: Grid, solution: Solution, field_data: dict[str, float]) -> Mesh:
    """The grid with the solution in the schema of the data set."""
    results = {
        "Cl": solution.lift,
        "Cd": solution.drag,
        "Cm": solution.moment,
        "iterations": float(solution.iterations),
    }
    mesh = unsolved_mesh(grid, {**field_data, **results})
    mesh.cell_data["U"] = solution.velocity.astype(np.float32)
    mesh.cell_data["p"] = solution.pressure.astype(np.float32)
    mesh.cell_data["nut"] = solution.nut.astype(np.float32)
    return mesh


def check_solution(mesh: Mesh, solution: Solution, aoa_deg: float, reynolds: float) -> None:
    """Raise CaseError unless the forces are steady and agree with our own integration.

    The second check goes through points, cells and fields of the mesh that is written: a wrong
    cell order or a lost sign would show.
    """
    if solution.drift > MAX_DRIFT:
        raise CaseError(
            f"not steady: lift or drag moved by {solution.drift:.2g} in the last tenth of "
            f"{solution.iterations} iterations (stalled flow, or too few: --iterations)"
        )
    own = integrate(
        mesh.points,
        mesh.cell_centers(),
        wall_edges(mesh.cell_offsets, mesh.cell_nodes, mesh.point_data["boundary"] == 1),
        mesh.cell_data["U"].astype(np.float64),
        mesh.cell_data["p"].astype(np.float64),
        aoa_deg,
        reynolds,
    )
    gaps = {
        "Cl": (own.lift, solution.lift, 0.005),
        "Cd": (own.drag, solution.drag, 0.001),
        "Cm": (own.moment, solution.moment, 0.005),
    }
    for name, (here, there, allowed) in gaps.items():
        if abs(here - there) > allowed:
            raise CaseError(f"{name} is {here:.5f} by our integration, {there:.5f} by the solver's")
    streak = total_pressure_ahead(mesh)
    if streak > MAX_STREAK:
        raise CaseError(
            f"total pressure ahead of the body is off by {streak:.2g} (rms): streaks that the "
            "solver's gradients made, where the flow has no losses (--gradients 'Gauss linear')"
        )


def total_pressure_ahead(mesh: Mesh) -> float:
    """Root mean square by area of p + |U|^2 / 2 - 1/2 within a chord ahead of the leading edge.

    Nothing dissipates there, so Bernoulli's sum is that of the free stream.
    """
    centre, area = mesh.cell_centers(), mesh.cell_measures()
    velocity = mesh.cell_data["U"].astype(np.float64)
    gap = mesh.cell_data["p"] + 0.5 * np.sum(velocity**2, axis=1) - 0.5
    x, y = centre[:, 0], centre[:, 1]
    ahead = np.where((x > -0.5) & (x < -0.02) & (np.abs(y) < 1), area, 0.0)
    return float(np.sqrt(ahead @ gap**2 / max(ahead.sum(), 1e-300)))


def make_case(
    case: Case, folder: Path, grid_options: GridOptions, flow_options: FlowOptions
) -> tuple[Path, str]:
    """Mesh, solve, check and write one case; the path of the VTU and a line about it.

    Raises CaseError or ValueError when the contour, the mesh or the solution is unfit.
    """
    start = time.perf_counter()
    contour = case.contour()
    try:
        grid = make_grid(contour, grid_options)
    except ImportError:
        raise
    except Exception as error:  # gmsh raises nothing more precise
        raise CaseError(f"gmsh could not mesh {contour.name}: {error}") from error
    solution = solve(grid, case.aoa_deg, case.reynolds, flow_options)
    conditions = {"aoa_deg": case.aoa_deg, "reynolds": case.reynolds}
    mesh = solved_mesh(grid, solution, {**conditions, **contour.parameters})
    check_solution(mesh, solution, case.aoa_deg, case.reynolds)
    path = folder / f"{case.name}.vtu"
    mesh.save(path)
    return path, (
        f"{contour.name}: {grid.n_cells} cells, angle {case.aoa_deg:.2f}, Re {case.reynolds:.3g}, "
        f"Cl {solution.lift:.4f} Cd {solution.drag:.5f} Cm {solution.moment:.4f}, "
        f"{solution.iterations} iterations, {time.perf_counter() - start:.0f} s"
    )


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Make airfoil RANS cases with gmsh and OpenFOAM, one VTU each."
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the cases")
    parser.add_argument("--naca", type=int, default=0, metavar="N", help="N random NACA sections")
    parser.add_argument("--uiuc", type=Path, metavar="FOLDER", help="airfoil coordinate files")
    parser.add_argument("--count", type=int, metavar="N", help="at most N files of FOLDER")
    parser.add_argument("--seed", type=int, default=0, help="of sections, files and conditions")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="cases side by side")
    parser.add_argument("--iterations", type=int, default=1000, help="of the solver, at most")
    parser.add_argument(
        "--coarsen", type=float, default=1.0, metavar="F", help="multiply the mesh sizes by F"
    )
    parser.add_argument(
        "--gradients",
        choices=("leastSquares", "Gauss linear"),
        default="leastSquares",
        help="the data set's scheme, or one that converges on more coordinate files",
    )
    parsed = parser.parse_args(arguments)
    if parsed.naca <= 0 and parsed.uiuc is None:
        parser.error("nothing to make: give --naca N, --uiuc FOLDER, or both")
    if parsed.uiuc is not None and not parsed.uiuc.is_dir():
        parser.error(f"--uiuc {parsed.uiuc}: no such folder")
    if parsed.jobs < 1 or parsed.coarsen <= 0 or parsed.iterations < 1:
        parser.error("--jobs, --iterations and --coarsen must be positive")
    return parsed


def main(arguments: list[str] | None = None) -> int:
    """Command line; exit code 0 when every case was made, 1 when some were not."""
    args = parse_arguments(arguments)
    try:
        require_openfoam()
        cases = list(naca_cases(max(args.naca, 0), args.seed))
        if args.uiuc is not None:
            cases += file_cases(args.uiuc, args.count, args.seed)
    except CaseError as error:
        print(error, file=sys.stderr)
        return 1
    args.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    todo = [case for case in cases if not (args.out / f"{case.name}.vtu").exists()]
    if len(todo) < len(cases):
        print(f"{len(cases) - len(todo)} cases are there already", flush=True)
    grid_options = GridOptions(scale=args.coarsen)
    flow_options = FlowOptions(max_iterations=args.iterations, gradients=args.gradients)
    failed = 0
    with ProcessPoolExecutor(max_workers=args.jobs) as pool:
        running = {
            pool.submit(make_case, case, args.out, grid_options, flow_options): case
            for case in todo
        }
        for done, future in enumerate(as_completed(running), start=1):
            label = f"[{done}/{len(todo)}] {running[future].name}"
            try:
                _, line = future.result()
                print(f"{label}  {line}", flush=True)
            except ImportError as error:  # gmsh is missing: no other case can succeed
                print(error, file=sys.stderr)
                pool.shutdown(cancel_futures=True)
                return 1
            except (CaseError, ValueError) as error:
                failed += 1
                print(f"{label}  left out: {error}", file=sys.stderr, flush=True)
    print(f"{len(todo) - failed} cases made, {failed} left out, in {args.out}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
