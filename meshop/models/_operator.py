"""What every operator offers, and how models are found by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..graph import GraphSpec, MeshGraph


@dataclass(frozen=True, kw_only=True)
class Widths:
    """How many columns a graph has of each kind, and how many fields and scalars are asked for.

    features: of x; inputs: known fields at the nodes; tokens: of wall_x; wall_inputs: data on the
    boundary; cond: conditions; out: fields; scalars; dim: coordinates of a point. boxes: the
    domains fill boxes that differ from case to case, and boundary tokens span them.
    """

    features: int
    out: int
    inputs: int = 0
    tokens: int = 0
    wall_inputs: int = 0
    cond: int = 0
    scalars: int = 0
    dim: int = 2
    boxes: bool = False

    @property
    def nodes(self) -> int:
        """Columns of `meshop.nn.nodes(graph).x`: features, inputs, cond."""
        return self.features + self.inputs + self.cond

    @property
    def queries(self) -> int:
        """Columns of `meshop.nn.queries(graph).x`: features, cond."""
        return self.features + self.cond

    @property
    def walls(self) -> int:
        """Columns of `meshop.nn.walls(graph).x`: tokens, wall_inputs, cond."""
        return self.tokens + self.wall_inputs + self.cond


class Operator(nn.Module):
    """Maps a `MeshGraph` to normalised fields and integral quantities.

    A subclass takes the `Widths` of its graphs and then, by keyword, its own sizes (each with the
    published default), and defines `outputs`. What it needs of a graph, and what it promises, are
    class attributes, which `meshop.testing.check_model` tests:

    paper, cost: source and cost of a forward pass per node, for `meshop models`.
    edges: it reads the graph's edges. tokens: it reads boundary tokens (wall_x ...).
    positions: it reads pos, and with `translation` the answer does not depend on the origin.
    pointwise: a node's output depends on that node, the boundary and the conditions alone, so that
    nodes may be subsampled or tiled without any change. An instance may take it back, for known
    fields.
    refinement: a node split into two of half the weight changes nothing.
    queries: fields may be asked for at other points (query_x ...) than the nodes.
    linear: fields are exactly linear in (inputs, wall_inputs), whatever the rest.
    """

    paper: ClassVar[str] = ""
    cost: ClassVar[str] = ""
    edges: ClassVar[bool] = False
    tokens: ClassVar[bool] = False
    positions: ClassVar[bool] = False
    translation: ClassVar[bool] = True
    pointwise: bool = False
    refinement: ClassVar[bool] = True
    queries: ClassVar[bool] = False
    linear: ClassVar[bool] = False

    #: Recompute the blocks in the backward pass instead of keeping their activations.
    checkpointing: bool = False

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.widths = widths

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Normalised fields (N, out), or (M, out) at the queries if there are any, and scalars
        (B, scalars)."""
        raise NotImplementedError

    def tie(self, normaliser: Any, spec: GraphSpec) -> None:
        """Told before training how inputs and fields are normalised (`surrogate.Normaliser`), for
        what must hold in physical units; what it keeps belongs in buffers."""

    def forward(self, graph: MeshGraph) -> Tensor:
        """Fields (N, out), or (M, out) at the queries, normalised."""
        return self.outputs(graph)[0]

    def scalars(self, graph: MeshGraph) -> Tensor:
        """Scalars (B, scalars), normalised."""
        return self.outputs(graph)[1]

    def run(self, block: Callable[..., Any], *args: Any) -> Any:
        """block(*args), through a checkpoint where `checkpointing` is on and gradients are."""
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(block, *args, use_reentrant=False)
        return block(*args)


#: Operators of meshop by name: module and class.
MODELS = {
    "amg": ("amg", "AMG"),
    "aroma": ("aroma", "Aroma"),
    "beno": ("beno", "BENO"),
    "beno-published": ("beno_published", "PublishedBENO"),
    "bsms": ("bsms", "BSMS"),
    "bvp-gnn": ("bvp_gnn", "BVPGNN"),
    "coda-no": ("coda_no", "CodaNO"),
    "coral": ("coral", "Coral"),
    "enf2enf": ("enf2enf", "Enf2Enf"),
    "factformer": ("factformer", "FactFormer"),
    "flare": ("flare", "Flare"),
    "fno": ("fno", "FNO"),
    "fourier": ("galerkin", "Fourier"),
    "galerkin": ("galerkin", "Galerkin"),
    "gaot": ("gaot", "GAOT"),
    "gno": ("gno", "GNO"),
    "gnot": ("gnot", "Gnot"),
    "grid-field": ("grid_field", "GridField"),
    "latent-spectral": ("latent_spectral", "LatentSpectral"),
    "low-rank": ("low_rank", "LowRank"),
    "mesh-graph-net": ("mesh_graph_net", "MeshGraphNet"),
    "mgno": ("mgno", "MgNO"),
    "mp-pde": ("mp_pde", "MPPDE"),
    "multipole-gno": ("multipole_gno", "MultipoleGNO"),
    "nuno": ("nuno", "NUNO"),
    "rigno": ("rigno", "RIGNO"),
    "spon": ("spon", "SPON"),
    "transolver": ("transolver", "Transolver"),
    "wall-field": ("wall_field", "WallField"),
}


def registry() -> dict[str, type[Operator]]:
    """Operators by name: meshop's own and those of entry points in the group `meshop.models`."""
    found: dict[str, type[Operator]] = {
        name: getattr(import_module(f".{module}", __package__), kind)
        for name, (module, kind) in MODELS.items()
    }
    for point in entry_points(group="meshop.models"):
        found.setdefault(point.name, point.load())
    return found


def build_operator(name: str, widths: Widths, /, **config: Any) -> Operator:
    """An operator by name with its sizes. Raises ValueError for a name that is not known."""
    known = registry()
    if name not in known:
        raise ValueError(f"no operator named {name!r}; known: {', '.join(sorted(known))}")
    return known[name](widths, **config)
