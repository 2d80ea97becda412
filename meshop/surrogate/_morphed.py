"""MMGP as a surrogate: no network, bands on everything."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import SurrogateError
from ..graph import GraphSpec, MeshGraph
from ..mesh import Mesh
from ..reduced import MMGP
from ._normaliser import Normaliser, Sizes
from ._schema import Schema
from ._surrogate import Answer, Surrogate, part_of


class MorphedSurrogate(Surrogate):
    """`meshop.reduced.MMGP` for what the normaliser leaves of fields and scalars: their deviation
    from the potential flow where there is one, and from what is linear in the conditions.

    Plane or solid meshes whose shapes can be morphed to each other's. Its answers have deviations.
    """

    only = "mmgp"
    meshes = True

    def __init__(
        self,
        schema: Schema,
        spec: GraphSpec,
        model: MMGP,
        *,
        sizes: Sizes,
        card: dict[str, Any] | None = None,
        meta: dict[str, Any] | None = None,
        name: str = "unnamed",
    ) -> None:
        self.schema, self.spec, self.name, self.sizes = schema, spec, name, sizes
        self.operator_name, self.operator_config = self.only, model.options
        self.stepper = None
        self.card, self.meta = dict(card or {}), dict(meta or {})
        self.model, self.normaliser, self.hash = model, Normaliser(sizes), ""

    @property
    def n_parameters(self) -> int:
        """All numbers that are kept."""
        return sum(t.numel() for t in self._tensors().values())

    def answer(
        self,
        mesh: Mesh | None,
        graph: MeshGraph,
        device: str = "cpu",
        tile: int | None = None,
    ) -> Answer:
        """Raises MeshError where the mesh cannot be morphed to the reference."""
        if mesh is None:
            raise ValueError("a morphed surrogate needs the mesh, not only its graph")
        ready = self.normaliser.to("cpu").inputs(graph)
        (found,) = self.model.predict([mesh], ready.cond.double().numpy())
        fields, deviation, scalars, spread = map(torch.from_numpy, found)
        scale = self.normaliser.field_scale * self.normaliser.envelope(ready.decay)
        return Answer(
            self.normaliser.fields(ready, fields).float(),
            self.normaliser.scalars(ready, scalars[None])[0].float(),
            (scale * deviation).float(),
            (self.normaliser.scalar_scale * spread).float(),
        )

    def run(
        self, graph: MeshGraph, device: str = "cpu", tile: int | None = None
    ) -> tuple[Tensor, Tensor]:
        raise SurrogateError(
            f"model {self.name!r} cannot be run on a graph alone",
            "it morphs the mesh itself",
            "model.evaluate(mesh, conditions)",
        )

    def shape_warnings(self, mesh: Mesh) -> list[str]:
        return self.model.shape_warnings(mesh)

    def _tensors(self) -> dict[str, Tensor]:
        arrays = self.model.state()
        found = {f"mmgp.{k}": torch.from_numpy(np.array(v)) for k, v in arrays.items()}
        state = self.normaliser.state_dict()
        return found | {f"normaliser.{k}": v.detach().contiguous() for k, v in state.items()}

    @classmethod
    def _restored(cls, header: dict[str, Any], tensors: dict[str, Tensor]) -> MorphedSurrogate:
        arrays = {k: v.numpy() for k, v in part_of(tensors, "mmgp.").items()}
        found = cls(
            Schema.model_validate(header["schema"]),
            GraphSpec.model_validate(header["spec"]),
            MMGP.restored(header["operator"]["config"], arrays),
            sizes=Sizes(**header["sizes"]),
            card=header["card"],
            meta=header["meta"],
            name=header["name"],
        )
        found.normaliser.load_state_dict(part_of(tensors, "normaliser."))
        widths = found.sizes.cond, found.sizes.out, found.sizes.scalars
        if found.model.widths != widths:
            raise ValueError(f"mmgp {found.model.widths}: expected {widths}, as sizes says")
        if not found.schema.location == found.spec.location == found.model.location:
            raise ValueError(f"mmgp has fields at {found.model.location}s, the schema has not")
        return found
