"""Files of Gmsh, read and written whole or time by time."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ...mesh import Mesh
from .._files import Fault, atomic_write, guarded, read_bytes
from .._format import Arrays, Series, warn_lost
from ._read import MshFile
from ._write import MshWriter

_START = re.compile(rb"(?:^|\n)\s*\$(?:MeshFormat|NOD)\s")


def is_msh(start: bytes) -> bool:
    """True where a file's first bytes are those of a file of Gmsh."""
    return _START.search(start) is not None


def read_msh(path: Path, arrays: Arrays = None) -> Mesh:
    """Read a file of Gmsh; of several times the last. Raises MeshFileError."""
    with guarded(path, "MSH"):
        return MshFile(read_bytes(path)).mesh(None, arrays)


def read_msh_series(path: Path, arrays: Arrays = None) -> Series:
    """The times of the data in a file of Gmsh; each array as last given up to then."""
    with guarded(path, "MSH"):
        found = MshFile(read_bytes(path))
        times = found.times() or [0.0]

    def load(index: int) -> Mesh:
        with guarded(path, "MSH"):
            return found.mesh(times[index], arrays)

    return Series(times, load)


def write_msh(
    mesh: Mesh,
    path: str | os.PathLike,
    *,
    version: str | None = None,
    binary: bool | None = None,
) -> None:
    """Write MSH: points exact, cell regions as physical groups, numbers as data.

    version "4.1" (cells may be in several groups) or "2.2" (more programs read it); binary or
    ascii. By default what the mesh was read from, else 4.1 in binary. Cells of mixed types keep
    their order: each run of one type is a block. Raises MeshFileError where Gmsh has no such cell.
    """
    write_msh_series(path, [(None, mesh)], version=version, binary=binary)


def write_msh_series(
    path: str | os.PathLike,
    steps: Iterable[tuple[float | None, Mesh]],
    *,
    version: str | None = None,
    binary: bool | None = None,
) -> None:
    """Write the first mesh, and the data of all steps. Raises MeshFileError if the mesh changes."""
    with guarded(path, "MSH"), atomic_write(path) as file:
        writer = first = None
        for step, (time, mesh) in enumerate(steps):
            mesh.check()
            if writer is None:
                writer = MshWriter(mesh, version, binary)
                for what in writer.lost:
                    warn_lost(Path(path), "MSH", what)
                writer.write(file)
                first = mesh.content_hash() if time is not None else ""
            elif mesh.content_hash() != first:
                reason = f"the mesh changes at step {step}, a file of Gmsh holds one"
                raise Fault("series", reason, "write .pvd instead")
            known = np.ravel(mesh.field_data.get("TimeValue", 0.0))
            if time is None:
                time = float(known[0]) if known.size == 1 and known.dtype.kind in "iuf" else 0.0
            writer.write_data(file, mesh, time, step)
        if writer is None:
            raise Fault("series", "there are no steps")
