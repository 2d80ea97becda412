"""Opening files of VTK's XML family: what is inside chooses the reader, whatever the suffix.

Lists of pieces (.pvtu, .vtm) name other files by paths relative to themselves.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ...errors import MeshFileError
from ...mesh import Mesh
from .._files import Fault, guarded, require_file
from .._format import Arrays, Series
from ._data import Selection
from ._document import Document, opened

_MAX_DEPTH = 16  # lists inside lists


class Opener:
    """Opens a file and those that it lists; none of them twice, so that no circle is endless."""

    def __init__(self, kinds: dict[str, Build], selection: Selection) -> None:
        self.kinds, self.selection = kinds, selection
        self.seen: set[str] = set()
        self.depth = 0

    def mesh(self, path: Path, step: int = -1) -> Mesh:
        with self.document(path) as document:
            if document.kind not in self.kinds:
                reason = f"type={document.kind[:40]!r}, expected one of {', '.join(self.kinds)}"
                raise Fault("<VTKFile>", reason)
            if times := times_of(document):
                document.step = range(len(times))[step]
            return self.kinds[document.kind](document, self)

    @contextlib.contextmanager
    def document(self, path: Path) -> Iterator[Document]:
        require_file(path)
        real = os.path.realpath(path)
        if real in self.seen or self.depth == _MAX_DEPTH:
            reason = "it is listed twice" if real in self.seen else "lists are nested too deeply"
            raise Fault("list of files", reason, "list every file once")
        self.seen.add(real)
        self.depth += 1
        with opened(path) as document:
            yield document
        self.depth -= 1  # after a fault nothing else is opened

    def listed(self, by: Path, source: str) -> Path:
        """The path of a file that the file `by` lists. Raises Fault where there is none."""
        path = by.parent / source.replace("\\", "/")
        with naming(source):
            require_file(path)
        return path

    def listed_mesh(self, by: Path, source: str) -> Mesh:
        path = self.listed(by, source)
        with naming(source):
            return self.mesh(path)


Build = Callable[[Document, Opener], Mesh]


@contextlib.contextmanager
def naming(source: str) -> Iterator[None]:
    """What is wrong inside is told as a fault of the listed file `source`."""
    try:
        with guarded(source, ""):
            yield
    except MeshFileError as error:
        raise Fault(f"{source[:200]}: {error.where}", error.reason, error.hint) from None


def times_of(document: Document) -> list[float]:
    """The times of all steps inside one file, increasing; none where it holds but one."""
    grid = document.root.one(document.kind)
    words = grid.attributes.get("TimeValues", "").split() if grid else []
    try:
        times = [float(word) for word in words]
    except ValueError as error:
        raise Fault("TimeValues", str(error)[:100]) from None
    if any(not math.isfinite(time) for time in times) or sorted(set(times)) != times:
        raise Fault("TimeValues", "expected finite times, each larger than the one before")
    return times


def read_with(kinds: dict[str, Build], name: str) -> Callable[..., Mesh]:
    """A function read(path, arrays=None, step=-1) that raises MeshFileError and nothing else.

    name: of the format, for errors. step: which of several times, from the last where negative.
    """

    def read(path: Path, arrays: Arrays = None, step: int = -1) -> Mesh:
        selection = Selection(arrays)
        with guarded(path, name):
            mesh = Opener(kinds, selection).mesh(Path(path), step)
            selection.verify()
        return mesh

    return read


def series_with(kinds: dict[str, Build], name: str) -> Callable[..., Series]:
    """A function series(path, arrays=None): the times that one file holds, or its only one."""
    read = read_with(kinds, name)

    def series(path: Path, arrays: Arrays = None) -> Series:
        with guarded(path, name), opened(Path(path)) as document:
            times = times_of(document)
        if times:
            return Series(times, lambda step: at_time(times[step], read(path, arrays, step)))
        mesh = read(path, arrays)
        known = np.ravel(mesh.field_data.get("TimeValue", 0.0))
        time = float(known[0]) if known.size and known.dtype.kind in "iuf" else 0.0
        return Series([time], lambda _: mesh)

    return series


def at_time(time: float, mesh: Mesh) -> Mesh:
    """`mesh` with this time in its field data."""
    mesh.field_data["TimeValue"] = np.array([time])
    return mesh


def claims(*kinds: str) -> Callable[[Path, bytes], bool]:
    """True for the start of a file whose <VTKFile> says that it is one of `kinds`."""
    pattern = re.compile(
        rb"<VTKFile\b[^>]*\stype\s*=\s*[\"'](" + "|".join(kinds).encode() + rb")[\"']"
    )
    return lambda path, start: pattern.search(start) is not None
