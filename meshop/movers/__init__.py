"""Mesh movement that never inverts a cell: classical movers, and the limiter under all of them."""

from ._adapt import METHODS, Adapted, AdaptReport, MeshState, adapt, is_convex
from ._boundary import Slide, sliding
from ._classical import elastic, laplacian, rbf, springs
from ._goal import euler_fluxes, goal_monitor, goal_weight
from ._limit import Free, Guide, Limited, State, limit
from ._monge_ampere import monge_ampere
from ._monitor import (
    Monitor,
    combined,
    error_monitor,
    function_of,
    gradient_monitor,
    hessian_monitor,
    ring_monitor,
    smoothed,
)
from ._move import Moved, MoveReport, move, positive_corners
from ._named import MONITORS, NamedMonitor, named_monitor
from ._smooth import smooth

__all__ = [
    "METHODS",
    "MONITORS",
    "AdaptReport",
    "Adapted",
    "Free",
    "Guide",
    "Limited",
    "MeshState",
    "Monitor",
    "MoveReport",
    "Moved",
    "NamedMonitor",
    "Slide",
    "State",
    "adapt",
    "combined",
    "elastic",
    "error_monitor",
    "euler_fluxes",
    "function_of",
    "goal_monitor",
    "goal_weight",
    "gradient_monitor",
    "hessian_monitor",
    "is_convex",
    "laplacian",
    "limit",
    "monge_ampere",
    "move",
    "named_monitor",
    "positive_corners",
    "rbf",
    "ring_monitor",
    "sliding",
    "smooth",
    "smoothed",
    "springs",
]
