"""Where results go: beside the input by default, never onto it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import MeshFileError
from ..io import find_case

SERIES = (".vtkhdf", ".pvd", ".vtu.series")


def default_output(source: str | os.PathLike, suffix: str = ".vtu") -> Path:
    """airfoil.vtu -> airfoil.pred.vtu, whatever the format; case/case.foam -> case.pred.vtu."""
    source = Path(source)
    if (case := find_case(source)) is not None:  # beside the case, never inside it
        target = case.with_name(f"{case.name}.pred{suffix}")
        return target if source.is_absolute() else Path(os.path.relpath(target))
    return source.with_name(f"{source.stem}.pred{suffix}")


def picture_path(output: str | os.PathLike) -> Path:
    """airfoil.pred.vtu -> airfoil.pred.png; case -> case.pred.png beside it"""
    if find_case(output) is not None:
        output = default_output(output)
    return Path(output).with_suffix(".png")


def plan_outputs(
    sources: Sequence[str | os.PathLike], out: str | os.PathLike | None, series: bool = False
) -> list[Path]:
    """One output path for each source; series: of rollouts, which are series.

    `out` is a file (one source only), a folder that exists, or a new folder when it ends in a
    slash or there are several sources. Of one source, it may be an OpenFOAM case, which then gets
    the predictions as fields. Raises MeshFileError where two results would fall on one
    path, on an input, or in a folder that does not exist; nothing is created here.
    """
    text = None if out is None else os.fspath(out)
    for source in sources:
        if os.path.isdir(source) and find_case(source) is None:
            raise MeshFileError(source, "", "input", "this is a folder", f"{source}/*.vtu")
    suffix = SERIES[0] if series else ".vtu"
    if text is not None and not series and (case := find_case(text)) is not None:
        if len(sources) > 1:
            raise MeshFileError(
                text, "OpenFOAM", "output", f"{len(sources)} results do not fit into one case",
                "one of them at a time, each with its own -o",
            )  # fmt: skip
        return [case if Path(text).is_absolute() else Path(os.path.relpath(case))]
    if text is None:
        outputs = [default_output(source, suffix) for source in sources]
    elif len(sources) > 1 or text.endswith(("/", os.sep)) or Path(text).is_dir():
        if Path(text).exists() and not Path(text).is_dir():
            raise MeshFileError(
                text, "", "output", f"{len(sources)} results do not fit into one file",
                "-o FOLDER/",
            )  # fmt: skip
        outputs = [Path(text) / default_output(source, suffix).name for source in sources]
    else:
        outputs = [Path(text)]
        if series and not outputs[0].name.lower().endswith(SERIES):
            raise MeshFileError(
                text, "", "output", f"rollouts are written as {', '.join(SERIES)}",
                f"-o {outputs[0].with_suffix(suffix)}",
            )  # fmt: skip
        if not series and outputs[0].suffix.lower() != ".vtu":
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
