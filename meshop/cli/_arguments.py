"""Arguments that commands have in common, and how what is typed becomes files and conditions."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ConditionError
from ._console import usage_error

Files = Annotated[
    list[str], typer.Argument(metavar="FILE...", help="Meshes of any format that meshop reads.")
]
Time = Annotated[float | None, typer.Option(help="One of several times; the last by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]

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


def picture_of(save: str | None, files: Sequence[str] = ()) -> Path | None:
    """Where a picture of the only file goes; what makes no sense is told before any work."""
    if save is None:
        return None
    path = Path(save)
    if len(files) > 1:
        usage_error("--save draws one mesh", f"{len(files)} files are given", "one at a time")
    if path.suffix.lower() != ".png":
        usage_error(f"--save {save}", "pictures are PNG", f"--save {path.with_suffix('.png')}")
    if not path.parent.is_dir():
        usage_error(f"--save {save}", "its folder does not exist", f"mkdir -p {path.parent}")
    return path


def title_of(file: str) -> str:
    """The name of a file or folder, also where it is given as "."."""
    return Path(file).absolute().resolve().name
