"""The reference of a family of meshes: charts in the plane, an elastic body for solid meshes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import MeshError
from ..mesh import Mesh
from ._bodied import BodyReference
from ._carried import Reference
from ._charted import ChartReference


def make_reference(meshes: Sequence[Mesh], location: str) -> Reference:
    """After the mesh of median size; raises MeshError where it cannot be morphed.

    Plane meshes have charts, unless these fold around holes and an elastic body arrives.
    """
    order = np.argsort([m.n_points for m in meshes], kind="stable")
    base = meshes[int(order[len(meshes) // 2])]
    family = list({mesh.content_hash(): mesh for mesh in meshes}.values())
    if base.dim != 2:
        return BodyReference.of(base, family, location)
    charts = ChartReference.of(base, family, location)
    if charts.may_fold and not _arrives(charts, family):
        body = BodyReference.of(base, family, location)
        if _arrives(body, family):
            return body
    return charts


def _arrives(reference: Reference, family: Sequence[Mesh]) -> bool:
    """Whether all meshes can be morphed; what that cost is kept."""
    try:
        for mesh in family:
            reference.carry(mesh)
    except MeshError:
        return False
    return True


def restored_reference(state: Mapping[str, Any], location: str) -> Reference:
    """What `Reference.state` gave. Raises KeyError, ValueError or MeshError for arrays that do not
    fit each other."""
    kind = BodyReference if "simplices" in state else ChartReference
    return kind.restored(state, location)
