"""Other formats through gmsh, where it is installed, in a child process.

Only files of these suffixes are ever given to it: it takes any other text for a script of its own,
and its scripts can run programs.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from ...mesh import Mesh
from .._child import run
from .._files import Fault, guarded, read_bytes, require_file
from .._format import Format
from .._midside import sort_middles
from ..msh._read import MshFile

_HINT = "check the file with the program that wrote it, or save it as VTU"
# Suffix of a file -> the one by which gmsh knows it.
KNOWN = {
    ".bdf": ".bdf", ".nas": ".bdf", ".fem": ".bdf", ".mesh": ".mesh",
    ".diff": ".diff", ".ply2": ".ply2", ".wrl": ".wrl",
}  # fmt: skip


def read_gmsh(path: Path) -> Mesh:
    """The mesh that gmsh reads: cells by entity, physical groups as regions. Raises Fault."""
    return run("meshop.io.foreign._gmsh:load", path, suffix=KNOWN[path.suffix.lower()])


def prepare(suffix: str) -> None:
    """In the child: import what `load` will need."""
    with contextlib.suppress(ImportError, OSError):
        import gmsh  # noqa: F401


def load(path: Path, suffix: str) -> Mesh:
    """In the child: gmsh writes what it has read as MSH, which is read here. Raises Fault."""
    try:
        import gmsh
    except (ImportError, OSError) as error:
        reason = f"gmsh cannot be imported ({error})"
        raise Fault("gmsh", reason, "pip install 'meshop[cad]'") from None
    folder = Path.cwd()  # the child's own, which the parent removes, whatever happens here
    given, made = folder / f"given{suffix}", folder / "made.msh"
    shutil.copyfile(path, given)
    gmsh.initialize(["gmsh"], readConfigFiles=False, interruptible=False)
    for name, value in {
        "General.Terminal": 0, "General.NumThreads": 1, "Mesh.Binary": 1, "Mesh.SaveAll": 1,
        "Mesh.MshFileVersion": 4.1,
    }.items():  # fmt: skip
        gmsh.option.setNumber(name, value)
    gmsh.logger.start()
    try:
        gmsh.merge(str(given))
        gmsh.write(str(made))
        failure = ""
    except Exception as error:  # gmsh raises bare ones
        failure = str(error)
    said = [line.partition(":")[2].strip() for line in gmsh.logger.get() if line[:5] == "Error"]
    if said or failure:
        reason = "; ".join(dict.fromkeys(said[:2])) or failure
        raise Fault("content", reason.replace(str(given), "it")[:300], _HINT)
    content = read_bytes(made)
    if b"$Nodes" not in content:
        raise Fault("content", "gmsh finds no mesh in it", _HINT)
    mesh = MshFile(content).mesh(None, None)
    if suffix == ".diff":  # of which gmsh takes the inner nodes as they stand
        quadratic = {22, 23, 24, 25, 28, 29} & set(mesh.cell_types.tolist())
        sort_middles(
            quadratic, mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes, mesh.points, "elements"
        )
    return mesh


def _format(name: str, suffixes: tuple[str, ...]) -> Format:
    def read(path: Path) -> Mesh:
        with guarded(path, name):
            require_file(path)
            return read_gmsh(path)

    return Format(name, suffixes, read)


FORMATS = (
    _format("Diffpack", (".diff",)),
    _format("PLY2", (".ply2",)),
    _format("VRML", (".wrl",)),
)
