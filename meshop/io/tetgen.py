"""Tetrahedra of TetGen and triangles of Triangle: .node and .ele files of one name.

Source: TetGen manual, "File formats"; Triangle's documentation. Elements of second order are read.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..mesh import Mesh, Region
from ._bounds import groups
from ._files import CUT, Fault, guarded, read_bytes
from ._format import Format
from ._labels import Labels, all_numbers
from ._midside import middles_in_order
from ._ragged import offsets_of

_CODES = {(3, 4): 10, (3, 10): 24, (2, 3): 5, (2, 6): 22}  # by dimension and nodes
_COMMENT = re.compile(rb"#[^\n]*")


def read_tetgen(path: Path) -> Mesh:
    """Read points, cells of the .ele file beside them, and their attributes and markers.

    Triangles of a .face file are regions of facets by their marker. Raises MeshFileError.
    """
    with guarded(path, "TetGen"):
        head, rows = _table(_beside(path, ".node"), 4, "nodes")
        dimension, attributes, markers = head[1:4]
        if dimension not in (2, 3) or min(attributes, markers) < 0:
            raise Fault("nodes", f"{dimension} coordinates, expected 2 or 3")
        rows = _shaped(rows, head[0], 1 + dimension + attributes + markers, "nodes")
        points = np.zeros((len(rows), 3))
        points[:, :dimension] = rows[:, 1 : 1 + dimension]
        labels = Labels(_whole(rows[:, 0], "nodes"))
        storage = {"dimension": "2"} if dimension == 2 else {}
        data = _columns(rows[:, 1 + dimension :], attributes, "nodes")
        if not (found := _beside(path, ".ele")).is_file():
            none = np.empty(0, np.int64)
            return Mesh(points, none, np.zeros(1, np.int64), none, data, storage=storage)
        head, rows = _table(found, 3, "elements")
        size = head[1]
        if (code := _CODES.get((dimension, size))) is None:
            raise Fault("elements", f"{size} nodes each, in {dimension} dimensions", "save as VTU")
        if head[2] < 0:
            raise Fault("elements", f"{head[2]} attributes")
        rows = _shaped(rows, head[0], 1 + size + head[2], "elements")
        nodes = labels.places(_whole(rows[:, 1 : 1 + size], "elements"), "elements")
        if size > dimension + 1:
            nodes = middles_in_order(code, nodes, points, "elements")
        regions = _faces(_beside(path, ".face"), labels) if dimension == 3 else {}
        return Mesh(
            points, np.full(len(nodes), code), offsets_of(np.full(len(nodes), size)), nodes.ravel(),
            data, _columns(rows[:, 1 + size :], 0, "elements"), {}, regions, storage,
        )  # fmt: skip


def _beside(path: Path, suffix: str) -> Path:
    return path if path.suffix.lower() == suffix else path.with_suffix(suffix)


def _table(path: Path, least: int, where: str) -> tuple[list[int], np.ndarray]:
    """The whole numbers of the first line, and all numbers of the others."""
    if not path.is_file():
        raise Fault(where, f"the file {path.name} is missing", "copy it beside this one")
    text = _COMMENT.sub(b"", read_bytes(path)).lstrip()
    line, _, rest = text.partition(b"\n")
    head = all_numbers(line, np.int64, where).tolist()
    if not head or head[0] < 0:
        raise Fault(where, "the first line has no counts")
    defaults = [0, 3 if least == 4 else 4, 0, 0]
    return (head + defaults[len(head) :])[:least], all_numbers(rest, np.float64, where)


def _shaped(numbers: np.ndarray, count: int, width: int, where: str) -> np.ndarray:
    if len(numbers) != count * width:
        reason = f"{len(numbers)} numbers, expected {width} for each of {count}"
        raise Fault(where, reason, CUT)
    return numbers.reshape(count, width)


def _whole(values: np.ndarray, where: str) -> np.ndarray:
    if not np.all((values % 1 == 0) & (np.abs(values) < 1 << 53)):
        raise Fault(where, "a number of a node is no whole number")
    return values.astype(np.int64)


def _columns(values: np.ndarray, attributes: int, where: str) -> dict[str, np.ndarray]:
    """Attributes, then markers (of elements: regions), which are whole numbers as a rule."""
    out = {}
    # Of nothing, a file can declare any number of columns.
    for index, column in enumerate(values.T if len(values) else ()):
        last = index - attributes
        name = f"tetgen:attr{index + 1}" if last < 0 else f"tetgen:ref{last + 1 if last else ''}"
        whole = last >= 0 and bool(np.all((column % 1 == 0) & (np.abs(column) < 1 << 53)))
        out[name] = column.astype(np.int64) if whole else column.copy()
    return out


def _faces(path: Path, labels: Labels) -> dict[str, Region]:
    """The marked triangles of a .face file."""
    if not path.is_file():
        return {}
    head, numbers = _table(path, 2, "faces")
    width = len(numbers) // max(head[0], 1)
    rows = _shaped(numbers, head[0], width, "faces")
    if not len(rows) or width < 5 or head[1] != 1:  # number, three nodes, marker
        return {}
    nodes = labels.places(_whole(rows[:, 1:4], "faces"), "faces")
    order = groups(_whole(rows[:, 4 if width < 8 else 7], "faces"))  # three more in second order
    return {f"face marker {key}": Region("facet", nodes[at]) for key, at in order.items() if key}


FORMAT = Format(
    "TetGen", (".node", ".ele"), read_tetgen, regions="markers of faces (a .face file beside)"
)
