"""Names of faces in a STEP file, which OpenCASCADE's plain reading leaves out.

Names such as ADVANCED_FACE('inlet', ...) are how CAD programs hand boundaries to meshers. A name
finds its face by the coordinates of the face's corners; faces of instances that an assembly moves
keep none. Source: ISO 10303-21 (exchange structure), ISO 10303-42 (faces, loops, edges).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

Corners = Sequence[Sequence[Sequence[float]]]

_ENTITY = re.compile(rb"#(\d{1,18})\s*=\s*([A-Z_0-9]+)\s*\(")
_NAMED = re.compile(rb"(ADVANCED_FACE|FACE_SURFACE)\s*\(\s*'[^']")
_STRING = re.compile(rb"'((?:[^']|'')*)'")
_ID = re.compile(rb"#(\d{1,18})")
_NUMBER = re.compile(rb"[-+]?\d+\.?\d*(?:E[-+]?\d+)?", re.I)
_CODED = re.compile(r"\\X2\\((?:[0-9A-F]{4})+)\\X0\\|\\X\\([0-9A-F]{2})|\\S\\(.)")
# From a face down to its corners.
_DOWN = {
    b"ADVANCED_FACE", b"FACE_SURFACE", b"FACE_BOUND", b"FACE_OUTER_BOUND", b"EDGE_LOOP",
    b"ORIENTED_EDGE", b"EDGE_CURVE", b"VERTEX_POINT", b"CARTESIAN_POINT", b"VERTEX_LOOP",
}  # fmt: skip
_MOST = 50_000_000  # bytes: reading names is worth less than minutes


def step_face_names(content: bytes, scale: float, corners: Corners) -> dict[int, str]:
    """Face number -> name, for the faces (corner coordinates of each) whose name is certain.

    scale: what coordinates of the file were multiplied by.
    """
    if len(content) > _MOST or not _NAMED.search(content):
        return {}
    kept: dict[int, tuple[bytes, bytes]] = {}
    faces = []
    for statement in content.split(b";"):
        if (head := _ENTITY.search(statement)) and head[2] in _DOWN:
            kept[int(head[1])] = head[2], statement[head.end() :]
            if head[2] in (b"ADVANCED_FACE", b"FACE_SURFACE"):
                faces.append(int(head[1]))
    wanted: dict[frozenset, list[str]] = {}
    grid = _Grid(corners)
    left = [50 * len(kept)]  # steps, so that faces that share all they have take no ages
    for face in faces:
        points = [np.array(xyz) * scale for xyz in _points(kept, face, left)]
        name = _STRING.match(kept[face][1].lstrip())
        wanted.setdefault(grid.key(points), []).append(_decode(name[1]) if name else "")
    found: dict[frozenset, list[int]] = {}
    for number, ends in enumerate(corners):
        found.setdefault(grid.key(ends), []).append(number)
    # Faces with the same corners (two half cylinders) come in the file's order.
    return {
        number: name
        for key, numbers in found.items()
        if len(names := wanted.get(key, [])) == len(numbers)
        for number, name in zip(numbers, names, strict=True)
        if name
    }


class _Grid:
    """Sets of points that agree to a millionth of the whole's size."""

    def __init__(self, corners: Corners) -> None:
        every = np.array([xyz for face in corners for xyz in face]).reshape(-1, 3)
        self.step = max(float(np.ptp(every, axis=0).max()) if len(every) else 0.0, 1e-300) * 1e-6
        self.low = every.min(axis=0) if len(every) else np.zeros(3)
        self.seen: dict[tuple[int, ...], tuple[int, ...]] = {}

    def key(self, points: Sequence) -> frozenset:
        with np.errstate(all="ignore"):
            return frozenset(self._snap((np.asarray(p) - self.low) / self.step) for p in points)

    def _snap(self, at: np.ndarray) -> tuple[int, ...]:
        """The same cell for points that a cell's side parts."""
        if not np.isfinite(at).all() or np.abs(at).max() > 1e15:
            return (0, 0, 0, 1)
        near = [tuple(int(v) for v in np.floor(at + shift)) for shift in _SHIFTS]
        for cell in near:
            if cell in self.seen:
                return self.seen[cell]
        for cell in near:
            self.seen[cell] = near[0]
        return near[0]


_SHIFTS = [np.array([x, y, z]) for x in (0, 0.5) for y in (0, 0.5) for z in (0, 0.5)]


def _points(kept: dict[int, tuple[bytes, bytes]], face: int, left: list[int]) -> list[list[float]]:
    """Coordinates of the vertices below a face."""
    found, seen, todo = [], {face}, [face]
    while todo and left[0] > 0:
        left[0] -= 1
        kind, text = kept[todo.pop()]
        if kind == b"CARTESIAN_POINT":
            xyz = [float(word) for word in _NUMBER.findall(_STRING.sub(b"", text))[:3]]
            found.append(xyz + [0.0] * (3 - len(xyz)))
            continue
        ids = [int(word) for word in _ID.findall(_STRING.sub(b"", text))]
        if kind == b"EDGE_CURVE":
            ids = ids[:2]  # its ends, not the points of its curve
        for other in ids:
            if other in kept and other not in seen and kept[other][0] != b"ADVANCED_FACE":
                seen.add(other)
                todo.append(other)
    return found


def _decode(text: bytes) -> str:
    """A STEP string: '' for ', and letters beyond ASCII coded."""

    def letter(code: re.Match[str]) -> str:
        if code[1]:
            return bytes.fromhex(code[1]).decode("utf-16-be", "replace")
        return chr(int(code[2], 16)) if code[2] else chr(min(ord(code[3]) + 128, 0x10FFFF))

    plain = text.decode("utf-8", "replace").replace("''", "'")
    return " ".join(_CODED.sub(letter, plain).split())
