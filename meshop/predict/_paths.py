"""Where results go: beside the input by default, never onto it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import MeshFileError


def default_output(source: str | os.PathLike) -> Path:
    """airfoil.vtu -> airfoil.pred.vtu, whatever the input's format."""
    source = Path(source)
    return source.with_name(f"{source.stem}.pred.vtu")


def picture_path(output: str | os.PathLike) -> Path:
    """airfoil.pred.vtu -> airfoil.pred.png"""
    return Path(output).with_suffix(".png")


def plan_outputs(sources: Sequence[str | os.PathLike], out: str | os.PathLike | None) -> list[Path]:
    """One output path for each source.

    `out` is a file (one source only), a folder that exists, or a new folder when it ends in a
    slash or there are several sources. Raises MeshFileError where two results would fall on one
    path, on an input, or in a folder that does not exist; nothing is created here.
    """
    text = None if out is None else os.fspath(out)
    for source in sources:
        if os.fspath(source) and Path(source).is_dir():
            raise MeshFileError(source, "", "input", "this is a folder", f"{source}/*.vtu")
    if text is None:
        outputs = [default_output(source) for source in sources]
    elif len(sources) > 1 or text.endswith(("/", os.sep)) or Path(text).is_dir():
        if Path(text).exists() and not Path(text).is_dir():
            raise MeshFileError(
                text, "", "output", f"{len(sources)} results do not fit into one file",
                "-o FOLDER/",
            )  # fmt: skip
        outputs = [Path(text) / default_output(source).name for source in sources]
    else:
        outputs = [Path(text)]
        if outputs[0].suffix.lower() != ".vtu":
            raise MeshFileError(
                text, "", "output", "predictions are written as .vtu: other formats would drop "
                "fields, coefficients or provenance", f"-o {outputs[0].with_suffix('.vtu')}",
            )  # fmt: skip
        if not outputs[0].parent.is_dir():
            raise MeshFileError(
                text, "", "output", f"the folder {outputs[0].parent} does not exist",
                f"mkdir -p {outputs[0].parent}",
            )  # fmt: skip
    _check_distinct(sources, outputs)
    return outputs


def _check_distinct(sources: Sequence[str | os.PathLike], outputs: Sequence[Path]) -> None:
    inputs = {os.path.realpath(source): source for source in sources}
    taken: dict[str, str | os.PathLike] = {}
    for source, output in zip(sources, outputs, strict=True):
        key = os.path.realpath(output)
        if key in inputs or os.path.realpath(picture_path(output)) in inputs:
            raise MeshFileError(
                output, "", "output", "this is an input file; meshop never overwrites one",
                "-o another name",
            )  # fmt: skip
        if key in taken:
            raise MeshFileError(
                output, "", "output", f"both {taken[key]} and {source} would be written to it",
                "one of them at a time, each with its own -o",
            )  # fmt: skip
        taken[key] = source
