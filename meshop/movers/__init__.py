"""Mesh movement that never inverts a cell: classical and learned movers, and the limiter."""

from ._boundary import Slide, sliding
from ._classical import elastic, laplacian, rbf, springs
from ._domain import Domain
from ._flow_net import FlowMover
from ._limit import Free, Guide, Limited, State, limit
from ._monge_ampere import monge_ampere
from ._monitor import Monitor, gradient_monitor, hessian_monitor, ring_monitor
from ._move import Moved, MoveReport, move, positive_corners
from ._mover_loss import coordinate, element_volume, equidistribution, inversion
from ._mover_net import MoverNet
from ._um2n import load_mover, um2n
from ._um2n_net import UM2N

__all__ = [
    "UM2N",
    "Domain",
    "FlowMover",
    "Free",
    "Guide",
    "Limited",
    "Monitor",
    "MoveReport",
    "Moved",
    "MoverNet",
    "Slide",
    "State",
    "coordinate",
    "elastic",
    "element_volume",
    "equidistribution",
    "gradient_monitor",
    "hessian_monitor",
    "inversion",
    "laplacian",
    "limit",
    "load_mover",
    "monge_ampere",
    "move",
    "positive_corners",
    "rbf",
    "ring_monitor",
    "sliding",
    "springs",
    "um2n",
]
