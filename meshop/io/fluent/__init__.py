"""Ansys Fluent's meshes and cases: sections in parentheses, as text or binary, plain or gzipped.

Cells come from the faces between them; lists of the nodes of cells, which meshio writes, are read
too. Faces and cells that were split (hanging nodes, interfaces) give way to their parts. The
results in a `.dat` file beside a case become cell data. Source: Ansys Fluent User's Guide, appendix
"Mesh and Case File Formats"; numbers are hexadecimal in cases, decimal in results.
"""

from __future__ import annotations

import re
from pathlib import Path

from ...mesh import Mesh
from .._files import Fault, guarded, read_bytes
from .._format import Format
from ..msh import is_msh
from ._mesh import CaseFile
from ._results import add_results
from ._sections import unpacked

_START = re.compile(
    rb'\s*\(\s*(?:0\s*"|0\s+[A-Za-z]|1\s*"|2\s+[23]\s*\)|'
    rb"(?:4|10|12|13|33|37|38|39|40|41|45|[23]01[023]|[23]?300)\s*\()"
)


def is_fluent(path: Path, start: bytes) -> bool:
    """True where the first section is one that starts a mesh or a case, or might once unpacked."""
    packed = start.startswith(b"\x1f\x8b") and path.suffix.lower() in (".cas", ".msh")
    return packed or _START.match(start) is not None


def read_fluent(path: Path) -> Mesh:
    """Read cells with zones of cells and of boundary faces as regions, and the results beside a
    case as cell data. Raises MeshFileError."""
    with guarded(path, "Fluent"):
        data = read_bytes(path)
        if data.startswith(b"\x1f\x8b"):
            data = unpacked(data)
            if is_msh(data[:4096]):
                raise Fault("content", "a file of Gmsh, gzipped", "unpack it first")
        case = CaseFile(data)
        mesh = case.mesh()
    if beside := _results_of(path):
        with guarded(beside, "Fluent"):
            add_results(beside, mesh, case, data)
    return mesh


def _results_of(case: Path) -> Path | None:
    """The file of results with the name of this case, where it is there and is one of Fluent's."""
    stem = re.fullmatch(r"(.+)\.cas(?:\.gz)?", case.name, re.IGNORECASE)
    for suffix in (".dat", ".dat.gz", ".DAT"):
        beside = case.with_name(f"{stem[1] if stem else ''}{suffix}")
        if stem and beside.is_file():
            with open(beside, "rb") as file:
                start = file.read(4096)
            if start.startswith(b"\x1f\x8b") or _START.match(start):
                return beside
    return None


FORMAT = Format(
    "Fluent",
    (".cas", ".cas.gz", ".msh.gz"),
    read_fluent,
    claims=is_fluent,
    regions="zones of cells and boundary faces; results in a .dat beside it",
)
