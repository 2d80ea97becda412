"""`read` and `write`: the content, or else the suffix, chooses the format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..errors import MeshFileError
from ..mesh import Mesh
from ._files import guarded, read_bytes
from ._meshio import formats_of, read_meshio, suffixes, write_meshio
from .msh import is_msh2, read_msh, write_msh
from .points import POINT_SUFFIXES, read_points
from .su2 import read_su2, write_su2
from .vtu import read_vtu, write_vtu

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
_MAY_BE_PACKED = (".gz", ".npz")


def read(path: str | os.PathLike) -> Mesh:
    """Read a mesh file. Raises MeshFileError, and nothing else, whatever the file holds."""
    path = Path(path)
    try:
        return _read(path)
    except MeshFileError:
        raise
    except Exception as error:  # a fault in a reader must not become the user's traceback
        reason = f"the reader failed on it ({type(error).__name__}: {error})"
        hint = "report this file to meshop's issue tracker"
        raise MeshFileError(path, _suffix(path)[1:].upper(), "content", reason, hint) from error


def _read(path: Path) -> Mesh:
    with guarded(path, ""):
        start = read_bytes(path, 4096)
    suffix = _suffix(path)
    if b"<VTKFile" in start and (suffix == ".vtu" or b"UnstructuredGrid" in start):
        return read_vtu(path)
    for magic, what in _MISTAKES.items():
        if start.startswith(magic) and not suffix.endswith(_MAY_BE_PACKED):
            hint = "unpack it first" if "archive" in what else "give the mesh file itself"
            raise MeshFileError(path, "", "content", f"this is {what}, not a mesh", hint)
    if suffix == ".vtu":
        return read_vtu(path)
    if suffix == ".su2":
        return read_su2(path)
    if suffix in POINT_SUFFIXES:
        return read_points(path)
    if is_msh2(start):
        return read_msh(path)
    if names := formats_of(suffix):
        return read_meshio(path, names)
    if start.startswith(b"$MeshFormat"):
        return read_meshio(path, ["gmsh"])
    raise _unknown(path, suffix)


def write(mesh: Mesh, path: str | os.PathLike, **options: Any) -> None:
    """Write a mesh file, complete or not at all; the suffix chooses the format.

    VTU takes compression="zlib"|"lz4"|"lzma"|None, level and pad_vectors=False; what other formats
    take is meshio's. Raises MeshFileError; an existing file is then as it was.
    """
    path = Path(path)
    suffix = _suffix(path)
    if suffix in POINT_SUFFIXES:
        raise MeshFileError(
            path, "", "format", f"meshop reads {suffix} and does not write it", "write .vtu instead"
        )
    own = {".vtu": write_vtu, ".su2": write_su2, ".msh": write_msh}
    if suffix not in own and not formats_of(suffix):
        raise _unknown(path, suffix)
    try:
        if suffix in own:
            own[suffix](mesh, path, **options)
        else:
            write_meshio(mesh, path, suffix, **options)
    except TypeError as error:  # an option that this format does not have
        raise MeshFileError(path, suffix[1:].upper(), "options", str(error)) from None


def _suffix(path: Path) -> str:
    """The last suffix, lower case; with the one before it where that is packed (".vol.gz")."""
    found = [suffix.lower() for suffix in path.suffixes]
    return "".join(found[-2:]) if found[-1:] == [".gz"] else "".join(found[-1:])


def _unknown(path: Path, suffix: str) -> MeshFileError:
    known = ", ".join(sorted({".vtu", *POINT_SUFFIXES, *suffixes()}))
    reason = f"the suffix {suffix!r} stands for no format known here" if suffix else "no suffix"
    return MeshFileError(path, "", "format", reason, f"one of {known}")
