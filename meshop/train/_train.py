"""`train`: solved cases in, a surrogate out."""

from __future__ import annotations

import csv
import json
import logging
import math
import platform
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, WeightAveraging
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader

from .. import __version__
from ..errors import ConditionError, SurrogateError
from ..models import registry
from ..surrogate import Condition, Field, Scalar, Schema, Sizes, Surrogate, find_device
from ._cases import Problem, expand, find_problem, split
from ._fit_normaliser import fit_normaliser
from ._mirror import known_signs, mirror_of
from ._module import Epochs, Fit
from ._report import pictures, table_text, validate
from ._sampling import CaseSampler, collate, sample
from ._store import StoredCase, store_cases

log = logging.getLogger("meshop")
VALIDATIONS = 25  # over a run
AVERAGE = 0.999  # of the weights, per step
LOG_RATIO = 3.0  # a positive condition that varies by more is learned as its logarithm


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
    model: str = "wall-field",
    model_config: Mapping[str, Any] | None = None,
    steps: int = 20000,
    minutes: float | None = None,
    batch: int = 8,
    points: int | None = 768,
    lr: float = 2e-3,
    weight_decay: float = 1e-4,
    validation: float = 0.1,
    seed: int = 0,
    mirror: bool | None = None,
    potential: bool = True,
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
    array and field-data names. units: name -> unit, for the record. steps and minutes bound the
    training, whichever ends first. batch cases with `points` nodes each make a step. validation:
    share of cases held out, whole walls at a time. mirror: also learn from mirror images y -> -y
    (default: where every sign in them is known). potential: let nodes know the plane potential flow
    about the wall, where it exists. patience: validations without improvement
    before stopping early. device, devices, strategy and precision go to Lightning's Trainer.
    progress(done, total) is called while cases are prepared.

    Raises ConditionError, MeshError, MeshFileError on cases that cannot be used.
    """
    folder = Path(out)
    pl.seed_everything(seed, workers=True, verbose=False)
    if model not in registry():
        raise ConditionError(f"no operator {model!r}", f"known: {', '.join(registry())}")
    kind = registry()[model]
    accelerator = {"auto": "auto", "cpu": "cpu"}.get(device) or find_device(device)
    paths = expand(cases)
    problem = find_problem(
        paths,
        targets=targets,
        scalars=scalars,
        conditions=conditions,
        potential=potential,
        edges=kind.edges,
    )
    folder.mkdir(parents=True, exist_ok=True)
    for note in problem.notes:
        log.info("%s", note)
    train_ids, held_ids = split(problem.cases, validation, seed)
    schema = _schema(problem, [problem.cases[i] for i in train_ids], units or {})
    stored = store_cases(problem, folder / "cases", workers, progress)
    fit_cases, held = [stored[i] for i in train_ids], [stored[i] for i in held_ids]
    if mirror is None:
        mirror = known_signs(problem, schema)
    flip = mirror_of(problem, schema, stored[0]) if mirror else None

    sizes = Sizes(
        features=stored[0].x.shape[1],
        tokens=stored[0].wall_x.shape[1],
        cond=len(schema.conditions),
        out=stored[0].y.shape[1],
        scalars=len(schema.scalars),
        prior=stored[0].prior.shape[1],
        lift=len(stored[0].lift),
    )
    surrogate = Surrogate(
        schema,
        problem.spec,
        model,
        dict(model_config or {}),
        sizes=sizes,
        name=name or folder.resolve().name,
    )
    fit_normaliser(surrogate.normaliser, fit_cases, schema, flip)
    settings = {
        "cases": [str(p) for p in paths],
        "train": [problem.cases[i].name for i in train_ids],
        "validation": [problem.cases[i].name for i in held_ids],
        "targets": list(problem.targets),
        "scalars": problem.scalars,
        "conditions": list(problem.spec.conditions),
        "model": model,
        "model_config": dict(model_config or {}),
        "parameters": surrogate.n_parameters,
        "steps": steps,
        "minutes": minutes,
        "batch": batch,
        "points": points,
        "lr": lr,
        "weight_decay": weight_decay,
        "seed": seed,
        "mirror": bool(flip),
        "potential": problem.spec.potential,
        "precision": precision,
    }
    (folder / "config.json").write_text(json.dumps(settings, indent=1) + "\n")

    every = max(1, min(steps // VALIDATIONS, 1000))
    sampler = CaseSampler(
        fit_cases,
        flip,
        batch=batch,
        points=points,
        steps=every,
        seed=seed,
        # Processes that train together must agree on the length of an epoch.
        seconds=60 * minutes / VALIDATIONS if minutes and devices == 1 else None,
    )
    energy = torch.from_numpy(np.mean([c.energy for c in fit_cases], axis=0)).float()
    module = Fit(
        surrogate.operator,
        surrogate.normaliser,
        schema,
        energy=energy,
        lr=lr,
        weight_decay=weight_decay,
        steps=steps,
        minutes=minutes,
    )
    start = time.monotonic()
    is_main = _fit(
        module,
        sampler,
        [collate([sample(c)]) for c in held] if len(held) <= 64 else _Held(held),
        folder,
        {
            "accelerator": "gpu" if accelerator.startswith("cuda") else accelerator,
            "devices": devices,
            "strategy": strategy,
            "precision": precision,
            "enable_progress_bar": not quiet,
        },
        steps,
        patience,
        resume,
    )
    path = folder / "surrogate.safetensors"
    surrogate.operator.cpu().eval()
    surrogate.normaliser.cpu()
    if not is_main:  # of several processes, the first one writes
        return TrainResult(surrogate, path, {}, folder)
    surrogate.save(path)  # whatever the report may run into
    card = validate(surrogate, fit_cases, held) if held else {"cases": 0, "families": {}}
    surrogate.card = card
    surrogate.meta = {
        "meshop": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "seed": seed,
        "parameters": surrogate.n_parameters,
        "steps": module.global_step,
        "training_minutes": round((module.elapsed + time.monotonic() - start) / 60, 2),
        "threads": torch.get_num_threads(),
        "settings": {k: v for k, v in settings.items() if k not in ("cases", "train")},
    }
    surrogate.save(path)
    (folder / "validation.md").write_text(table_text(card))
    (folder / "validation.json").write_text(json.dumps(card, indent=1) + "\n")
    _write_curves(module.history, folder / "curves.csv")
    pictures(surrogate, card, module.history, held, folder)
    shutil.rmtree(folder / "cases")  # gigabytes that the next run makes again in minutes
    return TrainResult(surrogate, path, card, folder)


def _fit(
    module: Fit,
    sampler: CaseSampler,
    held: Any,
    folder: Path,
    trainer: dict[str, Any],
    steps: int,
    patience: int,
    resume: bool,
) -> bool:
    """Run Lightning; leaves the weights of the lowest validation score in the module.

    Returns whether this process is the main one.
    """
    has_held = len(held) > 0
    checkpoint = ModelCheckpoint(
        folder / "checkpoints",
        filename="best",
        monitor="val/score" if has_held else None,
        enable_version_counter=False,
    )
    # Its own callback: `save_last` would only follow the best.
    latest = ModelCheckpoint(
        folder / "checkpoints", filename="last", every_n_epochs=1, enable_version_counter=False
    )
    callbacks: list[pl.Callback] = [
        Epochs(sampler),
        WeightAveraging(avg_fn=_average, use_buffers=False),
        checkpoint,
        latest,
    ]
    if has_held and patience:
        # A short run may end before its first validation: strict would make that an error.
        callbacks.append(EarlyStopping("val/score", patience=patience, strict=False))
    last = folder / "checkpoints" / "last.ckpt"
    if resume and not last.is_file():
        raise SurrogateError(
            f"nothing to resume in {folder}", f"there is no {last}", "run without --resume"
        )
    try:
        runner = _trainer(sampler, folder, callbacks, steps, trainer)
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        raise ConditionError(
            "these training options do not work here",
            str(error),
            "meshop doctor shows the devices; --device cpu --precision 32-true always works",
        ) from error
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # it advertises
    held_loader = DataLoader(held, batch_size=None) if has_held else None
    with warnings.catch_warnings():
        # Lightning warns of its own internals and of loaders that are fast enough as they are.
        warnings.filterwarnings("ignore", module=r"lightning\.|torch\.utils")
        runner.fit(
            module,
            DataLoader(sampler, batch_size=None),
            held_loader,
            ckpt_path=str(last) if resume else None,
            weights_only=True,
        )
        best = checkpoint.best_model_score
        if has_held and best is not None and module.history["step"][-1] != module.global_step:
            # The last weights may lie after the last validation, when time ran out.
            found = runner.validate(module, held_loader, verbose=False)[0]["val/score"]
        else:
            found = math.inf
        if best is not None and found > float(best):
            state = torch.load(checkpoint.best_model_path, map_location="cpu", weights_only=True)
            module.load_state_dict(state["state_dict"])
    return runner.is_global_zero


def _trainer(
    sampler: CaseSampler,
    folder: Path,
    callbacks: list[pl.Callback],
    steps: int,
    options: dict[str, Any],
) -> pl.Trainer:
    return pl.Trainer(
        max_steps=steps,
        max_epochs=-1,  # max_steps ends it
        limit_train_batches=sampler.steps,
        callbacks=callbacks,
        logger=TensorBoardLogger(folder, name=None, version="logs"),
        log_every_n_steps=min(20, sampler.steps),
        gradient_clip_val=1.0,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **options,
    )


def _average(averaged: torch.Tensor, now: torch.Tensor, count: Any) -> torch.Tensor:
    """Exponential average of the weights over about 1000 steps, over fewer at the start."""
    count = int(count)
    return averaged + (now - averaged) * max(1 - AVERAGE, 10 / (10 + count))


class _Held(torch.utils.data.Dataset):
    """Whole validation cases, read when asked for."""

    def __init__(self, cases: Sequence[StoredCase]) -> None:
        self.cases = cases

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, i: int) -> Any:
        if i >= len(self.cases):
            raise IndexError(i)
        return collate([sample(self.cases[i])])


def _schema(
    problem: Problem,
    train_cases: Sequence[Any],
    units: Mapping[str, str],
) -> Schema:
    conditions = []
    for name in problem.spec.conditions:
        values = [c.conditions[name] for c in train_cases]
        low, high = min(values), max(values)
        unit = units.get(name, "deg" if name.endswith("_deg") else "")
        log_scale = low > 0 and high / low > LOG_RATIO
        conditions.append(Condition(name=name, low=low, high=high, units=unit, log=log_scale))
    return Schema(
        location=problem.spec.location,
        dim=problem.spec.dim,
        fields=tuple(
            Field(name=n, components=len(c), constant=tuple(c), units=units.get(n, ""))
            for n, c in problem.constants.items()
        ),
        scalars=tuple(Scalar(name=n, units=units.get(n, "")) for n in problem.scalars),
        conditions=tuple(conditions),
        extent=problem.extent,
        thickness=problem.thickness,
    )


def _write_curves(history: Mapping[str, Sequence[float]], path: Path) -> None:
    keys = list(history)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(keys)
        writer.writerows(zip(*(history[k] for k in keys), strict=False))
