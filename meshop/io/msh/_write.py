"""Writes Gmsh's MSH 4.1 and 2.2, in binary or ascii.

Source: Gmsh manual, "MSH file format" and "MSH file format version 2 (Legacy)".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np

from ...mesh import CELL_TYPES, DIM, Mesh
from .._files import Fault
from .._gmsh_cells import N_NODES, VTK_CODE, kind_of, order_of
from .._lines import table_lines, to_lines
from .._ragged import ragged
from ._read import GROUP

_CHUNK = 1 << 18  # cells or points that are written at once
_UNNAMED = re.compile(r"physical (point|curve|surface|volume) ([1-9]\d{0,8})")
_SAME = {  # VTK cell and its size -> Gmsh's type, and VTK's nodes in Gmsh's order
    (8, 4): (3, [0, 1, 3, 2]), (11, 8): (5, [0, 1, 3, 2, 4, 5, 7, 6]), (73, 6): (6, None),
    (7, 3): (2, None), (7, 4): (3, None), (6, 3): (2, None), (4, 2): (1, None), (2, 1): (15, None),
}  # fmt: skip


class MshWriter:
    """What a file will hold. `lost` says in words what it will not. Raises Fault."""

    def __init__(self, mesh: Mesh, version: str | None, binary: bool | None) -> None:
        was = mesh.storage.get("msh", "4.1 binary").split()
        self.mesh = mesh
        self.version = version or ("2.2" if was[0] in ("1", "2", "2.1", "2.2") else "4.1")
        self.binary = was[-1] == "binary" if binary is None else binary
        if self.version not in ("4.1", "2.2"):
            raise Fault("options", f"version {version!r}", "version='4.1' or '2.2'")
        self.lost: list[str] = []
        self._set_kinds()
        self.dims = DIM[mesh.cell_types]
        self.names: list[tuple[int, int, str]] = []  # dimension, tag, name of groups
        self.extra: list[tuple[int, np.ndarray]] = []  # further groups of cells: tag, ids
        self.physical = self._column("gmsh:physical")
        self._set_groups()
        geometrical = mesh.cell_data.get("gmsh:geometrical")
        self.given = geometrical is not None
        self.entity = self._column("gmsh:geometrical")
        if not self.given:
            self.entity = np.maximum(np.abs(self.physical), 1)
        most = max(mesh.n_points, mesh.n_cells)
        if not version and (self.extra or most >= 2**31):
            self.version = "4.1"  # 2.2 has one group a cell, and counts to 2^31
        self.entities: list[tuple[int, int, tuple[int, ...]]] = []
        if self.version == "2.2":
            if self.binary and most >= 2**31:
                raise Fault("size", f"{most} points or cells, 2.2 counts to 2^31", "version='4.1'")
            if self.extra:
                several = len(np.unique(np.concatenate([ids for _, ids in self.extra])))
                self.lost.append(f"{several} cells are in several groups: only the first is kept")
        else:
            self._set_entities()
        self._say_lost()

    def _set_kinds(self) -> None:
        types, sizes = self.mesh.cell_types.astype(np.int64), np.diff(self.mesh.cell_offsets)
        pairs, first, which = np.unique(types << 40 | sizes, return_index=True, return_inverse=True)
        kinds, self.orders = np.zeros(len(pairs), np.int64), {}
        for row, (pair, cell) in enumerate(zip(pairs.tolist(), first.tolist(), strict=True)):
            code, size = pair >> 40, pair & (2**40 - 1)
            kind, same = _SAME.get((code, size), (0, None))
            order = None if same is None else np.array(same)
            if not kind and (kind := kind_of(code, size)):
                back = order_of(kind)
                order = None if back is None else np.argsort(back)
            if not kind:
                what = f"MSH has no {CELL_TYPES[code].name} with {size} nodes"
                raise Fault(f"cell {cell}", what, "write .vtu instead")
            kinds[row] = kind
            if order is not None:
                self.orders[row] = order
            if VTK_CODE[kind] != code:
                new = CELL_TYPES[int(VTK_CODE[kind])].name
                self.lost.append(f"cells of type {CELL_TYPES[code].name} become {new}")
        self.which = which.ravel()
        self.kinds = kinds[self.which]

    def _column(self, name: str) -> np.ndarray:
        """An array of 32-bit tags, one a cell; zeros where there is none."""
        values = self.mesh.cell_data.get(name)
        if values is None or values.dtype.kind not in "iu" or values.ndim != 1:
            return np.zeros(self.mesh.n_cells, np.int64)
        with np.errstate(over="ignore"):
            wide = values.astype(np.int64)
        return np.where((np.abs(wide) < 2**31) & (values < 2**31), wide, 0)

    # -- groups and entities --------------------------------------------------------------------

    def _set_groups(self) -> None:
        """Every cell region a group of each dimension it has; tags that it had are kept."""
        mesh, physical = self.mesh, self.physical
        regions = {n: np.unique(r.ids) for n, r in mesh.regions.items() if r.kind == "cell"}
        known = {name: _pairs(mesh.field_data.get(name)) for name in regions}
        taken = {pair for pairs in known.values() for pair in pairs}
        new = 1 + max([int(np.abs(physical).max(initial=0)), *(tag for _, tag in taken)])
        if new + len(regions) >= 2**31:
            raise Fault("groups", f"no tag is left behind {new - 1}", "drop gmsh:physical")
        groups: dict[tuple[int, int], np.ndarray] = {}
        for name, ids in regions.items():
            match = _UNNAMED.fullmatch(name)
            pairs = list(known[name])
            if match and not pairs:
                pairs = [(GROUP.index(match[1]), int(match[2]))]
            pairs = [pair for pair in pairs if pair not in groups]
            dims = np.unique(self.dims[ids]).tolist()
            missing = [dim for dim in dims if dim not in {pair[0] for pair in pairs}]
            if not dims and not pairs:
                missing = [mesh.dim]
            pairs += [(dim, new) for dim in missing]
            new += bool(missing)
            left = ids
            for place, (dim, tag) in enumerate(pairs):
                mine = self.dims[left] == dim
                if any(other == dim for other, _ in pairs[place + 1 :]):
                    mine &= np.abs(physical[left]) == tag
                groups[dim, tag] = left[mine]
                left = left[~mine]
                if not (match and (dim, tag) == (GROUP.index(match[1]), int(match[2]))):
                    self.names.append((dim, tag, name))
        stays = np.zeros(mesh.n_cells, bool)
        for (_, tag), ids in groups.items():
            stays[ids[np.abs(physical[ids]) == tag]] = True
        mine = np.array([dim << 40 | tag for dim, tag in groups], np.int64)
        physical[~stays & np.isin(self.dims << 40 | np.abs(physical), mine)] = 0
        for (_, tag), ids in groups.items():
            rest = ids[np.abs(physical[ids]) != tag]
            free = physical[rest] == 0
            physical[rest[free]] = tag
            if not free.all():
                self.extra.append((tag, rest[~free]))

    def _set_entities(self) -> None:
        """An entity for all cells of one dimension and old entity that share all their groups."""
        new = _changes(self.dims, self.entity, self.physical)
        runs = np.stack([a[new] for a in (self.dims, self.entity, self.physical)], axis=-1)
        table, which = np.unique(runs.reshape(-1, 3), axis=0, return_inverse=True)
        mine = np.repeat(which.ravel(), np.diff(np.append(new, self.mesh.n_cells)))
        rows = [(dim, tag, (group,) if group else ()) for dim, tag, group in table.tolist()]
        for tag, ids in self.extra:
            old, which = np.unique(mine[ids], return_inverse=True)
            mine[ids] = len(rows) + which.ravel()
            rows += [(rows[k][0], rows[k][1], (*rows[k][2], tag)) for k in old.tolist()]
        used, which = np.unique(mine, return_inverse=True)
        rows = [rows[k] for k in used.tolist()]
        self.which_entity = which.ravel()
        taken: set[tuple[int, int]] = set()
        free = [1 + max([0, *(tag for d, tag, _ in rows if d == dim)]) for dim in range(4)]
        changed = 0
        for dim, tag, groups in rows:
            if tag < 0 or (dim, tag) in taken:
                tag, free[dim] = free[dim], free[dim] + 1
                changed += 1
            taken.add((dim, tag))
            self.entities.append((dim, tag, groups))
        if max(free) > 2**31:
            raise Fault("entities", "no tag is left", "drop gmsh:geometrical")
        if changed and self.given:
            self.lost.append(f"{changed} entities in gmsh:geometrical get new tags")

    def _say_lost(self) -> None:
        mesh = self.mesh
        named = {name for _, _, name in self.names}
        data = [*mesh.point_data.items(), *_cell_data(mesh).items()]
        kept = {*named, *(["TimeValue"] if any(_is_data(v) for _, v in data) else [])}
        if other := [n for n in mesh.field_data if n not in kept]:
            self.lost.append(f"it has no place for field data: {', '.join(other)[:200]}")
        if other := [n for n, region in mesh.regions.items() if region.kind != "cell"]:
            what = "groups are sets of cells; point and facet regions are lost"
            self.lost.append(f"{what}: {', '.join(other)[:200]}")
        if other := [name for name, v in data if not _is_data(v)]:
            self.lost.append(f"data are numbers; these arrays are lost: {', '.join(other)[:200]}")
        numbers = [(n, v) for n, v in data if _is_data(v) and n != "gmsh:partition"]
        if other := [n for n, v in numbers if v.dtype != np.float64]:
            self.lost.append(f"data are float64; these arrays become so: {', '.join(other)[:200]}")
        if other := [
            name for name, v in data if _is_data(v) and (v.ndim > 2 or v.shape[1:] == (1,))
        ]:
            self.lost.append(f"the shape of rows is lost: {', '.join(other)[:200]}")
        sets = [(n, region.ids) for n, region in mesh.regions.items() if region.kind == "cell"]
        if other := [n for n, ids in sets if np.any(np.diff(ids) <= 0)]:
            what = "cells of groups come back in increasing order, each once"
            self.lost.append(f"{what}: {', '.join(other)[:200]}")
        if mesh.components:
            self.lost.append("components of arrays have no names: they are lost")
        names = [*(name for _, _, name in self.names), *(name for name, _ in data)]
        if any(name != _plain(name) for name in names):
            self.lost.append("names are changed: no line breaks, no quotes")

    # -- the file -------------------------------------------------------------------------------

    def write(self, file: BinaryIO) -> None:
        file.write(f"$MeshFormat\n{self.version} {int(self.binary)} 8\n".encode())
        if self.binary:
            file.write(np.array(1, "i4").tobytes() + b"\n")
        file.write(b"$EndMeshFormat\n")
        if self.names:
            file.write(f"$PhysicalNames\n{len(self.names)}\n".encode())
            for dim, tag, name in self.names:
                file.write(f'{dim} {tag} "{_plain(name)}"\n'.encode("utf-8", "replace"))
            file.write(b"$EndPhysicalNames\n")
        if self.version == "2.2":
            self._section(file, "Nodes", self._nodes_2())
            self._section(file, "Elements", self._elements_2())
        else:
            self._set_node_entities()
            self._section(file, "Entities", self._entities_4())
            self._section(file, "Nodes", self._nodes_4())
            self._section(file, "Elements", self._elements_4())

    def write_data(self, file: BinaryIO, mesh: Mesh, time: float, step: int) -> None:
        """Point and cell data of a mesh with the same points and cells."""
        for section, data in (("NodeData", mesh.point_data), ("ElementData", _cell_data(mesh))):
            for name, values in data.items():
                if _is_data(values):
                    lines = self._data(name, values, time, step)
                    self._section(file, section, lines)

    def _section(self, file: BinaryIO, name: str, content: Iterable[bytes]) -> None:
        file.write(f"${name}\n".encode())
        file.writelines(content)
        file.write(f"\n$End{name}\n".encode() if self.binary else f"$End{name}\n".encode())

    def _table(self, *columns: np.ndarray) -> Iterator[bytes]:
        """A table as lines, or as bytes row by row: ints of 4 or 8 bytes as they are."""
        if not self.binary:
            yield from table_lines(*columns)
            return
        parts = [column if column.ndim == 2 else column[:, None] for column in columns]
        form = np.dtype([(f"f{k}", p.dtype, (p.shape[1],)) for k, p in enumerate(parts)])
        for first in range(0, len(parts[0]), _CHUNK):
            rows = np.empty(len(parts[0][first : first + _CHUNK]), form)
            for k, part in enumerate(parts):
                rows[f"f{k}"] = part[first : first + _CHUNK]
            yield rows.tobytes()

    def _head(self, ints: tuple[int, ...], sizes: tuple[int, ...]) -> bytes:
        if self.binary:
            return np.array(ints, "i4").tobytes() + np.array(sizes, "u8").tobytes()
        return (" ".join(map(str, (*ints, *sizes))) + "\n").encode()

    def _nodes_of(self, first: int, end: int) -> np.ndarray:
        """Node tags of cells first to end, in Gmsh's order."""
        offsets = self.mesh.cell_offsets
        nodes = self.mesh.cell_nodes[offsets[first] : offsets[end]] + 1
        for row, order in self.orders.items():
            mine = np.flatnonzero(self.which[first:end] == row)
            start = (offsets[first:end][mine] - offsets[first])[:, None]
            nodes[start + np.arange(len(order))] = nodes[start + order]
        return nodes

    # -- MSH 2.2 --------------------------------------------------------------------------------

    def _nodes_2(self) -> Iterator[bytes]:
        yield f"{self.mesh.n_points}\n".encode()
        yield from self._table(np.arange(1, self.mesh.n_points + 1, dtype="i4"), self.mesh.points)

    def _elements_2(self) -> Iterator[bytes]:
        n = self.mesh.n_cells
        yield f"{n}\n".encode()
        begins = _changes(self.kinds) if self.binary else np.empty(0, np.int64)
        counts = np.diff(np.append(begins, n))
        heads = np.stack([self.kinds[begins], counts, np.full(len(begins), 2)], axis=-1)
        tags = [np.arange(1, n + 1), self.physical, self.entity]
        if not self.binary:
            tags[1:1] = [self.kinds, np.full(n, 2)]
        for rows in self._rows(begins, heads, tags):
            yield from to_lines(*rows) if not self.binary else [rows[0].astype("i4").tobytes()]

    def _rows(
        self, begins: np.ndarray, heads: np.ndarray, columns: list[np.ndarray]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows of `columns` and nodes, heads before the cells `begins`: values, rows' lengths."""
        for first in range(0, self.mesh.n_cells, _CHUNK):
            end = min(first + _CHUNK, self.mesh.n_cells)
            sizes = N_NODES[self.kinds[first:end]]
            width = len(columns)
            starts = np.cumsum(sizes + width) - sizes - width
            values = np.empty(int(np.sum(sizes + width)), np.int64)
            for k, column in enumerate(columns):
                values[starts + k] = column[first:end]
            values[ragged(starts + width, sizes)] = self._nodes_of(first, end)
            mine = slice(*np.searchsorted(begins, [first, end]))
            yield self._with_heads(values, sizes + width, heads[mine], begins[mine] - first)

    def _with_heads(
        self, values: np.ndarray, sizes: np.ndarray, heads: np.ndarray, at: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        if self.binary and self.version != "2.2":  # in units of 4 bytes: tags have two, counts too
            values, sizes = values.view("i4"), 2 * sizes
            counts = np.ascontiguousarray(heads[:, 3:]).view("i4")
            heads = np.concatenate([heads[:, :3], counts], axis=1)
        before = np.zeros(len(sizes), np.int64)
        before[at] = heads.shape[1]
        starts = np.cumsum(sizes + before) - sizes
        out = np.empty(len(values) + heads.size, values.dtype)
        out[ragged(starts, sizes)] = values
        out[(starts[at] - heads.shape[1])[:, None] + np.arange(heads.shape[1])] = heads
        return out, np.insert(sizes, at, heads.shape[1])

    # -- MSH 4.1 --------------------------------------------------------------------------------

    def _set_node_entities(self) -> None:
        """Nodes belong to the entity of least dimension that has a cell with them."""
        mesh = self.mesh
        if not self.entities and mesh.n_points:
            self.entities.append((0, 1, ()))
        dims = [dim for dim, _, _ in self.entities]
        main = int(np.argmax(dims)) if dims else 0
        self.node_entity = np.full(mesh.n_points, main)
        sizes = np.diff(mesh.cell_offsets)
        for dim in sorted(set(dims), reverse=True):
            cells = np.flatnonzero(self.dims == dim)
            nodes = mesh.cell_nodes[ragged(mesh.cell_offsets[cells], sizes[cells])]
            self.node_entity[nodes] = np.repeat(self.which_entity[cells], sizes[cells])
        if len(_changes(self.node_entity)) > 1000 + mesh.n_points // 16:
            self.node_entity[:] = main  # blocks of a node or two each would be slow to read

    def _entities_4(self) -> Iterator[bytes]:
        low, high = self._boxes()
        by_dim = [[k for k, row in enumerate(self.entities) if row[0] == d] for d in range(4)]
        yield self._head((), tuple(map(len, by_dim)))
        for dim, mine in enumerate(by_dim):
            for k in mine:
                _, tag, groups = self.entities[k]
                box = [*low[k], *high[k]][: 3 if dim == 0 else 6]
                more = () if dim == 0 else (0,)
                if self.binary:
                    yield np.array(tag, "i4").tobytes() + np.array(box, "f8").tobytes()
                    yield np.array(len(groups), "u8").tobytes() + np.array(groups, "i4").tobytes()
                    yield np.array(more, "u8").tobytes()
                else:
                    words = (tag, *map(repr, box), len(groups), *groups, *more)
                    yield (" ".join(map(str, words)) + "\n").encode()

    def _boxes(self) -> tuple[list[list[float]], list[list[float]]]:
        """The corners of each entity's bounding box; its first point for dimension 0."""
        mesh, n = self.mesh, len(self.entities)
        low, high = np.full((n, 3), np.inf), np.full((n, 3), -np.inf)
        runs = _changes(self.which_entity)
        for axis in range(3) if len(runs) else ():
            values = mesh.points[mesh.cell_nodes, axis]
            starts, mine = mesh.cell_offsets[runs], self.which_entity[runs]
            np.minimum.at(low[:, axis], mine, np.minimum.reduceat(values, starts))
            np.maximum.at(high[:, axis], mine, np.maximum.reduceat(values, starts))
        low[~np.isfinite(low)] = high[~np.isfinite(high)] = 0.0
        return low.tolist(), high.tolist()

    def _nodes_4(self) -> Iterator[bytes]:
        mesh = self.mesh
        n = mesh.n_points
        begins = _changes(self.node_entity).tolist()
        yield self._head((), (len(begins), n, min(n, 1), n))
        for first, end in zip(begins, [*begins[1:], n], strict=False):
            dim, tag, _ = self.entities[int(self.node_entity[first])]
            yield self._head((dim, tag, 0), (end - first,))
            yield from self._table(np.arange(first + 1, end + 1))
            yield from self._table(mesh.points[first:end])

    def _elements_4(self) -> Iterator[bytes]:
        n = self.mesh.n_cells
        begins = _changes(self.which_entity, self.kinds)
        yield self._head((), (len(begins), n, min(n, 1), n))
        entities = np.array([row[:2] for row in self.entities], np.int64).reshape(-1, 2)
        heads = np.column_stack(
            [
                entities[self.which_entity[begins]],
                self.kinds[begins],
                np.diff(np.append(begins, n)),
            ]
        )
        for values, sizes in self._rows(begins, heads, [np.arange(1, n + 1)]):
            yield from to_lines(values, sizes) if not self.binary else [values.tobytes()]

    # -- data -----------------------------------------------------------------------------------

    def _data(self, name: str, values: np.ndarray, time: float, step: int) -> Iterator[bytes]:
        table = values.astype(np.float64).reshape(len(values), math.prod(values.shape[1:]))
        head = (1, f'"{_plain(name)}"', 1, repr(float(time)), 3, step, *reversed(table.shape))
        yield "".join(f"{word}\n" for word in head).encode("utf-8", "replace")
        yield from self._table(np.arange(1, len(table) + 1, dtype="i4"), table)


def _cell_data(mesh: Mesh) -> dict[str, np.ndarray]:
    """Without the arrays that are the tags of elements."""
    tags = ("gmsh:physical", "gmsh:geometrical")
    data = mesh.cell_data.items()
    return {n: v for n, v in data if n not in tags or v.dtype.kind not in "iu" or v.ndim > 1}


def _is_data(values: np.ndarray) -> bool:
    return values.dtype.kind in "biuf" and 0 not in values.shape[1:]


def _changes(*columns: np.ndarray) -> np.ndarray:
    """Where runs of equal rows begin."""
    if not len(columns[0]):
        return np.empty(0, np.int64)
    differ = np.zeros(len(columns[0]), bool)
    differ[0] = True
    for column in columns:
        differ[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(differ)


def _pairs(known: np.ndarray | None) -> list[tuple[int, int]]:
    """(dimension, tag) of a group, from the field data (2,) or (k, 2) of tag and dimension."""
    if known is None or known.dtype.kind not in "iu" or known.shape[-1:] != (2,) or known.ndim > 2:
        return []
    pairs = [(int(dim), int(tag)) for tag, dim in known.reshape(-1, 2).tolist()]
    return [(dim, tag) for dim, tag in pairs if 0 <= dim <= 3 and 0 < tag < 2**31]


def _plain(name: str) -> str:
    return re.sub(r'[\r\n"\0]', "_", name)
