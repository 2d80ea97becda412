"""Columns with names, as clouds and PLY have them, to arrays of a mesh and back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..mesh import Mesh
from ._files import Fault
from ._format import warn_lost

# Columns that belong together under one name, as VTK has them.
GROUPS = {
    "Normals": (("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z")),
    "RGBA": (("red", "green", "blue", "alpha"), ("r", "g", "b", "a")),
    "RGB": (("red", "green", "blue"), ("r", "g", "b")),
}
_AXES = (
    ("x", "y", "z"), ("points:0", "points:1", "points:2"), ("points_0", "points_1", "points_2"),
    ("coordsx", "coordsy", "coordsz"), ("x-coordinate", "y-coordinate", "z-coordinate"),
    ("x coordinate", "y coordinate", "z coordinate"),
    ("easting", "northing", "elevation"),
)  # fmt: skip
_UNIT = re.compile(r"\s*[\[(][^\])]*[\])]$")  # "X [ m ]", "x (mm)"


def grouped(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Normals, colours, and ParaView's NAME:0, NAME:1, ... as one array each, in place."""
    lower = {name.lower(): name for name in columns}
    sets = [
        (label, tuple(lower[name] for name in names))
        for label, choices in GROUPS.items()
        for names in choices
        if all(name in lower for name in names)
    ]
    for name in columns:
        stem, colon, index = name.rpartition(":")
        if colon and index == "0" and stem:
            width = next(i for i in range(1, len(columns) + 1) if f"{stem}:{i}" not in columns)
            sets.append((stem, tuple(f"{stem}:{i}" for i in range(width))))
    together: dict[str, tuple[str, np.ndarray]] = {}  # where one begins: its label and values
    gone: set[str] = set()
    labels: set[str] = set()
    for label, names in sets:
        arrays = [columns[name] for name in names if name not in gone]
        if label in labels or (label in columns and label not in gone):
            continue
        if len(arrays) < len(names) or any(a.ndim != 1 for a in arrays):
            continue
        if len({a.dtype for a in arrays}) > 1 or arrays[0].dtype.kind not in "fiub":
            continue
        together[names[0]] = label, np.stack(arrays, axis=1)
        gone.update(names)
        labels.add(label)
    named = (together.get(name, (name, values)) for name, values in columns.items()
             if name in together or name not in gone)  # fmt: skip
    return dict(named)


def cloud(columns: dict[str, np.ndarray], storage: dict[str, str], hint: str = "") -> Mesh:
    """A mesh without cells: the axes by name where they have one, else the first columns."""
    lower: dict[str, str] = {}
    for name in columns:
        lower.setdefault(_UNIT.sub("", name.strip().lower()), name)
    axes: list[str] = []
    for names in _AXES:
        if names[0] in lower and names[1] in lower:
            axes = [lower[name] for name in names if name in lower]
            break
    if not axes:
        if not all(name.startswith("column_") for name in columns):
            shown = ", ".join(columns)[:200]
            raise Fault("columns", f"no x and y among {shown}", hint)
        axes = [name for name, values in columns.items() if values.dtype.kind in "fiu"][:3]
    if len(axes) < 2:
        raise Fault("columns", f"{len(axes)} column is no list of points", hint)
    for name in axes:
        if columns[name].ndim != 1 or columns[name].dtype.kind not in "fiu":
            raise Fault(f"column {name!r}", f"{columns[name].dtype} are no coordinates", hint)
    kinds = {columns[name].dtype for name in axes}
    points = np.zeros((len(columns[axes[0]]), 3))
    with np.errstate(all="ignore"):  # float128: Mesh refuses what is not finite
        for axis, name in enumerate(axes):
            points[:, axis] = columns[name]
    if kinds == {np.dtype("f4")}:
        storage = {"points": "float32"} | storage
    if len(axes) == 2:
        storage = {"dimension": "2"} | storage
    data = grouped({name: v for name, v in columns.items() if name not in axes})
    none = np.empty(0, np.int64)
    return Mesh(points, none, np.zeros(1, np.int64), none, data, storage=storage)


def of_points(mesh: Mesh) -> dict[str, np.ndarray]:
    """x, y, z (no z for planar meshes that had none) and the point data, one column each."""
    single = mesh.storage.get("points") == "float32"
    points = mesh.points
    if single and np.array_equal(rounded := points.astype(np.float32), points):
        points = rounded
    flat = mesh.storage.get("dimension") == "2" and not points[:, 2].any()
    columns = {name: points[:, axis] for axis, name in enumerate("xy" if flat else "xyz")}
    return columns | flattened(mesh.point_data, columns)


def flattened(data: dict[str, np.ndarray], taken: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Arrays as columns: (n, k) becomes k of them, NAME:0 and so on, or nx, red, ..."""
    out: dict[str, np.ndarray] = {}
    for name, values in data.items():
        if values.ndim == 1:
            parts = {name: values}
        else:
            table = values.reshape(len(values), int(np.prod(values.shape[1:])))
            width = table.shape[1]
            names = [f"{name}:{i}" for i in range(width)]
            if name in GROUPS and width == len(GROUPS[name][0]):
                names = list(GROUPS[name][0])
            parts = {label: table[:, i] for i, label in enumerate(names)}
        for label, column in parts.items():
            while label in out or label in taken:
                label += "_"
            out[label] = column
    return out


def warn_arrays(
    path: Path | str, format: str, before: dict[str, np.ndarray], after: dict[str, np.ndarray]
) -> None:
    """Warn, once, of arrays that come back with another name, type or shape, or not at all."""
    old, new = _described(before), _described(after)
    lost = [text for text in old if text not in new]
    if lost:
        found = [text for text in new if text not in old][:5]
        tail = ", ..." if len(lost) > 5 else ""
        what = f"{', '.join(lost[:5])}{tail} come back as {', '.join(found) or 'nothing'}{tail}"
        warn_lost(path, format, what, "write .vtu to keep them")


def _described(data: dict[str, np.ndarray]) -> dict[str, None]:
    texts: dict[str, None] = {}
    for name, values in data.items():
        kind = "text" if values.dtype.kind in "UOST" else values.dtype.name
        shape = " x ".join(map(str, values.shape[1:]))
        texts[f"{name!r} ({kind}{', ' if shape else ''}{shape})"] = None
    return texts


def require_cloud(mesh: Mesh, path: Path | str, name: str) -> None:
    """Raise Fault where cells would be lost; warn of what else is."""
    cells = mesh.n_cells - int((mesh.cell_types == 1).sum())
    if cells:
        reason = f"{name} holds points only, the mesh has {cells} cells"
        raise Fault("cells", reason, "write .vtu, or drop the cells first")
    if mesh.n_cells:
        warn_lost(path, name, "vertex cells are not stored: every point is one")
