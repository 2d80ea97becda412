"""What is saved and loaded: operator, schema, normaliser, stepper, error card, provenance."""

from ._device import find_device
from ._files import available
from ._morphed import MorphedSurrogate
from ._normaliser import Normaliser, Sizes
from ._schema import Condition, Field, Scalar, Schema
from ._stepper import Form, Scheme, Stepper
from ._surrogate import Answer, Evaluation, Surrogate, wall_shape, with_state

__all__ = [
    "Answer",
    "Condition",
    "Evaluation",
    "Field",
    "Form",
    "MorphedSurrogate",
    "Normaliser",
    "Scalar",
    "Schema",
    "Scheme",
    "Sizes",
    "Stepper",
    "Surrogate",
    "available",
    "find_device",
    "wall_shape",
    "with_state",
]
