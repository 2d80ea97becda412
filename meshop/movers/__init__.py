"""Mesh movement that never inverts a cell: classical movers, and the limiter under all of them."""

from ._boundary import Slide, sliding
from ._classical import elastic, laplacian, rbf, springs
from ._limit import Free, Guide, Limited, State, limit
from ._move import Moved, MoveReport, move, positive_corners

__all__ = [
    "Free",
    "Guide",
    "Limited",
    "MoveReport",
    "Moved",
    "Slide",
    "State",
    "elastic",
    "laplacian",
    "limit",
    "move",
    "positive_corners",
    "rbf",
    "sliding",
    "springs",
]
