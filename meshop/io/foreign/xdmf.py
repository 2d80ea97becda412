"""XDMF with XML or HDF5 data, one grid or a series: through meshio, or else through VTK."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from ...mesh import Mesh
from .._child import run
from .._files import Fault, folder_size, guarded, require_file
from .._format import Format, Series
from .._labels import row_starts
from ._meshio import _from_meshio, _quiet, _reason, write_meshio

_LOAD = "meshop.io.foreign.xdmf:load"


def read_xdmf(path: Path, step: int | None = None) -> Mesh:
    """Read the mesh, at the last time of a series. Raises MeshFileError."""
    with guarded(path, "XDMF"):
        return _run(path, step=step)["mesh"]


def read_steps(path: Path) -> Series:
    """The times of a temporal collection. Raises MeshFileError."""
    with guarded(path, "XDMF"):
        times = _run(path, only_times=True)["times"]
    return Series(times or [0.0], lambda index: read_xdmf(path, index if times else None))


def _run(path: Path, **options: Any) -> dict:
    require_file(path)
    size = folder_size(path)
    try:
        return run(_LOAD, path, size=size, **options)
    except Fault as fault:
        first = fault
    try:  # the two know different parts of XDMF
        return run("meshop.io.foreign._vtk:read", path, size=size, reader="XDMF", **options)
    except Fault:
        raise first from None


def prepare(**_: object) -> None:
    """In the child: import what `load` will need."""
    import h5py  # noqa: F401
    import meshio.xdmf  # noqa: F401


# XDMF's number of a cell type -> how many nodes it has, meshio's name.
_MIXED = {
    0x1: (1, "vertex"), 0x2: (2, "line"), 0x4: (3, "triangle"), 0x5: (4, "quad"),
    0x6: (4, "tetra"), 0x7: (5, "pyramid"), 0x8: (6, "wedge"), 0x9: (8, "hexahedron"),
    0x22: (3, "line3"), 0x23: (9, "quad9"), 0x24: (6, "triangle6"), 0x25: (8, "quad8"),
    0x26: (10, "tetra10"), 0x27: (13, "pyramid13"), 0x28: (15, "wedge15"), 0x29: (18, "wedge18"),
    0x30: (20, "hexahedron20"), 0x31: (24, "hexahedron24"), 0x32: (27, "hexahedron27"),
}  # fmt: skip


def mixed_cells(data: np.ndarray) -> list:
    """The blocks of a mixed topology; meshio's own function knows no vertices and curved cells.

    A row is the type, of vertices and lines the number of nodes, then the nodes.
    """
    from meshio import CellBlock

    data = np.asarray(data).astype(np.int64).ravel()

    def length(kind: int, _: int) -> int:
        if kind not in _MIXED:  # VTK may know it
            raise Fault("Topology", f"cells of type {kind} in a mixed topology")
        return 1 + (kind < 3) + _MIXED[kind][0]

    starts = row_starts(data, 0, length, None, "Topology")[:-1]
    kinds = data[starts]
    counted = starts[kinds < 3]
    if np.any(data[counted + 1] != data[counted]):
        raise Fault("Topology", "vertices or lines of several nodes in a mixed topology")
    blocks = []
    for rows in np.split(starts, np.flatnonzero(np.diff(kinds)) + 1) if len(starts) else []:
        kind = int(data[rows[0]])
        size, name = _MIXED[kind]
        nodes = rows[:, None] + 1 + (kind < 3) + np.arange(size)
        blocks.append(CellBlock(name, data[nodes]))
    return blocks


def load(path: Path, step: int | None = None, only_times: bool = False) -> dict:
    """In the child: the times, and the mesh at one of them. Raises Fault."""
    import meshio

    for module in (meshio.xdmf.main, meshio.xdmf.time_series):
        module.translate_mixed_cells = mixed_cells
    _require_companions(path)
    with _quiet() as said:
        try:
            if not re.search(rb"CollectionType\s*=\s*.Temporal", path.read_bytes()):
                found = None if only_times else meshio.xdmf.read(str(path))
                return {"times": [], "mesh": found and _from_meshio(found, "xdmf")}
            os.chdir(path.parent)
            with meshio.xdmf.TimeSeriesReader(str(path)) as series:
                points, cells = series.read_points_cells()
                steps = [series.read_data(index) for index in range(series.num_steps)]
        except (Exception, SystemExit) as error:
            if isinstance(error, Fault | MemoryError):
                raise
            raise Fault("content", _reason(error, said)) from None
        times = [float(time) for time, _, _ in steps]
        if only_times or not steps:
            return {"times": times}
        time, point_data, cell_data = steps[-1 if step is None else step]
        mesh = _from_meshio(meshio.Mesh(points, cells, point_data, cell_data), "xdmf")
        mesh.field_data["TimeValue"] = np.array([time])
        return {"times": times, "mesh": mesh}


def _require_companions(path: Path) -> None:
    """Name the file that is missing: libraries only say that something is."""
    for name in re.findall(
        rb">\s*([^<>:\s][^<>:]{0,200}\.(?:h5|hdf5|hdf|bin)):", path.read_bytes()
    ):
        text = name.decode("utf-8", "replace").strip()
        if not (path.parent / text).is_file():
            raise Fault("heavy data", f"the file {text} is missing", "copy it beside this one")


def write_xdmf(mesh: Mesh, path: str | os.PathLike, **options: Any) -> None:
    """Write one grid, through meshio. Raises MeshFileError."""
    write_meshio(mesh, path, "xdmf", read_xdmf, **options)


FORMAT = Format(
    "XDMF",
    (".xdmf", ".xmf", ".xdmf2", ".xdmf3"),
    read_xdmf,
    write_xdmf,
    claims=lambda path, start: re.search(rb"<Xdmf[\s>]", start) is not None,
    series=read_steps,
    time="temporal collections",
)
