"""Rollouts of unseen cases: steppers of three forms, beside what needs no network.

    python examples/advection_diffusion/study.py cases --minutes 3 --forms derivative,state,residual

The last 16 cases are never trained on: other initial fields, conditions and meshes. Errors are
relative L2 over all time steps, root of the summed squares; those of proper orthogonal
decomposition (POD) are on a common grid that every case is interpolated to.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch

from meshop import ops
from meshop.reduced import POD
from meshop.surrogate import Stepper, Surrogate
from meshop.train import (
    Learned,
    Problem,
    StoredCase,
    Transitions,
    collate,
    find_problem,
    learn,
    least_squares,
    make_schema,
    sample,
    store_cases,
)

TEST = 16  # cases, the last
GRID = 33  # points along a side of POD's common grid
MODES = (10, 20, 40, 80)
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
    model: str = "grid-field",
    config: dict[str, Any] | None = None,
    seed: int = 0,
    **budget: Any,
) -> Learned:
    """A stepper trained on the cases; minutes are of the processor."""
    pl.seed_everything(seed, verbose=False)
    torch.set_num_threads(1)
    stepper = Stepper(form=form, dt=problem.dt)
    schema = make_schema(problem, problem.cases[: len(cases)], {})
    options = {"steps": 10**7, "batch": 4, "clock": time.process_time, "quiet": True} | budget
    return learn(
        problem, schema, cases, [], folder,
        model=model, model_config=SMALL if config is None else config, stepper=stepper, seed=seed,
        device="cpu", **options,
    )  # fmt: skip


def rollout_error(surrogate: Surrogate, case: StoredCase) -> float:
    """Of all steps from the first state, under the mesh's dual measures."""
    first = Transitions([case], surrogate.need_stepper(), surrogate.schema).at(case, 0)
    march = surrogate.march(collate([sample(first)]))
    truth = np.asarray(case.states[1:])
    found = np.stack([state.numpy() for state in islice(march, len(truth))])
    return relative(found[..., 0], truth[..., 0], case.weight)


def relative(found: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> float:
    """Of fields (T, N)."""
    return float(np.sqrt((((found - truth) ** 2) @ weight).sum() / ((truth**2) @ weight).sum()))


def persistence(case: StoredCase) -> float:
    states = np.asarray(case.states[..., 0])
    return relative(np.broadcast_to(states[0], states[1:].shape), states[1:], case.weight)


# -- without a network ----------------------------------------------------------------------------


def on_grid(problem: Problem, cases: Sequence[StoredCase]) -> tuple[np.ndarray, np.ndarray]:
    """(cases, T, GRID^2) their fields on one grid, and its weights."""
    axis = np.linspace(0, 1, GRID)
    places = torch.from_numpy(np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2))
    out = []
    for case in cases:
        mesh = case.case.load()
        at = ops.locate(
            torch.from_numpy(mesh.points[:, :2].copy()),
            *(torch.from_numpy(a) for a in (mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes)),
            places,
        )
        nodal = torch.from_numpy(np.array(case.states[..., 0].T, np.float64))
        out.append(ops.interpolate(nodal, at).numpy().T)
    line = np.full(GRID, 1.0)
    line[[0, -1]] = 0.5
    return np.array(out), np.outer(line, line).ravel() / (GRID - 1) ** 2


def pod_rollouts(
    fields: np.ndarray,
    cond: np.ndarray,
    test: np.ndarray,
    test_cond: np.ndarray,
    weight: np.ndarray,
) -> dict[str, list[float]]:
    """Errors of each test case by what is linear, or regressed, in POD coordinates.

    linear: a' = M [a, c, 1]. linear by condition: M is affine in c. regression: a(t) quadratic in
    time, conditions and the first ten coordinates of a(0). Of the numbers of modes the best one on
    the test cases is shown, which flatters them.
    """
    basis = POD(modes=max(MODES)).fit(fields[:, ::3].reshape(-1, fields.shape[2]), weight)
    a, b = (
        basis.encode(f.reshape(-1, f.shape[2])).reshape(*f.shape[:2], -1) for f in (fields, test)
    )
    middle, spread = cond.mean(0), cond.std(0)
    c, d = (cond - middle) / spread, (test_cond - middle) / spread
    best: dict[str, list[float]] = {}

    def judge(name: str, coordinates: np.ndarray) -> None:
        """Of coordinates (cases, T, r) at the times after the first."""
        full = np.zeros((*coordinates.shape[:2], len(basis.values)))
        full[..., : coordinates.shape[2]] = coordinates
        errors = [
            relative(basis.decode(row), truth[1:], weight)
            for row, truth in zip(full, test, strict=True)
        ]
        if name not in best or np.mean(errors) < np.mean(best[name]):
            best[name] = errors

    def known(x: np.ndarray, c: np.ndarray, each: bool) -> np.ndarray:
        """Columns of states x (n, r) under conditions c (n, K)."""
        one = np.ones((len(x), 1))
        if not each:
            return np.hstack([x, c, one])
        return np.einsum("nr,nk->nrk", np.hstack([x, one]), np.hstack([c, one])).reshape(len(x), -1)

    for r in sorted({min(r, len(basis.values)) for r in MODES}):
        for name, each in (("linear", False), ("linear by condition", True)):
            now, after = (part.reshape(-1, r) for part in (a[:, :-1, :r], a[:, 1:, :r]))
            columns = known(now, np.repeat(c, a.shape[1] - 1, axis=0), each)
            ridge = 1e-8 * np.trace(columns.T @ columns) / columns.shape[1]
            gram = columns.T @ columns + ridge * np.eye(columns.shape[1])
            step = np.linalg.solve(gram, columns.T @ after)
            states = [b[:, 0, :r]]
            for _ in range(test.shape[1] - 1):
                states.append(np.clip(known(states[-1], d, each) @ step, -1e6, 1e6))
            judge(name, np.stack(states[1:], 1))
        few = min(r, 10)
        some = np.linspace(1, a.shape[1] - 1, 12).astype(int)
        rows = np.hstack([np.repeat(c, 12, 0), np.tile(some, len(c))[:, None]])
        asked = np.arange(1, test.shape[1])
        wanted = np.hstack([np.repeat(d, len(asked), 0), np.tile(asked, len(d))[:, None]])
        found = least_squares(
            rows, np.repeat(a[:, 0, :few], 12, 0), a[:, some, :r].reshape(-1, r), wanted,
            np.repeat(b[:, 0, :few], len(asked), 0),
        )  # fmt: skip
        judge("regression", found.reshape(len(d), len(asked), r))
    return best


def report(errors: dict[str, list[float]], about: dict[str, str]) -> str:
    """A Markdown table of mean and median over the test cases."""
    lines = ["| | mean | median | worst | |", "|---|---|---|---|---|"]
    for name, found in errors.items():
        cells = [f"{100 * f(found):.2f} %" for f in (np.mean, np.median, np.max)]
        lines.append(f"| {name} | {' | '.join(cells)} | {about.get(name, '')} |")
    return "\n".join(lines)


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
    (fields, weight), (unseen, _) = on_grid(problem, train), on_grid(problem, test)
    cond, asked = (np.array([c.cond.numpy() for c in part]) for part in (train, test))
    for name, found in pod_rollouts(fields, cond, unseen, asked, weight).items():
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
            about[name] = (
                f"{found.surrogate.n_parameters:,} parameters, {found.steps} steps in "
                f"{found.seconds / 60:.1f} processor-minutes"
            )
            found.surrogate.save(options.out / f"{form}-{seed}.safetensors")
            print(report(errors, about), flush=True)
    (options.out / "errors.json").write_text(json.dumps(errors, indent=1) + "\n")


if __name__ == "__main__":
    main()
