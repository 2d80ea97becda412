"""A mesh from the sections of Gmsh's files: groups as regions, VTK's order of nodes, data."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...mesh import DIM, Mesh, Region
from .._bounds import Allowance
from .._files import CUT, Fault
from .._gmsh_cells import N_NODES, VTK_CODE, order_of
from .._ragged import ragged, within
from ._sections import Sections, View
from ._source import chain, whole

_MOST_GROUPS = 10_000
GROUP = ("point", "curve", "surface", "volume")  # Gmsh's words for dimensions


class MshFile(Sections):
    """The content of a file. Raises Fault."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._index_nodes()
        none = np.empty(0, np.int64)
        self.members = (none, none, none)  # of groups: (dimension and tag, first cell, cells)
        if self.blocks is None:
            self._from_columns()
        else:
            self._from_entities(*self.blocks)

    # -- groups ----------------------------------------------------------------------------------

    def _from_columns(self) -> None:
        """Groups of elements that name their only group: runs of one tag and dimension."""
        tags = np.abs(_int32(self.physical))
        keys = _key(DIM[VTK_CODE[self.kinds]], tags)
        change = np.flatnonzero(np.diff(keys, prepend=-1) != 0)
        counts = np.diff(np.append(change, len(keys)))
        named = tags[change] != 0
        self.members = (keys[change][named], change[named], counts[named])

    def _from_entities(self, starts: np.ndarray, counts: np.ndarray) -> None:
        """Groups of elements whose entity has them: `counts` elements of one entity each."""
        filled = counts > 0
        starts, counts = starts[filled], counts[filled]
        dims = DIM[VTK_CODE[self.kinds[starts]]]
        where, which = np.unique(_key(dims, _int32(self.entity[starts])), return_inverse=True)
        entities = [(int(key >> 33), int(key & (2**33 - 1)) - 2**32) for key in where.tolist()]
        groups = [self.groups.get(entity, []) for entity in entities]
        first = np.array([group[0] if group else 0 for group in groups], np.int64)
        self.physical = np.repeat(first[which], counts)
        if self.parts:
            part = np.array([self.parts.get(entity, 0) for entity in entities], np.int64)
            self.partition = np.repeat(part[which], counts)
        # The tags of all entities in one list, then those of each block.
        sizes = np.array([len(group) for group in groups], np.int64)
        tags = np.abs(np.array([tag for group in groups for tag in group], np.int64))
        many = sizes[which]
        Allowance(len(self.data)).take(many.sum(), "$Entities")
        tag = tags[ragged((np.cumsum(sizes) - sizes)[which], many)]
        mine = (tag > 0) & (tag < 2**31)
        self.members = (
            _key(np.repeat(dims, many), tag)[mine],
            np.repeat(starts, many)[mine],
            np.repeat(counts, many)[mine],
        )

    def _groups(self) -> dict[tuple[int, int], np.ndarray]:
        """Dimension and tag of each physical group that has cells, and which.

        Of very many only those with a name: some programs give each cell a tag of its own.
        """
        keys, starts, counts = self.members
        if len(np.unique(keys)) > _MOST_GROUPS:
            named = [(d, t) for dim, t, _ in self.names for d in (range(4) if dim < 0 else [dim])]
            table = np.array(named, np.int64).reshape(-1, 2)
            mine = np.isin(keys, _key(table[:, 0], table[:, 1]))
            keys, starts, counts = keys[mine], starts[mine], counts[mine]
        Allowance(len(self.data)).take(counts.sum(), "physical groups")
        order = np.argsort(keys, kind="stable")
        found, first = np.unique(keys[order], return_index=True)
        return {
            (int(key >> 33), int(key & (2**33 - 1)) - 2**32): ragged(starts[mine], counts[mine])
            for key, mine in zip(found.tolist(), np.split(order, first[1:]), strict=False)
        }

    def _regions(self) -> tuple[dict[str, Region], dict[str, np.ndarray]]:
        """Physical groups as regions, and the tag and dimension of each that has a name."""
        groups = self._groups()
        parts: dict[str, list[np.ndarray]] = {}
        pairs: dict[str, list[tuple[int, int]]] = {}
        for dim, tag, name in self.names:
            # Old files name a tag and no dimension.
            dims = [d for d in range(4) if (d, tag) in groups] if dim < 0 else [dim]
            for pair in [(d, tag) for d in dims or [0]]:
                parts.setdefault(name, []).append(groups.pop(pair, np.empty(0, np.int64)))
                pairs.setdefault(name, []).append((pair[1], pair[0]))
        for (dim, tag), ids in groups.items():  # those without a name
            parts.setdefault(f"physical {GROUP[dim]} {tag}", []).append(ids)
        regions = {
            name: Region("cell", ids[0] if len(ids) == 1 else np.unique(np.concatenate(ids)))
            for name, ids in parts.items()
        }
        return regions, {n: np.array(p if len(p) > 1 else p[0]) for n, p in pairs.items()}

    # -- the mesh -----------------------------------------------------------------------------

    def _index_nodes(self) -> None:
        """Node tags to places in `points`, in VTK's order of nodes."""
        self.nodes = Lookup(self.node_tags, "$Nodes: node").find(self.nodes, "$Elements")
        sizes = N_NODES[self.kinds]
        ends = np.cumsum(sizes)
        for kind in np.flatnonzero(np.bincount(self.kinds, minlength=1)).tolist():
            if (order := order_of(kind)) is not None:
                start = (ends - sizes)[self.kinds == kind]
                self.nodes[start[:, None] + np.arange(len(order))] = self.nodes[
                    start[:, None] + order
                ]

    def times(self) -> list[float]:
        return sorted({view.time for view in self.views})

    def mesh(self, time: float | None = None, arrays: Iterable[str] | None = None) -> Mesh:
        """The mesh with each array as it was last given up to `time` (None: at the end)."""
        self.room = Allowance(len(self.data))
        types = VTK_CODE[self.kinds]
        regions, field_data = self._regions()
        cell_data = {}
        if len(types):
            cell_data["gmsh:physical"] = _int32(self.physical).astype(np.int32)
            cell_data["gmsh:geometrical"] = _int32(self.entity).astype(np.int32)
            if self.partition is not None:
                cell_data["gmsh:partition"] = _int32(self.partition).astype(np.int32)
        times = self.times()
        if len(times) > 1 or any(times):
            field_data["TimeValue"] = np.array([times[-1] if time is None else time])
        storage = {"msh": f"{self.version:g} {'binary' if self.binary else 'ascii'}"}
        mesh = Mesh(
            self.points,
            types,
            np.concatenate([[0], np.cumsum(N_NODES[self.kinds])]),
            self.nodes,
            cell_data=cell_data,
            field_data=field_data,
            regions=regions,
            storage=storage,
        )
        wanted = None if arrays is None else set(arrays)
        chosen: dict[tuple[bool, str], View] = {}
        for view in sorted(self.views, key=lambda view: view.time):
            key = (view.section == "NodeData", view.name)
            if key not in chosen or time is None or view.time <= time:
                chosen[key] = view
        lookups: dict[bool, Lookup] = {}
        for (on_points, name), view in chosen.items():
            if wanted is not None and name not in wanted:
                continue
            if on_points not in lookups:
                tags = self.node_tags if on_points else self.tags
                lookups[on_points] = Lookup(tags, "", twice=True)
            data = mesh.point_data if on_points else mesh.cell_data
            data[name] = self._values(view, lookups[on_points])
            if name == "gmsh:partition" and np.all(np.abs(data[name]) < 2**31):
                data[name] = data[name].astype(np.int32)  # as this package writes it
        mesh.check()
        return mesh

    # -- data ------------------------------------------------------------------------------------

    def _values(self, view: View, lookup: Lookup) -> np.ndarray:
        """The rows of a view by point or cell; NaN where the file gives none."""
        where = f"${view.section} {view.name[:80]!r}"
        if view.section == "ElementNodeData":
            return self._nodal(view, lookup, where)
        n, width = view.count, view.width
        if self.binary:
            form = np.dtype([("tag", f"{self.order}i4"), ("x", f"{self.order}f8", (width,))])
            rows = np.frombuffer(self.data, form, n, view.at)
            tags, values = rows["tag"].astype(np.int64), rows["x"].astype(np.float64)
        else:
            self.at = view.at
            flat = self._numbers(np.float64, where)
            if len(flat) != n * (1 + width):
                reason = f"{len(flat)} numbers, expected {n} rows of 1 + {width}"
                raise Fault(where, reason, CUT)
            table = flat.reshape(n, 1 + width)
            tags, values = whole(table[:, 0], where), table[:, 1:]
        if n == lookup.count and lookup.is_order(tags):
            out = np.ascontiguousarray(values)
        else:
            if lookup.count * width > 64 * (n * width + lookup.count):
                raise Fault(where, f"{width} components, and {n} rows for {lookup.count}")
            self.room.take(max(lookup.count - n, 0) * width, where)
            out = np.full((lookup.count, width), np.nan)
            out[lookup.find(tags, where)] = values
        return out[:, 0] if width == 1 else out

    def _nodal(self, view: View, lookup: Lookup, where: str) -> np.ndarray:
        """Values at each element's own nodes: (M, nodes * components), NaN behind the last."""
        n, width = view.count, view.width
        if self.binary:
            ints = np.frombuffer(self.data, f"{self.order}i4", (view.end - view.at) // 4, view.at)
            counts, at = [], 0
            for _ in range(n):
                if at + 2 > len(ints) or ints[at + 1] < 0:
                    raise Fault(where, "the section is not complete", CUT)
                counts.append((at, int(ints[at]), int(ints[at + 1])))
                at += 2 + 2 * width * counts[-1][2]
            if at > len(ints):
                raise Fault(where, "the section is not complete", CUT)
            table = np.array(counts, np.int64).reshape(-1, 3)
            tags, sizes = table[:, 1], table[:, 2]
            places = ragged(table[:, 0] + 2, 2 * width * sizes)
            values = np.ascontiguousarray(ints[places]).view(f"{self.order}f8")
        else:
            self.at = view.at
            flat = self._numbers(np.float64, where)
            more = np.append(flat[1:], 0)
            good = (more >= 0) & (more < len(flat)) & (more == np.floor(more))
            step = np.where(good, 2 + width * np.where(good, more, 0).astype(np.int64), 0)
            starts = chain(step, n, 2, where)
            tags, sizes = whole(flat[starts], where), flat[starts + 1].astype(np.int64)
            values = flat[ragged(starts + 2, width * sizes)]
        cells = lookup.find(tags, where)
        most = int(sizes.max(initial=1))
        if most * width * lookup.count > 64 * (len(values) + lookup.count):
            raise Fault(where, f"an element with values at {most} nodes")
        self.room.take(max(lookup.count * most * width - len(values), 0), where)
        out = np.full((lookup.count, most, width), np.nan)
        row = np.repeat(cells, sizes)
        local = within(sizes)
        out[row, local] = values.reshape(-1, width)
        for kind in np.unique(self.kinds).tolist():
            order = order_of(kind)
            if order is not None and len(order) <= most:
                mine = np.flatnonzero(self.kinds == kind)
                out[mine[:, None], np.arange(len(order))] = out[mine[:, None], order]
        return out.reshape(lookup.count, -1)


class Lookup:
    """Tags of a file to places in its lists."""

    def __init__(self, tags: np.ndarray, what: str, twice: bool = False) -> None:
        self.tags, self.count = tags, len(tags)
        self.first = int(tags[0]) if len(tags) else 0
        self.dense = bool(np.all(np.diff(tags) == 1))
        if not self.dense:
            self.order = np.argsort(tags, kind="stable")
            self.sorted = tags[self.order]
            same = self.sorted[1:] == self.sorted[:-1]
            if np.any(same) and not twice:
                tag = int(self.sorted[1:][same][0])
                raise Fault(what, f"{int(np.sum(same))} tags occur twice, the first is {tag}")

    def is_order(self, tags: np.ndarray) -> bool:
        """True where these are all, in order (meshio's MSH 4.0 counts elements from 0)."""
        order = np.arange(1, self.count + 1) if self.first == 0 else self.tags
        return np.array_equal(tags, order)

    def find(self, tags: np.ndarray, where: str) -> np.ndarray:
        """Where each tag is. Raises Fault for one that is nowhere."""
        if self.dense:
            places = tags - self.first
            bad = (places < 0) | (places >= self.count)
        else:
            at = np.minimum(np.searchsorted(self.sorted, tags), self.count - 1)
            places, bad = self.order[at], self.sorted[at] != tags
        if np.any(bad):
            raise Fault(where, f"it refers to {tags[np.argmax(bad)]}, which is not there")
        return places


def _key(dim: np.ndarray, tag: np.ndarray) -> np.ndarray:
    """One integer for a dimension and a tag of 32 bits."""
    return (dim.astype(np.int64) << 33) + tag + 2**32


def _int32(values: np.ndarray) -> np.ndarray:
    """0 for what is no tag of 32 bits."""
    return np.where(np.abs(values) < 2**31, values, 0)
