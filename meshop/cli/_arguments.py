"""Files and key=value conditions share the command line; this tells them apart."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from ..errors import ConditionError

_CONDITION = re.compile(r"([A-Za-z_][\w.\-]*)=(.*)", re.DOTALL)


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], dict[str, float]]:
    """Files and conditions, in order. ``name=number`` is a condition unless such a file exists.

    Raises ConditionError for a value that is no number or a name given twice.
    """
    files: list[str] = []
    conditions: dict[str, float] = {}
    for argument in arguments:
        match = _CONDITION.fullmatch(argument)
        if match is None or os.path.exists(argument):
            files.append(argument)
            continue
        name, text = match.groups()
        if name in conditions:
            raise ConditionError(
                f"condition {name} is given twice",
                f"first {conditions[name]:g}, then {text}",
                f"one {name}=...",
            )
        try:
            conditions[name] = float(text)
        except ValueError:
            raise ConditionError(
                f"condition {argument!r}",
                f"{text!r} is not a number",
                f"{name}=4 or {name}=3.5e6: digits with a point, no unit, no comma",
            ) from None
    return files, conditions
