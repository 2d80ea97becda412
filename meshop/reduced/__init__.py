"""Reduced bases and what is learned in them: POD, Gaussian processes, morphing to a reference."""

from ._gaussian import GaussianProcess
from ._kernels import KERNELS, TRENDS
from ._mmgp import MMGP
from ._morph import Chart, Loop, Target, boundary_loops, make_target, morph, sharpened, transport
from ._pod import POD, PODRegression

__all__ = [
    "KERNELS",
    "MMGP",
    "POD",
    "TRENDS",
    "Chart",
    "GaussianProcess",
    "Loop",
    "PODRegression",
    "Target",
    "boundary_loops",
    "make_target",
    "morph",
    "sharpened",
    "transport",
]
