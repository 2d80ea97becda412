"""Prediction: conditions in, the same mesh with fields, scalars and their checks out."""

from ._coefficients import find_chord, integrate_pressure
from ._conditions import check_names
from ._info import info
from ._paths import default_output, picture_path, plan_outputs
from ._predict import DEFAULT_MODEL, evaluate, load, predict, write
from ._prediction import Prediction
from ._rollout import Rollout, rollout

__all__ = [
    "DEFAULT_MODEL",
    "Prediction",
    "Rollout",
    "check_names",
    "default_output",
    "evaluate",
    "find_chord",
    "info",
    "integrate_pressure",
    "load",
    "picture_path",
    "plan_outputs",
    "predict",
    "rollout",
    "write",
]
