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


def load(path: Path, step: int | None = None, only_times: bool = False) -> dict:
    """In the child: the times, and the mesh at one of them. Raises Fault."""
    import meshio

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
    write_meshio(mesh, path, "xdmf", **options)


FORMAT = Format(
    "XDMF",
    (".xdmf", ".xmf", ".xdmf2", ".xdmf3"),
    read_xdmf,
    write_xdmf,
    claims=lambda path, start: re.search(rb"<Xdmf[\s>]", start) is not None,
    series=read_steps,
    time="temporal collections",
)
