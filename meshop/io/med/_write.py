"""MED, writing: one mesh, its groups and fields, as MED-fichier 3.0 stores them."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ...mesh import CELL_TYPES, SIZE, Mesh
from .._columns import warn_arrays
from .._files import Fault, guarded, new_name
from .._format import warn_lost
from .._hdf5 import Disk
from .._surface import warn_regions
from ._read import EVERYTHING, KINDS, ORDER

_NAMES = {code: name for name, (code, _) in KINDS.items() if name != "P18"}  # of MED 4
_UTF8 = ("utf-8", "surrogateescape")
_TYPES = {"f8": 6, "f4": 4, "i4": 24, "i8": 26}  # MED's numbers
_STATIC = "-0000000000000000001-0000000000000000001"  # the name of the only step
_RANK = np.zeros(256, np.int64)  # a reader meets the types in the order of their names
_RANK[[KINDS[name][0] for name in sorted(KINDS)]] = np.arange(len(KINDS))


def write_med(mesh: Mesh, path: str | os.PathLike) -> None:
    """Write points, cells type by type, groups and fields. Raises MeshFileError."""
    import h5py

    with guarded(path, "MED"):
        mesh.check()
        unknown = np.flatnonzero(~np.isin(mesh.cell_types, list(_NAMES)))
        if len(unknown):
            kind = CELL_TYPES[int(mesh.cell_types[unknown[0]])].name
            raise Fault(f"cell {unknown[0]}", f"MED has no {kind}", "write .vtu instead")
        order = np.argsort(_RANK[mesh.cell_types], kind="stable")
        _warn(mesh, Path(path), order)
        with new_name(path) as beside, Disk(beside, "x+b") as disk:
            with h5py.File(disk, "w") as file:
                _write(mesh, file, order)
            disk.require_room()
            os.fsync(disk.fileno())


def _warn(mesh: Mesh, path: Path, order: np.ndarray) -> None:
    if np.any(np.diff(order) < 0):
        warn_lost(path, "MED", "cells are stored in another order: type by type")
    for where in ("point", "cell"):
        data, after = getattr(mesh, f"{where}_data"), {}
        for name, values in data.items():
            if (dtype := _stored(values)) is not None and name and "/" not in name:
                width = values[0].size
                after[name] = np.empty((0,) if width == 1 else (0, width), dtype)
        warn_arrays(path, "MED", data, after)
    if mesh.field_data:
        warn_lost(path, "MED", f"field data are not stored: {', '.join(list(mesh.field_data)[:5])}")
    labels = [label for row in mesh.components.values() for label in row]
    if any(label != label.strip(" \0") or len(label.encode()) > 16 for label in labels):
        warn_lost(path, "MED", "names of components are cut to 16 letters")
    gone = [n for n, r in mesh.regions.items() if r.kind == "facet" or not r.ids.size]
    warn_regions(path, "MED", gone)
    kept = {name: r.ids for name, r in mesh.regions.items() if name not in gone}
    if moved := [name for name, ids in kept.items() if np.any(np.diff(ids) <= 0)]:
        warn_lost(path, "MED", f"ids of regions are sorted, each once: {', '.join(moved[:5])}")
    if other := [n for n in kept if n != n.strip(" \0") or len(n.encode(*_UTF8)) > 80]:
        warn_lost(path, "MED", f"names of regions are cut: {', '.join(map(repr, other[:5]))}")


def _stored(values: np.ndarray) -> np.dtype | None:
    """How an array is stored; None where it is not."""
    if values.dtype.kind not in "biuf" or not values.size or values.dtype == np.uint64:
        return None
    if values.dtype.kind == "f":
        return np.dtype(np.float32 if values.dtype == np.float32 else np.float64)
    return np.dtype(np.int64 if values.dtype in (np.int64, np.uint32) else np.int32)


def _write(mesh: Mesh, file: Any, order: np.ndarray) -> None:
    """All of it; later versions of MED read what 3.0 stores."""
    text, dimension = np.bytes_, 3
    if mesh.storage.get("dimension") == "2" and not mesh.points[:, 2].any():
        dimension = 2
    everything = text(EVERYTHING)
    _put(file, "INFOS_GENERALES", MAJ=3, MIN=0, REL=0)
    axes = text("".join(f"{axis:<16}" for axis in "XYZ"[:dimension]))
    _put(
        file, "ENS_MAA/mesh", DIM=min(max(mesh.dim, 1), dimension), ESP=dimension, REP=0, TYP=0,
        SRT=1, NOM=axes, UNI=text(""), UNT=text(""), DES=text("meshop"),
    )  # fmt: skip
    step = _put(file, f"ENS_MAA/mesh/{_STATIC}", NDT=-1, NOR=-1, PDT=-1.0, CGT=1)
    nodes = _put(step, "NOE", CGT=1, CGS=1, PFL=everything)
    _set(nodes, "COO", mesh.points[:, :dimension].ravel(order="F"), mesh.n_points)
    _put(file, "FAS/mesh/FAMILLE_ZERO", NUM=0)
    points = {name: r.ids for name, r in mesh.regions.items() if r.kind == "point"}
    cells = {name: r.ids for name, r in mesh.regions.items() if r.kind == "cell"}
    _set(nodes, "FAM", _write_families(file, "NOEUD", points, mesh.n_points, 1), mesh.n_points)
    tags = _write_families(file, "ELEME", cells, mesh.n_cells, -1)
    if mesh.n_cells:
        _put(step, "MAI", CGT=1)
    blocks: dict[str, np.ndarray] = {}
    for start, stop in _runs(mesh.cell_types[order]):
        ids = order[start:stop]
        code = int(mesh.cell_types[ids[0]])
        blocks[_NAMES[code]] = ids
        block = _put(step, f"MAI/{_NAMES[code]}", CGT=1, CGS=1, PFL=everything)
        rows = mesh.cell_nodes[mesh.cell_offsets[ids][:, None] + np.arange(SIZE[code])]
        rows = rows[:, np.argsort(ORDER[code])] if code in ORDER else rows
        _set(block, "NOD", rows.ravel(order="F") + 1, len(ids))
        _set(block, "FAM", tags[ids], len(ids))
    file.create_group("CHA", track_order=True)
    for name, values in mesh.point_data.items():
        _write_field(file, name, {"NOE": values}, mesh.components.get(("point", name)))
    for name, values in mesh.cell_data.items():
        parts = {f"MAI.{kind}": values[ids] for kind, ids in blocks.items()}
        _write_field(file, name, parts, mesh.components.get(("cell", name)))


def _runs(values: np.ndarray) -> list[tuple[int, int]]:
    """Where runs of equal values start and stop."""
    ends = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return list(pairwise(ends)) if len(values) else []


def _put(file: Any, name: str, **attributes: Any) -> Any:
    group = file.require_group(name)
    for key, value in attributes.items():
        group.attrs[key] = np.int32(value) if isinstance(value, int) else value
    return group


def _set(group: Any, name: str, values: np.ndarray, count: int) -> None:
    array = group.create_dataset(name, data=values)
    array.attrs["CGT"], array.attrs["NBR"] = np.int32(1), np.int32(count)


def _write_families(
    file: Any, name: str, sets: dict[str, np.ndarray], count: int, sign: int
) -> np.ndarray:
    """The groups of points or cells; returns the family of each."""
    tags, families = _families(sets, count, sign)
    for number, groups in families.items():
        family = _put(file, f"FAS/mesh/{name}/FAM_{number}", NUM=number)
        rows = np.zeros((len(groups), 80), np.int8)
        for row, group in zip(rows, groups, strict=True):
            raw = np.frombuffer(group.encode(*_UTF8)[:80], np.int8)
            row[: len(raw)] = raw
        names = _put(family, "GRO", NBR=len(groups))
        names.create_dataset("NOM", (len(groups),), "80int8")[:] = rows
    return tags


def _write_field(
    file: Any, name: str, parts: dict[str, np.ndarray], labels: tuple[str, ...] | None
) -> None:
    values = next(iter(parts.values()), np.empty(0))
    dtype = _stored(values)
    if dtype is None or not name or "/" in name:
        return
    text, width = np.bytes_, values[0].size
    words = "".join(f"{label[:16]:<16}" for label in labels or [""] * width)
    label = name if f"CHA/{name}" not in file else f"{name} (cells)"
    _put(
        file, f"CHA/{label}", MAI=text("mesh"), TYP=_TYPES[dtype.str[1:]], NCO=width,
        NOM=text(words.encode("utf-8", "replace")), UNI=text(""), UNT=text(""),
    )  # fmt: skip
    step = _put(file, f"CHA/{label}/{_STATIC}", NDT=-1, NOR=-1, PDT=-1.0, RDT=-1, ROR=-1)
    for support, part in parts.items():
        _put(step, support, GAU=text(""), PFL=text(EVERYTHING))
        block = _put(step, f"{support}/{EVERYTHING}", NBR=len(part), NGA=1, GAU=text(""))
        block["CO"] = part.reshape(len(part), -1).astype(dtype).ravel(order="F")


def _families(
    sets: dict[str, np.ndarray], count: int, sign: int
) -> tuple[np.ndarray, dict[int, list[str]]]:
    """The family of each member, and the groups of each family: members of the same groups."""
    tags = np.zeros(count, np.int64)
    groups: list[list[str]] = [[]]
    for name, ids in sets.items():
        inside = np.zeros(count, np.int64)
        inside[ids] = 1
        found, tags = np.unique(2 * tags + inside, return_inverse=True)
        groups = [groups[key // 2] + [name] * (key % 2) for key in found.tolist()]
        if groups[0]:  # family 0 has no group
            groups, tags = [[], *groups], tags + 1
    return sign * tags, {sign * n: names for n, names in enumerate(groups) if names}
