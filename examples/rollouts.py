"""What the studies of transient cases share: steppers, their rollouts, and what needs no network.

The nulls work on fields on a common grid that every case is interpolated to, in coordinates of
proper orthogonal decomposition (POD); a point of the grid outside a case's mesh gets the value of
the mesh's nearest place.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
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
    learn,
    least_squares,
    make_schema,
    sample,
)

MODES = (10, 20, 40, 80)
FEW = 10  # coordinates of the first state that a regression takes
TIMES = 12  # of each series that it is fitted to
FAR = 1e6  # a linear map may run away; its coordinates go no farther


# -- with a network -------------------------------------------------------------------------------


def advance(
    problem: Problem,
    cases: Sequence[StoredCase],
    folder: Path,
    form: str,
    *,
    model: str = "grid-field",
    config: Mapping[str, Any] | None = None,
    seed: int = 0,
    bundle: int = 1,
    **budget: Any,
) -> Learned:
    """A stepper trained on the cases, the first of the problem's; minutes are of the processor."""
    pl.seed_everything(seed, verbose=False)
    torch.set_num_threads(1)
    stepper = Stepper(form=form, dt=problem.dt, bundle=bundle)
    schema = make_schema(problem, problem.cases[: len(cases)], {})
    options = {"steps": 10**7, "batch": 4, "clock": time.process_time, "quiet": True} | budget
    return learn(
        problem, schema, cases, [], folder,
        model=model, model_config=config, stepper=stepper, seed=seed, device="cpu", **options,
    )  # fmt: skip


def roll(surrogate: Surrogate, case: StoredCase, steps: int | None = None) -> np.ndarray:
    """(steps, N, C) the states after the first one of a series, as the stepper has them."""
    first = Transitions([case], surrogate.need_stepper(), surrogate.schema).at(case, 0)
    march = surrogate.march(collate([sample(first)]))
    steps = len(case.states) - 1 if steps is None else steps
    return np.stack([state.numpy() for state in islice(march, steps)])


def relative(found: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> float:
    """Relative L2 error over all steps of fields (T, N) or (T, N, C) under weights (N,)."""
    found, truth = (a.reshape(*a.shape[:2], -1) for a in (found, truth))
    miss, size = (((a**2).sum(2) @ weight).sum() for a in (found - truth, truth))
    return float(np.sqrt(miss / size))


def about(learned: Learned) -> str:
    """Size and budget, for a table."""
    return (
        f"{learned.surrogate.n_parameters:,} parameters, {learned.steps:,} steps in "
        f"{learned.seconds / 60:.1f} processor-minutes"
    )


def report(
    errors: Mapping[str, Sequence[float]], notes: Mapping[str, str], unit: str = " %"
) -> str:
    """A Markdown table of mean, median and worst over the test cases."""
    lines = ["| | mean | median | worst | |", "|---|---|---|---|---|"]
    for name, found in errors.items():
        cells = [f"{100 * f(found):.2f}{unit}" for f in (np.mean, np.median, np.max)]
        lines.append(f"| {name} | {' | '.join(cells)} | {notes.get(name, '')} |")
    return "\n".join(lines)


# -- without a network ----------------------------------------------------------------------------


def on_grid(
    cases: Sequence[StoredCase], low: Sequence[float], high: Sequence[float], shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The states of plane cases (cases, T, P, C) on one grid of P = shape[0] shape[1] points from
    corner `low` to `high`, the points (P, 2) and their weights (P,): the trapezoidal rule."""
    axes = [np.linspace(a, b, n) for a, b, n in zip(low, high, shape, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    lines = []
    for axis in axes:
        line = np.full(len(axis), axis[1] - axis[0])
        line[[0, -1]] /= 2
        lines.append(line)
    return (
        np.array([at_places(case, points) for case in cases]), points, np.outer(*lines).ravel()
    )  # fmt: skip


def at_places(case: StoredCase, places: np.ndarray) -> np.ndarray:
    """(T, P, C) the states of a plane case at places (P, 2)."""
    mesh = case.case.load()
    at = ops.locate(
        torch.from_numpy(mesh.points[:, :2].copy()),
        *(torch.from_numpy(a) for a in (mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes)),
        torch.from_numpy(np.ascontiguousarray(places)),
    )
    states = np.asarray(case.states, np.float64)
    nodal = torch.from_numpy(states.transpose(1, 0, 2).reshape(states.shape[1], -1).copy())
    found = ops.interpolate(nodal, at).numpy()
    return found.reshape(len(places), len(states), -1).transpose(1, 0, 2)


def pod_rollouts(
    fields: np.ndarray,
    cond: np.ndarray,
    test: np.ndarray,
    test_cond: np.ndarray,
    weight: np.ndarray,
) -> dict[str, np.ndarray]:
    """What is linear, or regressed, in POD coordinates, from the first states of test cases.

    fields, test: (cases, T, P) training and test series; cond, test_cond (cases, K); weight (P,).
    Returns name -> (cases, T - 1, P). linear: a' = M [a, c, 1]. linear by condition: M is affine in
    c. regression: a(t) quadratic in time, conditions and the first ten coordinates of a(0). Of the
    numbers of modes the best one on the test cases is returned, which flatters them.
    """
    basis = POD(modes=max(MODES)).fit(fields[:, ::3].reshape(-1, fields.shape[2]), weight)
    a, b = (
        basis.encode(f.reshape(-1, f.shape[2])).reshape(*f.shape[:2], -1) for f in (fields, test)
    )
    middle, spread = cond.mean(0), cond.std(0)
    spread = np.where(spread > 0, spread, 1.0)  # of conditions that are the same in every case
    c, d = (cond - middle) / spread, (test_cond - middle) / spread
    best: dict[str, tuple[float, np.ndarray]] = {}

    def judge(name: str, coordinates: np.ndarray) -> None:
        """Of coordinates (cases, T, r) at the times after the first."""
        full = np.zeros((*coordinates.shape[:2], len(basis.values)))
        full[..., : coordinates.shape[2]] = coordinates
        found = np.stack([basis.decode(row) for row in full])
        miss = np.mean([relative(f, t[1:], weight) for f, t in zip(found, test, strict=True)])
        if name not in best or miss < best[name][0]:
            best[name] = float(miss), found

    for r in sorted({min(r, len(basis.values)) for r in MODES}):
        for name, each in (("linear", False), ("linear by condition", True)):
            now, after = (part.reshape(-1, r) for part in (a[:, :-1, :r], a[:, 1:, :r]))
            columns = _known(now, np.repeat(c, a.shape[1] - 1, axis=0), each)
            ridge = 1e-8 * np.trace(columns.T @ columns) / columns.shape[1]
            gram = columns.T @ columns + ridge * np.eye(columns.shape[1])
            step = np.linalg.solve(gram, columns.T @ after)
            states = [b[:, 0, :r]]
            for _ in range(test.shape[1] - 1):
                states.append(np.clip(_known(states[-1], d, each) @ step, -FAR, FAR))
            judge(name, np.stack(states[1:], 1))
        few = min(r, FEW)
        some = np.linspace(1, a.shape[1] - 1, TIMES).astype(int)
        rows = np.hstack([np.repeat(c, TIMES, 0), np.tile(some, len(c))[:, None]])
        asked = np.arange(1, test.shape[1])
        wanted = np.hstack([np.repeat(d, len(asked), 0), np.tile(asked, len(d))[:, None]])
        found = least_squares(
            rows, np.repeat(a[:, 0, :few], TIMES, 0), a[:, some, :r].reshape(-1, r), wanted,
            np.repeat(b[:, 0, :few], len(asked), 0),
        )  # fmt: skip
        judge("regression", found.reshape(len(d), len(asked), r))
    return {name: found for name, (_, found) in best.items()}


def _known(x: np.ndarray, c: np.ndarray, each: bool) -> np.ndarray:
    """Columns of states x (n, r) under conditions c (n, K)."""
    one = np.ones((len(x), 1))
    if not each:
        return np.hstack([x, c, one])
    return np.einsum("nr,nk->nrk", np.hstack([x, one]), np.hstack([c, one])).reshape(len(x), -1)
