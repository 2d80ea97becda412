"""Reduced bases and what is learned in them: POD, Gaussian processes."""

from ._gaussian import GaussianProcess
from ._pod import POD, PODRegression

__all__ = ["POD", "GaussianProcess", "PODRegression"]
