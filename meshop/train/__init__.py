"""Cases to surrogate: what is learned from what, sampling, Lightning, validation beside nulls."""

from ._cases import Case, Problem, find_problem
from ._learn import Learned, learn, make_schema
from ._morphed import MORPHED, learn_morphed
from ._nulls import contour_heights, least_squares, nearest_case, wall_moments
from ._optimizer import MuonAdamW
from ._sampling import collate, sample
from ._sobolev import Loss, slopes_of
from ._store import StoredCase, compute_case, load_case, store_cases
from ._train import TrainResult, train
from ._transitions import Perturbation, Transitions

__all__ = [
    "MORPHED",
    "Case",
    "Learned",
    "Loss",
    "MuonAdamW",
    "Perturbation",
    "Problem",
    "StoredCase",
    "TrainResult",
    "Transitions",
    "collate",
    "compute_case",
    "contour_heights",
    "find_problem",
    "learn",
    "learn_morphed",
    "least_squares",
    "load_case",
    "make_schema",
    "nearest_case",
    "sample",
    "slopes_of",
    "store_cases",
    "train",
    "wall_moments",
]
