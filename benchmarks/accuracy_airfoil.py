"""How accurate is a surrogate on airfoils it has never seen, beside predictions without a network?

    python benchmarks/accuracy_airfoil.py [--model airfoil-rans] [--cases FILES...] [--json OUT]

Near field x in [-0.5, 2], y in [-1, 1], weighted by cell area: per case the relative L2 error of
the deviation from the free stream, then mean and median over the cases of each family (files named
uiuc* are UIUC, the others NACA). |Cl|, |Cd|, |Cm| are mean absolute errors, of the scalar head and
of the integrated wall pressure. Without --cases: the cases that the model's own training held out.
--train names the cases that the nulls may know (default: all at hand that are not scored).
`--model none` scores the nulls alone, without --cases on 10 % of NACA and a quarter of UIUC.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    DATA,
    FIELDS,
    SCALARS,
    AirfoilCase,
    case_files,
    free_stream,
    near_errors,
    need_data,
    read_case,
    split_by_airfoil,
)
from _timing import table, write_json
from scipy.stats import spearmanr

from meshop.errors import SurrogateError
from meshop.graph import wall_facets
from meshop.predict import integrate_pressure
from meshop.surrogate import Surrogate
from meshop.train import least_squares, nearest_case

Row = dict[str, Any]  # errors of one case: fields, scalars; "Cl value" for the rank correlation


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--model", default="airfoil-rans")
    args.add_argument("--cases", nargs="*", type=Path, help="files or folders to score on")
    args.add_argument("--train", nargs="*", type=Path, help="files or folders the nulls learn from")
    args.add_argument("--data", type=Path, default=DATA, help="folder of the default cases")
    args.add_argument("--json")
    opt = args.parse_args()
    if not opt.cases:
        need_data(opt.data)
    files = case_files([opt.data]) if opt.data.is_dir() else []
    surrogate = None
    if opt.model != "none":
        try:
            surrogate = Surrogate.load(opt.model)
        except SurrogateError as error:
            print(f"skipped: {error}")
            return
    if opt.cases:
        scored = case_files(opt.cases)
    elif surrogate is not None:
        held = set(surrogate.meta["settings"]["validation"])
        scored = [path for path in files if path.stem in held]
        if len(scored) != len(held):
            raise SystemExit(f"{len(held)} cases were held out, {len(scored)} are in {opt.data}")
    else:
        everything = [read_case(path) for path in files]
        scored = [files[i] for i in split_by_airfoil(everything)[1]]
    names = {path.resolve() for path in scored}
    known = [p for p in (case_files(opt.train) if opt.train else files) if p.resolve() not in names]
    cases = [read_case(path) for path in scored]
    train = [read_case(path) for path in known]

    rows: dict[str, list[Row]] = {}
    if surrogate is not None:
        rows["meshop"] = [score_surrogate(surrogate, c) for c in cases]
    if train:
        rows |= nulls(train, cases)
    result = {
        "model": surrogate and {"name": surrogate.name, "hash": surrogate.hash},
        "cases": len(cases),
        "known_to_the_nulls": len(train),
        "families": summarise(rows, cases),
        "rows": {who: dict(zip((c.name for c in cases), r)) for who, r in rows.items()},  # noqa: B905
    }
    if surrogate is not None:
        print(f"{surrogate.name} {surrogate.hash[:12]}")
    print(f"{len(cases)} cases; the nulls know {len(train)}")
    print(text(result["families"]))
    write_json(opt.json, result)


def score_surrogate(surrogate: Surrogate, case: AirfoilCase) -> Row:
    known = {c.name: case.conditions[c.name] for c in surrogate.schema.conditions}
    got = surrogate.evaluate(case.mesh, known)
    aoa = case.conditions["aoa_deg"]
    fields = {name: np.asarray(got.fields[name], dtype=np.float64) for name in FIELDS}
    integrated = integrate_pressure(
        case.mesh, wall_facets(case.mesh, external=True), fields["p"].ravel(), aoa
    )
    fields["U"] = fields["U"][:, :2] - free_stream(aoa)
    row: Row = {name: near_errors(case, fields)[name] for name in FIELDS}
    row |= {name: abs(got.scalars[name] - case.scalars[name]) for name in SCALARS}
    row |= {f"{k} integrated": abs(v - case.scalars[k]) for k, v in integrated.items()}
    return row | {"Cl value": got.scalars["Cl"], "in range": got.in_range}


def nulls(train: Sequence[AirfoilCase], cases: Sequence[AirfoilCase]) -> dict[str, list[Row]]:
    """Nearest case (its deviations carried to the target's cells) and the least-squares fit."""
    conditions = np.array([c.inputs for c in train])
    heights = np.array([c.heights for c in train])
    scalars = np.array([[c.scalars[k] for k in SCALARS] for c in train])
    fits = least_squares(
        conditions, heights, scalars, [c.inputs for c in cases], [c.heights for c in cases]
    )
    sources = [{"centres": c.centres, "fields": c.fields} for c in train]
    out: dict[str, list[Row]] = {"nearest case": [], "least squares": []}
    for case, fit in zip(cases, fits, strict=True):
        found = nearest_case(
            conditions, heights, sources, case.inputs, case.heights, case.centres[case.near]
        )
        guess = {
            "nearest case": scalars[found.case],
            "least squares": fit,
        }
        for who, values in guess.items():
            row = {k: abs(v - case.scalars[k]) for k, v in zip(SCALARS, values, strict=True)}
            out[who].append(row | {"Cl value": float(values[0])})
        out["nearest case"][-1] |= near_errors(case, found.fields)
    return out


def summarise(rows: dict[str, list[Row]], cases: Sequence[AirfoilCase]) -> dict[str, Any]:
    """family -> who -> {key: {mean, median}}, with Spearman's rank correlation of Cl."""
    out: dict[str, Any] = {}
    for family in sorted({c.family for c in cases}):
        mine = [i for i, c in enumerate(cases) if c.family == family]
        truth = [cases[i].scalars["Cl"] for i in mine]
        out[family] = {"cases": len(mine)}
        for who, all_rows in rows.items():
            some = [all_rows[i] for i in mine]
            keys = [k for k in some[0] if k not in ("Cl value", "in range")]
            values = {k: np.array([r[k] for r in some]) for k in keys}
            summary: dict[str, Any] = {
                k: {"mean": float(v.mean()), "median": float(np.median(v))}
                for k, v in values.items()
            }
            if len(mine) > 2:
                rank = spearmanr(truth, [r["Cl value"] for r in some]).statistic
                summary["Spearman of Cl"] = float(rank)
            out[family][who] = summary
    return out


def text(families: dict[str, Any]) -> str:
    """Fields in percent as mean (median), scalars as mean |error|."""
    lines = []
    scalar_keys = [*SCALARS, "Cl integrated", "Cm integrated"]
    for family, block in families.items():
        rows = []
        for who, summary in block.items():
            if who == "cases":
                continue
            row = [who]
            for key in FIELDS:
                s = summary.get(key)
                row.append(f"{100 * s['mean']:.2f} ({100 * s['median']:.2f})" if s else "-")
            for key in scalar_keys:
                row.append(f"{summary[key]['mean']:.5f}" if key in summary else "-")
            rank = summary.get("Spearman of Cl")
            rows.append([*row, "-" if rank is None else f"{rank:.4f}"])
        short = [k.replace("integrated", "int.") for k in scalar_keys]
        head = [f"{family} ({block['cases']})", "U %", "p %", "nut %", *short, "Spearman"]
        lines.append(table(rows, head))
    return "\n\n".join(lines)


if __name__ == "__main__":
    main()
