"""Sparse linear systems: smoothed-aggregation multigrid, and conjugate gradients it drives."""

from ._coarsen import OMEGA, aggregation, inverse_diagonal, prolongation, spectral_radius
from ._multigrid import Jacobi, Multigrid
from ._solve import Details, solve

__all__ = [
    "OMEGA",
    "Details",
    "Jacobi",
    "Multigrid",
    "aggregation",
    "inverse_diagonal",
    "prolongation",
    "solve",
    "spectral_radius",
]
