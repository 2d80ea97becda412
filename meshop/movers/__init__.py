"""Mesh movement that never inverts a cell: classical and learned movers, and the limiter."""

from ._adapt import METHODS, Adapted, AdaptReport, MeshState, adapt, is_convex
from ._boundary import Slide, sliding
from ._classical import elastic, laplacian, rbf, springs
from ._dmm_net import DMM
from ._domain import Domain
from ._flow_net import FlowMover
from ._goal import euler_fluxes, goal_monitor, goal_weight
from ._learned import dmm, load_mover, um2n
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
from ._mover_loss import coordinate, element_volume, equidistribution, inversion
from ._mover_net import MoverNet
from ._named import MONITORS, NamedMonitor, named_monitor
from ._smooth import smooth
from ._um2n_net import M2N, UM2N

__all__ = [
    "DMM",
    "M2N",
    "METHODS",
    "MONITORS",
    "UM2N",
    "AdaptReport",
    "Adapted",
    "Domain",
    "FlowMover",
    "Free",
    "Guide",
    "Limited",
    "MeshState",
    "Monitor",
    "MoveReport",
    "Moved",
    "MoverNet",
    "NamedMonitor",
    "Slide",
    "State",
    "adapt",
    "combined",
    "coordinate",
    "dmm",
    "elastic",
    "element_volume",
    "equidistribution",
    "error_monitor",
    "euler_fluxes",
    "function_of",
    "goal_monitor",
    "goal_weight",
    "gradient_monitor",
    "hessian_monitor",
    "inversion",
    "is_convex",
    "laplacian",
    "limit",
    "load_mover",
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
    "um2n",
]
