"""Malformed NPY: a header or a shape that does not fit the bytes."""

from __future__ import annotations

import io
import struct

import numpy as np

SUFFIX = ".npy"
POINTS = np.array([[0, 0, 0, 7], [1, 0, 0, 8], [1, 1, 0, 9.0]])


def _saved(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def file_of(header: str, data: bytes = POINTS.tobytes(), version: int = 1) -> bytes:
    text = header.encode() + b"\n"
    form = "<H" if version == 1 else "<I"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(form, len(text)) + text + data


HEAD = "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}"
HEADERS = {
    "shape_many": HEAD.format("'<f8'", False, (10**12, 4)),
    "shape_beyond_64_bits": HEAD.format("'<f8'", False, (2**62, 2**62)),
    "shape_negative": HEAD.format("'<f8'", False, (-3, 4)),
    "shape_negative_twice": HEAD.format("'<f8'", False, (-3, -4)),
    "shape_one_too_many": HEAD.format("'<f8'", False, (4, 4)),
    "shape_one_too_few": HEAD.format("'<f8'", False, (2, 4)),
    "shape_flat": HEAD.format("'<f8'", False, (12,)),
    "shape_none": HEAD.format("'<f8'", False, ()),
    "shape_three": HEAD.format("'<f8'", False, (3, 2, 2)),
    "shape_one_column": HEAD.format("'<f8'", False, (12, 1)),
    "shape_text": HEAD.format("'<f8'", False, "'many'"),
    "shape_float": HEAD.format("'<f8'", False, "(3.5, 4)"),
    "shape_infinite": HEAD.format("'<f8'", False, "(1e999, 4)"),
    "objects": HEAD.format("'|O'", False, (3, 4)),
    "objects_in_fields": HEAD.format("[('x', '|O'), ('y', '<f8')]", False, (6,)),
    "type_unknown": HEAD.format("'<q99'", False, (3, 4)),
    "type_void": HEAD.format("'|V8'", False, (3, 4)),
    "type_empty": HEAD.format("'|V0'", False, (3, 4)),
    "type_date": HEAD.format("'<M8[s]'", False, (3, 4)),
    "type_complex": HEAD.format("'<c16'", False, (3, 2)),
    "type_text": HEAD.format("'<U2'", False, (3, 4)),
    "fields_without_x": HEAD.format("[('a', '<f8'), ('b', '<f8')]", False, (6,)),
    "fields_twice": HEAD.format("[('x', '<f8'), ('x', '<f8')]", False, (6,)),
    "key_missing": "{'descr': '<f8', 'shape': (3, 4)}",
    "no_dictionary": "[1, 2, 3]",
    "code": "__import__('os').getcwd()",
    "nested": "(" * 900,
    "escape": "{'descr': '\\d', 'fortran_order': False, 'shape': (3, 4)}",
    "nul": "{'descr': '<f8\0', 'fortran_order': False, 'shape': (3, 4)}",
    "nothing": "",
}


def seeds() -> dict[str, bytes]:
    named = np.zeros(
        2, [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("v", "<i2", (2,))]
    )
    return {
        "plain": _saved(POINTS),
        "fortran": _saved(np.asfortranarray(POINTS)),
        "big_endian": _saved(POINTS.astype(">f4")),
        "named": _saved(named),
        "integers": _saved(POINTS.astype(np.int32)),
        "plane": _saved(POINTS[:, :2]),
        "version_2": file_of(HEAD.format("'<f8'", False, (3, 4)), version=2),
        "version_3": file_of(HEAD.format("'<f8'", False, (3, 4)), version=3),
        "python_2": file_of(HEAD.format("'<f8'", False, "(3L, 4L)")),
    }


def corpus() -> dict[str, bytes]:
    files = {name: file_of(header) for name, header in HEADERS.items()}
    good = seeds()["plain"]
    for length in (1, 5, 8, 20, 100, len(good) - 1):
        files[f"cut_{length}"] = good[:length]
    files["too_long"] = good + b"\0"
    files["version_9"] = good[:6] + b"\x09" + good[7:]
    files["header_length"] = good[:8] + b"\xff\xff" + good[10:]
    files["header_length_32"] = file_of("{}", version=2)[:8] + b"\xff\xff\xff\xff" + bytes(20)
    for name, value in (("nan", np.nan), ("infinite", np.inf)):
        files[name] = _saved(np.where(POINTS == 1, value, POINTS))
    longest = HEAD.format("'<f16'", False, (2, 3))
    files["beyond_64_bits"] = file_of(longest, b"\xff" * 14 + b"\x7e\0" + b"\xff" * 80)
    files["text"] = b"hello, I am no mesh\n"
    files["random"] = bytes(range(256)) * 3
    return files
