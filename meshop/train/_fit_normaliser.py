"""Normaliser constants from the training cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..graph import MeshGraph
from ..surrogate import Normaliser, Schema
from ._sampling import Mirror, sample
from ._store import StoredCase

POINTS = 2000  # per case; enough for means and standard deviations
ROUNDING = 1e-6  # features are of order one
LEAST_SCALE = 1e-3  # of a channel's deviation: rounding must not be what is learned
PRIOR_R2 = 0.5  # the potential flow must explain this much of a channel to be its base


def fit_normaliser(
    normaliser: Normaliser,
    cases: Sequence[StoredCase],
    schema: Schema,
    mirror: Mirror | None,
    linear: bool = False,
) -> None:
    """Set the buffers of a normaliser in place from the training cases (and mirror images).

    linear: the operator is linear in the known fields. Where there are any, these and the fields
    are only scaled, and no potential flow is added, so that predictions superpose too.
    """
    linear = linear and len(normaliser.inputs_std) + len(normaliser.wall_inputs_std) > 0
    random = np.random.default_rng(0)
    graphs: list[MeshGraph] = []
    for case in cases:
        nodes = replace(case, rowptr=None)  # edges are not wanted here
        graphs.append(sample(nodes, POINTS, random))
        if mirror is not None:
            graphs.append(sample(nodes, POINTS, random, mirror))

    def stack(name: str) -> Tensor:
        return torch.cat([g[name] for g in graphs]).double()

    for name, key in (("x", "x"), ("wall", "wall_x")):
        values = stack(key)
        _set(normaliser, f"{name}_mean", values.mean(0))
        _set(normaliser, f"{name}_std", _positive(values.std(0), ROUNDING))
    for name in ("inputs", "wall_inputs"):
        if name in graphs[0]:
            values = stack(name)
            mean = values.mean(0) * (not linear)
            _set(normaliser, f"{name}_mean", mean)
            _set(normaliser, f"{name}_std", _positive((values - mean).square().mean(0).sqrt()))
    place = torch.cat([stack("pos"), stack("wall_pos")])[:, : len(normaliser.pos_shift)]
    low, high = place.amin(0), place.amax(0)
    _set(normaliser, "pos_shift", (low + high) / 2)
    _set(normaliser, "pos_scale", _positive((high - low).amax() / 2))
    normaliser.cond_log.copy_(torch.tensor([c.log for c in schema.conditions], dtype=torch.bool))
    normaliser.cond_mean.zero_()
    normaliser.cond_std.fill_(1.0)
    if schema.conditions:
        cond = normaliser.conditions(stack("cond").float()).double()
        _set(normaliser, "cond_mean", cond.mean(0))
        _set(normaliser, "cond_std", _positive(cond.std(0), ROUNDING))

    prior, y = stack("prior"), stack("y")
    mix = torch.zeros(prior.shape[1], y.shape[1], dtype=torch.float64)
    for c in () if linear else range(y.shape[1]):
        target = y[:, c] - y[:, c].mean()
        best = PRIOR_R2
        for p in range(prior.shape[1]):
            base = prior[:, p] - prior[:, p].mean()
            energy = base.square().sum().clamp_min(1e-30)
            slope = (base @ target) / energy
            explained = slope.square() * energy / target.square().sum().clamp_min(1e-30)
            if explained > best:
                best = float(explained)
                # A unit free stream and kinematic pressure need no factor.
                mix[:, c] = 0
                mix[p, c] = 1.0 if 0.75 < slope < 1.25 else slope
    rest = y - prior @ mix
    shift = rest.mean(0) * (not linear)
    if mirror is not None:
        shift = torch.where(mirror.y < 0, torch.zeros_like(shift), shift)
    _set(normaliser, "prior_mix", mix)
    _set(normaliser, "field_shift", shift)
    envelope = normaliser.envelope(stack("decay").float()).double()
    rest = (rest - shift) / envelope
    scale = rest.square().mean(0).sqrt() if linear else rest.std(0)
    _set(normaliser, "field_scale", _positive(scale.maximum(LEAST_SCALE * y.std(0))))

    if schema.scalars:
        scalars = stack("scalars")
        inputs = normaliser.conditions(stack("cond").float()).double()
        rows = torch.cat([torch.ones(len(inputs), 1), inputs, stack("lift")], dim=1)
        base = torch.linalg.lstsq(rows, scalars, driver="gelsd").solution
        _set(normaliser, "scalar_base", base)
        scale = (scalars - rows @ base).std(0).maximum(LEAST_SCALE * scalars.std(0))
        _set(normaliser, "scalar_scale", _positive(scale))


def _positive(std: Tensor, least: float = 0.0) -> Tensor:
    """Deviations to divide by: 1 where nothing varies by more than `least`."""
    return torch.where(std > least, std, torch.ones_like(std))


def _set(normaliser: Normaliser, name: str, value: Tensor) -> None:
    getattr(normaliser, name).copy_(value.float())
