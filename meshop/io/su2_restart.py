"""SU2 restart and solution files: the values at the points of a mesh that is another file.

`read("solution_flow.dat")` gives a cloud: points with every variable as point data, in the node
order of the mesh that the solver ran on. To see them on it::

    mesh = meshop.read("mesh.su2")
    mesh.point_data.update(meshop.read("solution_flow.dat").point_data)

Sources: SU2's output classes; binary files are 5 integers (535532, variables, points, integers and
doubles of metadata), names of 33 bytes, doubles point by point, then the metadata. Ascii files are
a line of names in quotes, a line for each point, and KEY= VALUE lines.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ..mesh import Mesh
from ._files import CUT, Fault, guarded, read_bytes
from ._format import Format
from ._su2_rows import take_rows

_MAGIC, _NAME = 535532, 33
_META = (
    "AOA", "SIDESLIP_ANGLE", "INITIAL_BCTHRUST", "DCD_DCL_VALUE", "DCMX_DCL_VALUE",
    "DCMY_DCL_VALUE", "DCMZ_DCL_VALUE",
)  # fmt: skip


def read_su2_restart(path: Path) -> Mesh:
    """Read an SU2 solution as a cloud of points with data. Raises MeshFileError."""
    with guarded(path, "SU2 restart"):
        data = read_bytes(path)
        names, table, found = _ascii(data) if data[:1] == b'"' else _binary(data)
        lower = [name.lower() for name in names]
        axes = [lower.index(axis) for axis in "xyz" if axis in lower]
        if lower.count("x") != 1 or lower.count("y") != 1 or lower.count("z") > 1:
            known = ", ".join(names)[:200]
            raise Fault("names", f"no columns x and y among {known}")
        points = np.zeros((len(table), 3))
        points[:, : len(axes)] = table[:, axes]
        point_data = {}
        for column, name in enumerate(names):
            if column in axes:
                continue
            values = np.ascontiguousarray(table[:, column])
            if name == "PointID" and np.array_equal(values, np.trunc(values)):
                values = values.astype(np.int64) if np.all(np.abs(values) < 2**53) else values
            point_data[name if name not in point_data else f"{name} {column}"] = values
        none = np.empty(0, np.int64)
        storage = {"dimension": str(len(axes))}
        return Mesh(points, none, np.zeros(1, np.int64), none, point_data, {}, found, {}, storage)


def _binary(data: bytes) -> tuple[list[str], np.ndarray, dict[str, np.ndarray]]:
    order = next((o for o in "<>" if data[:4] == np.array(_MAGIC, f"{o}i4").tobytes()), "")
    if not order or len(data) < 20:
        raise Fault("header", f"no SU2 restart file: it does not begin with {_MAGIC}", CUT)
    _, n_names, n_points, n_integers, n_doubles = np.frombuffer(data, f"{order}i4", 5).tolist()
    start = 20 + _NAME * n_names
    need = start + 8 * n_names * n_points
    if min(n_names, n_points, n_integers, n_doubles) < 0 or n_names < 2 or need > len(data):
        reason = f"{n_names} variables at {n_points} points need {need} bytes, {len(data)} are left"
        raise Fault("header", reason, CUT)
    words = [data[at : at + _NAME].partition(b"\0")[0] for at in range(20, start, _NAME)]
    names = [word.decode("utf-8", "replace").strip() for word in words]
    table = np.frombuffer(data, f"{order}f8", n_names * n_points, start)
    found = {}
    if n_integers == 1 and len(data) >= need + 4:
        found["EXT_ITER"] = np.frombuffer(data, f"{order}i4", 1, need).astype(np.int64)
    at = need + 4 * n_integers
    if n_doubles >= len(_META) and len(data) >= at + 8 * len(_META):
        values = np.frombuffer(data, f"{order}f8", len(_META), at).tolist()
        found |= {key: np.array([value]) for key, value in zip(_META, values, strict=True)}
    return names, table.reshape(n_points, n_names).astype(np.float64), found


def _ascii(data: bytes) -> tuple[list[str], np.ndarray, dict[str, np.ndarray]]:
    head, _, _ = data.partition(b"\n")
    names = [word.strip(' "\r') for word in head.decode("utf-8", "replace").split("\t")]
    names = [name for name in names if name]
    values, starts, end = take_rows(data, len(head) + 1, None, np.float64, "rows")
    sizes = np.diff(starts)
    if not len(sizes):
        raise Fault("rows", "there is none below the names", CUT)
    if np.any(sizes != len(names)):
        row = int(np.argmax(sizes != len(names)))
        raise Fault(f"row {row}", f"{sizes[row]} numbers for {len(names)} names", CUT)
    found = {}
    for line in data[end:].decode("utf-8", "replace").splitlines():
        key, equals, value = line.partition("=")
        if not equals and line[:1].isdigit():
            raise Fault("rows", "there are more of them behind KEY= VALUE lines", CUT)
        try:
            number = float(value.replace("_", "?"))
        except ValueError:
            continue
        if equals and math.isfinite(number):
            found[key.strip()] = np.array([number])
    return names, values.reshape(len(sizes), len(names)), found


def _claims(_: Path, start: bytes) -> bool:
    magic = np.array(_MAGIC, "<i4").tobytes()
    head = start.partition(b"\n")[0]
    tabbed = head.startswith(b'"PointID"') and b"\t" in head
    return start[:4] in (magic, magic[::-1]) or tabbed


FORMAT = Format("SU2 restart", (), read_su2_restart, claims=_claims)
