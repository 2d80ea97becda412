"""Mesh movement that never inverts a cell: classical movers, and the limiter under all of them."""

from ._boundary import Slide, sliding
from ._classical import elastic, laplacian, rbf, springs
from ._goal import euler_fluxes, goal_monitor, goal_weight
from ._limit import Free, Guide, Limited, State, limit
from ._monge_ampere import monge_ampere
from ._monitor import Monitor, combined, gradient_monitor, hessian_monitor, ring_monitor, smoothed
from ._move import Moved, MoveReport, move, positive_corners
from ._smooth import smooth

__all__ = [
    "Free",
    "Guide",
    "Limited",
    "Monitor",
    "MoveReport",
    "Moved",
    "Slide",
    "State",
    "combined",
    "elastic",
    "euler_fluxes",
    "goal_monitor",
    "goal_weight",
    "gradient_monitor",
    "hessian_monitor",
    "laplacian",
    "limit",
    "monge_ampere",
    "move",
    "positive_corners",
    "rbf",
    "ring_monitor",
    "sliding",
    "smooth",
    "smoothed",
    "springs",
]
