"""The validation table of a run: the surrogate beside the null models, per family of cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from ..reduced import NORMAL
from ..surrogate import Answer, Surrogate
from ..viz import field_picture, scalar_scatter, training_curves
from ._nulls import least_squares, nearest_case
from ._sampling import sample
from ._store import StoredCase

NEAR = 1.0  # "near": within this many reference lengths of the wall


def validate(
    surrogate: Surrogate, train: Sequence[StoredCase], held: Sequence[StoredCase]
) -> dict[str, Any]:
    """Errors of the surrogate and the nulls on held-out cases: the error card.

    Fields: relative L2 of the deviation from the far-field value, weighted by dual measure, over
    the whole domain and over the part within one reference length of the wall. Scalars: absolute
    error, and Spearman's rank correlation. Mean and median over cases, per family; of models that
    give bands, in_bands: the share of the truth (of the measure, of cases) in those of 90 %.
    """
    # Contours where every case is one closed curve, else moments of the wall.
    plane = all(len(c.heights) for c in (*train, *held))
    shape = {id(c): c.heights if plane else c.moments for c in (*train, *held)}
    shapes = np.array([shape[id(c)] for c in train])
    conditions = np.array([c.cond.numpy() for c in train]).reshape(len(train), -1)
    lazy = _Lazy(train)
    rows = []
    predicted, guessed = [], []
    coverage: list[dict[str, float]] = []
    for case in held:
        graph = sample(case)
        graph.wall_batch = torch.zeros(len(graph.wall_x), dtype=torch.long)
        with torch.inference_mode():
            answer = surrogate.answer(case.case.load() if surrogate.meshes else None, graph)
        fields, scalars = answer.fields, answer.scalars
        coverage.append(_inside(surrogate, case, answer))
        near = nearest_case(conditions, shapes, lazy, case.cond.numpy(), shape[id(case)], case.pos)
        row: dict[str, Any] = {"name": case.case.name, "family": case.case.family}
        row["surrogate"] = _field_errors(surrogate, case, fields.numpy())
        row["nearest"] = _field_errors(surrogate, case, near.fields["y"] + case.reference)
        truth = case.scalars.numpy()
        names = [s.name for s in surrogate.schema.scalars]
        if names:
            fit = least_squares(
                conditions,
                shapes,
                np.array([c.scalars.numpy() for c in train]),
                case.cond.numpy()[None],
                shape[id(case)][None],
            )[0]
            row["surrogate"] |= dict(zip(names, np.abs(scalars.numpy() - truth), strict=True))
            row["least_squares"] = dict(zip(names, np.abs(fit - truth), strict=True))
            row["nearest"] |= dict(
                zip(names, np.abs(train[near.case].scalars.numpy() - truth), strict=True)
            )
        predicted.append(scalars.numpy())
        guessed.append(truth)
        rows.append(row)
    card: dict[str, Any] = {"cases": len(held), "train_cases": len(train), "families": {}}
    for family in sorted({r["family"] for r in rows}):
        mine = [i for i, r in enumerate(rows) if r["family"] == family]
        table: dict[str, Any] = {"cases": len(mine)}
        card["families"][family] = table
        for model in ("surrogate", "nearest", "least_squares"):
            keys = rows[mine[0]].get(model, {})
            table[model] = {
                key: {
                    "mean": float(np.mean([rows[i][model][key] for i in mine])),
                    "median": float(np.median([rows[i][model][key] for i in mine])),
                }
                for key in keys
            }
        for j, scalar in enumerate(surrogate.schema.scalars):
            if len(mine) > 2:
                rank = spearmanr([predicted[i][j] for i in mine], [guessed[i][j] for i in mine])
                table["surrogate"][scalar.name]["spearman"] = float(rank.statistic)
        for key in coverage[mine[0]]:
            share = float(np.mean([coverage[i][key] for i in mine]))
            table["surrogate"][key]["in_bands"] = share
    card["per_case"] = [
        {k: r[k] for k in ("name", "family")} | {k: float(v) for k, v in r["surrogate"].items()}
        for r in rows
    ]
    card["truth"] = [[float(v) for v in g] for g in guessed]
    card["predicted"] = [[float(v) for v in p] for p in predicted]
    return card


def table_text(card: dict[str, Any]) -> str:
    """The card as a Markdown table."""
    nulls = {"nearest": "nearest case", "least_squares": "least squares"}
    if any("persistence" in table for table in card["families"].values()):
        nulls = {"persistence": "first state stays"}
    banded = has_bands(card)
    heads = ["family", "quantity", "surrogate mean", "median", *["in 90 % bands"] * banded]
    heads += nulls.values()
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for family, table in card["families"].items():
        for key, value in table["surrogate"].items():
            found = [table.get(null, {}).get(key, {}).get("mean") for null in nulls]
            cells = [_number(v, " " in key) for v in (value["mean"], value["median"], *found)]
            if banded:
                share = value.get("in_bands")
                cells.insert(2, "" if share is None else f"{100 * share:.0f} %")
            lines.append(f"| {family} ({table['cases']}) | {key} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def pictures(
    surrogate: Surrogate,
    card: dict[str, Any],
    history: dict[str, list[float]],
    held: Sequence[StoredCase],
    folder: Path,
) -> None:
    """Training curves, predicted against true scalars, and the median held-out case's fields."""
    if history.get("step"):
        training_curves(history, folder / "curves.png")
    names = [s.name for s in surrogate.schema.scalars]
    if names and len(card["truth"]):
        scalar_scatter(card["truth"], card["predicted"], names, folder / "scalars.png")
    if not held or surrogate.spec.dim != 2 or surrogate.stepper is not None:
        return
    first = next(iter(card["per_case"][0].keys() - {"name", "family"}))
    order = np.argsort([row[first] for row in card["per_case"]])
    case = held[int(order[len(order) // 2])]
    mesh = case.case.load()
    found = surrogate.evaluate(mesh, case.case.conditions)
    data = mesh.cell_data if surrogate.spec.location == "cell" else mesh.point_data
    field_picture(
        mesh,
        found.fields,
        folder / f"{case.case.name}.png",
        truth={f.name: data[f.name] for f in surrogate.schema.fields},
        title=f"{case.case.name} (held out)",
    )


class _Lazy(Sequence):
    """Training cases as `nearest_case` wants them, read when asked for.

    Fields go over as deviations from each case's far-field values, so that a difference in the
    free stream's direction is not held against the null.
    """

    def __init__(self, cases: Sequence[StoredCase]) -> None:
        self.cases = cases

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, i: Any) -> Any:
        case = self.cases[i]
        return {"centres": case.pos, "fields": {"y": case.y - case.reference}}


def has_bands(card: dict[str, Any]) -> bool:
    """Whether an error card says how often bands hold the truth."""
    tables = card.get("families", {}).values()
    return any("in_bands" in v for t in tables for v in t.get("surrogate", {}).values())


def _inside(surrogate: Surrogate, case: StoredCase, answer: Answer) -> dict[str, float]:
    """Share of a case's truth that lies in the answer's bands, by quantity; nothing without."""
    if answer.deviation is None or answer.scalar_deviation is None:
        return {}
    width = NORMAL * answer.scalar_deviation
    held = (answer.scalars - case.scalars).abs() <= width
    found = {s.name: float(v) for s, v in zip(surrogate.schema.scalars, held, strict=True)}
    inside = np.abs(answer.fields.numpy() - case.y) <= NORMAL * answer.deviation.numpy()
    for name, label, part, weight in _areas(surrogate, case):
        share = inside[:, part].mean(1)
        found[f"{name} {label}"] = float(weight @ share / max(weight.sum(), 1e-300))
    return found


def _areas(surrogate: Surrogate, case: StoredCase) -> Iterator[tuple[str, str, slice, np.ndarray]]:
    """Name of each field, "near" or "whole", its columns, and weights (N,)."""
    at = 0
    for spec in surrogate.schema.fields:
        part = slice(at, at + len(spec.active))
        at = part.stop
        if spec.active:
            near = case.dist < NEAR * surrogate.spec.length
            yield spec.name, "near", part, case.weight * near
            yield spec.name, "whole", part, np.asarray(case.weight)


def _field_errors(surrogate: Surrogate, case: StoredCase, fields: np.ndarray) -> dict[str, float]:
    errors = {}
    for name, label, part, weight in _areas(surrogate, case):
        miss = ((fields[:, part] - case.y[:, part]) ** 2).sum(1)
        size = ((case.y[:, part] - case.reference[part]) ** 2).sum(1)
        energy = float((weight * size).sum())
        errors[f"{name} {label}"] = float(np.sqrt((weight * miss).sum() / max(energy, 1e-30)))
    return errors


def _number(value: float | None, percent: bool) -> str:
    if value is None:
        return ""
    return f"{100 * value:.2f} %" if percent else f"{value:.5f}"
