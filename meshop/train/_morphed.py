"""Cases to an MMGP surrogate: no network, no steps."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import ConditionError
from ..mesh import Mesh
from ..reduced import MMGP
from ..surrogate import MorphedSurrogate, Normaliser, Schema
from ._cases import Problem
from ._fit_normaliser import fit_normaliser
from ._learn import Learned, sizes_of
from ._store import StoredCase

log = logging.getLogger("meshop")
MORPHED = MorphedSurrogate.only


def check_morphed(problem: Problem, config: Any = None) -> None:
    """Raises ConditionError for cases, or a model's config, that MMGP is not for."""
    spec = problem.spec
    reason = ""
    if spec.surface:
        reason = "the cases are surfaces in space, not plane or solid meshes"
    elif problem.dt is not None:
        reason = "it does not advance series in time"
    elif spec.inputs or spec.wall_inputs:
        reason = f"it takes no known arrays ({', '.join((*spec.inputs, *spec.wall_inputs))})"
    elif config:
        reason = f"it has no {', '.join(config)}"
    if reason:
        raise ConditionError(
            f"--model {MORPHED} is not for this", reason, "meshop train without --model"
        )


def learn_morphed(
    problem: Problem,
    schema: Schema,
    cases: Sequence[StoredCase],
    folder: Path,
    *,
    name: str | None = None,
    model: MMGP | None = None,
) -> Learned:
    """Fit MMGP to prepared cases. model: with options of its own.

    Raises ConditionError where it is not for these cases, MeshError where a mesh cannot be morphed.
    """
    check_morphed(problem)
    start = time.monotonic()
    sizes = sizes_of(cases[0], schema, problem.spec)
    normaliser = Normaliser(sizes)
    fit_normaliser(normaliser, cases, schema, None)
    meshes, fields = [], []
    for case in cases:
        meshes.append(_bare(case.case.load()))
        base = torch.from_numpy(np.array(case.prior)) @ normaliser.prior_mix
        scale = normaliser.field_scale * normaliser.envelope(torch.from_numpy(np.array(case.decay)))
        rest = (torch.from_numpy(np.array(case.y)) - base - normaliser.field_shift) / scale
        fields.append(rest.double().numpy())
    cond = normaliser.conditions(torch.stack([case.cond for case in cases]))
    lift = torch.stack([case.lift for case in cases])
    base = torch.cat([torch.ones(len(cases), 1), cond, lift], dim=1) @ normaliser.scalar_base
    scalars = (torch.stack([case.scalars for case in cases]) - base) / normaliser.scalar_scale
    log.info("%d meshes are morphed to one, then processes are fitted", len(meshes))
    model = model or MMGP(location=problem.spec.location)
    model.fit(
        meshes,
        cond.double().numpy(),
        fields,
        scalars.double().numpy(),
        names=[str(case.case.path) for case in cases],
        progress=log.info,
    )
    log.info("the fields are told by %s", ", ".join(model.inputs))
    surrogate = MorphedSurrogate(
        schema, problem.spec, model, sizes=sizes, name=name or folder.resolve().name
    )
    surrogate.normaliser = normaliser
    return Learned(surrogate, 0, time.monotonic() - start, {}, True)


def _bare(mesh: Mesh) -> Mesh:
    """A mesh without its arrays: many are in memory at a time."""
    return Mesh(mesh.points, mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes)
