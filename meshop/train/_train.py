"""`train`: solved cases in, a surrogate out."""

from __future__ import annotations

import csv
import inspect
import json
import logging
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from .. import __version__
from ..errors import ConditionError
from ..models import registry
from ..surrogate import Form, Scheme, Surrogate
from ._cases import expand, find_problem, split
from ._learn import DEFAULT, learn, make_schema, make_stepper
from ._mirror import known_signs, mirror_of
from ._morphed import MORPHED, check_morphed, learn_morphed
from ._report import pictures, table_text, validate
from ._rollouts import validate_rollouts
from ._sobolev import Loss, check_loss
from ._store import store_cases

log = logging.getLogger("meshop")


@dataclass
class TrainResult:
    """surrogate; path of its file; card: errors on held-out cases and the nulls; folder of the
    run (config.json, validation.md, curves.png, TensorBoard logs, checkpoints)."""

    surrogate: Surrogate
    path: Path
    card: dict[str, Any]
    folder: Path


def train(
    cases: Sequence[str | Path],
    out: str | Path = "run",
    *,
    name: str | None = None,
    targets: Sequence[str] | None = None,
    scalars: Sequence[str] | None = None,
    conditions: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
    model: str | None = None,
    model_config: Mapping[str, Any] | None = None,
    steps: int = 20000,
    minutes: float | None = None,
    loss: Loss = "l2",
    batch: int = 8,
    points: int | None = 768,
    lr: float = 5e-3,
    weight_decay: float = 1e-4,
    validation: float = 0.1,
    seed: int = 0,
    mirror: bool | None = None,
    inputs: Sequence[str] = (),
    wall_inputs: Sequence[str] = (),
    potential: bool = True,
    form: Form | None = None,
    scheme: Scheme = "rk4",
    substeps: int = 1,
    bundle: int = 1,
    noise: float = 0.0,
    pushforward: int = 0,
    resume: bool = False,
    patience: int = 10,
    device: str = "auto",
    devices: int | str = 1,
    strategy: str = "auto",
    precision: str = "32-true",
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
    quiet: bool = False,
) -> TrainResult:
    """Train a surrogate on solved cases; everything not named is found from the files.

    cases: files, folders or glob patterns. out: the run's folder. targets, scalars, conditions:
    array and field-data names. units: name -> unit, for the record. model: an operator's name, or
    "mmgp": plane or solid meshes morphed to one, bands and no network, to which nothing of what
    follows about steps, losses, devices and mirror images applies. steps and minutes bound the
    training, whichever ends first. loss: relative errors in "l2" or, of fields at points, in "h1",
    with gradients in units of the reference length, of all nodes. batch cases with `points` nodes
    each make a step. validation: share of cases held out, whole walls at a time. mirror: also learn
    from mirror images y -> -y (default: where every sign in them is known). inputs, wall_inputs:
    arrays that are known at the nodes and on the boundary, in the cases and in every mesh to
    predict on; one that is in both, and zero off the boundary in every case, holds boundary data,
    of which the other nodes get a mean (`GraphSpec.extended`). potential: let nodes know the plane
    potential flow about the wall, where it exists.
    form: "state", "residual" or "derivative": the cases are series, and what is learned is to
    advance their targets, the state, by one time step (`Stepper`, with scheme, substeps and
    bundle); inputs may be named besides. noise: of the states that training steps start from, in
    their standard deviations; pushforward: at most so many earlier calls of the operator make that
    state. patience: validations without improvement before stopping early. device, devices,
    strategy, precision: of Lightning's Trainer.
    progress(done, total) is called while cases are prepared.

    Raises ConditionError, MeshError, MeshFileError on cases that cannot be used.
    """
    folder = Path(out)
    pl.seed_everything(seed, workers=True, verbose=False)
    known = [*registry(), MORPHED]
    if model is not None and model not in known:
        raise ConditionError(f"no operator {model!r}", f"known: {', '.join(known)}")
    morphed = model == MORPHED
    if morphed and (minutes is not None or resume):
        raise ConditionError(
            f"--minutes and --resume with --model {MORPHED}",
            "it is fitted at once, without steps",
            "the same without them",
        )
    stepping = form is not None
    if stepping and scalars:
        raise ConditionError("scalars of a series", "only fields are advanced in time")
    paths = expand(cases, series=stepping)
    problem = find_problem(
        paths,
        targets=targets,
        scalars=scalars,
        conditions=conditions,
        inputs=inputs,
        wall_inputs=wall_inputs,
        potential=potential,
        edges=model is not None and not morphed and registry()[model].edges,
        series=stepping,
    )
    model = model or DEFAULT
    if morphed:
        check_morphed(problem, model_config)
        mirror, loss = False, "l2"
    check_loss(problem.spec, loss)
    stepper = make_stepper(problem, form, scheme, substeps, bundle) if form is not None else None
    if bundle > 1 and not morphed and "bundle" in inspect.signature(registry()[model]).parameters:
        model_config = {"bundle": bundle, **(model_config or {})}
    folder.mkdir(parents=True, exist_ok=True)
    for note in problem.notes:
        log.info("%s", note)
    train_ids, held_ids = split(problem.cases, validation, seed)
    schema = make_schema(problem, [problem.cases[i] for i in train_ids], units or {})
    stored = store_cases(problem, folder / "cases", workers, progress, loss=loss)
    fit_cases, held = [stored[i] for i in train_ids], [stored[i] for i in held_ids]
    if mirror is None:
        mirror = known_signs(problem, schema)
    flip = mirror_of(problem, schema, stored[0]) if mirror else None

    settings = {
        "cases": [str(p) for p in paths],
        "train": [problem.cases[i].name for i in train_ids],
        "validation": [problem.cases[i].name for i in held_ids],
        "targets": list(problem.targets),
        "scalars": problem.scalars,
        "conditions": list(problem.spec.conditions),
        "inputs": list(problem.spec.inputs),
        "wall_inputs": list(problem.spec.wall_inputs),
        "model": model,
        "model_config": dict(model_config or {}),
        "steps": steps,
        "minutes": minutes,
        "loss": loss,
        "batch": batch,
        "points": points,
        "lr": lr,
        "weight_decay": weight_decay,
        "seed": seed,
        "mirror": bool(flip),
        "potential": problem.spec.potential,
        "precision": precision,
    }
    if morphed:
        for key in ("model_config", "steps", "minutes", "batch", "points", "loss", "lr",
                    "weight_decay", "mirror", "precision"):  # fmt: skip
            del settings[key]
    if stepper is not None:
        settings |= {"stepper": stepper.model_dump(), "noise": noise, "pushforward": pushforward}
    (folder / "config.json").write_text(json.dumps(settings, indent=1) + "\n")
    learned = (
        learn_morphed(problem, schema, fit_cases, folder, name=name)
        if morphed
        else learn(
            problem,
            schema,
            fit_cases,
            held,
            folder,
            model=model,
            model_config=model_config,
            name=name,
            steps=steps,
            minutes=minutes,
            batch=batch,
            points=points,
            lr=lr,
            weight_decay=weight_decay,
            seed=seed,
            mirror=flip,
            stepper=stepper,
            noise=noise,
            pushforward=pushforward,
            resume=resume,
            patience=patience,
            device=device,
            devices=devices,
            strategy=strategy,
            precision=precision,
            quiet=quiet,
        )
    )
    surrogate = learned.surrogate
    path = folder / "surrogate.safetensors"
    if not learned.main:  # of several processes, the first one writes
        return TrainResult(surrogate, path, {}, folder)
    surrogate.save(path)  # whatever the report may run into
    card = {"cases": 0, "families": {}}
    if held:
        check = validate if stepper is None else validate_rollouts
        card = check(surrogate, fit_cases, held)
    surrogate.card = card
    surrogate.meta = {
        "meshop": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "seed": seed,
        "parameters": surrogate.n_parameters,
        "steps": learned.steps,
        "training_minutes": round(learned.seconds / 60, 2),
        "threads": torch.get_num_threads(),
        "settings": {k: v for k, v in settings.items() if k not in ("cases", "train")},
    }
    surrogate.save(path)
    (folder / "validation.md").write_text(table_text(card))
    (folder / "validation.json").write_text(json.dumps(card, indent=1) + "\n")
    if learned.history:
        _write_curves(learned.history, folder / "curves.csv")
    pictures(surrogate, card, learned.history, held, folder)
    shutil.rmtree(folder / "cases")  # gigabytes that the next run makes again in minutes
    return TrainResult(surrogate, path, card, folder)


def _write_curves(history: Mapping[str, Sequence[float]], path: Path) -> None:
    keys = list(history)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(keys)
        writer.writerows(zip(*(history[k] for k in keys), strict=False))
