"""OpenFOAM cases, reading: which case and times a path names."""

from __future__ import annotations

import os
from pathlib import Path

from ...mesh import Mesh
from .._files import guarded
from .._format import Series
from ._case import Case
from ._root import TIME

_STUBS = (".foam", ".openfoam")  # empty files by which other programs open the case


def is_foam(path: Path, start: bytes) -> bool:
    """True for a case, one of its folders, its controlDict, or a .foam file."""
    if os.path.isdir(path):
        path = Path(os.path.abspath(path))
        return (
            path.name == "polyMesh"
            or _is_case(path)
            or (
                (path.name in ("constant", "system") or bool(TIME.fullmatch(path.name)))
                and _is_case(path.parent)
            )
        )
    if path.suffix.lower() in _STUBS:
        return os.path.isfile(path)
    return path.name == "controlDict" and b"FoamFile" in start


def _is_case(path: Path) -> bool:
    parts = ("constant/polyMesh", "system/controlDict", "processor0", "constant/regionProperties")
    return any((path / part).exists() for part in parts) or any(
        next(path.glob(pattern), None) for pattern in ("processors[0-9]*", "constant/*/polyMesh")
    )


def _case(path: Path) -> Case:
    """What a path names: a case, one time of it, or the mesh of a polyMesh folder alone."""
    path = Path(os.path.abspath(path))
    if path.suffix.lower() in _STUBS and not path.is_dir():
        return Case(path.parent)
    if path.name == "controlDict" and not path.is_dir():
        return Case(path.parent.parent)
    if path.name == "polyMesh":
        time, region = path.parent, ""
        if time.name != "constant" and not TIME.fullmatch(time.name):
            time, region = time.parent, time.name
        return Case(time.parent, region, time.name, fields=False)
    if not _is_case(path):
        if path.name == "constant":
            return Case(path.parent, None, path.name, fields=False)
        if TIME.fullmatch(path.name):
            return Case(path.parent, None, path.name)
        if path.name == "system":
            return Case(path.parent)
    return Case(path)


def read_foam(path: Path, arrays: list[str] | None = None) -> Mesh:
    """Read the mesh and the fields of the last time (of one time, where its folder is named).

    The path is the case folder, a .foam file in it, system/controlDict, a time folder, or a
    polyMesh folder (which has no fields). Cells keep OpenFOAM's order. Raises MeshFileError.
    """
    with guarded(path, "OpenFOAM"):
        case = _case(path)
        return case.mesh(len(case.times) - 1, arrays)


def read_foam_series(path: Path, arrays: list[str] | None = None) -> Series:
    """The times of a case; the mesh is read once where it does not change."""
    with guarded(path, "OpenFOAM"):
        case = _case(path)

    def load(index: int) -> Mesh:
        with guarded(path, "OpenFOAM"):
            return case.mesh(index, arrays)

    return Series([value for value, _, _ in case.times], load)
