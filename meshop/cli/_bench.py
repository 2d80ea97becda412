"""meshop bench"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from ._console import guarded, print_json, say, table, usage_error
from ._train import _one_of, _talk


@guarded
def bench(
    out: Annotated[str, typer.Option("--out", "-o", help="Folder of the results.")] = "bench",
    tasks: Annotated[
        str | None, typer.Option(help="Tasks: gfn_graetz,holed_poisson. Default: all.")
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(help="Operators and nulls: wall-field,transolver,nearest. Default: all."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0 to so many, one run each.")] = 1,
    minutes: Annotated[
        float | None, typer.Option(min=0.001, help="Training of a run. Default: 1, or --epochs.")
    ] = None,
    epochs: Annotated[float | None, typer.Option(min=0.0, help="Training of a run.")] = None,
    size: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE for all models that have it, or MODEL:KEY=VALUE."),
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Cases a step. Default: task's.")] = None,
    lr: Annotated[float, typer.Option(min=0.0, help="Peak learning rate.")] = 5e-3,
    loss: Annotated[str, typer.Option(help="Of training: h1 (fields at points) or l2.")] = "l2",
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of a run. Default: cores over jobs.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Folder of the tasks' data. Default: $MESHOP_DATA.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    precision: Annotated[str, typer.Option(help="Lightning's: 32-true, bf16-mixed.")] = "32-true",
    retry: Annotated[bool, typer.Option("--retry", help="Failed runs again.")] = False,
    report_only: Annotated[
        bool, typer.Option("--report", help="No runs, only the report of what is there.")
    ] = False,
    show: Annotated[bool, typer.Option("--list", help="List tasks and models, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")] = False,
) -> None:
    """Compare operators on fixed tasks at equal budgets. Runs that are done are not done again."""
    from ..bench import NULLS, report
    from ..bench import all_tasks as known
    from ..bench import bench as run
    from ..models import registry
    from ..train import Loss

    if show:
        if as_json:
            listed = {name: task.summary for name, task in known().items()}
            print_json({"command": "bench", "tasks": listed, "models": [*NULLS, *registry()]})
            return
        width = max(map(len, known()))
        for name, item in known().items():
            print(f"{name:<{width}}  {item.summary}")
        print(f"\nmodels: {', '.join([*NULLS, *registry()])}")
        return
    _talk(quiet or as_json)
    if report_only:
        found = report(out)
    else:
        general, own = _sizes(size or [])
        found = run(
            out,
            tasks_wanted=_names(tasks),
            models=_names(models),
            seeds=range(seeds),
            minutes=minutes,
            epochs=epochs,
            config=general,
            configs=own,
            batch=batch,
            lr=lr,
            loss=_one_of("--loss", loss, Loss),
            jobs=jobs,
            threads=threads,
            data=data,
            device=device,
            precision=precision,
            retry=retry,
            progress=None
            if quiet or as_json
            else lambda done, total, what: say(f"{done} of {total}: {what}"),
        )
    if as_json:
        content = json.loads(found.files["table.json"].read_text())
        print_json({"command": "bench", "folder": out, **content})
        return
    if quiet:
        return
    if found.rows:
        print(table([["task", "test", "field", "model", "mean", "median"], *_lines(found)]))
    for task, why in found.skipped.items():
        say(f"skipped {task}: {why}")
    for task, model, seed, error in found.failed:
        say(f"failed {task} {model} seed {seed}: {error[:200]}")
    say(f"wrote {found.files['index.html']} and {found.files['table.md']}")


def _lines(found: Any) -> list[list[str]]:
    return [
        [row.task, row.test, row.field, row.model, f"{row.mean:.4g}", f"{row.median:.4g}"]
        for row in found.rows
    ]


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _sizes(given: list[str]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """--set options: sizes for all models, and by model."""
    general: dict[str, Any] = {}
    own: dict[str, dict[str, Any]] = {}
    for item in given:
        key, equals, text = item.partition("=")
        if not equals or not key:
            usage_error(f"--set {item!r}", "expected KEY=VALUE", "--set width=64")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        model, colon, name = key.partition(":")
        if colon:
            own.setdefault(model, {})[name] = value
        else:
            general[key] = value
    return general, own
