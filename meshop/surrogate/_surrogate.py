"""Surrogate: an operator with all that is needed to use it on a user's mesh, in one file."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import MeshError, SurrogateError
from ..graph import GraphSpec, MeshGraph, build_graph, geometry
from ..mesh import Mesh
from ..models import Operator, build_operator
from ._files import FORMAT, HINT, VERSION, find_file, read_file, write_file
from ._normaliser import Normaliser, Sizes
from ._schema import Schema
from ._stepper import Stepper

TILE = 1 << 14  # nodes at a time: bounds the activations' memory, and stays in the caches


@dataclass
class Evaluation:
    """fields: name -> (N, components) float32 in the order of the mesh's cells or points; scalars;
    warnings; in_range: no warning; seconds: time by step; graph: what the operator saw; deviations:
    standard deviations of fields and scalars by name, where the model gives them."""

    fields: dict[str, np.ndarray]
    scalars: dict[str, float]
    warnings: list[str]
    in_range: bool
    seconds: dict[str, float]
    graph: MeshGraph
    deviations: dict[str, Any] = field(default_factory=dict)


class Answer(NamedTuple):
    """Physical fields (N, C) of the components that are predicted, and scalars (S,), on the CPU;
    their standard deviations, where the model gives them."""

    fields: Tensor
    scalars: Tensor
    deviation: Tensor | None = None
    scalar_deviation: Tensor | None = None


class Surrogate:
    """A trained operator with its schema, graph spec, normaliser, error card and provenance.

    stepper: where the fields are states that it advances in time; the spec's first inputs are then
    these fields, in the schema's order. card: errors on cases held out, beside the null models.
    meta: versions, data, seeds, budget.
    """

    only: ClassVar[str] = ""  # the one operator's name that a subclass is for
    meshes: ClassVar[bool] = False  # whether `answer` needs the mesh, or its graph says all

    def __init__(
        self,
        schema: Schema,
        spec: GraphSpec,
        operator_name: str,
        operator_config: dict[str, Any],
        *,
        sizes: Sizes,
        stepper: Stepper | None = None,
        card: dict[str, Any] | None = None,
        meta: dict[str, Any] | None = None,
        name: str = "unnamed",
    ) -> None:
        self.schema, self.spec, self.name, self.sizes = schema, spec, name, sizes
        self.operator_name, self.operator_config = operator_name, dict(operator_config)
        self.stepper = stepper
        self.card, self.meta = dict(card or {}), dict(meta or {})
        self.operator: Operator = build_operator(operator_name, sizes, **operator_config)
        self.normaliser = Normaliser(sizes)
        self.hash = ""
        if stepper is not None:
            states = tuple(f.name for f in schema.fields)
            if spec.inputs[: len(states)] != states:
                raise ValueError(f"a stepper's first inputs are its fields {states}")
            if sizes.out != stepper.bundle * len(schema.state_columns):
                raise ValueError(f"a stepper of {states} does not give {sizes.out} columns")

    @property
    def n_parameters(self) -> int:
        return sum(p.numel() for p in self.operator.parameters())

    # -- use ------------------------------------------------------------------------------------

    @torch.inference_mode()
    def evaluate(
        self,
        mesh: Mesh,
        conditions: Mapping[str, Any],
        device: str = "cpu",
        tile: int | None = None,
    ) -> Evaluation:
        """Fields and scalars on a mesh. tile: nodes at a time, `TILE` by default (operators that
        work pointwise; the result is the same).

        Raises ConditionError, MeshError (no wall, wrong dimension) and SurrogateError.
        """
        if self.stepper is not None:
            raise SurrogateError(
                f"model {self.name!r} advances a state in time",
                f"one step is {self.stepper.dt:g} of time; how many are wanted is not said",
                "meshop predict FILE --steps 100, or model.rollout(mesh, 100)",
            )
        seconds = {}
        start = time.perf_counter()
        geometry(mesh, self.spec)  # a wrong mesh is the first thing to say
        values, warnings = self.schema.check_conditions(conditions)
        graph = build_graph(mesh, values, self.spec)
        warnings += self.wall_warnings(mesh)
        seconds["graph"] = time.perf_counter() - start
        start = time.perf_counter()
        answer = self.answer(mesh, graph, device, tile)
        warnings += self.shape_warnings(mesh)
        seconds["operator"] = time.perf_counter() - start
        if not torch.isfinite(answer.fields).all():
            raise SurrogateError(
                f"model {self.name!r} gave values that are not finite on this mesh",
                "its inputs lie too far from the training cases",
                f"compare with the training range: `meshop models show {self.name}`",
            )
        return Evaluation(
            fields=self.named(answer.fields.numpy()),
            scalars=self._scalars(answer.scalars),
            warnings=warnings,
            in_range=not warnings,
            seconds=seconds,
            graph=graph,
            deviations=self._deviations(answer),
        )

    def _deviations(self, answer: Answer) -> dict[str, Any]:
        if answer.deviation is None or answer.scalar_deviation is None:
            return {}
        fields = self.named(answer.deviation.numpy(), constants=False)
        return {**fields, **self._scalars(answer.scalar_deviation)}

    def answer(
        self,
        mesh: Mesh | None,
        graph: MeshGraph,
        device: str = "cpu",
        tile: int | None = None,
    ) -> Answer:
        """What the model says of one mesh and its graph. mesh: only for models with `meshes`."""
        return Answer(*self.run(graph, device, tile))

    def shape_warnings(self, mesh: Mesh) -> list[str]:
        """Says where the domain's shape is outside the training range, if the model can tell."""
        return []

    @torch.inference_mode()
    def run(
        self, graph: MeshGraph, device: str = "cpu", tile: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Physical fields (N, C) and scalars (S,) of one graph, on the CPU."""
        self.operator.to(device).eval()
        self.normaliser.to(device)
        fields, scalars = self._run(graph.to(device), tile)
        return fields.float().cpu(), scalars[0].float().cpu()

    @torch.inference_mode()
    def march(
        self, graph: MeshGraph, device: str = "cpu", tile: int | None = None
    ) -> Iterator[Tensor]:
        """The states (N, C) one dt, two dt, ... after the one that is the graph's, without end, on
        the CPU. Raises SurrogateError where the model is no stepper."""
        stepper = self.need_stepper()
        self.operator.to(device).eval()
        self.normaliser.to(device)
        graph = graph.to(device)
        columns = self.schema.state_columns

        def rate(state: Tensor) -> Tensor:
            return self._run(with_state(graph, columns, state), tile)[0]

        for state in stepper.march(rate, graph.inputs[:, columns]):
            yield state.float().cpu()

    def need_stepper(self) -> Stepper:
        """The stepper. Raises SurrogateError where there is none."""
        if self.stepper is None:
            raise SurrogateError(
                f"model {self.name!r} does not advance in time",
                "it was trained on one state of each case",
                "without steps; or train one that does: meshop train SERIES --form derivative",
            )
        return self.stepper

    def _run(self, graph: MeshGraph, tile: int | None) -> tuple[Tensor, Tensor]:
        operator, normaliser = self.operator, self.normaliser
        ready = normaliser.inputs(graph)
        parts = [ready]
        tile = tile or TILE
        if operator.pointwise and len(graph.x) > tile:
            parts = []
            for at in range(0, len(graph.x), tile):
                part = ready.__copy__()
                for name in ("x", "weight", "pos", "inputs"):
                    if name in ready:
                        part[name] = ready[name][at : at + tile]
                parts.append(part)
        outputs = [operator.outputs(part) for part in parts]
        out = torch.cat([fields for fields, _ in outputs])
        return normaliser.fields(ready, out), normaliser.scalars(ready, outputs[0][1])

    def _scalars(self, values: Tensor) -> dict[str, float]:
        return {s.name: float(v) for s, v in zip(self.schema.scalars, values, strict=True)}

    def named(self, out: np.ndarray, constants: bool = True) -> dict[str, np.ndarray]:
        """Fields by name, as files have them, from what is predicted (N, C); constants: components
        of one value have it, else 0."""
        fields, at = {}, 0
        for item in self.schema.fields:
            values = np.empty((len(out), item.components), dtype=np.float32)
            for i, constant in enumerate(item.constant):
                if constant is None:
                    values[:, i] = out[:, at]
                    at += 1
                else:
                    values[:, i] = constant if constants else 0.0
            fields[item.name] = values if item.components > 1 else values[:, 0]
        return fields

    def wall_warnings(self, mesh: Mesh) -> list[str]:
        """Says where the wall's size or shape is outside the training range."""
        extent, thickness = wall_shape(mesh, self.spec)
        remedy = f": scale the mesh by {self.spec.length / max(extent, 1e-300):.3g}"
        found = []
        for what, value, (low, high), cure in (
            ("the wall's extent", extent, self.schema.extent, remedy),
            ("the wall's thickness over its extent", thickness, self.schema.thickness, ""),
        ):
            slack = 0.02 * (high - low) + 1e-3 * abs(high)
            if not low - slack <= value <= high + slack:
                found.append(f"{what}, {value:.4g}, is outside the training range "
                             f"{low:.4g} to {high:.4g}{cure}")  # fmt: skip
        return found

    def predict(self, mesh: Any, **options: Any) -> Any:
        """`meshop.predict` with this surrogate; same options and result."""
        # predict lies above surrogate, so it is found by name when called.
        return importlib.import_module("meshop.predict").predict(mesh, model=self, **options)

    def rollout(self, mesh: Any, steps: int, **options: Any) -> Any:
        """`meshop.rollout` with this surrogate; same options and result."""
        return importlib.import_module("meshop.predict").rollout(mesh, self, steps, **options)

    # -- files ----------------------------------------------------------------------------------

    def _tensors(self) -> dict[str, Tensor]:
        state = {f"operator.{k}": v for k, v in self.operator.state_dict().items()}
        state |= {f"normaliser.{k}": v for k, v in self.normaliser.state_dict().items()}
        return {k: v.detach().cpu().contiguous() for k, v in state.items()}

    def _header(self) -> dict[str, Any]:
        header = {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "schema": self.schema.model_dump(mode="json"),
            "spec": self.spec.model_dump(mode="json"),
            "operator": {"name": self.operator_name, "config": self.operator_config},
            "sizes": self.sizes.__dict__,
            "card": self.card,
            "meta": self.meta,
        }
        if self.stepper is not None:  # files without one are as they were before there were any
            header["stepper"] = self.stepper.model_dump(mode="json")
        return header

    def save(self, path: str | os.PathLike) -> None:
        """Write one .safetensors file (written beside, then replaced) and set `hash`."""
        self.hash = write_file(path, self._header(), self._tensors())

    @classmethod
    def load(cls, path_or_name: str | os.PathLike) -> Surrogate:
        """Load a surrogate by file or by the name of an installed one. Nothing is unpickled.

        Raises SurrogateError where the file is missing, malformed or altered.
        """
        path = find_file(path_or_name)
        header, tensors, stated = read_file(path)
        try:
            name = header["operator"]["name"]
            kind = next((k for k in cls.__subclasses__() if k.only == name), cls)
            found = kind._restored(header, tensors)
            found._check_sizes()
        except (LookupError, TypeError, ValueError, RuntimeError, MeshError) as error:
            raise SurrogateError(f"{path} does not fit its own header", str(error), HINT) from error
        found.hash = stated
        return found

    def _check_sizes(self) -> None:
        """Raises ValueError where the schema names not as much as there is."""
        schema, bundle = self.schema, 1 if self.stepper is None else self.stepper.bundle
        named = len(schema.conditions), bundle * len(schema.state_columns), len(schema.scalars)
        found = self.sizes.cond, self.sizes.out, self.sizes.scalars
        if named != found:
            raise ValueError(f"conditions, fields, scalars {found}: expected {named}, as named")

    @classmethod
    def _restored(cls, header: dict[str, Any], tensors: dict[str, Tensor]) -> Surrogate:
        """What `_header` and `_tensors` gave; raises what does not fit."""
        found = cls(
            Schema.model_validate(header["schema"]),
            GraphSpec.model_validate(header["spec"]),
            header["operator"]["name"],
            header["operator"]["config"],
            sizes=Sizes(**header["sizes"]),
            stepper=Stepper.model_validate(header["stepper"]) if "stepper" in header else None,
            card=header["card"],
            meta=header["meta"],
            name=header["name"],
        )
        for prefix, module in (("operator", found.operator), ("normaliser", found.normaliser)):
            module.load_state_dict(part_of(tensors, f"{prefix}."))
        return found


def part_of(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose names begin so, under the rest of their names."""
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}


def with_state(graph: MeshGraph, columns: Sequence[int], state: Tensor) -> MeshGraph:
    """A shallow copy of the graph whose known fields hold `state` (N, C) in those columns."""
    graph = graph.__copy__()
    graph.inputs = graph.inputs.clone()
    graph.inputs[:, columns] = state.to(graph.inputs.dtype)
    return graph


def wall_shape(mesh: Mesh, spec: GraphSpec) -> tuple[float, float]:
    """Largest side of the wall's bounding box, and its smallest side (in-plane) over that."""
    geo = geometry(mesh, spec)
    corners = mesh.points[geo.wall.nodes[geo.wall.nodes >= 0]]
    sides = np.ptp(corners[:, : spec.space], axis=0)
    return float(sides.max()), float(sides.min() / max(sides.max(), 1e-300))
