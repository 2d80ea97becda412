"""What is drawn of a mesh, and in which colours: by region, by an array, or with its faults."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import MeshError
from ..mesh import CELL_TYPES, DIM, Mesh, facet_table, find_rows
from ._scene import TOWARD
from ._style import GREY, RED

PLAIN, FAINT = "#b9cbe0", "#e4e8ee"
PALETTE = (
    "#4c8fc9", "#e39a4a", "#5fae7b", "#d2707a", "#9a83c6", "#b58a6b", "#d98cc0", "#9aa3ad",
    "#c2b94d", "#5cb8c4", "#2f5f8f", "#a5522d",
)  # fmt: skip


class Paint(NamedTuple):
    """Colours (n, 3) uint8 of what is drawn, and what they stand for: names with colours, or the
    range, label and unit of a scale."""

    rgb: np.ndarray
    names: tuple[tuple[str, str], ...] = ()
    scale: tuple[float, float, str] | None = None


class Shell(NamedTuple):
    """What is drawn of a mesh in space: polygons (F, k) padded with -1, and the cell of each."""

    nodes: np.ndarray
    cell: np.ndarray


def shell_of(mesh: Mesh, clip: bool) -> Shell:
    """Cells of a surface, or the faces of a volume's cells that are seen from outside."""
    if mesh.dim == 3:
        facets = facet_table(mesh)
        kept = np.zeros(mesh.n_cells + 1, dtype=bool)  # the last one stands for outside
        kept[:-1] = True
        if clip:
            # Across the narrower side, so that the cut is large; the half behind it stays.
            axis = int(np.argmin(np.ptp(mesh.points[:, :2], axis=0)))
            depth = mesh.cell_centers()[:, axis] * np.sign(TOWARD[axis])
            kept[:-1] = depth <= (depth.min() + depth.max()) / 2
        outer = np.flatnonzero(kept[facets.owner] != kept[facets.neighbor])
        owner, other = facets.owner[outer], facets.neighbor[outer]
        return Shell(facets.padded(outer), np.where(kept[owner], owner, other))
    cells = np.flatnonzero(DIM[mesh.cell_types] == 2)
    return Shell(*cell_rings(mesh, cells))


def cell_rings(mesh: Mesh, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners around two-dimensional cells (F, k), padded with -1, and the cell of each row."""
    size = np.diff(mesh.cell_offsets)
    rings, owners, width = [np.empty((0, 3), np.int64)], [np.empty(0, np.int64)], 3
    for code in np.unique(mesh.cell_types[cells]):
        row = CELL_TYPES[int(code)]
        mine = cells[mesh.cell_types[cells] == code]
        for n in np.unique(size[mine]):
            some = mine[size[mine] == n]
            ids = mesh.cell_nodes[mesh.cell_offsets[some][:, None] + np.arange(n)]
            if row.name == "triangle_strip":
                parts = [ids[:, i : i + 3] for i in range(n - 2)]
            elif row.name == "pixel":
                parts = [ids[:, [0, 1, 3, 2]]]
            else:
                parts = [ids[:, : {0: n, -1: n // 2}.get(row.corners, row.corners)]]
            rings += parts
            owners += [some] * len(parts)
            width = max(width, parts[0].shape[1])
    out = [np.pad(r, ((0, 0), (0, width - r.shape[1])), constant_values=-1) for r in rings]
    return np.concatenate(out), np.concatenate(owners)


def outlines(nodes: np.ndarray) -> np.ndarray:
    """(L, 2) the edges of polygons, each once."""
    after = np.roll(nodes, -1, axis=1)
    after = np.where(after >= 0, after, nodes[:, :1])
    real = nodes >= 0
    pairs = np.sort(np.stack([nodes[real], after[real]], axis=1), axis=1)
    span = int(pairs.max(initial=0)) + 1
    key = np.unique(pairs[:, 0] * span + pairs[:, 1])
    return np.stack([key // span, key % span], axis=1)


def paint_of(
    mesh: Mesh,
    shell: Shell,
    array: str | None,
    values: np.ndarray | None,
    marked: tuple[np.ndarray, np.ndarray] | None,
) -> Paint:
    if marked is not None:
        bad = np.isin(shell.cell, marked[0])
        rgb = np.where(bad[:, None], rgb_rows(RED, 1), rgb_rows(FAINT, 1)).astype(np.uint8)
        return Paint(rgb, (("faults", RED),))
    if values is not None and array is not None:
        if len(values) == mesh.n_cells and array in mesh.cell_data:
            return by_value(values[shell.cell], array)
        used = shell.nodes >= 0
        total = np.where(used, values[shell.nodes], 0.0).sum(axis=1)
        return by_value(total / used.sum(axis=1), array)
    return _by_region(mesh, shell)


def by_value(values: np.ndarray, label: str) -> Paint:
    from matplotlib import colormaps

    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 1.0)
    if not high - low > 1e-12 * max(abs(low), abs(high)):  # constant, up to its rounding
        low, high = low - max(0.5, 0.1 * abs(low)), low + max(0.5, 0.1 * abs(low))
    part = np.clip(np.nan_to_num((values - low) / (high - low), nan=0.0), 0, 1)
    rgb = (colormaps["viridis"](part)[:, :3] * 255).astype(np.uint8)
    rgb[~np.isfinite(values)] = rgb_rows(GREY, 1)
    return Paint(rgb, (), (float(low), float(high), label))


def _by_region(mesh: Mesh, shell: Shell) -> Paint:
    """Named faces first, then materials; what has no name is plain."""
    label = np.full(len(shell.cell), -1)
    names: list[str] = []
    order = sorted(mesh.regions.items(), key=lambda item: _rank(mesh, *item))
    for name, _ in order:
        hit = region_facets(mesh, name, shell.nodes, shell.cell) & (label < 0)
        if hit.any():
            label[hit] = len(names)
            names.append(name)
    shown = names[: len(PALETTE)]
    if len(names) == 1 and np.all(label == 0):  # one material needs no loud colour
        return Paint(rgb_rows(PLAIN, len(label)), ((names[0], PLAIN),))
    table = np.array(
        [*(rgb_rows(PALETTE[i], 1)[0] for i in range(len(shown))), rgb_rows(PLAIN, 1)[0]]
    )
    rgb = table[np.where((label < 0) | (label >= len(shown)), len(shown), label)]
    legend = list(zip(shown, PALETTE, strict=False))
    if names and (np.any(label < 0) or len(names) > len(shown)):
        more = len(names) - len(shown)
        legend.append((f"{more} more" if more else "no region", PLAIN))
    return Paint(rgb.astype(np.uint8), tuple(legend))


def _rank(mesh: Mesh, name: str, region: object) -> int:
    kind, ids = region.kind, region.ids  # type: ignore[attr-defined]
    if kind == "cell":
        top = len(ids) and DIM[mesh.cell_types[ids]].max() == mesh.dim
        return 2 if top else 0
    return 0 if kind == "facet" else 1


def region_facets(mesh: Mesh, name: str, nodes: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """(F,) which polygons belong to a region: by its facets, its cells, or all their points."""
    region = mesh.regions[name]
    hit = np.zeros(len(cell), dtype=bool)
    if region.kind == "facet":
        rows = find_rows(nodes, region.ids)
    elif region.kind == "point":
        inside = np.zeros(mesh.n_points + 1, dtype=bool)
        inside[region.ids] = True
        inside[-1] = True  # padding
        return inside[nodes].all(axis=1)
    else:
        hit |= np.isin(cell, region.ids)
        lower = region.ids[DIM[mesh.cell_types[region.ids]] == mesh.dim - 1]
        if not len(lower) or mesh.dim != 3:
            return hit
        rows = find_rows(nodes, cell_rings(mesh, lower)[0])
    hit[rows[rows >= 0]] = True
    return hit


def rgb_rows(colour: str, n: int) -> np.ndarray:
    """(n, 3) uint8 rows of one colour."""
    from matplotlib.colors import to_rgb

    return np.tile(np.round(np.array(to_rgb(colour)) * 255).astype(np.uint8), (n, 1))


def values_of(mesh: Mesh, name: str) -> np.ndarray:
    """(N,) or (M,) numbers of an array; vectors by magnitude."""
    found = mesh.point_data.get(name, mesh.cell_data.get(name))
    if found is None or found.dtype.kind not in "fiub":
        known = [
            n for d in (mesh.point_data, mesh.cell_data) for n, v in d.items()
            if v.dtype.kind in "fiub"
        ]  # fmt: skip
        what = "it holds no numbers" if found is not None else "there is none of this name"
        raise MeshError(f"array {name!r}", what, f"one of {', '.join(known)}" if known else "")
    flat = found.reshape(len(found), -1).astype(np.float64)
    return np.linalg.norm(flat, axis=1) if flat.shape[1] > 1 else flat[:, 0]
