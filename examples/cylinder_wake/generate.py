"""Solved series: the laminar wake of a cylinder in a channel, each case on a mesh of its own.

The cases vary Reynolds number, diameter and place of the cylinder, and mesh. `--check` computes the
figures of the benchmark 2D-2 of Schaefer and Turek (1996): Re 100, a diameter of 0.1, at (0.2, 0.2)
in a channel of 2.2, on the cases' size of mesh and on finer ones.

    python examples/cylinder_wake/generate.py cases --count 30
    python examples/cylinder_wake/generate.py --check
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import islice
from pathlib import Path

import numpy as np
from wake_flow import COARSE, Cylinder, Flow, Sizes, channel, frequency

import meshop

DT, STEPS, INNER = 0.02, 120, 5  # of a saved step, how many, and of the solver in each
DEVELOPED = 1.6  # time after which shedding is periodic


def benchmark(
    sizes: Sizes, dt: float = DT / INNER, length: float = 2.2, end: float = 4.5
) -> dict[str, float]:
    """Figures of the benchmark 2D-2 on a mesh of such sizes, over the last 1.5 time units."""
    cylinder = Cylinder()
    flow = Flow(channel(cylinder, sizes, length), cylinder, 100.0, dt)
    forces = [state.force for state in islice(flow.march(), round(end / dt))]
    drag, lift = np.array(forces[-round(1.5 / dt) :]).T
    return {
        "points": int(flow.plain.N),
        "strouhal": frequency(lift, dt) * cylinder.diameter,
        "drag_mean": float(drag.mean()),
        "drag_max": float(drag.max()),
        "lift_max": float(lift.max()),
    }


def make(
    number: int, path: Path, steps: int = STEPS, coarser: float = 1.0, developed: float = DEVELOPED
) -> None:
    """Write case `number`, the same whenever it is made, as a series that is there as a whole."""
    random = np.random.default_rng([11, number])
    cylinder = Cylinder(
        random.uniform(0.18, 0.22), random.uniform(0.18, 0.23), random.uniform(0.08, 0.12)
    )
    reynolds = random.uniform(80, 200)
    sizes = COARSE.scaled(coarser * random.uniform(0.9, 1.0))
    mesh = channel(cylinder, sizes, seed=number + 1)
    for name, value in (*zip(cylinder._fields, cylinder, strict=True), ("reynolds", reynolds)):
        mesh.field_data[f"cylinder_{name}" if name in "xy" else name] = np.array([value])
    flow = Flow(mesh, cylinder, reynolds, DT / INNER)
    series = []
    states = islice(flow.march(), round(developed / DT) * INNER - 1, None, INNER)
    for step, state in zip(range(steps + 1), states, strict=False):
        now = mesh.copy()
        velocity, now.point_data["pressure"] = flow.nodal(state)
        now.point_data["velocity"] = np.column_stack([velocity, np.zeros(len(velocity))])
        now.field_data["drag"], now.field_data["lift"] = state.force[:1], state.force[1:]
        series.append((step * DT, now))
    meshop.write_series(path, series)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--check", action="store_true", help="figures of the benchmark 2D-2")
    options = parser.parse_args()
    if options.check:
        for factor in (1.0, 0.7):
            print(json.dumps(benchmark(COARSE.scaled(factor), factor * DT / INNER)), flush=True)
    elif options.folder is None:
        parser.error("a folder for the cases, or --check")
    else:
        options.folder.mkdir(parents=True, exist_ok=True)
        for number in range(options.count):
            path = options.folder / f"case_{number:03d}.vtkhdf"
            if not path.exists():
                make(number, path)
            print(f"\r{number + 1} of {options.count}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)


if __name__ == "__main__":
    main()
