"""meshop predict FILES... --steps N: rollouts."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import typer

from ._console import BAD_INPUT, going_on, print_json, say, size_text, warn


def march(
    files: Sequence[str],
    outputs: Sequence[Path],
    model: str,
    steps: int,
    time: float | None,
    device: str,
    tile: int | None,
    conditions: Mapping[str, float],
    as_json: bool,
    quiet: bool,
) -> None:
    """Advance the state of each file by so many steps, and write the series."""
    from ..predict import check_names, load, rollout

    surrogate = load(model)
    surrogate.need_stepper()
    check_names(surrogate.schema, conditions)
    many = len(files) > 1
    results: list[dict[str, Any]] = []
    for file, output in zip(files, outputs, strict=True):
        with going_on(many, results, input=file):
            start = perf_counter()
            found = rollout(file, surrogate, steps, time=time, device=device, tile=tile,
                            **conditions)  # fmt: skip
            for text in found.warnings:
                warn(f"{file}: {text}" if many else text)
            output.parent.mkdir(parents=True, exist_ok=True)
            with _bar(steps, not quiet and not as_json) as progress:
                found.save(output, progress)
            seconds = perf_counter() - start
            end = found.start + steps * found.dt
            results.append({
                "input": file, "ok": True, "output": output, "steps": steps, "dt": found.dt,
                "start": found.start, "end": end, "conditions": found.conditions,
                "model": {"name": surrogate.name, "hash": surrogate.hash},
                "in_training_range": int(not found.warnings), "warnings": found.warnings,
                "seconds": seconds,
            })  # fmt: skip
            if not quiet and not as_json:
                given = ", ".join(f"{name} = {value:g}" for name, value in found.conditions.items())
                say(f"{surrogate.name}: {given}" if given else surrogate.name)
                say(f"time {found.start:g} to {end:g}: {steps} steps of {found.dt:g} in "
                    f"{seconds:.2f} s, {1000 * seconds / steps:.1f} ms each")  # fmt: skip
                size = (
                    f" ({size_text(output.stat().st_size)})" if output.suffix == ".vtkhdf" else ""
                )
                say(f"wrote {output}{size}\nopen it: paraview {shlex.quote(str(output))}")
    failed = sum(not result["ok"] for result in results)
    if as_json:
        print_json({"command": "predict", "results": results, "failed": failed})
    if failed:
        raise typer.Exit(BAD_INPUT)


@contextmanager
def _bar(steps: int, wanted: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Called with (done, total): a bar on a terminal, and lines at each tenth elsewhere."""
    if not wanted:
        yield None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (TextColumn("time steps"), BarColumn(), MofNCompleteColumn(),
                   TimeRemainingColumn())  # fmt: skip
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=steps)
            yield lambda done, total: bar.update(task, completed=done, total=total)
    else:
        marks = {steps * tenth // 10 for tenth in range(1, 10)} - {0} if steps >= 100 else set()
        yield lambda done, total: say(f"step {done} of {total}") if done in marks else None
