"""What the runs of a folder say: table.json, table.md and one page, index.html."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from dataclasses import field as default
from pathlib import Path
from typing import Any

import numpy as np

from ..viz import ErrorBar, cost_chart, error_chart
from ._nulls import NULLS
from ._run import write_json
from ._task import Task, find_tasks

LABELLED = ("minutes", "epochs", "batch", "lr", "device", "precision")


@dataclass
class Row:
    """A model's result on one field of one test set, over seeds.

    mean and median: of the cases' errors, averaged over seeds; spread: deviation of the mean over
    seeds (None for one seed). gain: the best null's mean error over this one.
    """

    task: str
    test: str
    field: str
    model: str
    is_null: bool
    seeds: int
    mean: float
    spread: float | None
    median: float
    worst: float
    published: float | None
    parameters: int
    steps: float | None
    training_seconds: float
    nodes_a_second: float
    peak_mb: float
    gain: float | None = None
    per_case: list[float] = default(default_factory=list, repr=False)
    means: list[float] = default(default_factory=list, repr=False)


@dataclass
class Table:
    """rows, best first within a task's field; failed: (task, model, seed, error); skipped tasks
    with the reason; files of the report."""

    rows: list[Row]
    failed: list[tuple[str, str, int, str]]
    skipped: dict[str, str]
    files: dict[str, Path]


def report(folder: str | Path) -> Table:
    """Read the runs of a folder and write table.json, table.md and index.html beside them."""
    folder = Path(folder)
    records = [r for r in (_read(p) for p in sorted((folder / "runs").glob("*.json"))) if r]
    published = _published({r["task"] for r in records})
    rows = list(_rows([r for r in records if r["status"] == "ok"], published))
    failed: list[tuple[str, str, int, str]] = [
        (r["task"], r["model"], r["seed"], str(r.get("error", "")))
        for r in records
        if r["status"] != "ok"
    ]
    names = ("task", "model", "seed", "error")
    skipped = _read(folder / "skipped.json") or {}
    files = {n: folder / n for n in ("table.json", "table.md", "index.html")}
    table = Table(rows, failed, skipped, files)
    write_json(
        files["table.json"],
        {
            "schema": 1,
            "rows": [{k: v for k, v in asdict(r).items() if k != "per_case"} for r in rows],
            "failed": [dict(zip(names, f, strict=True)) for f in failed],
            "skipped": skipped,
        },
    )
    files["table.md"].write_text(markdown(table))
    files["index.html"].write_text(page(table, records))
    return table


def markdown(table: Table) -> str:
    """The table as Markdown."""
    lines = [f"| {' | '.join(HEADS)} |", f"|{'---|' * len(HEADS)}"]
    lines += [f"| {' | '.join(_cells(row))} |" for row in table.rows]
    for task, model, seed, error in table.failed:
        lines.append(f"\nFailed: {task}, {model}, seed {seed}: {' '.join(error.split())[:300]}")
    for task, why in table.skipped.items():
        lines.append(f"\nSkipped: {task}: {why}")
    return "\n".join(lines) + "\n"


HEADS = (
    "task", "test", "field", "model", "mean error", "median", "published", "times best null",
    "parameters", "training s", "steps", "nodes/s", "peak MB",
)  # fmt: skip


def _cells(row: Row) -> list[str]:
    error = f"{row.mean:.4g}" + (f" ± {row.spread:.1g}" if row.spread is not None else "")
    return [
        row.task,
        row.test,
        row.field,
        row.model,
        error,
        f"{row.median:.4g}",
        f"{row.published:.4g}" if row.published is not None else "",
        f"{row.gain:.2f}" if row.gain is not None else "",
        f"{row.parameters:,}" if row.parameters else "",
        f"{row.training_seconds:.0f}",
        f"{row.steps:.0f}" if row.steps else "",
        f"{row.nodes_a_second:.2g}",
        f"{row.peak_mb:.0f}",
    ]


def _rows(
    records: Sequence[dict[str, Any]], published: dict[tuple[str, str, str], float]
) -> Iterator[Row]:
    labels = _labels(records)
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in records:
        groups.setdefault((record["task"], labels[record["id"]]), []).append(record)
    found: dict[tuple[str, str, str], list[Row]] = {}
    for (task, label), members in groups.items():
        for test, fields in members[0]["tests"].items():
            for name in fields:
                results = [m["tests"][test][name] for m in members]
                means = [r["mean"] for r in results]
                key = task, test, name
                row = Row(
                    task=task,
                    test=test,
                    field=name,
                    model=label,
                    is_null=members[0]["model"] in NULLS,
                    seeds=len(members),
                    mean=float(np.mean(means)),
                    spread=float(np.std(means, ddof=1)) if len(means) > 1 else None,
                    median=float(np.mean([r["median"] for r in results])),
                    worst=float(np.max([r["max"] for r in results])),
                    published=published.get(key),
                    parameters=members[0]["parameters"],
                    steps=_mean(members, "steps"),
                    training_seconds=_mean(members, "training_seconds") or 0.0,
                    nodes_a_second=_mean(members, "nodes_a_second") or 0.0,
                    peak_mb=max(m["peak_mb"] for m in members),
                    per_case=list(results[0]["per_case"]),
                    means=means,
                )
                found.setdefault(key, []).append(row)
    for rows in found.values():
        nulls = [r.mean for r in rows if r.is_null]
        for row in sorted(rows, key=lambda r: r.mean):
            if nulls and not row.is_null:
                row.gain = min(nulls) / max(row.mean, 1e-300)
            yield row


def _labels(records: Sequence[dict[str, Any]]) -> dict[str, str]:
    """A model's name, with what tells its runs from others of that name on the same task."""
    out = {}
    for record in records:
        same = [r for r in records if (r["task"], r["model"]) == (record["task"], record["model"])]
        keys = sorted({k for r in same for k in r["config"]})
        parts = [
            f"{k}={record['config'].get(k, 'default')}"
            for k in keys
            if len({str(r["config"].get(k)) for r in same}) > 1
        ]
        if record["model"] not in NULLS:
            parts += [f"{k}={record[k]}" for k in LABELLED if len({str(r[k]) for r in same}) > 1]
        out[record["id"]] = record["model"] + (f" ({', '.join(parts)})" if parts else "")
    return out


def page(table: Table, records: Sequence[dict[str, Any]]) -> str:
    """One HTML page that needs nothing else: tables and charts by task, failures, how it ran."""
    known = _tasks({row.task for row in table.rows})
    parts = ["<h1>meshop bench</h1>", _setting(records)]
    for task in dict.fromkeys(row.task for row in table.rows):
        mine = [row for row in table.rows if row.task == task]
        parts.append(f"<h2>{_text(task)}</h2>")
        if task in known:
            about = known[task]
            measure = MEASURES[about.measure]
            parts.append(f"<p>{_text(about.summary)}. Errors: {_text(measure)}.</p>")
            if about.source:
                parts.append(f"<p>Published figures: {_text(about.source)}.</p>")
        parts.append('<div class="charts">')
        for test, name in dict.fromkeys((row.test, row.field) for row in mine):
            rows = [row for row in mine if (row.test, row.field) == (test, name)]
            bars = [ErrorBar(r.model, r.means, _quantiles(r.per_case), r.is_null) for r in rows]
            parts.append(error_chart(f"{task}: {name} on {test}", bars, rows[0].published))
        points = _costs(mine)
        if len(points) > 1:
            parts.append(cost_chart(points, "nodes predicted a second", "mean error, all fields"))
        parts.append("</div>")
        parts.append(_html_table(mine))
    if table.failed:
        parts.append("<h2>Failed runs</h2><ul>")
        parts += [
            f"<li>{_text(t)}, {_text(m)}, seed {s}: <code>{_text(e[:600])}</code></li>"
            for t, m, s, e in table.failed
        ]
        parts.append("</ul>")
    if table.skipped:
        parts.append("<h2>Skipped tasks</h2><ul>")
        parts += [f"<li>{_text(t)}: {_text(why)}</li>" for t, why in table.skipped.items()]
        parts.append("</ul>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>meshop bench</title>'
        f"<style>{STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


MEASURES = {
    "plain": "relative L2 norm of the nodal vectors, per case",
    "quadrature": "relative L2 norm weighted by dual measures, per case",
    "near": "L2 norm relative to the deviation from the far field, weighted by dual measures, "
    "within one reference length of the wall, per case",
}
STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;color:#1b1f24;max-width:1180px;margin:2rem auto;"
    "padding:0 1rem}table{border-collapse:collapse;font-size:12.5px;margin:.6rem 0 1.6rem}"
    "th,td{padding:.2rem .55rem;text-align:right;border-bottom:1px solid #d9dde2}"
    "th:nth-child(-n+3),td:nth-child(-n+3){text-align:left}tr.null{color:#6b7280}"
    "tr.best td{font-weight:600}.charts{display:flex;flex-wrap:wrap;gap:.8rem}"
    ".charts svg{max-width:100%;height:auto}code{font-size:12px}"
)


def _html_table(rows: Sequence[Row]) -> str:
    heads = "".join(f"<th>{_text(h)}</th>" for h in HEADS[1:])
    body, seen = [], set()
    for row in rows:
        marks = ["null"] if row.is_null else []
        if (row.test, row.field) not in seen:
            seen.add((row.test, row.field))
            marks.append("best")
        cells = "".join(f"<td>{_text(c)}</td>" for c in _cells(row)[1:])
        body.append(f'<tr class="{" ".join(marks)}">{cells}</tr>')
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _setting(records: Sequence[dict[str, Any]]) -> str:
    def all_of(key: str) -> str:
        values = {str(r[key]) for r in records if r.get(key) is not None}
        return ", ".join(sorted(values)) or "none"

    return (
        f"<p>{len(records)} runs; minutes of training: {_text(all_of('minutes'))}; epochs: "
        f"{_text(all_of('epochs'))}; learning rate {_text(all_of('lr'))}; seeds "
        f"{_text(all_of('seed'))}; device {_text(all_of('device'))}; threads a run "
        f"{_text(all_of('threads'))}; meshop {_text(all_of('meshop'))}, torch "
        f"{_text(all_of('torch'))}, {_text(all_of('machine'))}. Each run had a process of its own. "
        "Dots are seeds, bars reach from the 5th to the 95th percentile of the cases, grey are "
        "models without a network, the dashed line is a published figure.</p>"
    )


def _quantiles(values: Sequence[float]) -> list[float]:
    found = [v for v in values if v is not None and v > 0]
    return [float(v) for v in np.quantile(found, (0.05, 0.95))] if found else []


def _costs(rows: Sequence[Row]) -> dict[str, tuple[float, float]]:
    out: dict[str, list[Row]] = {}
    for row in rows:
        if not row.is_null:
            out.setdefault(row.model, []).append(row)
    return {
        label: (members[0].nodes_a_second, float(np.mean([r.mean for r in members])))
        for label, members in out.items()
    }


def _published(names: set[str]) -> dict[tuple[str, str, str], float]:
    return {
        (name, test, quantity): value
        for name, task in _tasks(names).items()
        for (test, quantity), value in task.published.items()
    }


def _tasks(names: set[str]) -> dict[str, Task]:
    """The tasks that are still known; results of others are shown without their figures."""
    out = {}
    for name in names:
        try:
            out[name] = find_tasks([name])[name]
        except Exception:
            continue
    return out


def _mean(records: Sequence[dict[str, Any]], key: str) -> float | None:
    values = [r[key] for r in records if r.get(key) is not None]
    return float(np.mean(values)) if values and all(map(math.isfinite, values)) else None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _text(value: object) -> str:
    return html.escape(str(value))
