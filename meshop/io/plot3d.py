"""PLOT3D grids: structured blocks, text or binary, whichever layout accounts for every byte.

Source: NASA PLOT3D User's Manual (TM-101067), section 8. The file does not say which of its layouts
it has: single or several blocks, 2-D or 3-D, with blanking or without, and, where binary, byte
order, precision and Fortran's record marks. Sizes have to agree exactly, so that few are possible.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..mesh import Mesh, join
from ._bounds import Allowance
from ._files import Fault, guarded, read_bytes
from ._format import Format
from ._labels import all_numbers
from ._structured import structured_cells
from ._words import Words

_SUFFIXES = (".xyz", ".p3d", ".p3dfmt", ".p2dfmt", ".p2d", ".x", ".g", ".grd", ".fmt", ".bin")
_REPEAT = re.compile(rb"(?<!\S)(\d{1,12})\*(\S{1,40})(?!\S)")
_HINT = "check that it is a whole grid file, or save it as CGNS or VTS"


@dataclass
class _Layout:
    dims: list[list[int]]
    start: int  # where the first block's values are: bytes, or numbers in text
    blank: bool
    width: int  # 2 or 3 coordinates
    order: str = "<"
    real: int = 8
    marks: bool = False

    def sizes(self) -> list[int]:
        return [math.prod(dims) for dims in self.dims]


def read_plot3d(path: Path) -> Mesh:
    """Read the blocks of a grid; blanking becomes the point array `IBlank`. MeshFileError."""
    with guarded(path, "PLOT3D"):
        data = read_bytes(path)
        text = _is_text(data[:4096])
        blocks = _text_blocks(data) if text else _binary_blocks(data)
        meshes = [_block(dims, points, blank) for dims, points, blank in blocks]
        if len(meshes) == 1:
            return meshes[0]
        return join(meshes, [f"block {index + 1}" for index in range(len(meshes))])


def _block(dims: list[int], points: np.ndarray, blank: np.ndarray | None) -> Mesh:
    types, offsets, nodes = structured_cells([*dims, 1, 1][:3], boxes=False)
    storage = {"points": points.dtype.name, "structured": " ".join(map(str, dims))}
    if points.shape[1] == 2:
        storage["dimension"] = "2"
        points = np.column_stack([points, np.zeros(len(points))])
    data = {} if blank is None else {"IBlank": blank}
    return Mesh(points, types, offsets, nodes, data, storage=storage)


Blocks = list[tuple[list[int], np.ndarray, np.ndarray | None]]


def _is_text(start: bytes) -> bool:
    return re.fullmatch(rb"[\s0-9eEdD+\-.,*]+", start) is not None


def _text_blocks(data: bytes) -> Blocks:
    data = data.translate(bytes.maketrans(b"Dd,", b"EE "))
    numbers = _unrolled(data)
    layout = _text_layout(numbers)
    out: Blocks = []
    at = layout.start
    for dims, size in zip(layout.dims, layout.sizes(), strict=True):
        points = numbers[at : at + layout.width * size].reshape(layout.width, size).T
        at += layout.width * size
        blank = numbers[at : at + size].astype(np.int32) if layout.blank else None
        at += size if layout.blank else 0
        out.append((dims, points, blank))
    return out


def _unrolled(data: bytes) -> np.ndarray:
    """All numbers; Fortran's ``3*0.5`` stands for three."""
    if b"*" not in data:
        return all_numbers(data, np.float64, "content")
    starts = Words(data).starts
    counts = np.ones(len(starts), np.int64)
    stars = np.fromiter((match.start() for match in _REPEAT.finditer(data)), np.int64)
    times = np.fromiter((int(match[1]) for match in _REPEAT.finditer(data)), np.int64)
    counts[np.searchsorted(starts, stars)] = times
    Allowance(len(data)).take(int(counts.sum(dtype=np.float64)), "numbers times a count")
    return np.repeat(all_numbers(_REPEAT.sub(rb"\2", data), np.float64, "content"), counts)


def _text_layout(numbers: np.ndarray) -> _Layout:
    for several, width in itertools.product((True, False), (3, 2)):
        found = _dims(numbers, several, width)
        if found is None:
            continue
        dims, start = found
        total = sum(math.prod(row) for row in dims)
        for blank in (False, True):
            if start + total * (width + blank) == len(numbers):
                layout = _Layout(dims, start, blank, width)
                if not blank or all(_are_flags(numbers[part]) for part in _flags(layout)):
                    return layout
    raise Fault("content", "no layout of PLOT3D accounts for its numbers", _HINT)


def _flags(layout: _Layout) -> Iterator[slice]:
    """Where the blanking of each block is."""
    at = layout.start
    for size in layout.sizes():
        yield slice(at + layout.width * size, at + (layout.width + 1) * size)
        at += (layout.width + 1) * size


def _are_flags(values: np.ndarray) -> bool:
    """0, 1, 2, or a block's number with its sign."""
    return bool(np.all(np.abs(values) < 1 << 20) and np.all(values == np.floor(values)))


def _dims(numbers: np.ndarray, several: bool, width: int) -> tuple[list[list[int]], int] | None:
    """The dimensions of the blocks and where the values start, if these are dimensions."""
    start = int(several)
    if not len(numbers) or not 1 <= numbers[0] <= len(numbers):
        return None
    end = start + width * (int(numbers[0]) if several else 1)
    if end > len(numbers):
        return None
    head = numbers[start:end]
    if np.any(head < 1) or np.any(head != np.floor(head)) or np.any(head > 1 << 40):
        return None
    return head.astype(np.int64).reshape(-1, width).tolist(), end


def _binary_blocks(data: bytes) -> Blocks:
    layout = _binary_layout(data, len(data))
    at, out = layout.start, []
    real = np.dtype(f"{layout.order}f{layout.real}")
    whole = np.dtype(f"{layout.order}i4")
    for dims, size in zip(layout.dims, layout.sizes(), strict=True):
        at += 4 * layout.marks
        points = np.frombuffer(data, real, layout.width * size, at).reshape(layout.width, size).T
        at += layout.width * size * layout.real
        blank = None
        if layout.blank:
            blank = np.frombuffer(data, whole, size, at)
            at += 4 * size
        at += 4 * layout.marks
        out.append((dims, points.astype(real.newbyteorder("=")), blank))
    return out


def _binary_layout(data: bytes, length: int) -> _Layout:
    """The layout of a file of `length` bytes that starts with `data`."""
    known = itertools.product("<>", (False, True), (True, False), (3, 2))
    for order, marks, several, width in known:
        found = _binary_dims(data, order, marks, several, width)
        if found is None:
            continue
        dims, start = found
        total = sum(math.prod(row) for row in dims)
        for real, blank in itertools.product((4, 8), (False, True)):
            size = start + total * (width * real + 4 * blank) + 8 * marks * len(dims)
            if size == length:
                return _Layout(dims, start, blank, width, order, real, marks)
    raise Fault("content", "no layout of PLOT3D accounts for its bytes", _HINT)


def _binary_dims(
    data: bytes, order: str, marks: bool, several: bool, width: int
) -> tuple[list[list[int]], int] | None:
    words = np.frombuffer(data[: min(len(data) // 4, 1 << 20) * 4], f"{order}i4")
    at, count = 0, 1
    if several:
        length = 3 if marks else 1
        if len(words) < length or (marks and (words[0] != 4 or words[2] != 4)):
            return None
        at, count = length, int(words[1 if marks else 0])
    if not 1 <= count <= 1 << 17:
        return None
    end = at + count * width + 2 * marks
    if end > len(words):
        return None
    head = words[at:end]
    if marks:
        if head[0] != 4 * count * width or head[-1] != head[0]:
            return None
        head = head[1:-1]
    if np.any(head < 1):
        return None
    return head.reshape(-1, width).tolist(), 4 * end


def _claims(path: Path, start: bytes) -> bool:
    """A suffix that grids have, and a header that a cloud of points has not."""
    if path.suffix.lower() not in _SUFFIXES or not start:
        return False
    if _is_text(start):
        lines = [line.split() for line in start.splitlines()[:2]]
        words = b" ".join(word for line in lines for word in line).split()
        head = words[: 1 if len(words) and len(lines[0]) == 1 else 3]
        if not all(word.isdigit() for word in head) or len(lines[0]) > 3:
            return False
    try:
        if _is_text(start):  # a cloud may begin with integers, too
            return path.suffix.lower() != ".xyz" or bool(_text_blocks(read_bytes(path)))
        return bool(_binary_layout(read_bytes(path, 1 << 22), path.stat().st_size))
    except Fault:
        return False


FORMAT = Format(
    "PLOT3D",
    tuple(suffix for suffix in _SUFFIXES if suffix not in (".xyz", ".bin", ".g", ".fmt")),
    read_plot3d,
    claims=_claims,
    regions="blocks",
)
