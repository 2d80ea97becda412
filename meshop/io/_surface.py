"""What the surface formats share: cells of faces, and the parts of a mesh that they can hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..mesh import CELL_TYPES, Mesh
from ._files import Fault
from ._format import warn_lost
from ._polydata import LIST_OF, POLYGONS, surface_types


def face_types(sizes: np.ndarray) -> np.ndarray:
    """Cell types of faces with that many corners; those with one or two are vertices and lines."""
    return surface_types(POLYGONS, sizes)


def require_types(mesh: Mesh, allowed: tuple[int, ...], name: str) -> None:
    """Raise Fault, with what helps, where the mesh has a cell of another type."""
    bad = np.flatnonzero(~np.isin(mesh.cell_types, allowed))
    if not len(bad):
        return
    row = CELL_TYPES[int(mesh.cell_types[bad[0]])]
    hint = "write .vtu instead"
    if row.dim == 3:
        hint = "mesh.surface(), or meshop convert --surface, takes the surface of a volume"
    raise Fault(f"cell {bad[0]}", f"{name} has no {row.name} ({len(bad)} such cells)", hint)


def warn_types(path: Path | str, format: str, mesh: Mesh) -> None:
    """Warn of cells whose types come back as others: of surfaces they are told by sizes alone."""
    size = np.diff(mesh.cell_offsets)
    read = np.zeros(mesh.n_cells, np.uint8)
    for kind in range(int(LIST_OF.max()) + 1):
        mine = LIST_OF[mesh.cell_types] == kind
        read[mine] = surface_types(kind, size[mine])
    other = read != mesh.cell_types
    rows, counts = np.unique(
        [mesh.cell_types[other], read[other], size[other]], axis=1, return_counts=True
    )
    for (before, after, length), n in zip(rows.T.tolist(), counts.tolist(), strict=True):
        old, new = CELL_TYPES[before].name, CELL_TYPES[after].name
        warn_lost(path, format, f"{n} {old} cells of {length} nodes become {new} cells")


def warn_data(path: Path | str, format: str, mesh: Mesh, kept: set[tuple[str, str]]) -> None:
    """Warn of data arrays that are not among `kept`, pairs of ("point", name)."""
    for where in ("point", "cell", "field"):
        names = [n for n in getattr(mesh, f"{where}_data") if (where, n) not in kept]
        if names:
            shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            warn_lost(path, format, f"{where} data are not stored: {shown}", "write .vtu for them")
    if names := [name for where, name in mesh.components if (where, name) in kept]:
        warn_lost(path, format, f"components have no names in it: {', '.join(names[:5])}")


def warn_regions(path: Path | str, format: str, names: list[str], hint: str = "") -> None:
    if names:
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        warn_lost(path, format, f"regions are not stored: {shown}", hint)
