"""CAD files (STEP, IGES, BREP): exact surfaces, meshed by gmsh on OpenCASCADE.

`read` refuses them, since a CAD file holds no mesh; `mesh_cad` makes one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from ...errors import MeshFileError
from .._files import guarded, read_bytes, require_file
from .._format import Format
from ._fill import fill_surface
from ._mesh import mesh_cad
from ._text import kind_of

SUFFIXES = (".step", ".stp", ".iges", ".igs", ".brep", ".brp")


def is_cad(path: str | os.PathLike) -> bool:
    """Whether a file is CAD by its content, or at least by its name."""
    path = Path(path)
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        return bool(kind_of(read_bytes(path, 4096)))
    except (OSError, ValueError, MeshFileError):
        return False  # whatever it is: the reader of meshes will say


def _refuse(path: Path) -> NoReturn:
    with guarded(path, "CAD"):
        require_file(path)
    raise MeshFileError(
        path, "CAD", "content", "this is CAD: exact surfaces, not a mesh", f"meshop mesh {path}"
    )


FORMAT = Format(
    "STEP, IGES, BREP",
    SUFFIXES,
    _refuse,
    claims=lambda path, start: bool(kind_of(start)) and path.suffix.lower() != ".egads",
    regions="names of solids and faces (`meshop mesh`)",
)

__all__ = ["FORMAT", "fill_surface", "is_cad", "mesh_cad"]
