"""meshop train CASES..."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, get_args

import typer

from ..errors import ConditionError
from ._arguments import AsJson, Quiet
from ._console import guarded, print_json, say, table, usage_error, warn


@guarded
def train(
    cases: Annotated[
        list[str],
        typer.Argument(
            metavar="CASES...", help="Solved cases: mesh files, folders, quoted patterns."
        ),
    ],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder of the run.")] = "run",
    name: Annotated[str | None, typer.Option(help="Name of the model; the folder's.")] = None,
    targets: Annotated[
        str | None, typer.Option(help="Fields to learn: U,p,nut. Default: all common arrays.")
    ] = None,
    scalars: Annotated[
        str | None, typer.Option(help="Field data to learn: Cl,Cd. Default: found by name.")
    ] = None,
    conditions: Annotated[
        str | None,
        typer.Option(help="Field data to learn from: aoa_deg,reynolds. Default: what varies."),
    ] = None,
    inputs: Annotated[
        str | None, typer.Option(help="Arrays that are known at the nodes: k,source.")
    ] = None,
    wall_inputs: Annotated[
        str | None, typer.Option(help="Arrays that are known on the boundary: g.")
    ] = None,
    units: Annotated[str | None, typer.Option(help="For the record: aoa_deg=deg,U=m/s.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Operator: transolver, ... (meshop models); mmgp: no network, with bands, for "
            "plane or solid meshes of like shape. Default: grid-field."
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Training steps at most.")] = 20000,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Minutes at most.")] = None,
    loss: Annotated[
        str, typer.Option(help="Relative errors in h1 (of gradients too, at points) or l2.")
    ] = "l2",
    batch: Annotated[int, typer.Option(min=1, help="Cases a step.")] = 8,
    points: Annotated[
        int, typer.Option(min=0, help="Nodes sampled from each case; 0: all of them.")
    ] = 768,
    lr: Annotated[float, typer.Option(min=0.0, help="Peak learning rate.")] = 5e-3,
    validation: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Share of cases held out.")
    ] = 0.1,
    patience: Annotated[
        int, typer.Option(min=0, help="Validations without gain before an early stop; 0: none.")
    ] = 10,
    potential: Annotated[
        bool, typer.Option(help="Let cells know the plane potential flow about the wall.")
    ] = True,
    form: Annotated[
        str | None,
        typer.Option(
            help="Learn to advance series in time: state, residual or derivative. The cases are "
            "then files of several times (.pvd, .vtkhdf, .vtu.series, ..., OpenFOAM cases)."
        ),
    ] = None,
    scheme: Annotated[
        str, typer.Option(help="Of derivatives, in predictions: euler, heun, ab2, rk4.")
    ] = "rk4",
    substeps: Annotated[int, typer.Option(min=1, help="Of a time step, for derivatives.")] = 1,
    bundle: Annotated[int, typer.Option(min=1, help="Time steps that are given at once.")] = 1,
    noise: Annotated[
        float, typer.Option(min=0.0, help="Of training states, in their standard deviations.")
    ] = 0.0,
    pushforward: Annotated[
        int, typer.Option(min=0, help="Steps at most that are unrolled before the learned one.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same model.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where --out stopped.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    devices: Annotated[str, typer.Option(help="How many (or which) of them: 1, 4, auto.")] = "1",
    strategy: Annotated[str, typer.Option(help="Lightning's: auto, ddp, ...")] = "auto",
    precision: Annotated[
        str, typer.Option(help="Lightning's: 32-true, bf16-mixed, 16-mixed.")
    ] = "32-true",
    workers: Annotated[int, typer.Option(min=1, help="Processes that prepare the cases.")] = 2,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on solved cases. Fields, scalars and conditions are found in the files."""
    from ..surrogate import Form, Scheme
    from ..train import Loss
    from ..train import train as run

    _talk(quiet or as_json)
    with _progress(not quiet and not as_json) as progress:
        result = run(
            cases,
            out,
            name=name,
            targets=_names(targets),
            scalars=_names(scalars),
            conditions=_names(conditions),
            inputs=_names(inputs) or (),
            wall_inputs=_names(wall_inputs) or (),
            units=_pairs(units),
            model=model,
            steps=steps,
            minutes=minutes,
            loss=_one_of("--loss", loss, Loss),
            batch=batch,
            points=points or None,
            lr=lr,
            validation=validation,
            patience=patience,
            potential=potential,
            form=_one_of("--form", form, Form) if form else None,
            scheme=_one_of("--scheme", scheme, Scheme),
            substeps=substeps,
            bundle=bundle,
            noise=noise,
            pushforward=pushforward,
            seed=seed,
            resume=resume,
            device=device,
            devices=int(devices) if devices.isdigit() else devices,
            strategy=strategy,
            precision=precision,
            workers=workers,
            progress=progress,
            quiet=quiet or as_json or not sys.stderr.isatty(),
        )
    if not result.card:  # one of several processes, not the one that reports
        return
    if as_json:
        card = {k: v for k, v in result.card.items() if k not in ("truth", "predicted")}
        print_json({
            "command": "train", "model": result.path, "hash": result.surrogate.hash,
            "folder": result.folder, "card": card,
        })  # fmt: skip
        return
    if quiet:
        return
    for text in card_tables(result.card):
        print(f"{text}\n")
    say(f"wrote {result.path}; the run's record is in {result.folder}")
    say(f"use it: meshop predict MESH -m {result.path}")


def card_tables(card: dict[str, Any]) -> Iterator[str]:
    """The error card as text, one table for each family of held-out cases."""
    steady = {"surrogate": "this model", "nearest": "nearest case", "least_squares": "fit"}
    in_time = {"surrogate": "this model", "persistence": "first state stays"}
    for family, entry in card.get("families", {}).items():
        models = in_time if "persistence" in entry else steady
        rows = [[f"{family}: {entry['cases']} cases held out", *models.values()]]
        banded = any("in_bands" in value for value in entry.get("surrogate", {}).values())
        rows[0] += ["in 90 % bands"] * banded
        for quantity in entry.get("surrogate", {}):
            row = [quantity]
            for model in models:
                value = entry.get(model, {}).get(quantity, {}).get("mean")
                if value is None:
                    row.append("-")
                else:  # fields have relative errors, scalars absolute ones
                    row.append(f"{100 * value:.2f} %" if " " in quantity else f"{value:.5f}")
            if banded:
                row.append(f"{100 * entry['surrogate'][quantity].get('in_bands', 0):.0f} %")
            rows.append(row)
        yield table(rows)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _one_of(option: str, text: str, kind: Any) -> Any:
    """The text, where it is one of a Literal's."""
    if text not in (known := get_args(kind)):
        usage_error(f"{option} {text}", f"known are {', '.join(known)}", f"{option} {known[-1]}")
    return text


def _pairs(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    pairs = {}
    for part in _names(text) or []:
        name, equals, unit = part.partition("=")
        if not equals or not name:
            raise ConditionError(f"--units {part!r}", "expected NAME=UNIT", "--units aoa_deg=deg")
        pairs[name] = unit
    return pairs


def _talk(silent: bool) -> None:
    """meshop's log on standard error: what was found in the cases."""
    log = logging.getLogger("meshop")
    if not any(isinstance(handler, _Lines) for handler in log.handlers):
        log.addHandler(_Lines())
    log.setLevel(logging.WARNING if silent else logging.INFO)
    # Which accelerators Lightning finds, and its tips, are no news of this run.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        (warn if record.levelno >= logging.WARNING else say)(record.getMessage())


@contextmanager
def _progress(wanted: bool) -> Iterator[Any]:
    """Called with (done, total) while cases are prepared; a bar if standard error is a terminal."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("preparing cases"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def step(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            if done >= total:
                bar.stop()  # the trainer's own bar comes next

        yield step
