"""Reduced bases and what is learned in them: POD, Gaussian processes, morphing to a reference."""

from ._chart import Chart, sharpened, transport
from ._gaussian import GaussianProcess
from ._kernels import KERNELS, TRENDS
from ._loops import Loop, boundary_loops
from ._mmgp import LEVEL, MMGP, NORMAL, Answer
from ._morph import Target, make_target, morph
from ._pod import POD, PODRegression

__all__ = [
    "KERNELS",
    "LEVEL",
    "MMGP",
    "NORMAL",
    "POD",
    "TRENDS",
    "Answer",
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
