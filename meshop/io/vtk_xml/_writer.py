"""VTK XML, writing: appended raw, 64-bit headers, compressed; what came in goes out bit for bit."""

from __future__ import annotations

import lzma
import os
import zlib
from collections.abc import Iterable
from itertools import chain
from xml.sax.saxutils import quoteattr

import numpy as np

from ...mesh import CURVED_HEXAHEDRA, Mesh
from .._files import Fault, atomic_write
from .._strings import encoded
from .._vtk_data import ACTIVE, storable, to_field_data
from ._arrays import _lz4
from ._threads import in_threads

_BLOCK = 1 << 18
_METHODS = {
    "zlib": "vtkZLibDataCompressor",
    "lzma": "vtkLZMADataCompressor",
    "lz4": "vtkLZ4DataCompressor",
    None: None,
}
_TYPES = {
    "i1": "Int8", "u1": "UInt8", "i2": "Int16", "u2": "UInt16", "i4": "Int32", "u4": "UInt32",
    "i8": "Int64", "u8": "UInt64", "f4": "Float32", "f8": "Float64",
}  # fmt: skip
_ALLOWED_WHITE = "\t\n\r"


class XmlWriter:
    """Packs the arrays of a mesh and notes the XML that describes them."""

    def __init__(
        self, mesh: Mesh, method: str | None, level: int | None = None, pad: bool = False
    ) -> None:
        if method not in _METHODS:
            raise Fault("compression", f"{method!r}, expected zlib, lz4, lzma or None")
        self.mesh, self.method, self.level, self.pad = mesh, method, level, pad
        self.blobs: list[list[bytes | memoryview]] = []
        self.offset = 0

    def write(self, path: str | os.PathLike, kind: str, counts: str, inside: list[str]) -> None:
        """The file of one <Piece>: complete, or not at all. `inside`: its points and cells."""
        field_data = {**self.mesh.field_data, **to_field_data(self.mesh)}
        fields = [self.array(name, values, "field") for name, values in field_data.items()]
        if fields:
            fields = ["    <FieldData>", *fields, "    </FieldData>"]
        compressor = f' compressor="{_METHODS[self.method]}"' if self.method else ""
        lines = [
            f'<?xml version="1.0"?>\n<VTKFile type="{kind}" version="{self._version()}" '
            f'byte_order="LittleEndian" header_type="UInt64"{compressor}>\n  <{kind}>',
            *fields,
            f"    <Piece {counts}>",
            *inside,
            f'    </Piece>\n  </{kind}>\n  <AppendedData encoding="raw">\n   _',
        ]
        with atomic_write(path) as file:
            file.write("\n".join(lines).encode("utf-8"))
            file.writelines(chain.from_iterable(self.blobs))
            file.write(b"\n  </AppendedData>\n</VTKFile>\n")

    def _version(self) -> str:
        """VTK renumbers curved hexahedra of files before 2.1, so those keep what they had."""
        old = self.mesh.storage.get("version", "2.2") in ("0.1", "1.0", "2.0")
        return "1.0" if old or not np.isin(self.mesh.cell_types, CURVED_HEXAHEDRA).any() else "2.2"

    def points(self) -> list[str]:
        return ["      <Points>", self.array("Points", self._points(), ""), "      </Points>"]

    def _points(self) -> np.ndarray:
        """As the file stored them, unless that would change a coordinate."""
        points = self.mesh.points
        dtype = np.dtype(self.mesh.storage.get("points", "float64"))
        if dtype == points.dtype:
            return points
        with np.errstate(over="ignore", invalid="ignore"):
            stored = points.astype(dtype)
            same = np.array_equal(stored.astype(np.float64), points)
        return stored if same and dtype.kind in "fiu" else points

    def integers(self, name: str, values: np.ndarray, default: str) -> str:
        dtype = np.dtype(self.mesh.storage.get(name, default))
        if dtype != values.dtype and len(values):
            if dtype.kind not in "iu" or values.max() > np.iinfo(dtype).max:
                dtype = np.dtype(default)
            if values.min() < 0 and dtype.kind == "u":
                dtype = np.dtype(default)
        return self.array(name, values.astype(dtype, copy=False), "")

    def data(self, where: str, data: dict[str, np.ndarray]) -> list[str]:
        tag = f"{where.capitalize()}Data"
        active = "".join(
            f" {kind}={attribute(name)}"
            for kind in ACTIVE
            if (name := self.mesh.storage.get(f"{where}_data.{kind}")) in data and name
        )
        arrays = [self.array(name, values, where) for name, values in data.items()]
        return [f"      <{tag}{active}>", *arrays, f"      </{tag}>"]

    def array(self, name: str, values: np.ndarray, where: str) -> str:
        if not name:
            raise Fault(f"{where} data", "an array without a name")
        label = attribute(name)
        tuples = f' NumberOfTuples="{len(values)}"' if where == "field" else ""
        parts = int(np.prod(values.shape[1:], dtype=np.int64))
        if parts == 0 and len(values):
            raise Fault(f"{where} data array {name!r}", f"its shape {values.shape} holds nothing")
        shape = f' NumberOfComponents="{parts}"' if values.ndim > 1 and parts else ""
        for index, component in enumerate(self.mesh.components.get((where, name), ())):
            shape += f" ComponentName{index}={attribute(component)}"
        if values.dtype.kind in "UOST":
            raw, tag, kind = _text_bytes(name, values), "Array", "String"
        else:
            stored = storable(name, values)
            if self.pad and stored.shape[1:] == (2,) and where in ("point", "cell"):
                stored = np.concatenate([stored, np.zeros_like(stored[:, :1])], axis=1)
                shape = shape.replace('"2"', '"3"', 1)
            raw, tag = np.ascontiguousarray(stored).reshape(-1).data.cast("B"), "DataArray"
            kind = _TYPES[stored.dtype.str[1:]]
        blob = list(self._packed(raw))
        line = (
            f'        <{tag} type="{kind}" Name={label}{shape}{tuples} '
            f'format="appended" offset="{self.offset}"/>'
        )
        self.blobs.append(blob)
        self.offset += sum(len(part) for part in blob)
        return line

    def _packed(self, raw: memoryview) -> Iterable[bytes | memoryview]:
        if self.method is None:
            return np.array([len(raw)], "<u8").tobytes(), raw
        blocks = [raw[i : i + _BLOCK] for i in range(0, len(raw), _BLOCK)]
        method, level = self.method, self.level
        packed = in_threads(lambda i: _deflate(method, level, blocks[i]), len(blocks), len(raw))
        sizes = [len(block) for block in packed]
        head = [len(blocks), _BLOCK, len(raw) % _BLOCK, *sizes] if blocks else [0, 0, 0]
        return np.array(head, "<u8").tobytes(), *packed


def _deflate(method: str, level: int | None, block: memoryview) -> bytes:
    if method == "zlib":
        return zlib.compress(block, 4 if level is None else level)
    if method == "lzma":
        return lzma.compress(block, preset=4 if level is None else level)
    return _lz4().compress(block, store_size=False)


def _text_bytes(name: str, values: np.ndarray) -> memoryview:
    return memoryview(b"".join(item + b"\0" for item in encoded(name, values)))


def attribute(text: str) -> str:
    if any((c < " " and c not in _ALLOWED_WHITE) or "\ud800" <= c <= "\udfff" for c in text):
        raise Fault(f"name {text!r}", "it holds characters that XML cannot", "rename the array")
    return quoteattr(text)
