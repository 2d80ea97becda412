"""What every operator offers, and how models are found by name."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from torch import Tensor, nn

from ..graph import MeshGraph


class Operator(nn.Module):
    """Maps a `MeshGraph` to normalised fields on its nodes and integral quantities.

    Subclasses take n_features, n_tokens, n_cond, n_out, n_scalars and their own sizes by keyword,
    and define `outputs`. `edges` says whether they need the graph's edges; `pointwise` that a
    node's output depends on that node and on the graph's wall and conditions alone, so that nodes
    may be subsampled or tiled without any change.
    """

    edges = False
    pointwise = False

    def outputs(self, graph: MeshGraph) -> tuple[Tensor, Tensor]:
        """Fields (N, n_out) and scalars (B, n_scalars), both normalised."""
        raise NotImplementedError

    def forward(self, graph: MeshGraph) -> Tensor:
        """Fields (N, n_out), normalised."""
        return self.outputs(graph)[0]

    def scalars(self, graph: MeshGraph) -> Tensor:
        """Scalars (B, n_scalars), normalised."""
        return self.outputs(graph)[1]


def registry() -> dict[str, type[Operator]]:
    """Operators by name: meshop's own and those of entry points in the group `meshop.models`."""
    from .transolver import Transolver
    from .wall_field import WallField

    found: dict[str, type[Operator]] = {"wall-field": WallField, "transolver": Transolver}
    for point in entry_points(group="meshop.models"):
        found.setdefault(point.name, point.load())
    return found


def build_operator(name: str, config: dict[str, Any]) -> Operator:
    """An operator by name with its sizes. Raises ValueError for a name that is not known."""
    known = registry()
    if name not in known:
        raise ValueError(f"no operator named {name!r}; known: {', '.join(sorted(known))}")
    return known[name](**config)
