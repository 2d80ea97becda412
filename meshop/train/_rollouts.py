"""The validation table of a stepper: rollouts of held-out series beside what needs no model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..surrogate import Surrogate
from ._sampling import collate, sample
from ._store import StoredCase
from ._transitions import Transitions

LONGEST = 200  # steps


def validate_rollouts(
    surrogate: Surrogate, train: Sequence[StoredCase], held: Sequence[StoredCase]
) -> dict[str, Any]:
    """Errors of rollouts from the first time of held-out series: the error card of a stepper.

    Relative L2 error of the state, weighted by dual measure, after one step, at the last one and on
    average over all (root of the mean energies), mean and median over cases, per family. Beside it
    persistence: the first state stays.
    """
    rows = [_errors(surrogate, case) for case in held]
    card: dict[str, Any] = {"cases": len(held), "train_cases": len(train), "families": {}}
    for family in sorted({c.case.family for c in held}):
        mine = [row for row, case in zip(rows, held, strict=True) if case.case.family == family]
        card["families"][family] = {"cases": len(mine)} | {
            model: {
                key: {
                    "mean": float(np.mean([row[model][key] for row in mine])),
                    "median": float(np.median([row[model][key] for row in mine])),
                }
                for key in mine[0][model]
            }
            for model in ("surrogate", "persistence")
        }
    card["per_case"] = [
        {"name": case.case.name, "family": case.case.family, **row["surrogate"]}
        for row, case in zip(rows, held, strict=True)
    ]
    return card


def _errors(surrogate: Surrogate, case: StoredCase) -> dict[str, dict[str, float]]:
    stepper = surrogate.need_stepper()
    assert case.states is not None
    truth = np.asarray(case.states[: LONGEST + 1])
    start = Transitions([case], stepper, surrogate.schema).at(case, 0)
    march = surrogate.march(collate([sample(start)]))
    found = np.stack([state.numpy() for state in islice(march, len(truth) - 1)])
    still = np.broadcast_to(truth[0], found.shape)
    return {
        "surrogate": rollout_errors(surrogate, case.weight, truth, found),
        "persistence": rollout_errors(surrogate, case.weight, truth, still),
    }


def rollout_errors(
    surrogate: Surrogate, weight: np.ndarray, truth: np.ndarray, found: np.ndarray
) -> dict[str, float]:
    """Per field: relative errors of states (T, N, C) against the last T of T + 1 true ones."""
    errors: dict[str, float] = {}
    at = 0
    for spec in surrogate.schema.fields:
        part = slice(at, at + len(spec.active))
        at = part.stop
        if not spec.active:
            continue
        miss = ((found[..., part] - truth[1:, :, part]) ** 2).sum(2) @ weight
        size = np.maximum((truth[1:, :, part] ** 2).sum(2) @ weight, 1e-30)
        errors[f"{spec.name} one step"] = float(np.sqrt(miss[0] / size[0]))
        errors[f"{spec.name} last step"] = float(np.sqrt(miss[-1] / size[-1]))
        errors[f"{spec.name} all steps"] = float(np.sqrt(miss.sum() / size.sum()))
    return errors
