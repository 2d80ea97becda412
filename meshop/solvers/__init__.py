"""Sparse linear systems: smoothed-aggregation multigrid, and conjugate gradients it drives.

Both may be learned from a family's matrices (`learn`): networks that read a matrix, on torch.nn
alone, so that they stand beside what they precondition.
"""

from ._coarsen import OMEGA, aggregation, inverse_diagonal, prolongation, spectral_radius
from ._cycle_net import CycleNet, LearnedMultigrid
from ._direction_net import DirectionNet, Directions
from ._learn import learn, load
from ._multigrid import Jacobi, Multigrid
from ._net import Net
from ._solve import Details, solve

__all__ = [
    "OMEGA",
    "CycleNet",
    "Details",
    "DirectionNet",
    "Directions",
    "Jacobi",
    "LearnedMultigrid",
    "Multigrid",
    "Net",
    "aggregation",
    "inverse_diagonal",
    "learn",
    "load",
    "prolongation",
    "solve",
    "spectral_radius",
]
