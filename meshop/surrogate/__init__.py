"""What is saved and loaded: operator, schema, normaliser, error card, provenance."""

from ._device import find_device
from ._normaliser import Normaliser, Sizes
from ._schema import Condition, Field, Scalar, Schema
from ._surrogate import Evaluation, Surrogate, available, wall_shape

__all__ = [
    "Condition",
    "Evaluation",
    "Field",
    "Normaliser",
    "Scalar",
    "Schema",
    "Sizes",
    "Surrogate",
    "available",
    "find_device",
    "wall_shape",
]
