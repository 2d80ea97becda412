"""Cases to surrogate: what is learned from what, sampling, Lightning, validation beside nulls."""

from ._nulls import contour_heights, least_squares, nearest_case, wall_moments
from ._train import TrainResult, train

__all__ = [
    "TrainResult",
    "contour_heights",
    "least_squares",
    "nearest_case",
    "train",
    "wall_moments",
]
