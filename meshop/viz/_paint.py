"""What is drawn of a mesh, and in which colours: by region, by an array, or with its faults."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import MeshError
from ..mesh import CELL_TYPES, DIM, Mesh, facet_table, find_rows
from ._scene import ISO
from ._style import BLUE, GREY, INK, RED

PLAIN, FAINT = "#b9cbe0", "#e4e8ee"
PALETTE = (
    "#4c8fc9", "#e39a4a", "#5fae7b", "#d2707a", "#9a83c6", "#b58a6b", "#d98cc0", "#9aa3ad",
    "#c2b94d", "#5cb8c4", "#2f5f8f", "#a5522d",
)  # fmt: skip
_COMMON = ("u", "velocity", "p", "pressure", "displacement", "t", "temperature")
_CORNERS = np.array([CELL_TYPES[c].corners if c in CELL_TYPES else 0 for c in range(256)])


class Field(NamedTuple):
    """Numbers to colour by: (N,) on points or (M,) on cells, vectors by magnitude."""

    label: str
    values: np.ndarray
    on_cells: bool


class Scale(NamedTuple):
    """The values that the ends of the colours stand for, their label, and the data's own range."""

    low: float
    high: float
    label: str
    least: float
    most: float


class Paint(NamedTuple):
    """Colours (n, 3) uint8 of what is drawn, and what they stand for: names with colours, or a
    scale. points: (N, 3) colours of the mesh's points, where they say more than one a piece."""

    rgb: np.ndarray
    names: tuple[tuple[str, str], ...] = ()
    scale: Scale | None = None
    points: np.ndarray | None = None


class Shell(NamedTuple):
    """What is drawn of a mesh: polygons, lines and dots (F, k), padded with -1, and the cell of
    each; -1 where a dot is a point without any cell."""

    nodes: np.ndarray
    cell: np.ndarray

    def of_size(self, least: int, most: int | None = 0) -> np.ndarray:
        """Which have `least` nodes, or up to `most` (None: any number): (f,) rows."""
        size = (self.nodes >= 0).sum(axis=1)
        last = self.nodes.shape[1] if most is None else max(least, most)
        return np.flatnonzero((size >= least) & (size <= last))

    def part(self, least: int, most: int | None = 0) -> Shell:
        rows = self.of_size(least, most)
        return Shell(self.nodes[rows], self.cell[rows])


def shell_of(mesh: Mesh, clip: bool) -> Shell:
    """The faces of a volume's cells that are seen from outside, and the cells of less dimension
    beside them; the points of a mesh without cells."""
    if not mesh.n_cells:
        ids = np.arange(mesh.n_points)
        return Shell(ids[:, None], np.full(len(ids), -1))
    kept = np.zeros(mesh.n_cells + 1, dtype=bool)  # the last one stands for outside
    kept[:-1] = True
    if clip and mesh.dim == 3:
        # Across the narrower side, so that the cut is large; the half behind it stays.
        axis = int(np.argmin(np.ptp(mesh.points[:, :2], axis=0)))
        depth = mesh.cell_centers()[:, axis] * np.sign(ISO.toward[axis])
        kept[:-1] = depth <= (depth.min() + depth.max()) / 2
    parts = [cell_rings(mesh, np.flatnonzero(kept[:-1] & (DIM[mesh.cell_types] == 2)))]
    if mesh.dim == 3:
        facets = facet_table(mesh)
        outer = np.flatnonzero(kept[facets.owner] != kept[facets.neighbor])
        owner, other = facets.owner[outer], facets.neighbor[outer]
        skin = facets.padded(outer)
        alone = find_rows(skin, parts[0][0]) < 0  # the others lie on a face that is drawn
        beside = [(rings[alone], cells[alone]) for rings, cells in parts]
        parts = [(skin, np.where(kept[owner], owner, other)), *beside]
    parts += [_lines(mesh, kept[:-1]), _dots(mesh, kept[:-1])]
    width = max(nodes.shape[1] for nodes, _ in parts)
    rows = [np.pad(n, ((0, 0), (0, width - n.shape[1])), constant_values=-1) for n, _ in parts]
    return Shell(np.concatenate(rows), np.concatenate([cells for _, cells in parts]))


def _lines(mesh: Mesh, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(L, 2) straight pieces of one-dimensional cells between their corners, the cell of each."""
    cells = np.flatnonzero(kept & (DIM[mesh.cell_types] == 1))
    size = np.diff(mesh.cell_offsets)[cells]
    corners = _CORNERS[mesh.cell_types[cells]]
    pieces = np.where(corners > 0, corners, size) - 1  # those of a poly-line are all corners
    owner = np.repeat(cells, pieces)
    first = np.repeat(mesh.cell_offsets[cells] - np.cumsum(pieces) + pieces, pieces)
    at = first + np.arange(len(owner))
    return mesh.cell_nodes[at[:, None] + [0, 1]], owner


def _dots(mesh: Mesh, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cells = np.flatnonzero(kept & (DIM[mesh.cell_types] == 0))
    size = np.diff(mesh.cell_offsets)[cells]
    owner = np.repeat(cells, size)
    at = np.repeat(mesh.cell_offsets[cells] - np.cumsum(size) + size, size) + np.arange(len(owner))
    return mesh.cell_nodes[at][:, None], owner


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
    field: Field | None = None,
    marked: tuple[np.ndarray, np.ndarray] | None = None,
) -> Paint:
    """Red for cells and points that are marked, else by the field, else by region."""
    if marked is not None:
        bad = np.isin(shell.cell, marked[0])
        bad[shell.of_size(1)] |= np.isin(shell.nodes[shell.of_size(1), 0], marked[1])
        rgb = rgb_rows(FAINT, len(bad))
        rgb[shell.of_size(1, 2)] = rgb_rows(GREY, 1)
        rgb[bad] = rgb_rows(RED, 1)
        return Paint(rgb, (("faults", RED),))
    if field is None:
        return _by_region(mesh, shell)
    if field.on_cells:
        return by_value(field.values[shell.cell], field.label)
    drawn = np.zeros(mesh.n_points, dtype=bool)
    drawn[shell.nodes[shell.nodes >= 0]] = True
    return painted(mesh, shell, field, scale_of(field.values[drawn], field.label))


def painted(mesh: Mesh, shell: Shell, field: Field, scale: Scale) -> Paint:
    """By the field, on a scale that is given."""
    if field.on_cells:
        return _paint(field.values[shell.cell], scale)
    used = shell.nodes >= 0
    total = np.where(used, field.values[shell.nodes], 0.0).sum(axis=1)
    paint = _paint(total / used.sum(axis=1), scale)
    return paint._replace(points=_colours(field.values, scale))


def by_value(values: np.ndarray, label: str) -> Paint:
    return _paint(values, scale_of(values, label))


def scale_of(values: np.ndarray, label: str) -> Scale:
    """Nearly all the values; a range that is not empty."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Scale(0.0, 1.0, label, np.nan, np.nan)
    low, high = (float(v) for v in np.percentile(finite, (0.5, 99.5)))
    least, most = float(finite.min()), float(finite.max())
    if not high - low > 1e-12 * max(abs(low), abs(high)):  # but for a few, up to rounding
        low, high = least, most
    if not high - low > 1e-12 * max(abs(low), abs(high)):
        half = max(0.5, 0.1 * abs(low))
        return Scale(low - half, low + half, label, low, low)
    return Scale(low, high, label, least, most)


def _paint(values: np.ndarray, scale: Scale) -> Paint:
    names = () if np.isfinite(values).all() else (("no value", GREY),)
    return Paint(_colours(values, scale), names, scale)


def _colours(values: np.ndarray, scale: Scale) -> np.ndarray:
    from matplotlib import colormaps

    with np.errstate(invalid="ignore", over="ignore"):
        part = values / (scale.high - scale.low) - scale.low / (scale.high - scale.low)
    rgb = (colormaps["viridis"](np.clip(np.nan_to_num(part), 0, 1))[:, :3] * 255).astype(np.uint8)
    rgb[~np.isfinite(values)] = rgb_rows(GREY, 1)
    return rgb


def _by_region(mesh: Mesh, shell: Shell) -> Paint:
    """Named faces first, then materials; what has no name is plain, lines and dots are dark."""
    label = np.full(len(shell.cell), -1)
    names: list[str] = []
    order = sorted(mesh.regions.items(), key=lambda item: _rank(mesh, *item))
    for name, _ in order:
        hit = region_facets(mesh, name, shell.nodes, shell.cell) & (label < 0)
        if hit.any():
            label[hit] = len(names)
            names.append(name)
    shown = names[: len(PALETTE)]
    thin = shell.of_size(1, 2)
    if len(names) == 1 and not len(thin) and np.all(label == 0):  # needs no loud colour
        return Paint(rgb_rows(PLAIN, len(label)), ((names[0], PLAIN),))
    table = np.concatenate([rgb_rows(colour, 1) for colour in (*PALETTE[: len(shown)], PLAIN)])
    rgb = table[np.where((label < 0) | (label >= len(shown)), len(shown), label)]
    rgb[thin[label[thin] < 0]] = rgb_rows(INK if len(thin) < len(label) else BLUE, 1)
    legend = list(zip(shown, PALETTE, strict=False))
    plain = label < 0
    plain[thin] = False
    if names and (plain.any() or len(names) > len(shown)):
        more = len(names) - len(shown)
        legend.append((f"{more} more" if more else "no region", PLAIN))
    return Paint(rgb, tuple(legend))


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


def field_of(mesh: Mesh, name: str) -> Field:
    """The numbers of an array. Raises MeshError where there is none of this name."""
    on_cells = name not in mesh.point_data
    found = mesh.cell_data.get(name) if on_cells else mesh.point_data[name]
    if found is None or found.dtype.kind not in "fiub":
        known = [
            n for d in (mesh.point_data, mesh.cell_data) for n, v in d.items()
            if v.dtype.kind in "fiub"
        ]  # fmt: skip
        what = "it holds no numbers" if found is not None else "there is none of this name"
        raise MeshError(f"array {name!r}", what, f"one of {', '.join(known)}" if known else "")
    return as_field(name, found, on_cells)


def as_field(name: str, values: np.ndarray, on_cells: bool) -> Field:
    flat = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    if flat.shape[1] <= 1:
        return Field(name, flat[:, 0] if flat.shape[1] else np.full(len(flat), np.nan), on_cells)
    with np.errstate(over="ignore"):
        return Field(f"|{name}|", np.linalg.norm(flat, axis=1), on_cells)


def default_array(mesh: Mesh) -> str | None:
    """What a picture shows where nobody says: velocity or pressure, else the first numbers that
    are no whole ones and vary."""
    found = [
        name for data in (mesh.point_data, mesh.cell_data) for name, values in data.items()
        if values.dtype.kind == "f" and _varies(values)
    ]  # fmt: skip
    common = [name for name in found if name.lower() in _COMMON]
    return (
        min(common, key=lambda n: _COMMON.index(n.lower())) if common else next(iter(found), None)
    )


def _varies(values: np.ndarray) -> bool:
    finite = values[np.isfinite(values)]
    return bool(finite.size and finite.min() < finite.max() and np.any(finite != np.rint(finite)))
