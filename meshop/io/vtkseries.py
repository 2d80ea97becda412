"""ParaView's file series (.vtu.series and the like): a JSON list of files and their times."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MeshFileError
from ..mesh import Mesh
from ._files import Fault, atomic_write, guarded, read_bytes, together
from ._format import Arrays, Format, Series

NAME = "file series"
_INNER = (".vtk", ".vtu", ".vtp")  # to be written; others are recognised by their content
_MOST = 8 << 20  # bytes of JSON: over 100 000 files
_inside: ContextVar[bool] = ContextVar("inside", default=False)  # a file of a series is being read
_COMMAS = re.compile(r",(\s*[\]}])")


def series_files(path: Path, arrays: Arrays = None) -> Series:
    """The files of a series, sorted by time, each read when it is asked for.

    Raises MeshFileError.
    """
    from ._dispatch import read  # every format may be in a series, so it cannot know them before

    with guarded(path, NAME):
        found = sorted(_entries(path), key=lambda entry: entry[0])
    wanted = None if arrays is None else list(arrays)

    def load(index: int) -> Mesh:
        time, file = found[index]
        if _inside.get():
            raise MeshFileError(path, NAME, "files", "a series names another series, or itself")
        token = _inside.set(True)
        try:
            mesh = read(file, arrays=wanted)
        finally:
            _inside.reset(token)
        mesh.field_data["TimeValue"] = np.array([time])
        return mesh

    return Series([time for time, _ in found], load)


def read_files(path: Path, arrays: Arrays = None) -> Mesh:
    """The last mesh of a file series. Raises MeshFileError."""
    steps = series_files(path, arrays)
    return steps[len(steps) - 1]


def _entries(path: Path) -> list[tuple[float, Path]]:
    data = read_bytes(path, _MOST + 1)
    if len(data) > _MOST:
        raise Fault("content", f"more than {_MOST >> 20} MB: this is no list of files")
    tree = _parsed(data)
    files = tree.get("files") if isinstance(tree, dict) else None
    if not isinstance(files, list) or not files:
        raise Fault("files", "the list of files is missing or empty")
    out = []
    for index, entry in enumerate(files):
        where = f"files[{index}]"
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name or "\0" in name:
            raise Fault(where, "it names no file")
        time = entry.get("time", index)
        if not isinstance(time, int | float) or abs(time) > 1e300 or not math.isfinite(time):
            raise Fault(where, f"time {str(time)[:40]!r}, expected a finite number")
        if name.lower().endswith(".series"):
            raise Fault(where, f"{name!r} is a series again", "name its files here")
        out.append((float(time), path.parent / name))
    return out


def _parsed(data: bytes) -> Any:
    try:
        text = data.decode("utf-8-sig")
        try:
            return json.loads(text)
        except ValueError:  # lists written by hand often end in a comma
            return json.loads(_COMMAS.sub(r"\1", text))
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Fault("content", f"no JSON: {reason[:200]}") from None


def write_files(
    path: str | os.PathLike, steps: Iterable[tuple[float, Mesh]], **options: Any
) -> None:
    """Write NAME.vtu.series and its files NAME/NAME_0000.vtu, ...; the list comes last.

    The files get their final names when all of them are written: until then, and if a step fails,
    an older series is as it was. options: those of the files' format. Raises MeshFileError.
    """
    from ._dispatch import suffix_of, write

    with guarded(path, NAME):
        target = Path(os.path.realpath(path))
        if not target.parent.is_dir():
            raise Fault("opening the file", "its folder does not exist", f"mkdir {target.parent}")
        inner = suffix_of(target).removesuffix(".series")
        stem = target.name[: -len(inner + ".series")]
        if not stem:
            raise Fault("opening the file", "the series needs a name", f"flow{inner}.series")
        folder = target.with_name(stem)
        if folder.exists() and not folder.is_dir():
            raise Fault("opening the file", f"{folder} is in the way: it is no folder")
        old = _old_files(target, folder)
        files: list[dict[str, Any]] = []
        beside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{stem[:80]}."))
        try:
            for time, mesh in steps:
                last = files[-1]["time"] if files else -math.inf
                if not math.isfinite(time) or time <= last:
                    raise Fault("times", f"{time} after {last}: they must be finite and increase")
                name = f"{stem}_{len(files):04d}{inner}"
                if inner.startswith(".vt"):  # these also say their time themselves
                    mesh = mesh.copy()
                    mesh.field_data["TimeValue"] = np.array([float(time)])
                write(mesh, beside / name, **options)
                files.append({"name": f"{stem}/{name}", "time": float(time)})
            if not files:
                raise Fault("steps", "there is none to write")
            folder.mkdir(exist_ok=True)
            with together() as swap, atomic_write(target) as out:
                for file in files:
                    name = Path(file["name"]).name
                    swap(beside / name, folder / name)
                    old.discard(folder / name)
                content = {"file-series-version": "1.0", "files": files}
                out.write(json.dumps(content, indent=1).encode() + b"\n")
        finally:
            shutil.rmtree(beside, ignore_errors=True)
            with contextlib.suppress(OSError):
                folder.rmdir()  # only where nothing came into it
        for left in old:  # steps of an older, longer series
            with contextlib.suppress(OSError):
                left.unlink()


def _old_files(target: Path, folder: Path) -> set[Path]:
    """The files of the series that is replaced, of those only the ones in its own folder."""
    try:
        return {file for _, file in _entries(target) if file.parent == folder}
    except Exception:
        return set()


FORMAT = Format(
    NAME,
    tuple(f"{inner}.series" for inner in _INNER),
    read_files,
    claims=lambda path, start: b'"file-series-version"' in start and start.lstrip()[:1] == b"{",
    series=series_files,
    write_series=write_files,
    selects=True,
    regions="those of its files",
    time="one file a step",
    lost="what its files lose",
)

__all__ = ["FORMAT", "read_files", "series_files", "write_files"]
