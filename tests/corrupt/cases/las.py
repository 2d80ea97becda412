"""Malformed LAS and LAZ: three points with one thing wrong each."""

from __future__ import annotations

import struct
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from meshop.io.las import write_las
from meshop.mesh import Mesh

SUFFIX = ".las"


@cache
def _saved(format: int, suffix: str, extra: bool = False) -> bytes:
    points = [[0, 0, 0], [1, 0, 0], [1, 1, 2]]
    data = {"intensity": np.array([1, 2, 3], np.uint16), "return_number": np.ones(3, np.uint8)}
    if extra:
        data["quality"] = np.array([0.5, 1.5, 2.5])
    storage = {"las_format": str(format), "las_scale": "0.01 0.01 0.01", "las_offset": "0 0 0"}
    mesh = Mesh.from_blocks(points, point_data=data)
    mesh.storage.update(storage)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a{suffix}")
        write_las(mesh, path)
        return path.read_bytes()


def seeds() -> dict[str, bytes]:
    files = {f"format_{i}": _saved(i, ".las") for i in range(11)}
    files |= {"extra": _saved(6, ".las", True)}
    files |= {f"packed_{i}": _saved(i, ".laz") for i in (0, 3, 6, 7, 8)}
    return files | {"packed_extra": _saved(7, ".laz", True)}


def _changed(data: bytes, at: int, form: str, *values: float) -> bytes:
    word = struct.pack("<" + form, *values)
    return data[:at] + word + data[at + len(word) :]


def corpus() -> dict[str, bytes]:
    good, extra, packed = _saved(6, ".las"), _saved(6, ".las", True), _saved(6, ".laz")
    old = _changed(_saved(3, ".laz"), 25, "B", 2)
    files = {
        "magic": b"LASX" + good[4:],
        "format_11": _changed(good, 104, "B", 11),
        "format_packed_but_not": _changed(good, 104, "B", 6 | 128),
        "length_short": _changed(good, 105, "H", 29),
        "length_long": _changed(good, 105, "H", 65535),
        "count_one_too_many": _changed(good, 247, "Q", 4),
        "count_many": _changed(good, 247, "Q", 10**12),
        "count_enormous": _changed(good, 247, "Q", 2**64 - 1),
        "start_behind_the_end": _changed(good, 96, "I", 10**6),
        "start_enormous": _changed(good, 96, "I", 2**32 - 1),
        "start_in_header": _changed(extra, 96, "I", 10),
        "records_many": _changed(good, 100, "I", 2**32 - 1),
        "records_one_too_many": _changed(good, 100, "I", 1),
        "record_long": _changed(extra, 375 + 20, "H", 65535),
        "header_size": _changed(extra, 94, "H", 65535),
        "header_size_small": _changed(extra, 94, "H", 3),
        "scale_nan": _changed(good, 131, "d", float("nan")),
        "scale_infinite": _changed(good, 131, "d", float("inf")),
        "scale_enormous": _changed(good, 131, "d", 1e308),
        "offset_nan": _changed(good, 155, "d", float("nan")),
        "extra_type": _changed(extra, 375 + 54 + 2, "B", 31),
        "extra_too_wide": _changed(extra, 375 + 54 + 2, "B", 30),
        "extra_undocumented": _changed(extra, 375 + 54 + 2, "BB", 0, 255),
        "packed_count": _changed(packed, 247, "Q", 10**6),
        "packed_count_enormous": _changed(packed, 247, "Q", 2**63),
        "packed_no_record": _changed(packed, 375 + 2, "16s", b"something"),
        "packed_old_count": _changed(old, 107, "I", 2**32 - 1),
    }
    record, start = 375 + 54, struct.unpack_from("<I", packed, 96)[0]
    table = struct.unpack_from("<q", packed, start)[0]
    files |= {
        "packed_method": _changed(packed, record, "H", 9),
        "packed_coder": _changed(packed, record + 2, "H", 9),
        "packed_items": _changed(packed, record + 32, "H", 65535),
        "packed_no_items": _changed(packed, record + 32, "H", 0),
        "packed_item_type": _changed(packed, record + 34, "H", 5),
        "packed_item_size": _changed(packed, record + 36, "H", 31),
        "packed_chunk_size": _changed(packed, record + 12, "I", 1),
        "packed_table_enormous": _changed(packed, start, "q", 2**62),
        "packed_table_negative": _changed(packed, start, "q", -5),
        "packed_table_at_end": _changed(packed, start, "q", -1),
        "packed_chunks_many": _changed(packed, table + 4, "I", 2**32 - 1),
        "packed_layer_enormous": _changed(packed, start + 8 + 34, "I", 2**32 - 1),
        "packed_layers_enormous": _changed(packed, start + 8 + 34, "9I", *[2**31] * 9),
    }
    for cut in (1, 40, 89):
        files[f"cut_{cut}"] = good[:-cut]
    for cut in (1, 10, 60):
        files[f"packed_cut_{cut}"] = packed[:-cut]
    for length in (4, 100, 226, 300):
        files[f"header_cut_{length}"] = good[:length]
    files["text"] = b"hello, I am no mesh\n"
    files["random"] = b"LASF" + bytes(range(256))
    return files
