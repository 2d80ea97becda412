"""MeshGraph and how it is built: nodes, weights, wall, potential flow, features, edges, levels."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._boundary import (
    Boundary,
    WallFacets,
    facet_geometry,
    find_boundary,
    nearest_on_facets,
    surface_facets,
    wall_facets,
)
from ._coarse import coarse_size, extreme_points, inverse_distance, nearest_samples
from ._extension import extension, off_boundary
from ._features import (
    Features,
    free_stream,
    node_features,
    potential_lift,
    potential_prior,
    token_features,
    token_positions,
    token_weights,
)
from ._geometry import FlowBasis, Geometry, dual_weights, geometry
from ._levels import Level, LevelSpec, build_levels, join_levels, levels_of
from ._nested import nested_levels
from ._potential import PotentialFlow, wall_loops
from ._spec import GraphSpec, Location

if TYPE_CHECKING:
    from ._build import build_graph as build_graph
    from ._graph import MeshGraph as MeshGraph

# PyTorch Geometric takes seconds to import, and who asks for a boundary needs none of it.
_HOMES = {"build_graph": "_build", "MeshGraph": "_graph"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'meshop.graph' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value


__all__ = [
    "Boundary",
    "Features",
    "FlowBasis",
    "Geometry",
    "GraphSpec",
    "Level",
    "LevelSpec",
    "Location",
    "MeshGraph",
    "PotentialFlow",
    "WallFacets",
    "build_graph",
    "build_levels",
    "coarse_size",
    "dual_weights",
    "extension",
    "extreme_points",
    "facet_geometry",
    "find_boundary",
    "free_stream",
    "geometry",
    "inverse_distance",
    "join_levels",
    "levels_of",
    "nearest_on_facets",
    "nearest_samples",
    "nested_levels",
    "node_features",
    "off_boundary",
    "potential_lift",
    "potential_prior",
    "surface_facets",
    "token_features",
    "token_positions",
    "token_weights",
    "wall_facets",
    "wall_loops",
]
