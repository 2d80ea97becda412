"""Rollouts of unseen cases: steppers of three forms, beside what needs no network.

    python examples/advection_diffusion/study.py cases --minutes 3 --forms derivative,state,residual

The last 16 cases are never trained on: other initial fields, conditions and meshes. Errors are
relative L2 over all time steps, root of the summed squares; those of proper orthogonal
decomposition (POD) are on a common grid that every case is interpolated to.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from meshop.surrogate import Surrogate
from meshop.train import Learned, Problem, StoredCase, find_problem, store_cases

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import rollouts

TEST = 16  # cases, the last
GRID = 33  # points along a side of POD's common grid
SMALL = {"width": 48, "channels": 16, "grid": 24, "latent": 32, "layers": 3}


def prepare(paths: Sequence[Path], folder: Path) -> tuple[Problem, list[StoredCase]]:
    """Cases as arrays, kept in a folder for the next run; with edges, for any operator."""
    problem = find_problem(paths, targets=["u"], inputs=["velocity"], edges=True, series=True)
    return problem, store_cases(problem, folder, workers=1)


def advance(
    problem: Problem,
    cases: Sequence[StoredCase],
    folder: Path,
    form: str,
    *,
    config: dict[str, Any] | None = None,
    **options: Any,
) -> Learned:
    """`rollouts.advance` at the study's size."""
    config = SMALL if config is None else config
    return rollouts.advance(problem, cases, folder, form, config=config, **options)


def rollout_error(surrogate: Surrogate, case: StoredCase) -> float:
    """Of all steps from the first state, under the mesh's dual measures."""
    return rollouts.relative(
        rollouts.roll(surrogate, case), np.asarray(case.states[1:]), case.weight
    )


def persistence(case: StoredCase) -> float:
    states = np.asarray(case.states)
    return rollouts.relative(np.broadcast_to(states[0], states[1:].shape), states[1:], case.weight)


def on_grid(cases: Sequence[StoredCase]) -> tuple[np.ndarray, np.ndarray]:
    """(cases, T, GRID^2) their fields on one grid, and its weights."""
    fields, _, weight = rollouts.on_grid(cases, (0, 0), (1, 1), (GRID, GRID))
    return fields[..., 0], weight


def pod_errors(
    fields: np.ndarray,
    cond: np.ndarray,
    test: np.ndarray,
    test_cond: np.ndarray,
    weight: np.ndarray,
) -> dict[str, list[float]]:
    """Of each test case, by the nulls of `rollouts.pod_rollouts`."""
    found = rollouts.pod_rollouts(fields, cond, test, test_cond, weight)
    return {
        name: [rollouts.relative(f, t[1:], weight) for f, t in zip(rows, test, strict=True)]
        for name, rows in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--minutes", type=float, default=3.0, help="of the processor, for each")
    parser.add_argument("--forms", default="derivative,state,residual")
    parser.add_argument("--model", default="grid-field")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/advection_diffusion"))
    options = parser.parse_args()
    paths = sorted(options.cases.glob("*.vtkhdf"))
    problem, cases = prepare(paths, options.out / "cases")
    train, test = cases[:-TEST], cases[-TEST:]
    errors = {"the first state stays": [persistence(case) for case in test]}
    (fields, weight), (unseen, _) = on_grid(train), on_grid(test)
    cond, asked = (np.array([c.cond.numpy() for c in part]) for part in (train, test))
    for name, found in pod_errors(fields, cond, unseen, asked, weight).items():
        errors[f"POD, {name}"] = found
    about: dict[str, str] = {}
    config = SMALL if options.model == "grid-field" else {}
    for form in options.forms.split(","):
        for seed in range(options.seeds):
            found = advance(
                problem, train, options.out, form, model=options.model, config=config, seed=seed,
                minutes=options.minutes,
            )  # fmt: skip
            name = f"{options.model}, {form}, seed {seed}"
            errors[name] = [rollout_error(found.surrogate, case) for case in test]
            about[name] = rollouts.about(found)
            found.surrogate.save(options.out / f"{form}-{seed}.safetensors")
            print(rollouts.report(errors, about), flush=True)
    (options.out / "errors.json").write_text(json.dumps(errors, indent=1) + "\n")


if __name__ == "__main__":
    main()
