"""Rollouts of unseen wakes: steppers of three forms, beside what needs no network.

    python examples/cylinder_wake/study.py cases --minutes 3 --forms derivative,state,residual

The last cases are never trained on: other Reynolds numbers, cylinders and meshes. Errors are
relative L2 over all time steps, of velocity and pressure, at the meshes' nodes; those of proper
orthogonal decomposition (POD) on a common grid of the channel, without what lies in the cylinder.
Strouhal: how far the rollout's frequency is from the truth's, at a place in the wake.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from wake_flow import HEIGHT, LENGTH, frequency

from meshop.train import Problem, StoredCase, find_problem, store_cases
from meshop.viz import field_picture

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import rollouts

GRID = (57, 17)  # points of POD's common grid
PROBE = 4.0  # diameters behind the cylinder
FIELDS = {"velocity": slice(0, 2), "pressure": slice(2, 3)}
# A channel is long: the latent grid spans its box with points 0.03 apart along both sides.
SIZES = {
    "width": 48, "channels": 16, "grid": [48, 16], "modes": [12, 6], "latent": 32, "layers": 3,
    "stretch": True,
}  # fmt: skip


def prepare(paths: Sequence[Path], folder: Path, edges: bool) -> tuple[Problem, list[StoredCase]]:
    """Cases as arrays, kept in a folder for the next run."""
    problem = find_problem(paths, targets=list(FIELDS), edges=edges, series=True)
    return problem, store_cases(problem, folder, workers=1)


def judge(
    case: StoredCase, found: np.ndarray, truth: np.ndarray, places: np.ndarray, weight: np.ndarray
) -> dict[str, float]:
    """Errors of the states (T, P, 3) after the first at places (P, 2)."""
    errors = {
        name: rollouts.relative(found[..., part], truth[..., part], weight)
        for name, part in FIELDS.items()
    }
    values = case.case.conditions
    behind = values["cylinder_x"] + PROBE * values["diameter"], values["cylinder_y"]
    at = np.linalg.norm(places - behind, axis=1).argmin()
    wanted, given = (frequency(states[:, at, 1], 1.0) for states in (truth, found))
    # A rollout without a period has all of the frequency wrong.
    errors["Strouhal"] = abs(given / wanted - 1) if np.isfinite(given) else 1.0
    return errors


def at_nodes(case: StoredCase, found: np.ndarray) -> dict[str, float]:
    """Errors of states (T, N, 3) on the case's own mesh."""
    return judge(case, found, np.asarray(case.states[1:]), case.pos[:, :2], case.weight)


def persistence(case: StoredCase) -> dict[str, float]:
    return at_nodes(case, np.broadcast_to(case.states[0], case.states[1:].shape))


def nulls(
    train: Sequence[StoredCase], test: Sequence[StoredCase]
) -> dict[str, list[dict[str, float]]]:
    """Errors of each test case by POD: velocity and pressure together, each by its mean energy."""
    (seen, places, weight), (truth, _, _) = (
        rollouts.on_grid(cases, (0, 0), (LENGTH, HEIGHT), GRID) for cases in (train, test)
    )
    energy = (seen**2).mean((0, 1)).T @ weight
    share = 1 / np.array([energy[:2].sum(), energy[:2].sum(), energy[2]])
    cond, asked = (np.array([c.cond.numpy() for c in cases]) for cases in (train, test))
    found = rollouts.pod_rollouts(
        seen.reshape(*seen.shape[:2], -1), cond, truth.reshape(*truth.shape[:2], -1), asked,
        np.outer(weight, share).ravel(),
    )  # fmt: skip
    return {
        name: [
            judge(
                case, row.reshape(states[1:].shape), states[1:], places, weight * wet(case, places)
            )
            for case, row, states in zip(test, rows, truth, strict=True)
        ]
        for name, rows in found.items()
    }


def wet(case: StoredCase, places: np.ndarray) -> np.ndarray:
    """(P,) whether places (P, 2) are outside the cylinder."""
    values = case.case.conditions
    away = places - [values["cylinder_x"], values["cylinder_y"]]
    return np.linalg.norm(away, axis=1) >= values["diameter"] / 2


def picture(case: StoredCase, found: np.ndarray, path: Path, title: str) -> None:
    """Truth, rollout and difference at the last step."""
    arrays, truth = (
        {name: state[:, part].squeeze() for name, part in FIELDS.items()}
        for state in (found[-1], np.asarray(case.states[len(found)]))
    )
    field_picture(case.case.load(), arrays, path, truth=truth, title=title)


def table(errors: dict[str, list[dict[str, float]]], notes: dict[str, str]) -> str:
    """Mean and median over the test cases, in Markdown."""
    names = [*FIELDS, "Strouhal"]
    head = "".join(f" {name}, mean | median |" for name in names)
    lines = [f"| |{head} |", "|---" * (2 * len(names) + 2) + "|"]
    for key, rows in errors.items():
        cells = []
        for name in names:
            values = [row[name] for row in rows]
            cells += [f"{100 * f(values):.1f} %" for f in (np.mean, np.median)]
        lines.append(f"| {key} | {' | '.join(cells)} | {notes.get(key, '')} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--test", type=int, default=6, help="unseen cases, the last")
    parser.add_argument("--minutes", type=float, default=3.0, help="of the processor, for each")
    parser.add_argument("--forms", default="derivative,state,residual")
    parser.add_argument("--model", default="grid-field")
    parser.add_argument("--steps", type=int, default=100, help="of the rollouts")
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--pushforward", type=int, default=0)
    parser.add_argument("--bundle", type=int, default=1, help="not of derivatives")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--config", type=json.loads, help="sizes of the model, in JSON")
    parser.add_argument("--out", type=Path, default=Path("runs/cylinder_wake"))
    options = parser.parse_args()
    own = options.model == "grid-field"
    paths = sorted(options.cases.glob("*.vtkhdf"))
    problem, cases = prepare(paths, options.out / "cases", edges=not own)
    train, test = cases[: -options.test], cases[-options.test :]
    for case in test:
        case.states = case.states[: options.steps + 1]
    config = SIZES if own and options.config is None else options.config
    errors = {"the first state stays": [persistence(case) for case in test]}
    errors |= {f"POD, {name}": rows for name, rows in nulls(train, test).items()}
    notes: dict[str, str] = {}
    for form in options.forms.split(","):
        learned = rollouts.advance(
            problem, train, options.out, form, model=options.model, config=config,
            seed=options.seed, minutes=options.minutes, batch=options.batch, lr=options.lr,
            noise=options.noise, pushforward=options.pushforward,
            bundle=1 if form == "derivative" else options.bundle,
        )  # fmt: skip
        learned.surrogate.save(options.out / f"{form}.safetensors")
        found = [rollouts.roll(learned.surrogate, case) for case in test]
        name = f"{options.model}, {form}"
        errors[name] = [at_nodes(case, rows) for case, rows in zip(test, found, strict=True)]
        notes[name] = rollouts.about(learned)
        print(table(errors, notes), flush=True)
        reynolds = test[0].case.conditions["reynolds"]
        title = f"Re {reynolds:.0f}, step {options.steps} of a rollout ({form})"
        picture(test[0], found[0], options.out / f"{form}.png", title)
    (options.out / "errors.json").write_text(json.dumps(errors, indent=1) + "\n")


if __name__ == "__main__":
    main()
