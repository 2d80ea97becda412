"""The conditions of a prediction: given by the user first, by the file second, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConditionError

if TYPE_CHECKING:
    from ..surrogate import Schema


def resolve(
    schema: Schema, given: Mapping[str, Any], field_data: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Every condition of `schema` as a finite float, in the schema's order.

    `given` (numbers or their text) wins over `field_data`, whose entries must hold one number.
    Raises ConditionError for an unknown name, a missing condition or no finite number.
    """
    names = [condition.name for condition in schema.conditions]
    merged = dict(given)
    for name in names:
        if name not in given and name in field_data:
            merged[name] = _from_file(name, np.asarray(field_data[name]))
    for name, value in given.items():
        if isinstance(value, np.ndarray) and value.size == 1:
            merged[name] = value.item()
    values, _ = schema.check_conditions(merged)
    return values


def check_names(schema: Schema, given: Mapping[str, Any]) -> None:
    """Raise ConditionError where `given` names what the model does not have, or gives no number;
    what is missing may still come from a file."""
    schema.check_conditions({c.name: c.low for c in schema.conditions} | dict(given))


def _from_file(name: str, values: np.ndarray) -> float:
    if values.size == 1 and values.dtype.kind in "fiu" and np.isfinite(values).all():
        return float(values.item())
    shown = ", ".join(str(v) for v in values.ravel()[:4].tolist())
    raise ConditionError(
        f"condition {name}: the mesh's field data is of no use",
        f"it holds {values.size} values ({shown}), expected one finite number",
        f"add {name}=VALUE, which takes precedence over the file",
    )
