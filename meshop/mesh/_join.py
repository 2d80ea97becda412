"""Several meshes as one: blocks, zones and pieces, in their order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import MeshError
from ._faces import is_node, parse_faces
from ._mesh import Mesh, Region


def join(parts: Sequence[Mesh], names: Sequence[str | None] | None = None) -> Mesh:
    """One mesh of all `parts`, points and cells in order, nothing merged.

    names: one a part; each but None becomes a region of its cells (of its points where it has no
    cells).
    Regions of one name are united. An array that some parts lack is NaN there, as float64 if it
    held integers; text that some lack is empty there. Raises MeshError where shapes disagree.
    """
    if not parts:
        raise MeshError("nothing to join", "expected at least one mesh")
    if len(parts) == 1 and names is None:
        return parts[0]
    points = np.cumsum([0, *(part.n_points for part in parts)])
    cells = np.cumsum([0, *(part.n_cells for part in parts)])
    nodes = np.cumsum([0, *(len(part.cell_nodes) for part in parts)])
    faces, face_offsets = _faces(parts, points)
    return Mesh(
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.cell_types for part in parts]),
        np.concatenate(
            [[0], *(p.cell_offsets[1:] + n for p, n in zip(parts, nodes[:-1], strict=True))]
        ),
        np.concatenate([p.cell_nodes + n for p, n in zip(parts, points[:-1], strict=True)]),
        _data([(part.point_data, part.n_points) for part in parts], "point"),
        _data([(part.cell_data, part.n_cells) for part in parts], "cell"),
        {name: values for part in reversed(parts) for name, values in part.field_data.items()},
        _regions(parts, points, cells, names),
        dict(parts[0].storage),
        faces,
        face_offsets,
        {key: labels for part in reversed(parts) for key, labels in part.components.items()},
    )


def _data(parts: list[tuple[dict[str, np.ndarray], int]], where: str) -> dict[str, np.ndarray]:
    filled = [data for data, length in parts if length]
    names = list(dict.fromkeys(name for data in filled or [parts[0][0]] for name in data))
    out = {}
    absent = 0
    given = sum(values.size for data in filled for values in data.values())
    most = 16 * (given + sum(length for _, length in parts)) + (1 << 24)
    for name in names:
        known = [data[name] for data in filled if name in data]
        if len({values.shape[1:] for values in known}) > 1:
            raise MeshError(f"{where} data array {name!r}", "its shape differs between the parts")
        if len({values.dtype.kind in "UOST" for values in known}) > 1:
            raise MeshError(f"{where} data array {name!r}", "text in some parts, numbers in others")
        width = int(np.prod(known[0].shape[1:]))
        absent += width * sum(n for data, n in parts if name not in data)
        if absent > most:
            why = f"filling up what parts lack takes {absent} values, they have {given}"
            raise MeshError(f"{where} data array {name!r}", why, "join parts with the same arrays")
        out[name] = np.concatenate(
            [
                data[name] if name in data else _absent(length, known[0])
                for data, length in parts
                if length
            ]
            or [parts[0][0][name]]
        )
    return out


def _absent(length: int, like: np.ndarray) -> np.ndarray:
    shape = (length, *like.shape[1:])
    if like.dtype.kind in "UOST":
        return np.full(shape, "", dtype=like.dtype)
    return np.full(shape, np.nan, dtype=like.dtype if like.dtype.kind in "fc" else np.float64)


def _regions(
    parts: Sequence[Mesh],
    points: np.ndarray,
    cells: np.ndarray,
    names: Sequence[str | None] | None,
) -> dict[str, Region]:
    found: dict[str, list[Region]] = {}
    for index, part in enumerate(parts):
        if names is not None and (label := names[index]) is not None:
            kind, start = ("cell", cells) if part.n_cells else ("point", points)
            ids = np.arange(start[index], start[index + 1])
            found.setdefault(label, []).append(Region(kind, ids))
        for name, region in part.regions.items():
            shift = cells[index] if region.kind == "cell" else points[index]
            ids = np.where(region.ids < 0, region.ids, region.ids + shift)
            found.setdefault(name, []).append(Region(region.kind, ids))
    out = {}
    for name, regions in found.items():
        for kind in dict.fromkeys(region.kind for region in regions):
            sets = [region.ids for region in regions if region.kind == kind]
            if kind == "facet":
                width = max(ids.shape[1] for ids in sets)
                pads = [((0, 0), (0, width - ids.shape[1])) for ids in sets]
                sets = [np.pad(s, p, constant_values=-1) for s, p in zip(sets, pads, strict=True)]
            label = name if name not in out else f"{name} {kind}s"
            out[label] = Region(kind, np.concatenate(sets))
    return out


def _faces(
    parts: Sequence[Mesh], points: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None]:
    if all(part.faces is None for part in parts):
        return None, None
    streams, ends = [], []
    length = 0
    for part, start in zip(parts, points[:-1], strict=True):
        if part.faces is None or part.face_offsets is None:
            ends.append(np.full(part.n_cells, -1, np.int64))
            continue
        listed = parse_faces(part.faces, part.face_offsets)
        streams.append(part.faces + start * is_node(len(part.faces), listed))
        ends.append(np.where(part.face_offsets >= 0, part.face_offsets + length, -1))
        length += len(part.faces)
    return np.concatenate(streams), np.concatenate(ends)
