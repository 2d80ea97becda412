"""MED, reading: meshes, groups, and fields at several times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...mesh import POLYGON, POLYHEDRON, SIZE, Mesh, Region, join
from .._files import CUT, Fault, guarded
from .._format import Series, warn_lost
from .._hdf5 import Array, Group, Hdf5File
from .._polyhedra import face_stream
from .._ragged import offsets_of

# MED's name of a cell: (VTK's code, where VTK's nodes stand in the file; None for the same order).
KINDS: dict[str, tuple[int, list[int] | None]] = {
    "PO1": (1, None), "SE2": (3, None), "SE3": (21, None), "SE4": (35, None),
    "TR3": (5, None), "TR6": (22, None), "TR7": (34, None),
    "QU4": (9, None), "QU8": (23, None), "QU9": (28, None),
    "TE4": (10, [0, 2, 1, 3]), "T10": (24, [0, 2, 1, 3, 6, 5, 4, 7, 9, 8]),
    "HE8": (12, [0, 3, 2, 1, 4, 7, 6, 5]),
    "H20": (25, [0, 3, 2, 1, 4, 7, 6, 5, 11, 10, 9, 8, 15, 14, 13, 12, 16, 19, 18, 17]),
    "H27": (29, [0, 3, 2, 1, 4, 7, 6, 5, 11, 10, 9, 8, 15, 14, 13, 12, 16, 19, 18, 17,
                 21, 23, 24, 22, 20, 25, 26]),
    "PE6": (13, None),  # VTK's linear wedge is mirrored, too
    "P15": (26, [0, 2, 1, 3, 5, 4, 8, 7, 6, 11, 10, 9, 12, 14, 13]),
    "P18": (32, [0, 2, 1, 3, 5, 4, 8, 7, 6, 11, 10, 9, 12, 14, 13, 17, 16, 15]),
    "PY5": (14, [0, 3, 2, 1, 4]), "P13": (27, [0, 3, 2, 1, 4, 8, 7, 6, 5, 9, 12, 11, 10]),
    "OCT": (16, [0, 5, 4, 3, 2, 1, 6, 11, 10, 9, 8, 7]),
}  # fmt: skip
ORDER = {code: np.array(order) for code, order in KINDS.values() if order}
EVERYTHING = "MED_NO_PROFILE_INTERNAL"


def read_med(path: Path) -> Mesh:
    """Read the mesh with its groups, and the fields of the last time. Raises MeshFileError."""
    return series_med(path)[-1]


def series_med(path: Path) -> Series:
    """The times of the fields. Raises MeshFileError."""
    with guarded(path, "MED"):
        file = _File(path)
        times = file.times()

    def load(index: int) -> Mesh:
        with guarded(path, "MED"):
            mesh = file.mesh(times[index] if times else None)
        if file.left_out:
            warn_lost(path, "MED", f"not read: {', '.join(sorted(file.left_out)[:5])}")
        return mesh

    return Series(times or [0.0], load)


class _File:
    def __init__(self, path: Path) -> None:
        self.file = Hdf5File(path, "/")
        self.root = self.file.root
        self.left_out: set[str] = set()
        meshes = self.root.group("ENS_MAA")
        self.meshes = {} if meshes is None else _groups(meshes)
        if not self.meshes:
            raise Fault("ENS_MAA", "there is no mesh in the file", "check it in Salome")
        fields = self.root.group("CHA")
        self.fields = {} if fields is None else _groups(fields)

    def times(self) -> list[float]:
        """Those of all fields, where there are several."""
        found = {_time(step) for field in self.fields.values() for step in _groups(field).values()}
        return sorted(found) if len(found) > 1 else []

    def mesh(self, time: float | None) -> Mesh:
        self.file.begin()
        self.left_out.clear()
        parts = [self._mesh(name, group, time) for name, group in self.meshes.items()]
        mesh = parts[0] if len(parts) == 1 else join(parts, list(self.meshes))
        if time is not None:
            mesh.field_data["TimeValue"] = np.array([time])
        return mesh

    def _mesh(self, name: str, group: Group, time: float | None) -> Mesh:
        families = group.group("FAS") or (self.root.group("FAS") or group).group(name)
        if group.group("NOE") is None and (steps := _groups(group)):  # the last of its times
            group = steps[max(steps)]
        nodes = group.group("NOE")
        coordinates = nodes.array("COO") if nodes else None
        if nodes is None or coordinates is None:
            reason = "no coordinates (NOE/COO): a grid, or no mesh at all"
            raise Fault(f"mesh {name!r}", reason, "save it as an unstructured mesh")
        count = _whole(coordinates.attributes.get("NBR"), "NOE/COO")
        values = self.file.read(coordinates)
        dimension = len(values) // max(count, 1)
        if values.ndim != 1 or dimension not in (1, 2, 3) or len(values) != count * dimension:
            raise Fault("NOE/COO", f"{len(values)} numbers for {count} points", CUT)
        points = np.zeros((count, 3))
        points[:, :dimension] = values.reshape(dimension, count).T
        blocks = _groups(group.group("MAI") or Group("", {}))
        cells = {kind: self._cells(kind, block) for kind, block in blocks.items()}
        counts = {kind: len(sizes) for kind, (_, sizes, *_) in cells.items()}
        types = [np.full(len(sizes), code, np.uint8) for code, sizes, *_ in cells.values()]
        faces = [row[3] for row in cells.values() if row[3] is not None]
        starts = [
            np.full(len(row[1]), -1) if row[4] is None else row[4] for row in cells.values()
        ]  # polyhedra are one block
        none = np.empty(0, np.int64)
        mesh = Mesh(
            points,
            np.concatenate([none.astype(np.uint8), *types]),
            offsets_of(np.concatenate([none, *(row[1] for row in cells.values())])),
            np.concatenate([none, *(row[2] for row in cells.values())]),
            storage={} if dimension == 3 else {"dimension": str(dimension)},
            faces=faces[0] if faces else None,
            face_offsets=np.concatenate(starts) if faces else None,
        )
        if families is not None:
            tags = [self._tags(blocks[kind], n) for kind, n in counts.items()]
            self._add_groups(mesh, families.group("ELEME"), "cell", np.concatenate([none, *tags]))
            self._add_groups(mesh, families.group("NOEUD"), "point", self._tags(nodes, count))
        for label, field in self.fields.items():
            if field.attributes.get("MAI", name) == name:
                for step in _groups(field).values():
                    if time is None or _time(step) == time:
                        self._add_field(mesh, label, field, step, counts)
        mesh.check()
        return mesh

    def _cells(self, kind: str, block: Group) -> tuple:
        """(code, sizes, nodes, faces, their ends) of the cells of one type."""
        where = f"MAI/{kind}"
        nodes = self._ints(block.array("NOD"), where) - 1
        if kind == "POG":
            sizes = self._sizes(block.array("INN"), len(nodes), where)
            return POLYGON, sizes, nodes, None, None
        if kind == "POE":
            sizes = self._sizes(block.array("INN"), len(nodes), where)
            used = self._sizes(block.array("IFN"), len(sizes), where)
            faces, ends = face_stream(used, np.arange(len(sizes)), sizes, nodes)
            owner = np.repeat(np.repeat(np.arange(len(used)), used), sizes)
            pairs = np.unique(np.stack([owner, nodes]), axis=1)
            own = np.bincount(pairs[0], minlength=len(used)).astype(np.int64)
            return POLYHEDRON, own, pairs[1], faces, ends
        if kind not in KINDS:
            raise Fault(where, "cells of a type that is not known here", "save it as VTU")
        code, order = KINDS[kind]
        size = int(SIZE[code])
        if len(nodes) % size:
            raise Fault(where, f"{len(nodes)} nodes, expected {size} a cell", CUT)
        rows = nodes.reshape(size, -1).T
        rows = rows[:, order] if order else rows
        return code, np.full(len(rows), size), rows.ravel(), None, None

    def _sizes(self, array: Array | None, end: int, where: str) -> np.ndarray:
        starts = self._ints(array, where) - 1
        if not len(starts) or starts[0] or starts[-1] != end or np.any(np.diff(starts) < 0):
            raise Fault(where, "its index does not increase from 1 to the end of what it counts")
        return np.diff(starts)

    def _ints(self, array: Array | None, where: str) -> np.ndarray:
        values = np.empty(0) if array is None else self.file.read(array)
        if values.ndim != 1 or values.dtype.kind not in "iu":
            raise Fault(where, "whole numbers are missing", CUT)
        return values.astype(np.int64)

    # -- groups ---------------------------------------------------------------------------------

    def _tags(self, block: Group, count: int) -> np.ndarray:
        """The family of each node or cell; 0 where none is told."""
        if (array := block.array("FAM")) is None:
            return np.zeros(count, np.int64)
        tags = self._ints(array, array.path)
        if len(tags) != count:
            raise Fault(array.path, f"{len(tags)} families, {count} expected", CUT)
        return tags

    def _add_groups(self, mesh: Mesh, families: Group | None, kind: str, tags: np.ndarray) -> None:
        """A region for each group of a family, or for the family where it is in no group."""
        members: dict[str, list[np.ndarray]] = {}
        for label, family in _groups(families or Group("", {})).items():
            ids = np.flatnonzero(tags == _whole(family.attributes.get("NUM"), family.path))
            groups = family.group("GRO")
            array = groups.array("NOM") if groups else None
            names = [label] if array is None else _words(self.file.read(array), array.path)
            for name in names:
                members.setdefault(name, []).append(ids)
        for name, parts in members.items():
            free = f"{name} points" if name in mesh.regions else name
            mesh.regions[free] = Region(kind, np.sort(np.concatenate(parts)))

    # -- fields ---------------------------------------------------------------------------------

    def _add_field(
        self, mesh: Mesh, name: str, field: Group, step: Group, counts: dict[str, int]
    ) -> None:
        """Values on points, and on cells; NaN where there are none."""
        starts = dict(
            zip(counts, offsets_of(np.array(list(counts.values()))).tolist(), strict=False)
        )
        parts: dict[bool, list[tuple[np.ndarray, np.ndarray]]] = {}
        for support, block in _groups(step).items():
            where, _, kind = support.partition(".")
            on_points = support == "NOE"
            if not on_points and (where != "MAI" or kind not in counts):
                self.left_out.add(f"{name} on {support}")  # values at the nodes of each cell
                continue
            n = mesh.n_points if on_points else counts[kind]
            first = 0 if on_points else starts[kind]
            for profile, values in _groups(block).items():
                ids, found = self._values(profile, values, n, field)
                if found is None:
                    self.left_out.add(f"{name} at the Gauss points of {kind}")
                    continue
                parts.setdefault(on_points, []).append((first + ids, found))
        for on_points, placed in parts.items():
            if on_points:
                mesh.point_data[name] = _together(placed, mesh.n_points)
            else:
                mesh.cell_data[name] = _together(placed, mesh.n_cells)
        labels = str(field.attributes.get("NOM", ""))
        words = [labels[at : at + 16].strip(" \0") for at in range(0, len(labels), 16)]
        for place, data in (("point", mesh.point_data), ("cell", mesh.cell_data)):
            known = any(words) and name in data and data[name].ndim == 2
            if known and len(words) == data[name].shape[1]:
                mesh.components[place, name] = tuple(words)

    def _values(
        self, profile: str, block: Group, count: int, field: Group
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The places that a profile names, and the values there; None for several at a place."""
        ids = np.arange(count)
        if profile.strip() != EVERYTHING:
            group = (self.root.group("PROFILS") or block).group(profile)
            ids = self._ints(group.array("PFL") if group else None, f"profile {profile!r}") - 1
            if len(ids) and not 0 <= ids.min() <= ids.max() < count:
                raise Fault(f"profile {profile!r}", f"a place beyond {count}")
        array = block.array("CO")
        width = _whole(field.attributes.get("NCO", 1), field.path)
        if array is None or _whole(block.attributes.get("NGA", 1), block.path) > 1:
            return ids, None
        values = self.file.read(array)
        if values.ndim != 1 or not width or len(values) != width * len(ids):
            raise Fault(array.path, f"{values.size} values for {len(ids)} places of {width}", CUT)
        return ids, values if width == 1 else values.reshape(width, -1).T.copy()


def _together(placed: list[tuple[np.ndarray, np.ndarray]], rows: int) -> np.ndarray:
    """Values of every place; NaN, and so no integers, where there are none."""
    seen = np.zeros(rows, bool)
    for ids, _ in placed:
        seen[ids] = True
    dtype = np.result_type(*(values.dtype for _, values in placed))
    if not seen.all() and dtype.kind != "f":
        dtype = np.dtype(np.float64)
    out = np.full((rows, *placed[0][1].shape[1:]), 0 if seen.all() else np.nan, dtype)
    for ids, values in placed:
        out[ids] = values
    return out


def _groups(group: Group) -> dict[str, Group]:
    return {name: child for name, child in group.children.items() if isinstance(child, Group)}


def _time(step: Group) -> float:
    value = step.attributes.get("PDT", 0.0)
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else 0.0


def _whole(value: Any, where: str) -> int:
    if not isinstance(value, int) or abs(value) >= 1 << 53:
        raise Fault(where, f"{value!r} where a whole number belongs", CUT)
    return value


def _words(values: np.ndarray, where: str) -> list[str]:
    """Names of 80 characters each, as numbers."""
    if values.ndim != 2 or values.dtype.kind not in "iu":
        raise Fault(where, "expected names of 80 characters")
    return [row.tobytes().decode("utf-8", "replace").strip(" \0") for row in values.astype("u1")]
