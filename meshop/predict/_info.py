"""What a mesh file holds, in one JSON-able dictionary."""

from __future__ import annotations

import os
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ..mesh import DIM, FacetTable, Mesh, boundary_facets, facet_table, summary


def info(mesh: Mesh | str | os.PathLike) -> dict[str, Any]:
    """Format and times of a file, and of its mesh (the last) counts by cell type, extent, arrays
    with ranges, regions, field data, boundary, faults, quality and the size of graphs made of it.

    Raises MeshFileError when the file cannot be read.
    """
    start = perf_counter()
    found: dict[str, Any] = {"file": None, "format": None, "bytes": None, "times": []}
    if not isinstance(mesh, Mesh):
        found["file"] = os.fspath(mesh)
        mesh = _read(mesh, found)
    found["read_seconds"] = perf_counter() - start
    facets = facet_table(mesh)
    boundary, graphs = _boundary(mesh, facets), _graphs(mesh, facets)
    found |= summary(mesh, facets) | {"boundary": boundary, "graphs": graphs}
    return found | {"seconds": perf_counter() - start}


def _read(path: str | os.PathLike, found: dict[str, Any]) -> Mesh:
    from ..io import format_of, read, read_series

    format = format_of(Path(path))
    found["format"] = format.name
    if Path(path).is_file():
        found["bytes"] = Path(path).stat().st_size
    if format.series is None:
        return read(path)
    steps = read_series(path)
    mesh = steps[len(steps) - 1] if len(steps) else read(path)  # which says that there is none
    if len(steps) > 1 or "TimeValue" in mesh.field_data:
        found["times"] = list(steps.times)
    return mesh


def _boundary(mesh: Mesh, facets: FacetTable) -> dict[str, Any]:
    from ..graph import find_boundary

    found = find_boundary(mesh, boundary_facets(mesh, facets))
    nodes = found.facets.nodes[found.wall]
    chord = float(np.ptp(mesh.points[nodes[nodes >= 0], 0])) if nodes.size else None
    return {
        "facets": len(found.wall),
        "wall": int(found.wall.sum()),
        "far_field": int(found.far.sum()),
        "found_by": found.source,
        "wall_extent_x": chord,
    }


def _graphs(mesh: Mesh, facets: FacetTable) -> dict[str, Any]:
    """Nodes, edges (each in both directions) and bytes of graphs on points and on cells.

    Bytes: a position, a measure and a row pointer for each node; an index and the relative position
    with its length for each edge (float32, int64). Hidden features of a network come on top.
    """
    cells = int(np.sum(DIM[mesh.cell_types] == mesh.dim))
    counts = {
        "points": (mesh.n_points, _edges(mesh)),
        "cells": (cells, 2 * len(facets.pairs())),
    }
    return {
        name: {
            "nodes": nodes,
            "edges": edges,
            "bytes": None if edges is None else nodes * (4 * 4 + 8) + edges * (8 + 4 * 4),
        }
        for name, (nodes, edges) in counts.items()
    }


def _edges(mesh: Mesh) -> int | None:
    """Directed edges between points; None where cells do not tell theirs (Lagrange and others)."""
    import torch

    from ..ops import cell_edges

    def tensor(array: np.ndarray | None) -> torch.Tensor | None:
        if array is None:
            return None
        return torch.from_numpy(array if array.flags.writeable else array.copy())

    arrays = (
        mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes, mesh.faces, mesh.face_offsets,
    )  # fmt: skip
    try:
        return 2 * len(cell_edges(*map(tensor, arrays)))  # type: ignore[arg-type]
    except ValueError:
        return None
