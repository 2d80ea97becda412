"""Reduced bases and what is learned in them: POD, Gaussian processes, morphing to a reference."""

from ._chart import Chart, sharpened, transport
from ._elastic import Body, morph_onto
from ._features import features
from ._gaussian import GaussianProcess
from ._kernels import KERNELS, TRENDS
from ._loops import Loop, boundary_loops
from ._mmgp import LEVEL, MMGP, NORMAL, Answer
from ._morph import Target, make_target, morph
from ._pod import POD, PODRegression
from ._reference import make_reference, restored_reference

__all__ = [
    "KERNELS",
    "LEVEL",
    "MMGP",
    "NORMAL",
    "POD",
    "TRENDS",
    "Answer",
    "Body",
    "Chart",
    "GaussianProcess",
    "Loop",
    "PODRegression",
    "Target",
    "boundary_loops",
    "features",
    "make_reference",
    "make_target",
    "morph",
    "morph_onto",
    "restored_reference",
    "sharpened",
    "transport",
]
