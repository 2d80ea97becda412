"""One mesh file into another format: series as series, nothing dropped in silence."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import MeshFileError, MeshFileWarning
from ..mesh import Mesh
from ._dispatch import check_target, format_of, read, read_series, write, write_series, writer_of
from ._format import Arrays, Format


class Conversion(NamedTuple):
    """What was written: formats by name, points and cells of the last mesh, times."""

    source_format: str
    target_format: str
    points: int
    cells: int
    times: tuple[float, ...]


def convert(
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    time: float | None = None,
    arrays: Arrays = None,
    surface: bool = False,
    force: bool = False,
    ascii: bool = False,
    compression: str | None = None,
) -> Conversion:
    """Read a mesh file and write it in the format that the suffix of `target` names; a target that
    ends in a slash is the folder of a new OpenFOAM case.

    A file of several times becomes a series where that format has them; otherwise, and with `time`,
    one of them is written. arrays: names of the data to keep. surface: only the boundary. ascii and
    compression ("zlib", "none", ...) are for formats that have the choice. What gets lost is a
    MeshFileWarning. Raises MeshFileError; `target` is then as it was. An existing one is replaced
    only with `force`, and never the source.
    """
    named, source, target = target, Path(source), Path(target)
    wanted = writer_of(named)
    options = _options(target, wanted, ascii, compression)
    known = format_of(source)
    check_target(source, named)
    _check_free(target, force)
    arrays = None if arrays is None else list(arrays)
    change = _surface_of(source) if surface else _same
    steps = read_series(source, arrays=arrays) if known.series and time is None else None
    if steps is not None and len(steps) > 1 and wanted.write_series is not None:
        last: list[Mesh] = []

        def each() -> Iterator[tuple[float, Mesh]]:
            for moment, mesh in zip(steps.times, steps, strict=True):
                last[:] = [change(mesh)]
                yield moment, last[0]

        write_series(named, each(), **_accepted(wanted.write_series, options))
        mesh, times = last[0], steps.times
    else:
        mesh = change(read(source, time=time, arrays=arrays))
        times = () if time is None else (time,)
        if steps is not None and (len(steps) > 1 or "TimeValue" in mesh.field_data):
            times = steps.times[-1:]
        if steps is not None and len(steps) > 1:
            text = f"{target} ({wanted.name}): holds one time: only {times[0]:g} of {len(steps)} "
            warnings.warn(
                f"{text}is written; another is chosen by time=", MeshFileWarning, stacklevel=2
            )
        write(mesh, named, **options)
    return Conversion(known.name, wanted.name, mesh.n_points, mesh.n_cells, tuple(times))


def _same(mesh: Mesh) -> Mesh:
    return mesh


def _surface_of(source: Path) -> Callable[[Mesh], Mesh]:
    def change(mesh: Mesh) -> Mesh:
        skin = mesh.surface()
        if not skin.n_cells:
            what = "a closed surface" if mesh.dim == 2 else f"of dimension {mesh.dim}"
            raise MeshFileError(
                source, "", "surface", f"the mesh has no boundary: it is {what}",
                "convert it as it is",
            )  # fmt: skip
        return skin

    return change


def _options(target: Path, format: Format, ascii: bool, compression: str | None) -> dict[str, Any]:
    """The writer's keyword arguments; a choice that the format does not have is an error."""
    writer = format.write or format.write_series
    assert writer is not None
    asked: list[tuple[str, dict[str, Any]]] = []
    if ascii:
        choices = ({"binary": False}, {"ascii": True})  # writers call it one way or the other
        asked.append(("ascii", next((c for c in choices if _accepted(writer, c)), choices[0])))
    if compression is not None:
        wanted = None if compression == "none" else compression
        asked.append(("compression", {"compression": wanted}))
    for name, choice in asked:
        if not _accepted(writer, choice):
            raise MeshFileError(
                target, format.name, "options", f"this format has no choice of {name}",
                f"without --{name}",
            )  # fmt: skip
    return {key: value for _, choice in asked for key, value in choice.items()}


def _accepted(writer: Callable[..., None], options: dict[str, Any]) -> dict[str, Any]:
    known: Iterable[inspect.Parameter] = inspect.signature(writer).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in known):
        return options
    names = {p.name for p in known}
    return {name: value for name, value in options.items() if name in names}


def _check_free(target: Path, force: bool) -> None:
    if target.exists() and not force:
        hint = "--force, or another name"
        if target.is_dir():
            hint = f"-o {target} --to .vtu, which puts new files into it"
        raise MeshFileError(target, "", "output", "it exists already", hint)
