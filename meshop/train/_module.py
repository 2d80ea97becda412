"""The Lightning module: loss, schedule, validation."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from ..errors import SurrogateError
from ..graph import MeshGraph
from ..models import Operator
from ..surrogate import Normaliser, Schema
from ._optimizer import MuonAdamW
from ._sobolev import slope_energy
from ._transitions import Perturbation

log = logging.getLogger("meshop")
SCALAR_SHARE = 0.3  # of the loss, against the fields' relative errors
ENERGY_FLOOR = 0.05  # of the mean energy: a case at rest must not dominate a relative loss


class Fit(pl.LightningModule):
    """Relative L2 loss per field and case, under the training measure, plus scalars' L1.

    loss = mean over cases and fields of sqrt(sum share |e|^2 / energy) + mean |scalar error|.
    Where graphs carry slopes, both squares are those of the H1 norm (`slopes_of`).
    Learning rate: linear warm-up, then half a cosine over the budget, which is `steps` or
    `minutes`, whichever ends first; `clock` gives the seconds. perturbation: of the states, where
    the operator advances them. Its bundle of steps counts as one field of so many more components.
    """

    def __init__(
        self,
        operator: Operator,
        normaliser: Normaliser,
        schema: Schema,
        *,
        energy: Tensor,
        lr: float,
        weight_decay: float,
        steps: int,
        minutes: float | None,
        floor: float = ENERGY_FLOOR,
        perturbation: Perturbation | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.operator, self.normaliser = operator, normaliser
        self.lr, self.weight_decay = lr, weight_decay
        self.steps, self.minutes = steps, minutes
        self.warmup = min(200, max(1, steps // 10))
        fields = [f for f in schema.fields if f.active]
        sizes = [len(f.active) for f in fields]
        self.groups = [list(range(sum(sizes[:i]), sum(sizes[: i + 1]))) for i in range(len(sizes))]
        self.perturbation = perturbation
        if perturbation is not None:
            steps_ahead = range(0, perturbation.stepper.bundle * sum(sizes), sum(sizes))
            self.groups = [[k + c for k in steps_ahead for c in group] for group in self.groups]
        self.names = [f.name for f in fields]
        self.scalar_names = [s.name for s in schema.scalars]
        self.register_buffer("energy_floor", floor * energy, persistent=False)
        self.clock = clock
        self.elapsed = 0.0  # seconds trained before this run, when resumed
        self._start = self.clock()
        self.history: dict[str, list[float]] = {}

    # -- loss -----------------------------------------------------------------------------------

    def predict_fields(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Physical fields (N, C) and scalars (B, S)."""
        ready = self.normaliser.inputs(graph)
        fields, scalars = self.operator.outputs(ready)
        return (
            self.normaliser.fields(ready, fields.float()),
            self.normaliser.scalars(ready, scalars.float()),
        )

    def relative_errors(self, graph: MeshGraph, fields: Tensor) -> Tensor:
        """(B, fields) relative L2 or H1 error of the deviation from the far-field value."""
        miss = fields - graph.y
        square = miss.square() * graph.share[:, None]
        error = torch.zeros_like(graph.energy).index_add_(0, graph.batch, square)
        energy = graph.energy.maximum(self.energy_floor)
        if "slopes" in graph:
            error = error + slope_energy(graph, miss)
            energy = energy + slope_energy(graph, graph.y)
        columns = [error[:, g].sum(1) / energy[:, g].sum(1) for g in self.groups]
        return torch.stack(columns, dim=1).clamp_min(1e-12).sqrt()

    def training_step(self, graph: MeshGraph, _: int) -> Tensor:
        if self.perturbation is not None:
            graph = self.perturbation(
                graph,
                lambda given: self.predict_fields(given)[0],
                self.normaliser.inputs_std,
                self.global_step * self.trainer.world_size + self.trainer.global_rank,
                self.progress(),
            )
        fields, scalars = self.predict_fields(graph)
        loss = self.relative_errors(graph, fields).mean()
        if self.scalar_names:
            gap = (scalars - graph.scalars) / self.normaliser.scalar_scale
            loss = loss + SCALAR_SHARE * gap.abs().mean()
        if not torch.isfinite(loss):
            raise SurrogateError(
                f"training diverged at step {self.global_step}",
                "the loss is not finite",
                "a lower rate: --lr 1e-3",
            )
        self.log("loss", loss, prog_bar=True, batch_size=len(graph.cond))
        return loss

    # -- validation -----------------------------------------------------------------------------

    def validation_step(self, graph: MeshGraph, _: int) -> None:
        fields, scalars = self.predict_fields(graph)
        errors = self.relative_errors(graph, fields).mean(0)
        size = len(graph.cond)
        for name, value in zip(self.names, errors, strict=True):
            self.log(f"val/{name}", value, batch_size=size, sync_dist=True)
        gaps = (scalars - graph.scalars).abs().mean(0)
        for name, value in zip(self.scalar_names, gaps, strict=True):
            self.log(f"val/{name}", value, batch_size=size, sync_dist=True)
        score = errors.mean()
        if self.scalar_names:
            score = score + SCALAR_SHARE * (gaps / self.normaliser.scalar_scale).mean()
        self.log("val/score", score, prog_bar=True, batch_size=size, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        if self.history.get("step", [-1.0])[-1] == self.global_step:
            return
        self.history.setdefault("step", []).append(float(self.global_step))
        score = self.trainer.callback_metrics.get("val/score")
        if score is not None and self.trainer.is_global_zero:
            log.info("step %d of %d, validation %.4f", self.global_step, self.steps, float(score))
        for key, value in self.trainer.callback_metrics.items():
            if key.startswith("val/") or key == "loss":
                self.history.setdefault(key, []).append(float(value))

    # -- optimiser ------------------------------------------------------------------------------

    def progress(self) -> float:
        """Share of the budget that is used, in [0, 1]."""
        done = self.global_step / max(1, self.steps)
        if self.minutes is not None:
            spent = self.elapsed + self.clock() - self._start
            done = max(done, spent / (60 * self.minutes))
        return min(1.0, done)

    def ended(self, done: float) -> bool:
        """Whether to stop; processes that train together stop together."""
        if self.minutes is None or self.trainer.world_size == 1:
            return done >= 1.0
        return self.trainer.strategy.reduce_boolean_decision(done >= 1.0, all=False)

    def on_train_start(self) -> None:
        self._start = self.clock()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:
        done = self.progress()
        warm = min(1.0, max((self.global_step + 1) / self.warmup, done / 0.05))
        rate = self.lr * warm * max(1e-3, 0.5 * (1 + math.cos(math.pi * done)))
        for group in self.optimizers().param_groups:  # type: ignore[union-attr]
            group["lr"] = rate
        if self.ended(done):
            self.trainer.should_stop = True
            return -1
        return None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return MuonAdamW(self.operator.parameters(), self.lr, self.weight_decay)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["meshop"] = {
            "elapsed": self.elapsed + self.clock() - self._start,
            "history": self.history,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.elapsed = float(checkpoint["meshop"]["elapsed"])
        self.history = dict(checkpoint["meshop"]["history"])


class Epochs(pl.Callback):
    """Tells the sampler its epoch and rank, so that a resumed run sees the batches it would."""

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.sampler.epoch = trainer.current_epoch
        self.sampler.rank = trainer.global_rank
