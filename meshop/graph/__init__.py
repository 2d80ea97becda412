"""MeshGraph and how it is built: nodes, weights, wall, potential flow, features, edges."""

from ._boundary import (
    Boundary,
    WallFacets,
    facet_geometry,
    find_boundary,
    nearest_on_facets,
    wall_facets,
)
from ._build import build_graph
from ._features import (
    Features,
    free_stream,
    node_features,
    potential_lift,
    potential_prior,
    token_features,
    token_weights,
)
from ._geometry import FlowBasis, Geometry, dual_weights, geometry
from ._graph import MeshGraph
from ._potential import PotentialFlow, wall_loops
from ._spec import GraphSpec, Location

__all__ = [
    "Boundary",
    "Features",
    "FlowBasis",
    "Geometry",
    "GraphSpec",
    "Location",
    "MeshGraph",
    "PotentialFlow",
    "WallFacets",
    "build_graph",
    "dual_weights",
    "facet_geometry",
    "find_boundary",
    "free_stream",
    "geometry",
    "nearest_on_facets",
    "node_features",
    "potential_lift",
    "potential_prior",
    "token_features",
    "token_weights",
    "wall_facets",
    "wall_loops",
]
