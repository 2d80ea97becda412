"""`read` and `write`: the content, or else the suffix, chooses the format."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MeshFileError
from ..mesh import Mesh
from ._files import guarded, require_file
from ._format import Arrays, Format, Series
from ._formats import FORMATS
from ._not_meshes import not_a_mesh

# Files that people hand over by mistake, by their first bytes.
_MISTAKES = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"\xfd7zXZ": "an xz archive",
    b"BZh": "a bzip2 archive",
    b"\x7fELF": "a program",
}
# What most people want; the others are in the table of formats.
_COMMON = (
    ".vtu",
    ".vtk",
    ".vtkhdf",
    ".msh",
    ".su2",
    ".stl",
    ".ply",
    ".obj",
    ".inp",
    ".xdmf",
    ".foam",
)
_MAY_BE_PACKED = (".gz", ".npz")


def read(path: str | os.PathLike, *, time: float | None = None, arrays: Arrays = None) -> Mesh:
    """Read a mesh from a file, or from the folder of a case.

    time: which of several times; the last where none is given. arrays: names of the point and cell
    data to read (the others cost nothing in formats that can skip them); all by default. Raises
    MeshFileError, and nothing else, whatever the file holds.
    """
    path = Path(path)
    arrays = None if arrays is None else list(arrays)
    with _contained(path):
        format = format_of(path)
        if time is None and format.read is not None:
            options = {"arrays": arrays} if format.selects else {}
            return _only(format.read(path, **options), path, format.name, arrays)
        steps = _series(path, format, arrays)
        if not len(steps):
            raise MeshFileError(path, format.name, "times", "there is none")
        index = len(steps) - 1 if time is None else steps.nearest(time)
        if index < 0:
            near = sorted(steps.times, key=lambda other: abs(other - (time or 0.0)))[:5]
            raise MeshFileError(
                path,
                format.name,
                "times",
                f"no time {time:g} among {len(steps)}",
                "time = one of " + ", ".join(f"{other:g}" for other in sorted(near)),
            )
        return _only(steps[index], path, format.name, arrays)


def read_series(path: str | os.PathLike, *, arrays: Arrays = None) -> Series:
    """The times of a file or case, and the mesh at each, read when it is asked for.

    A file of a format without times is a series of one, at its `TimeValue` or 0. Raises
    MeshFileError.
    """
    path = Path(path)
    arrays = None if arrays is None else list(arrays)
    with _contained(path):
        steps = _series(path, format_of(path), arrays)

    def load(index: int) -> Mesh:
        with _contained(path):
            return steps[index]

    return Series(steps.times, load)


def _series(path: Path, format: Format, arrays: list[str] | None) -> Series:
    if format.series is not None:
        return format.series(path, **({"arrays": arrays} if format.selects else {}))
    mesh = read(path, arrays=arrays)
    time = np.ravel(mesh.field_data.get("TimeValue", 0.0))
    known = time.size and time.dtype.kind in "iuf"
    return Series([float(time[0]) if known else 0.0], lambda _: mesh)


def _only(mesh: Mesh, path: Path, name: str, arrays: list[str] | None) -> Mesh:
    """Drop the data that were not asked for; names that are nowhere are a mistake."""
    if arrays is None:
        return mesh
    known = [*mesh.point_data, *mesh.cell_data]
    if missing := [array for array in arrays if array not in known]:
        hint = f"one of {', '.join(known)}" if known else "read it without arrays="
        raise MeshFileError(path, name, "arrays", f"there is no {missing[0]!r}", hint)
    mesh = mesh.copy()
    mesh.point_data = {n: v for n, v in mesh.point_data.items() if n in arrays}
    mesh.cell_data = {n: v for n, v in mesh.cell_data.items() if n in arrays}
    return mesh


def write(mesh: Mesh, path: str | os.PathLike, **options: Any) -> None:
    """Write a mesh file, complete or not at all; the suffix chooses the format.

    Options depend on the format: VTU takes compression="zlib"|"lz4"|"lzma"|None, level and
    pad_vectors=False. What the format cannot hold is a MeshFileWarning, or a MeshFileError where
    the mesh itself would suffer; an existing file is then as it was.
    """
    format, path = writer_of(path), Path(path)
    if format.write is None:
        raise MeshFileError(
            path, format.name, "format", "it holds series only", "write .vtu instead"
        )
    try:
        format.write(mesh, path, **options)
    except TypeError as error:  # an option that this format does not have
        raise MeshFileError(path, format.name, "options", str(error)) from None


def write_series(
    path: str | os.PathLike, steps: Iterable[tuple[float, Mesh]], **options: Any
) -> None:
    """Write (time, mesh) pairs as one series; the suffix chooses the format.

    The steps may come from a generator: no two of them need to be in memory. A mesh that does not
    change is stored once where the format can. Raises MeshFileError.
    """
    suffix, path = target_suffix(path), Path(path)
    found = [f for f in FORMATS if suffix in f.suffixes and f.write_series is not None]
    if not found or found[0].write_series is None:
        reason = f"{suffix or 'this'} holds no series"
        raise MeshFileError(
            path, "", "format", reason, one_of(f for f in FORMATS if f.write_series)
        )
    found[0].write_series(path, steps, **options)


def format_of(path: Path) -> Format:
    """The format of a file or folder, by content and then by suffix. Raises MeshFileError."""
    start = b""  # of folders, and of empty files that stand for the folder around them
    with guarded(path, ""):
        if os.path.isfile(path) and os.path.getsize(path):  # those of /proc may never end
            with open(path, "rb") as file:
                start = file.read(4096)
    readable = [f for f in FORMATS if f.read is not None or f.series is not None]
    for format in readable:
        if format.claims(path, start):
            return format
    with guarded(path, ""):
        require_file(path)
    suffix = suffix_of(path)
    for magic, what in _MISTAKES.items():
        if start.startswith(magic) and not suffix.endswith(_MAY_BE_PACKED):
            hint = "unpack it first" if "archive" in what else "give the mesh file itself"
            raise MeshFileError(path, "", "content", f"this is {what}, not a mesh", hint)
    for format in readable:
        if suffix in format.suffixes:
            return format
    if told := not_a_mesh(suffix, start):
        raise MeshFileError(path, "", "content", *told)
    raise _unknown(path, suffix)


def writer_of(path: str | os.PathLike) -> Format:
    """The format that the suffix of a new file chooses. Raises MeshFileError."""
    suffix = target_suffix(path)
    known = [f for f in FORMATS if suffix in f.suffixes]
    found = next((f for f in known if f.write or f.write_series), None)
    if found is None:
        reason = f"the suffix {suffix!r} stands for no format known here" if suffix else "no suffix"
        reason = f"meshop reads {suffix} and does not write it" if known else reason
        raise MeshFileError(Path(path), "", "format", reason, one_of(f for f in FORMATS if f.write))
    return found


def check_target(source: str | os.PathLike, target: str | os.PathLike) -> None:
    """Raise MeshFileError, before any work, where `target` cannot be written or is `source`."""
    writer_of(target)
    if os.path.realpath(source) == os.path.realpath(target):
        reason = "this is the input; meshop never overwrites one"
        raise MeshFileError(Path(target), "", "output", reason, "another name")


def target_suffix(path: str | os.PathLike) -> str:
    """The suffix of what is to be written; "/" for a folder, there or named with a slash."""
    suffix = suffix_of(Path(path))
    known = any(suffix in format.suffixes for format in FORMATS)
    folder = os.fspath(path).endswith(("/", os.sep)) or os.path.isdir(path)
    return "/" if folder and not known else suffix


def suffix_of(path: Path) -> str:
    """The last suffix, lower case; with the one before it where both are one (".vol.gz")."""
    found = [suffix.lower() for suffix in path.suffixes]
    double = "".join(found[-2:])
    known = any(double in format.suffixes for format in FORMATS)
    return double if found[-1:] == [".gz"] or known else "".join(found[-1:])


class _contained:
    """A fault in a reader must not become the user's traceback."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, MeshFileError):
            reason = f"the reader failed on it ({type(error).__name__}: {error})"
            hint = "report this file to meshop's issue tracker"
            name = self.path.suffix[1:].upper()
            raise MeshFileError(self.path, name, "content", reason, hint) from error


def _unknown(path: Path, suffix: str) -> MeshFileError:
    count = len({s for f in FORMATS if f.read or f.series for s in f.suffixes})
    reason = f"the suffix {suffix!r} stands for no format known here" if suffix else "no suffix"
    hint = f"one of {count} known suffixes, such as .vtu, .msh, .cgns, .su2, .stl, .e or .inp"
    return MeshFileError(path, "", "format", reason, hint)


def one_of(formats: Iterable[Format]) -> str:
    """The suffixes of formats as a hint: those that most people want, and how many more."""
    every = {suffix for format in formats for suffix in format.suffixes} - {"/"}
    common = [suffix for suffix in _COMMON if suffix in every] or sorted(every)
    rest = len(every) - len(common)
    more = f", or one of {rest} others in the table of formats" if rest else ""
    return ", ".join(common) + more
