"""Fields from one mesh to another: by interpolation, or so that their integrals stay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MeshError
from ._cells import DIM
from ._overlap import overlaps
from ._p1 import P1
from ._p1_location import located
from ._sparse import csr

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from ._mesh import Mesh

_SIMPLEX = {2: "triangle", 3: "tetra"}


def carry_fields(
    source: Mesh,
    target: Mesh,
    *,
    arrays: Iterable[str] | None = None,
    conservative: bool = False,
) -> Mesh:
    """The target with the fields of the source: its arrays of floating numbers, dtypes kept.

    target: any mesh of the source's dimension, such as the source after it was moved. arrays: names
    of what is carried; all by default. What is at points is taken as a piecewise linear field on
    the source (`P1`: cells other than simplices are cut, curved ones count by their corners) and
    evaluated at the target's points, where those that lie outside take the value at the nearest
    point of the source: exact for linear fields, of second order for smooth ones. What is at cells
    comes from the cell that holds the centre of the target's, of first order. Points and cells that
    are where they were, by their number, keep values to the last digit. Integers, texts, and data
    of cells of less than the highest dimension are labels: the target keeps its own.

    conservative: values at cells become means, over each of the target's cells, of the piecewise
    constant field on the source, weighted by the exact measures of what simplices of the two meshes
    have in common. Then the sum of values times `cell_measures()` stays, to the rounding of the
    array's dtype, and values keep to their range. Where the meshes do not cover the same domain
    (curved boundaries), what is missing is spread evenly, the least change in the L2 norm. Plane
    and solid meshes; minutes for a million tetrahedra. Values at points are interpolated, and what
    that lacks of the piecewise linear field's integral is spread evenly over the points that moved.

    Sources: as `overlaps` has them; Dukowicz and Kodis, SIAM J. Sci. Stat. Comput. 8 (1987).
    Raises MeshError for meshes of two dimensions, and for names that are not there.
    """
    if source.dim != target.dim:
        raise MeshError(
            f"fields from a mesh of dimension {source.dim} to one of {target.dim}",
            "expected two of the same",
        )
    names = _named(source, arrays)
    out = target.copy()
    of_points = {n: v for n, v in source.point_data.items() if n in names}
    of_cells = {n: v for n, v in source.cell_data.items() if n in names}
    if not (of_points or of_cells) or not source.n_cells:
        return out
    p1 = P1(source)
    new_points = _changed_points(source, target) if of_points else np.empty(0, int)
    new_cells = _changed_cells(source, target) if of_cells else np.empty(0, int)
    centres = target.cell_centers()[new_cells]
    held, weights = p1.located(np.concatenate([target.points[new_points], centres]))
    weights, held = weights[: len(new_points)], held[len(new_points) :]
    nodal = (p1.lumped, P1(target).lumped) if conservative and of_points else None
    for name, values in of_points.items():
        made = _placed(values, target.n_points, new_points, weights @ _flat(values))
        if nodal is not None:
            made = _balanced(values, made, *nodal, new_points)
        out.point_data[name] = made
    takes = None
    if conservative and len(new_cells) and of_cells:
        takes = _means(p1, P1(target), held, new_cells)
        sizes = _measures(source), _measures(target)
        spread = np.flatnonzero(sizes[1])
    for name, values in of_cells.items():
        flat = _flat(values)
        found = flat[held] if takes is None else (takes @ flat)[new_cells]
        made = _placed(values, target.n_cells, new_cells, found)
        if takes is not None:
            made = _balanced(values, made, *sizes, spread)
        old = target.cell_data.get(name)
        if old is not None and old.shape == made.shape and old.dtype == made.dtype:
            low = DIM[target.cell_types] < target.dim
            made[low] = old[low]
        out.cell_data[name] = made
    return out


def _named(source: Mesh, arrays: Iterable[str] | None) -> set[str]:
    """The names of floating arrays among those that are asked for."""
    known = {**source.point_data, **source.cell_data}
    names = set(known) if arrays is None else set(arrays)
    if absent := sorted(names - set(known)):
        hint = f"one of {', '.join(sorted(known))}" if known else ""
        raise MeshError(f"array {absent[0]!r}", "there is none of this name", hint)
    data = (source.point_data, source.cell_data)
    return {n for n in names if any(n in d and d[n].dtype.kind in "fc" for d in data)}


def _changed_points(source: Mesh, target: Mesh) -> np.ndarray:
    """Ids of the target's points that are not where the source's of that number are."""
    n = min(source.n_points, target.n_points)
    same = np.zeros(target.n_points, bool)
    same[:n] = (source.points[:n] == target.points[:n]).all(axis=1)
    return np.flatnonzero(~same)


def _changed_cells(source: Mesh, target: Mesh) -> np.ndarray:
    """Ids of the target's top-dimensional cells, but those that no point has left."""
    top = DIM[target.cell_types] == target.dim
    alike = all(
        np.array_equal(getattr(source, name), getattr(target, name))
        for name in ("cell_types", "cell_offsets", "cell_nodes", "face_offsets", "faces")
    )
    if alike and source.n_points == target.n_points:
        moved = (source.points != target.points).any(axis=1)
        owner = np.repeat(np.arange(target.n_cells), np.diff(target.cell_offsets))
        top &= np.bincount(owner, moved[target.cell_nodes], target.n_cells) > 0
    return np.flatnonzero(top)


def _placed(values: np.ndarray, n: int, rows: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(n, ...) what was found in some rows, the source's values in the others."""
    out = np.zeros((n, *values.shape[1:]), values.dtype)
    size = min(n, len(values))
    out[:size] = values[:size]
    out[rows] = found.reshape(len(rows), *values.shape[1:])
    return out


def _flat(values: np.ndarray) -> np.ndarray:
    wide = complex if values.dtype.kind == "c" else float
    return values.reshape(len(values), int(np.prod(values.shape[1:]))).astype(wide)


def _means(source: P1, target: P1, held: np.ndarray, cells: np.ndarray) -> csr_matrix:
    """(M', M) csr: means over the target's cells of values at the source's, by what is common.

    held (m,): where the centres of the target's `cells` (m,) are in the source.
    """
    mesh, other = source.mesh, target.mesh
    if mesh.dim < 2 or not (mesh.dim == 3 or (mesh.is_planar and other.is_planar)):
        raise MeshError(
            "conservative transfer on this mesh", "expected triangles, quads, ... at one z, or "
            "volumes", "conservative=False"
        )  # fmt: skip
    (x, a), (y, b) = ((p1.corners, p1.simplices.nodes) for p1 in (source, target))
    wanted = np.isin(target.simplices.cell, cells)
    b = b[wanted]
    twin = type(mesh).from_blocks(x, [(_SIMPLEX[mesh.dim], a)])
    # From both sides: the centre of each target's simplex, and of each source's.
    s, t = located(x, a, y[b].mean(axis=1))[0], located(y, b, x[a].mean(axis=1))[0]
    starts = np.concatenate([np.arange(len(b)), t]), np.concatenate([s, np.arange(len(a))])
    t, s, part = overlaps((x, a), (y, b), twin.facet_neighbours(), starts)
    weight = part * target.simplices.measure[wanted][t]
    row, column = target.simplices.cell[wanted][t], source.simplices.cell[s]
    total = np.bincount(row, weight, other.n_cells)
    alone = total[cells] <= 0  # outside all, or flat
    row = np.concatenate([row, cells[alone]])
    column = np.concatenate([column, held[alone]])
    weight = np.concatenate([weight / total[row[: len(weight)]], np.ones(int(alone.sum()))])
    order = np.lexsort((column, row))
    rowptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=other.n_cells))])
    return csr(weight[order], column[order], rowptr, (other.n_cells, mesh.n_cells))


def _measures(mesh: Mesh) -> np.ndarray:
    """(M,) of the cells of the highest dimension; zero of others."""
    return np.where(DIM[mesh.cell_types] == mesh.dim, mesh.cell_measures(), 0.0)


def _balanced(
    old: np.ndarray, new: np.ndarray, before: np.ndarray, size: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """New values, whose parts of the domain are size, with the integral that the old ones have by
    theirs, before: the difference, spread evenly over some rows."""
    flat, room = _flat(new), size[rows].sum()
    for _ in range(2 if room > 0 else 0):  # the second takes the rounding of the first
        missing = _integral(before, _flat(old)) - _integral(size, flat)
        flat[rows] += np.where(np.isfinite(missing), missing, 0.0) / room
    return flat.reshape(new.shape).astype(new.dtype)


def _integral(size: np.ndarray, values: np.ndarray) -> np.ndarray:
    return size @ np.where((size > 0)[:, None], values, 0.0)
