"""Mirror images y -> -y as training data, where every sign is known."""

from __future__ import annotations

import torch

from ..graph import geometry, node_features, token_features
from ..surrogate import Schema
from ._cases import Problem
from ._sampling import Mirror
from ._store import StoredCase

EVEN_FIELDS = {
    "p", "pressure", "cp", "rho", "density", "t", "temperature", "e", "h", "mach", "ma", "k",
    "epsilon", "omega", "nut", "nutilda", "nutilde", "mut", "alphat", "yplus",
}  # fmt: skip
VECTORS = {"u", "v", "velocity", "vel", "momentum"}
EVEN_SCALARS = {"cd", "cx", "drag", "cdp", "cdf", "cd_p", "cd_f"}
EVEN_CONDITIONS = {
    "re", "reynolds", "ma", "mach", "nu", "speed", "velocity", "thickness", "chord", "temperature",
    "pressure", "turbulence", "tu", "naca_t",
}  # fmt: skip


def known_signs(problem: Problem, schema: Schema) -> bool:
    """Whether the mirror image of these cases is known: plane external flows at an angle whose
    fields, scalars and conditions are of known parity. A camber or a vorticity changes sign."""
    return (
        problem.spec.dim == 2
        and problem.spec.external
        and problem.spec.direction is not None
        and not problem.spec.inputs
        and not problem.spec.wall_inputs
        and all(
            f.name.lower() in (EVEN_FIELDS if f.components == 1 else VECTORS) for f in schema.fields
        )
        and all(s.odd or s.name.lower() in EVEN_SCALARS for s in schema.scalars)
        and all(
            c.name == problem.spec.direction or c.name.lower() in EVEN_CONDITIONS
            for c in schema.conditions
        )
    )


def mirror_of(problem: Problem, schema: Schema, case: StoredCase) -> Mirror:
    """Parities of everything a sample holds."""
    first = problem.cases[0]
    geo = geometry(first.load(), problem.spec)
    y: list[float] = []
    for field in schema.fields:
        # In the plane the second component of a vector is odd.
        vector = field.components in (2, 3)
        y += [-1.0 if vector and i == 1 else 1.0 for i in field.active]
    direction = problem.spec.direction
    return Mirror(
        x=node_features(geo, first.conditions, problem.spec).parity,
        wall_x=token_features(geo, first.conditions, problem.spec).parity,
        cond=torch.tensor([-1.0 if c.name == direction else 1.0 for c in schema.conditions]),
        prior=torch.tensor([1.0, -1.0, 1.0])[: case.prior.shape[1]],
        y=torch.tensor(y),
        scalars=torch.tensor([-1.0 if s.odd else 1.0 for s in schema.scalars]),
        lift=-torch.ones(len(case.lift)),
    )
