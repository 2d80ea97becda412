"""From prepared cases to trained weights: what `train` and `bench` have in common."""

from __future__ import annotations

import logging
import math
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
from pydantic import ValidationError
from torch.utils.data import DataLoader

from ..errors import ConditionError, SurrogateError
from ..graph import GraphSpec
from ..models import registry
from ..surrogate import (
    Condition,
    Field,
    Form,
    Scalar,
    Schema,
    Scheme,
    Sizes,
    Stepper,
    Surrogate,
    find_device,
)
from ._cases import Problem
from ._fit_normaliser import fit_normaliser
from ._module import ENERGY_FLOOR, Epochs, Fit
from ._sampling import CaseSampler, Mirror, collate, sample
from ._store import StoredCase
from ._transitions import Perturbation, Transitions

VALIDATIONS = 25  # over a run
SHOWN = 256  # steps of series that stand for all, to the normaliser
CHECKED = 32  # steps of held-out series in each validation
AVERAGE = 0.999  # of the weights, per step
DEFAULT = "grid-field"  # the operator that is best without a word from the user
SLACK = 0.05  # of a domain's size: by less, its boundary tokens span it, and two are alike
LOG_RATIO = 3.0  # a positive condition that varies by more is learned as its logarithm


@dataclass
class Learned:
    """surrogate, with its weights; steps, seconds of training; history of the validations; main:
    whether this process is the one that writes (of several that train together)."""

    surrogate: Surrogate
    steps: int
    seconds: float
    history: dict[str, list[float]]
    main: bool


def learn(
    problem: Problem,
    schema: Schema,
    cases: Sequence[StoredCase],
    held: Sequence[StoredCase],
    folder: Path,
    *,
    model: str | None = None,
    model_config: Mapping[str, Any] | None = None,
    name: str | None = None,
    steps: int = 20000,
    minutes: float | None = None,
    batch: int = 8,
    points: int | None = 768,
    lr: float = 5e-3,
    weight_decay: float = 1e-4,
    seed: int = 0,
    mirror: Mirror | None = None,
    stepper: Stepper | None = None,
    noise: float = 0.0,
    pushforward: int = 0,
    floor: float = ENERGY_FLOOR,
    resume: bool = False,
    patience: int = 10,
    device: str = "auto",
    devices: int | str = 1,
    strategy: str = "auto",
    precision: str = "32-true",
    clock: Callable[[], float] = time.monotonic,
    quiet: bool = False,
) -> Learned:
    """Train an operator on prepared cases; the best weights on `held`, or the last ones without.

    Options as of `train`. stepper: the cases are series (of a problem with a dt), the operator
    advances their states. folder takes checkpoints and logs. floor: energies of cases below this
    share of their mean count as that, in relative errors. clock: seconds, by which minutes are
    counted. Raises ConditionError, SurrogateError.
    """
    model = model or DEFAULT
    if model not in registry():
        raise ConditionError(f"no operator {model!r}", f"known: {', '.join(registry())}")
    kind = registry()[model]
    shown: Sequence[StoredCase] = cases  # to the normaliser
    perturbation = None
    if stepper is not None:
        cases = Transitions(cases, stepper, schema, past=pushforward)
        if not len(cases):
            raise ConditionError(
                "the series are too short",
                f"none has the times that {stepper.form} steps of bundle {stepper.bundle} and "
                f"pushforward {pushforward} read",
                "longer series, or a smaller bundle or pushforward",
            )
        shown = cases.some(SHOWN)
        held = Transitions(held, stepper, schema).some(CHECKED) if held else []
        perturbation = Perturbation(stepper, schema, noise, pushforward, seed)
    accelerator = {"auto": "auto", "cpu": "cpu"}.get(device) or find_device(device)
    first = cases[0]
    surrogate = Surrogate(
        schema,
        problem.spec,
        model,
        dict(model_config or {}),
        sizes=sizes_of(
            first,
            schema,
            problem.spec,
            boxes=not problem.spec.external and boxes_differ(shown, problem.spec.space),
        ),
        stepper=stepper,
        name=name or folder.resolve().name,
    )
    if (
        stepper is not None
        or first.rowptr is not None
        or first.slopes is not None
        or (kind.pointwise and not surrogate.operator.pointwise)
    ):
        # Edges and cells cannot be cut, nor states, nor sums over nodes of pointwise operators.
        points = None
    fit_normaliser(surrogate.normaliser, shown, schema, mirror, kind.linear)
    surrogate.operator.tie(surrogate.normaliser, problem.spec)
    every = max(1, min(steps // VALIDATIONS, 1000))
    sampler = CaseSampler(
        cases,
        mirror,
        batch=batch,
        points=points,
        steps=every,
        seed=seed,
        # Processes that train together must agree on the length of an epoch.
        seconds=60 * minutes / VALIDATIONS if minutes and devices == 1 else None,
        clock=clock,
    )
    energy = torch.from_numpy(np.mean([c.energy for c in shown], axis=0)).float()
    module = Fit(
        surrogate.operator,
        surrogate.normaliser,
        schema,
        energy=energy,
        lr=lr,
        weight_decay=weight_decay,
        steps=steps,
        minutes=minutes,
        floor=floor,
        perturbation=perturbation,
        clock=clock,
    )
    start = clock()
    main = _fit(
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
    surrogate.operator.cpu().eval()
    surrogate.normaliser.cpu()
    spent = module.elapsed + clock() - start
    return Learned(surrogate, module.global_step, spent, module.history, main)


def sizes_of(case: StoredCase, schema: Schema, spec: GraphSpec, boxes: bool = False) -> Sizes:
    """Widths of what a case like this one gives to a model; boxes: see `Sizes`."""
    return Sizes(
        features=case.x.shape[1],
        tokens=case.wall_x.shape[1],
        cond=len(schema.conditions),
        out=case.y.shape[1],
        scalars=len(schema.scalars),
        prior=case.prior.shape[1],
        lift=len(case.lift),
        inputs=0 if case.inputs is None else case.inputs.shape[1],
        wall_inputs=0 if case.wall_inputs is None else case.wall_inputs.shape[1],
        dim=spec.space,
        boxes=boxes,
    )


def boxes_differ(cases: Sequence[StoredCase], dim: int) -> bool:
    """Whether each case's boundary tokens span the box of its nodes, up to a facet, and these boxes
    are not all the same."""
    lows, highs = [], []
    for case in cases:
        if not len(case.wall_pos):
            return False
        low, high = (np.asarray(f(case.pos, axis=0))[:dim] for f in (np.min, np.max))
        wall = case.wall_pos.numpy()[:, :dim]
        slack = SLACK * (high - low).max()
        if (wall.min(0) > low + slack).any() or (wall.max(0) < high - slack).any():
            return False
        lows.append(low)
        highs.append(high)
    size = np.subtract(highs, lows).max()
    return bool(max(np.ptp(lows, axis=0).max(), np.ptp(highs, axis=0).max()) > SLACK * size)


def make_stepper(
    problem: Problem, form: Form, scheme: Scheme, substeps: int, bundle: int
) -> Stepper:
    """How the states of a problem of series are advanced. Raises ConditionError."""
    assert problem.dt is not None
    try:
        return Stepper(form=form, dt=problem.dt, scheme=scheme, substeps=substeps, bundle=bundle)
    except ValidationError as error:
        raise ConditionError("no such stepper", error.errors()[0]["msg"]) from None


def make_schema(
    problem: Problem,
    train_cases: Sequence[Any],
    units: Mapping[str, str],
) -> Schema:
    """Fields, scalars and conditions of a problem, with the ranges over its training cases."""
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
        latest,
    ]
    if has_held:
        callbacks.append(checkpoint)
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
