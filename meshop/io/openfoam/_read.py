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


def find_case(path: str | os.PathLike) -> Path | None:
    """The absolute folder of the case that a path names or lies in, as `read` takes it; or None.

    None too where nothing is there yet.
    """
    path = Path(path)
    there = os.path.isdir(path) or (os.path.isfile(path) and path.suffix.lower() in _STUBS)
    if not there and not (path.name == "controlDict" and os.path.isfile(path)):
        return None
    try:
        return _place(path)[0] if is_foam(path, b"FoamFile") else None
    except OSError:
        return None


def _place(path: Path) -> tuple[Path, str | None, str | None, bool]:
    """What a path names: the case, region and time (None: all), and whether it has fields."""
    path = Path(os.path.abspath(path))
    if path.suffix.lower() in _STUBS and not path.is_dir():
        return path.parent, None, None, True
    if path.name == "controlDict" and not path.is_dir():
        return path.parent.parent, None, None, True
    if path.name == "polyMesh":
        time, region = path.parent, ""
        if time.name != "constant" and not TIME.fullmatch(time.name):
            time, region = time.parent, time.name
        return time.parent, region, time.name, False
    if not _is_case(path):
        if path.name == "constant":
            return path.parent, None, path.name, False
        if TIME.fullmatch(path.name):
            return path.parent, None, path.name, True
        if path.name == "system":
            return path.parent, None, None, True
    return path, None, None, True


def _case(path: Path) -> Case:
    folder, region, time, fields = _place(path)
    return Case(folder, region, time, fields=fields)


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
