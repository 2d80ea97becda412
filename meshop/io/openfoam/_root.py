"""Where the files of a case lie: times, packed files, pieces of processors."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from pathlib import Path

import numpy as np

from ...errors import MeshFileError
from .._files import CUT, Fault, read_bytes
from ._text import FoamText

_Blocks = dict[Path, list[bytes]]
TIME = re.compile(r"-?\d{1,40}(\.\d{0,40})?([eE][+-]?\d{1,3})?")
_PROCESSOR = re.compile(
    r"processor(?P<all>s?)(?P<number>\d{1,5})(_(?P<first>\d{1,5})-(?P<last>\d{1,5}))?"
)
_COLLATED = "decomposedBlockData"
MESH_FILES = (
    "points", "faces", "owner", "neighbour", "boundary", "cellZones", "faceZones", "pointZones",
    "pointProcAddressing", "faceProcAddressing", "cellProcAddressing",
)  # fmt: skip
_RATIO, SLACK = 64, 8 << 20  # the most that a .gz may unpack to: 64 times its size, and 8 MB
_HEADER = 8192  # bytes in which a field's header lies


class Root:
    """A folder that holds `constant` and times: a case, or the piece of one processor."""

    def __init__(
        self, path: Path, label: str = "", block: int = 0, shared: _Blocks | None = None
    ) -> None:
        self.path, self.label = path, label  # which stands before the names of its files
        self.block, self.shared = block, shared  # which piece, where files hold those of all

    def find(self, name: str) -> Path | None:
        """The file of that name, or its .gz."""
        for path in (self.path / name, self.path / f"{name}.gz"):
            if path.is_file():
                return path
        return None

    def text(self, name: str, slack: int = 0) -> FoamText | None:
        """The file opened, None where there is none; slack: bytes that a .gz may well hold."""
        path = self.find(name)
        if path is None:
            return None
        shown = self.label + name
        if self.shared is not None:
            if path not in self.shared:
                self.shared[path] = _blocks(_content(path, shown, slack), shown)
            parts = self.shared[path]
            if self.block >= len(parts):
                raise Fault(
                    shown, f"it holds {len(parts)} pieces, not that of processor {self.block}"
                )
            return FoamText(parts[self.block], shown)
        return FoamText(_content(path, shown, slack), shown)

    def kind(self, name: str) -> str:
        """The class of a file; "" for what is none of OpenFOAM's."""
        text = self.head(name)
        return "" if text is None else text.kind

    def head(self, name: str) -> FoamText | None:
        """The first bytes of a file, None where they are none of OpenFOAM's."""
        path = self.find(name)
        if path is None:
            return None
        try:
            data = read_bytes(path, _HEADER)
            if path.suffix == ".gz":
                data = zlib.decompressobj(31).decompress(data, _HEADER)
            text = FoamText(data, name)
            if self.shared is not None and text.kind == _COLLATED:
                text = FoamText(data[data.find(b"(", text.at) + 1 :], name)
            return text
        except (Fault, MeshFileError, OSError, zlib.error):
            return None

    def times(self) -> dict[str, float]:
        """Folders named by a time -> its value."""
        found = {}
        for path in listed(self.path):
            if TIME.fullmatch(path.name) and np.isfinite(float(path.name)) and path.is_dir():
                found[path.name] = float(path.name)
        return dict(sorted(found.items(), key=lambda item: item[1]))

    def folders(self, region: str) -> list[tuple[float, str]]:
        """Those with a polyMesh, by time; `constant` is the first."""
        places = [(-np.inf, "constant"), *((value, name) for name, value in self.times().items())]
        return [p for p in places if (self.path / inside(p[1], region, "polyMesh")).is_dir()]

    def has_mesh(self, region: str = "") -> bool:
        """True where a polyMesh has faces."""
        return any(
            self.find(inside(name, region, "polyMesh/faces")) for _, name in self.folders(region)
        )

    def mesh_files(self, region: str, time: float) -> dict[str, str]:
        """Each file of the mesh at a time -> its path: the newest that is not later."""
        folders = [name for value, name in self.folders(region) if value <= time]
        found = {}
        for name in MESH_FILES:
            paths = (inside(folder, region, f"polyMesh/{name}") for folder in reversed(folders))
            if path := next((path for path in paths if self.find(path)), ""):
                found[name] = path
        return found


def inside(folder: str, region: str, name: str) -> str:
    """The path of a file in a time or `constant`."""
    return "/".join(part for part in (folder, region, name) if part)


def listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _content(path: Path, name: str, slack: int) -> bytes:
    data = read_bytes(path)
    return data if path.suffix != ".gz" else _unpacked(data, name, _RATIO * len(data) + slack)


def _unpacked(data: bytes, name: str, most: int) -> bytes:
    try:
        plain = gzip.GzipFile(fileobj=io.BytesIO(data)).read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Fault(f"{name}.gz", f"the gzip file is damaged: {error}", CUT) from None
    if len(plain) > most:
        raise Fault(f"{name}.gz", f"it unpacks to more than {most} bytes", "gunzip it first")
    return plain


def _blocks(data: bytes, name: str) -> list[bytes]:
    """The files of all processors in a collated file."""
    text = FoamText(data, name)
    if text.kind != _COLLATED:
        raise Fault(name, f"its class is {text.kind[:40]!r}, expected {_COLLATED}")
    parts: list[bytes] = []
    while text.peek() != b"":
        size = text.count()
        text.expect(b"(")
        if size is None or size > len(data) - text.at:
            raise text.fault(f"the part of processor {len(parts)} is cut off", CUT)
        part = data[text.at : text.at + size]
        text.at += size
        text.expect(b")")
        if parts and not part.lstrip().startswith((b"FoamFile", b"/*")):
            part = parts[0][: FoamText(parts[0], name).at] + part  # only the first has a header
        parts.append(part)
    return parts


def roots_of_processors(path: Path) -> list[Root]:
    """The pieces of a decomposed case, in order: processor0, ... or collated ones."""
    single, collated = {}, []
    for folder in listed(path):
        found = _PROCESSOR.fullmatch(folder.name)
        if found is None or not folder.is_dir():
            continue
        if not found["all"]:
            single[int(found["number"])] = Root(folder, f"{folder.name}/")
        else:
            first, last = int(found["first"] or 0), int(found["last"] or int(found["number"]) - 1)
            collated.append((first, last, folder))
    if single:
        return [single[number] for number in sorted(single)]
    roots = []
    shared: _Blocks = {}
    for first, last, folder in sorted(collated, key=lambda item: item[0]):
        roots += [
            Root(folder, f"{folder.name}/", block, shared) for block in range(last - first + 1)
        ]
    return roots
