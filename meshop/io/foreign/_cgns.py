"""In the child: the sections and boundary conditions of a CGNS file that VTK's reader leaves out.

It skips elements on the boundary of planar meshes, pyramids of 13 nodes, and conditions that are
given on elements. Source: CGNS Standard Interface Data Structures, "Elements_t" and "BC_t".
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...mesh import DIM, SIZE, Mesh, Region
from .._files import Fault
from .._ragged import offsets_of

# CGNS's number of an element type -> VTK's code, where both list nodes in the same order.
_CODES = {2: 1, 3: 3, 4: 21, 5: 5, 6: 22, 7: 9, 8: 23, 9: 28, 10: 10, 11: 24, 21: 27}


def with_rest(path: Path, mesh: Mesh) -> tuple[Mesh, bool]:
    """`mesh` of a file of one unstructured zone with cells and regions that it lacks; and whether
    these are all its boundary conditions."""
    import h5py

    if mesh.regions or not h5py.is_hdf5(path):
        return mesh, False
    with (
        contextlib.suppress(OSError, KeyError, ValueError, IndexError, Fault),
        h5py.File(path, "r") as file,
    ):
        bases = list(_labelled(file, "CGNSBase_t"))
        zones = [zone for base in bases for zone in _labelled(base, "Zone_t")]
        if len(zones) == 1 and _text(zones[0]["ZoneType"]) == "Unstructured":
            return _completed(mesh, bases[0], zones[0])
    return mesh, False


def _completed(mesh: Mesh, base: Any, zone: Any) -> tuple[Mesh, bool]:
    types, nodes, data = [mesh.cell_types], [mesh.cell_nodes], dict(mesh.cell_data)
    sizes = [np.diff(mesh.cell_offsets)]
    count, known, dimension = mesh.n_cells, 0, int(_data(base)[0])
    added: dict[str, Region] = {}
    place: list[tuple[int, int, int]] = []  # first and last number of elements, first cell
    sections = sorted(_labelled(zone, "Elements_t"), key=lambda s: int(_data(s["ElementRange"])[0]))
    for section in sections:
        first, last = _data(section["ElementRange"]).ravel().tolist()[:2]
        code = _CODES.get(int(_data(section)[0]), 0)
        mine = last - first + 1
        if not code or np.any(mesh.cell_types == code):  # VTK has these, in the file's order
            if not code or DIM[code] == dimension:
                place.append((first, last, known))
                known += mine
            continue
        ids = _data(section["ElementConnectivity"]).astype(np.int64).ravel() - 1
        if len(ids) != mine * SIZE[code]:
            raise Fault(section.name, "too few nodes")
        types.append(np.full(mine, code, np.uint8))
        sizes.append(np.full(mine, SIZE[code]))
        nodes.append(ids)
        place.append((first, last, count))
        if DIM[code] < dimension:
            added[section.name.rpartition("/")[2]] = Region("cell", count + np.arange(mine))
        count += mine
    if known != mesh.n_cells:
        place = [row for row in place if row[2] >= mesh.n_cells]
    if extra := count - mesh.n_cells:
        for name, values in data.items():
            blank = np.full((extra, *values.shape[1:]), np.nan)
            data[name] = np.concatenate([values, blank])
    conditions = list(_conditions(base, zone, place))
    groups = _labelled(zone, "ZoneBC_t")
    whole = len(conditions) == sum(len(list(_labelled(g, "BC_t"))) for g in groups)
    regions: dict[str, Region] = {}
    for name, region in conditions:  # conditions of one family are one
        before = regions[name].ids if name in regions else region.ids[:0]
        regions[name] = Region("cell", np.concatenate([before, region.ids]))
    out = Mesh(
        mesh.points, np.concatenate(types), offsets_of(np.concatenate(sizes)),
        np.concatenate(nodes), mesh.point_data, data, mesh.field_data, regions or added,
        mesh.storage, mesh.faces,
        None if mesh.face_offsets is None else np.append(mesh.face_offsets, np.full(extra, -1)),
        mesh.components,
    )  # fmt: skip
    return out, whole


def _conditions(
    base: Any, zone: Any, place: list[tuple[int, int, int]]
) -> Iterator[tuple[str, Region]]:
    """Boundary conditions on elements, by the name of their family where they have one."""
    for group in _labelled(zone, "ZoneBC_t"):
        for condition in _labelled(group, "BC_t"):
            where = _text(condition["GridLocation"]) if "GridLocation" in condition else "Vertex"
            if where == "Vertex" and not {"ElementRange", "ElementList"} & set(condition):
                continue
            ids = np.empty(0, np.int64)
            for name in ("PointRange", "ElementRange", "PointList", "ElementList"):
                if name in condition:
                    ids = _data(condition[name]).ravel().astype(np.int64)
                    if name.endswith("Range"):
                        ids = np.arange(ids[0], min(ids[1], place[-1][1]) + 1)
            cells = [ids[(ids >= a) & (ids <= b)] - a + cell for a, b, cell in place]
            if len(found := np.concatenate([ids[:0], *cells])):
                yield _name(base, condition), Region("cell", found)


def _name(base: Any, condition: Any) -> str:
    family = _text(condition["FamilyName"]) if "FamilyName" in condition else ""
    group = base.get(family) if family else None
    inner = list(_labelled(group, "FamilyName_t")) if group is not None else []
    return _text(inner[0]) if inner else family or condition.name.rpartition("/")[2]


def _labelled(group: Any, label: str) -> Iterator[Any]:
    for child in group.values():
        if child.attrs.get("label", b"").rstrip(b"\0").decode() == label:
            yield child


def _data(group: Any) -> np.ndarray:
    return np.asarray(group[" data"][()])


def _text(group: Any) -> str:
    return _data(group).tobytes().decode("utf-8", "replace").strip(" \0")
