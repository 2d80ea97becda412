"""VTP: VTK's XML PolyData: vertices, lines, polygons, strips.

Source: the VTK User's Guide, "VTK file formats"; the order of cell data as in vtkPolyData.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ...mesh import CELL_TYPES, Mesh
from .._files import Fault, guarded
from .._format import Format
from .._polydata import LIST_OF
from .._ragged import take_rows
from .._surface import warn_types
from ._data import ORDER
from ._kinds import SINGLE
from ._open import claims, read_with, series_with
from ._vtp_read import LISTS
from ._writer import XmlWriter


def write_vtp(
    mesh: Mesh,
    path: str | os.PathLike,
    *,
    compression: str | None = "zlib",
    level: int | None = None,
    pad_vectors: bool = False,
) -> None:
    """Write a surface as VTP, complete or not at all; options as for VTU.

    PolyData holds vertices, then lines, then polygons, then strips. Cells in another order are
    written in this one, with their places in cell data `meshop_cell_order`; the reader puts them
    back. Raises MeshFileError for cells of other types.
    """
    with guarded(path, "VTP"):
        mesh.check()
        mine = LIST_OF[mesh.cell_types]
        if np.any(mine < 0):
            cell = int(np.flatnonzero(mine < 0)[0])
            name = CELL_TYPES[int(mesh.cell_types[cell])].name
            reason = f"a {name}; PolyData holds vertices, lines, polygons and strips"
            raise Fault(f"cell {cell}", reason, "write .vtu instead")
        order = np.argsort(mine, kind="stable")
        offsets, nodes, data = mesh.cell_offsets, mesh.cell_nodes, mesh.cell_data
        if not np.array_equal(order, np.arange(mesh.n_cells)):
            offsets, nodes = take_rows(offsets, nodes, order)
            data = {name: values[order] for name, values in data.items()} | {ORDER: order}
        writer = XmlWriter(mesh, compression, level, pad_vectors)
        inside = [
            *writer.data("point", mesh.point_data),
            *writer.data("cell", data),
            *writer.points(),
        ]
        counts = f'NumberOfPoints="{mesh.n_points}"'
        cells = np.searchsorted(mine[order], np.arange(len(LISTS) + 1))
        for tag, first, end in zip(LISTS, cells[:-1], cells[1:], strict=True):
            counts += f' NumberOf{tag}="{end - first}"'
            start = offsets[first]
            inside += [
                f"      <{tag}>",
                writer.integers("connectivity", nodes[start : offsets[end]], "int64"),
                writer.integers("offsets", offsets[first + 1 : end + 1] - start, "int64"),
                f"      </{tag}>",
            ]
        writer.write(path, "PolyData", counts, inside)
    warn_types(Path(path), "VTP", mesh)


FORMAT = Format(
    "VTP", (".vtp",), read_with(SINGLE, "VTP"), write_vtp, claims("PolyData"),
    series=series_with(SINGLE, "VTP"),
    selects=True,
    regions="as field data `meshop_region ...`",
    time="`TimeValue`, or `TimeValues` and `TimeStep` (read)",
    lost="cells other than vertices, lines, polygons and strips are refused",
)  # fmt: skip

__all__ = ["FORMAT", "write_vtp"]
