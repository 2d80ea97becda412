"""What a surrogate predicts, from what, and where it was trained."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from ..errors import ConditionError

MIRROR_ODD = {"cl", "cm", "cz", "cmz", "lift", "moment", "pitching_moment", "cy"}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Field(_Model):
    """A field on cells or points. components: as files have it; constant: per component, the value
    that it has in every training case, or None where it is predicted."""

    name: str
    components: int
    constant: tuple[float | None, ...]
    units: str = ""

    @property
    def active(self) -> list[int]:
        """Components that the operator predicts."""
        return [i for i, value in enumerate(self.constant) if value is None]


class Scalar(_Model):
    """An integral quantity, such as a lift coefficient."""

    name: str
    units: str = ""

    @property
    def odd(self) -> bool:
        """Whether it changes sign in the mirror y -> -y."""
        return self.name.lower() in MIRROR_ODD


class Condition(_Model):
    """A scalar input with its range over the training cases; log: it varies by ratios."""

    name: str
    low: float
    high: float
    units: str = ""
    log: bool = False

    def transform(self, value: float) -> float:
        return math.log(value) if self.log else value


class Schema(_Model):
    """Fields, scalars and conditions of a surrogate, and the range of its training walls.

    extent: largest side of the wall's bounding box, in mesh units (low, high).
    thickness: its other side (2-D) or smallest side (3-D) over the largest (low, high).
    """

    location: str
    dim: int
    fields: tuple[Field, ...]
    scalars: tuple[Scalar, ...]
    conditions: tuple[Condition, ...]
    extent: tuple[float, float]
    thickness: tuple[float, float]

    @property
    def state_columns(self) -> list[int]:
        """Where the predicted components lie among all of the fields', one after the other."""
        components = [value for field in self.fields for value in field.constant]
        return [i for i, value in enumerate(components) if value is None]

    def check_conditions(self, given: Mapping[str, Any]) -> tuple[dict[str, float], list[str]]:
        """Conditions as floats in the schema's order, and a warning for each out of range.

        Raises ConditionError for one that is unknown, missing or no finite number.
        """
        names = [c.name for c in self.conditions]
        for key in given:
            if key not in names:
                near = difflib.get_close_matches(key, names, n=1, cutoff=0.4)
                raise ConditionError(
                    f"unknown condition {key!r}",
                    f"this model takes {', '.join(names) or 'none'}",
                    f"{near[0]}={given[key]}" if near else "`meshop models show NAME`",
                )
        values, warnings = {}, []
        for c in self.conditions:
            span = f"{c.low:.6g} to {c.high:.6g}{' ' + c.units if c.units else ''}"
            example = f"{c.name}={0.5 * (c.low + c.high):.3g}"
            if c.name not in given:
                raise ConditionError(
                    f"condition {c.name!r} is missing",
                    f"it is neither given nor in the file's field data (trained on {span})",
                    example,
                )
            try:
                value = float(given[c.name])
            except (TypeError, ValueError):
                value = math.nan
            if not math.isfinite(value) or (c.log and value <= 0):
                raise ConditionError(
                    f"condition {c.name}={given[c.name]}",
                    f"expected a {'positive' if c.log else 'finite'} number (trained on {span})",
                    example,
                )
            values[c.name] = value
            slack = 1e-9 * max(abs(c.low), abs(c.high))
            if not c.low - slack <= value <= c.high + slack:
                warnings.append(f"{c.name} = {value:g} is outside the training range {span}")
        return values, warnings
