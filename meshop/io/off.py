"""OFF polygons: OFF with any of the prefixes ST, C, N, 4 and n, ascii; colours and normals kept.

Source: Geomview manual, "OFF Files" (Object File Format). Binary OFF is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..mesh import Mesh
from ._files import CUT, Fault, atomic_write, guarded, read_bytes
from ._format import Format, warn_lost
from ._ragged import ragged
from ._surface import face_types, require_types, warn_data, warn_regions, warn_types
from ._words import integers, take_rows, unix, without_comments

_KEY = re.compile(rb"\s*(ST)?(C)?(N)?(4)?(n)?OFF\b[ \t]*(BINARY)?")
_MOST = 64  # numbers of a point


def read_off(path: Path) -> Mesh:
    """Read an ascii OFF file.

    Colours become "RGB" or "RGBA" (uint8 where they are integers), normals "Normals", texture
    coordinates "TCoords". The number of edges is not looked at. Raises MeshFileError.
    """
    with guarded(path, "OFF"):
        data = unix(read_bytes(path))
        head, at = _header(data)
        lost: list[str] = []
        values, offsets, at = take_rows(data, at, head.points, "points", head.width)
        points, point_data = _points(lost, values, offsets, head)
        values, offsets, at = take_rows(data, at, head.faces, "faces")
        sizes = integers(values[offsets[:-1]], "faces")
        rest = np.diff(offsets) - 1 - sizes
        bad = (sizes < 1) | (rest < 0)
        if bad.any():
            row = int(np.argmax(bad))
            reason = f"{sizes[row]} corners declared, {sizes[row] + rest[row]} numbers follow"
            raise Fault(f"faces, row {row + 1}", reason, CUT)
        mesh = Mesh(
            points,
            face_types(sizes),
            np.concatenate([[0], sizes.cumsum()]),
            integers(values[ragged(offsets[:-1] + 1, sizes)], "faces"),
            point_data,
            _face_colours(lost, values, offsets[:-1] + 1 + sizes, rest),
            storage={"dimension": "2"} if head.width == 2 else {},
        )
        for what in lost:
            warn_lost(path, "OFF", what)
        return mesh


@dataclass
class _Header:
    colour: bool = False
    normal: bool = False
    width: int = 3  # coordinates of a point
    points: int = 0
    faces: int = 0


def _header(data: bytes) -> tuple[_Header, int]:
    """What the keyword and the counts say, and where the points start."""
    text = without_comments(data[: 1 << 16])
    head, at = _Header(), 0
    key = _KEY.match(text)
    numbers = np.empty(0)
    if key:
        _, colour, normal, four, many, binary = key.groups()
        at = key.end()
        if binary:
            raise Fault("header", "binary OFF is not read", "save it as ascii OFF, or as PLY")
        head = _Header(bool(colour), bool(normal), 4 if four else 3)
        if many:
            numbers, _, at = take_rows(data, at, 1, "dimension")
            head.width = int(integers(numbers[:1], "dimension")[0])
            numbers = numbers[1:]  # the counts may follow on this line
            if head.width not in (2, 3) or four:
                raise Fault("header", f"{head.width} coordinates, expected 2 or 3")
    elif not re.match(rb"\s*\d+[ \t]+\d+[ \t]+\d+\s", text):  # the keyword is optional
        raise Fault("header", "no line 'OFF' and no counts: this is no OFF file")
    if not len(numbers):
        numbers, _, at = take_rows(data, at, 1, "counts")
    counts = integers(numbers[:3], "counts").tolist()
    if len(counts) < 2:
        raise Fault("counts", "expected the numbers of points, faces and edges")
    head.points, head.faces = counts[:2]
    return head, at


def _points(
    lost: list[str], values: np.ndarray, offsets: np.ndarray, head: _Header
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Coordinates, and what the keyword promises behind them: normal, colour, texture."""
    width, wide = np.diff(offsets), head.width
    data: dict[str, np.ndarray] = {}
    table = values[offsets[:-1, None] + np.arange(wide)].reshape(-1, wide)
    points = np.zeros((len(table), 3))
    points[:, : min(wide, 3)] = table[:, :3]
    if wide == 4 and not (table[:, 3] == 1).all():
        raise Fault("points", "4OFF with weights other than 1", "divide by the weights")
    if not len(width) or width.max() == wide:
        return points, data
    if (width != width[0]).any() or width[0] > _MOST:
        lost.append("data behind the coordinates are left out: their number varies or is large")
        return points, data
    rest = values.reshape(len(width), -1)[:, wide:]
    if head.normal and rest.shape[1] >= 3:
        data["Normals"], rest = rest[:, :3].copy(), rest[:, 3:]
    if head.colour and rest.shape[1] in (3, 4, 5, 6):
        colours = 4 if rest.shape[1] in (4, 6) else 3
        data["RGBA" if colours == 4 else "RGB"] = _colours(rest[:, :colours])
        rest = rest[:, colours:]
    if rest.shape[1] == 2:
        data["TCoords"] = rest.copy()
    else:
        for column in range(rest.shape[1]):
            data[f"column_{wide + column}"] = rest[:, column].copy()
    return points, data


def _colours(table: np.ndarray) -> np.ndarray:
    whole = ((table >= 0) & (table <= 255) & (table == np.floor(table))).all()
    return table.astype(np.uint8) if whole and (table > 1).any() else table.copy()


def _face_colours(
    lost: list[str], values: np.ndarray, starts: np.ndarray, width: np.ndarray
) -> dict[str, np.ndarray]:
    if not len(width) or not width.any():
        return {}
    if (width == width[0]).all() and width[0] in (3, 4):
        table = values[starts[:, None] + np.arange(width[0])]
        return {"RGBA" if width[0] == 4 else "RGB": _colours(table)}
    if (width == 1).all():  # an index into a table of colours
        return {"color": values[starts]}
    lost.append("colours of faces are left out: only some have them")
    return {}


# -- write ------------------------------------------------------------------------------------


def write_off(mesh: Mesh, path: Path | str) -> None:
    """Write points and faces, with colours ("RGB", "RGBA") and "Normals" of points and faces.

    Raises MeshFileError.
    """
    with guarded(path, "OFF"):
        mesh.check()
        require_types(mesh, (1, 3, 5, 7, 9), "OFF")
        warn_types(path, "OFF", mesh)
        warn_regions(path, "OFF", list(mesh.regions), "write .vtu for them")
        key, columns, kept = "OFF", [mesh.points], set()
        normals = mesh.point_data.get("Normals")
        colours = {
            where: next((n for n in ("RGB", "RGBA") if _is_colour(data.get(n), n)), None)
            for where, data in (("point", mesh.point_data), ("cell", mesh.cell_data))
        }
        if (name := colours["point"]) is not None:
            key = "C" + key
            kept.add(("point", name))
        if normals is not None and normals.dtype == np.float64 and normals.shape[1:] == (3,):
            key = key.replace("OFF", "NOFF")
            kept.add(("point", "Normals"))
            columns.append(normals)
        if name is not None:
            columns.append(mesh.point_data[name])
        if colours["cell"] is not None:
            kept.add(("cell", colours["cell"]))
        warn_data(path, "OFF", mesh, kept)
        if (mesh.cell_types < 5).any():
            warn_lost(path, "OFF", "vertices and lines become faces with one and two corners")
        with atomic_write(path) as file:
            file.write(f"{key}\n{mesh.n_points} {mesh.n_cells} 0\n".encode())
            for start in range(0, mesh.n_points, 1 << 16):
                part = slice(start, start + (1 << 16))
                rows = zip(
                    *(map(repr, c) for t in columns for c in t[part].T.tolist()), strict=True
                )
                file.write("".join([" ".join(row) + "\n" for row in rows]).encode())
            for start in range(0, mesh.n_cells, 1 << 16):
                stop = min(start + (1 << 16), mesh.n_cells)
                file.write("".join(_faces(mesh, start, stop, colours["cell"])).encode())


def _is_colour(values: np.ndarray | None, name: str) -> bool:
    if values is None or values.shape[1:] != (len(name),):
        return False
    # Integers up to 1 would come back as the floats that they could be as well.
    return values.dtype == np.float64 or (values.dtype == np.uint8 and bool((values > 1).any()))


def _faces(mesh: Mesh, start: int, stop: int, colour: str | None) -> list[str]:
    ends = mesh.cell_offsets[start : stop + 1].tolist()
    texts = list(map(str, mesh.cell_nodes[ends[0] : ends[-1]].tolist()))
    tails = [""] * (stop - start)
    if colour is not None:
        rows = mesh.cell_data[colour][start:stop].tolist()
        tails = [" " + " ".join(map(repr, row)) for row in rows]
    return [
        f"{j - i} {' '.join(texts[i - ends[0] : j - ends[0]])}{tail}\n"
        for i, j, tail in zip(ends[:-1], ends[1:], tails, strict=True)
    ]


FORMAT = Format(
    "OFF",
    (".off",),
    read_off,
    write_off,
    lambda _, start: re.match(rb"(ST)?C?N?4?n?OFF[ \t]*[\r\n#]", start) is not None,
    lost="regions, data arrays but colours and normals",
)
