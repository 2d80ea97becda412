"""PVD: ParaView's list of times, each with its files; written with numbered VTU files beside it.

Source: the ParaView guide, "PVD file format".
"""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ...mesh import Mesh, join
from .._files import Fault, guarded
from .._format import Arrays, Format, Series
from ._data import Selection
from ._document import Node, opened
from ._folder import list_of_files
from ._kinds import KINDS
from ._open import Opener, at_time, claims, naming
from ._vtu_write import write_vtu

_GEOMETRY = ("points", "cell_types", "cell_offsets", "cell_nodes", "faces", "face_offsets")


def read_pvd(path: Path, arrays: Arrays = None) -> Series:
    """The times of a PVD file; several files of one time are joined, and named as regions.

    Meshes whose geometry is that of the one loaded before share its arrays. Raises MeshFileError.
    """
    path = Path(path)
    with guarded(path, "PVD"), opened(path) as document:
        steps: dict[float, list[Node]] = {}
        for node in document.grid.all("DataSet"):
            steps.setdefault(_time(node), []).append(node)
        if not steps:
            raise Fault("<Collection>", "it lists no <DataSet>")
    times = sorted(steps)
    last: weakref.ref[Mesh] | None = None

    def load(index: int) -> Mesh:
        nonlocal last
        with guarded(path, "PVD"):
            mesh = at_time(times[index], _joined(path, steps[times[index]], arrays))
        if last is not None and (before := last()) is not None:
            _share(before, mesh)
        last = weakref.ref(mesh)
        return mesh

    return Series(times, load)


def _time(node: Node) -> float:
    text = node.attributes.get("timestep") or "0"
    try:
        time = float(text)
    except ValueError:
        time = math.nan
    if not math.isfinite(time):
        raise Fault("<DataSet>", f"timestep={text[:40]!r} is no time")
    return time


def _joined(path: Path, nodes: list[Node], arrays: Arrays) -> Mesh:
    selection = Selection(arrays)
    opener = Opener(KINDS, selection)
    parts, names = [], []
    for number, node in enumerate(nodes):
        if not (source := node.attributes.get("file", "")):
            raise Fault("<DataSet>", "the attribute file is missing")
        parts.append(opener.listed_mesh(path, source))
        label = f"part {node.attributes.get('part', number)}"
        names.append(node.attributes.get("name") or label)
    selection.verify()
    return join(parts, names if len(parts) > 1 else None)


def _share(before: Mesh, mesh: Mesh) -> None:
    """Keep geometry that did not change once in memory."""
    for name in _GEOMETRY:
        old, new = getattr(before, name), getattr(mesh, name)
        if old is not None and new is not None and np.array_equal(old, new):
            setattr(mesh, name, old)


def write_pvd(path: str | os.PathLike, steps: Iterable[tuple[float, Mesh]], **options: Any) -> None:
    """Write (time, mesh) pairs as `name/name_000000.vtu` and so on, and the list `name.pvd`.

    The list appears when all files are there. Options as for VTU. Raises MeshFileError.
    """
    path = Path(os.path.realpath(path))
    with guarded(path, "PVD"), list_of_files(path, "Collection") as new:
        seen: set[float] = set()
        for number, (time, mesh) in enumerate(steps):
            time = float(time)
            if not math.isfinite(time) or time in seen:
                raise Fault(f"step {number}", f"time {time:g} comes twice or is no number")
            seen.add(time)
            name = f"{path.stem}_{number:06d}.vtu"
            step = at_time(time, mesh.copy())
            with naming(name):
                write_vtu(step, new(name, timestep=repr(time), group="", part=0), **options)


FORMAT = Format(
    "PVD", (".pvd",), None, None, claims("Collection"),
    series=read_pvd,
    write_series=write_pvd,
    selects=True,
    regions="parts of a time; others as field data of the VTU files",
    time="`timestep` of each file",
)  # fmt: skip

__all__ = ["FORMAT", "read_pvd", "write_pvd"]
