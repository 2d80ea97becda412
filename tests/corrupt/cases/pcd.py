"""Malformed PCD: three points, ascii, binary or compressed, with one thing wrong each."""

from __future__ import annotations

import struct

SUFFIX = ".pcd"
HEAD = """# .PCD v0.7 - Point Cloud Data file format
VERSION 0.7
FIELDS x y z rgb tag
SIZE 4 4 4 4 2
TYPE F F F U I
COUNT 1 1 1 1 2
WIDTH 3
HEIGHT 1
VIEWPOINT 0 0 0 1 0 0 0
POINTS 3
DATA ascii
"""
ASCII = HEAD + "0 0 0 1 2 3\n1 0 0 4 5 6\n1 1 0 7 8 9\n"
ROWS = [(0, 0, 0, 1, 2, 3), (1, 0, 0, 4, 5, 6), (1, 1, 0, 7, 8, 9)]
TEXT = {
    "number_missing": ("1 1 0 7 8 9", "1 1 0 7 8"),
    "number_too_many": ("1 1 0 7 8 9", "1 1 0 7 8 9 9"),
    "number_text": ("1 1 0 7 8 9", "1 one 0 7 8 9"),
    "number_underscore": ("1 1 0 7 8 9", "1 1_0 0 7 8 9"),
    "tag_out_of_its_type": ("1 1 0 7 8 9", "1 1 0 7 8 70000"),
    "tag_float": ("1 1 0 7 8 9", "1 1 0 7 8 9.5"),
    "colour_negative": ("1 1 0 7 8 9", "1 1 0 -7 8 9"),
    "points_many": ("POINTS 3", f"POINTS {10**10}"),
    "points_beyond_64_bits": ("POINTS 3", f"POINTS {10**30}"),
    "points_negative": ("POINTS 3", "POINTS -3"),
    "points_text": ("POINTS 3", "POINTS three"),
    "points_differ": ("POINTS 3", "POINTS 2"),
    "width_many": ("WIDTH 3", f"WIDTH {10**12}"),
    "height_many": ("HEIGHT 1", f"HEIGHT {10**17}"),
    "size_three": ("SIZE 4 4 4 4 2", "SIZE 4 4 4 3 2"),
    "size_enormous": ("SIZE 4 4 4 4 2", f"SIZE 4 4 4 {2**40} 2"),
    "size_missing": ("SIZE 4 4 4 4 2", "SIZE 4 4 4 4"),
    "size_zero": ("SIZE 4 4 4 4 2", "SIZE 4 4 4 4 0"),
    "type_unknown": ("TYPE F F F U I", "TYPE F F F U X"),
    "type_half": ("SIZE 4 4", "SIZE 2 4"),
    "count_enormous": ("COUNT 1 1 1 1 2", f"COUNT 1 1 1 1 {10**12}"),
    "count_negative": ("COUNT 1 1 1 1 2", "COUNT 1 1 1 1 -2"),
    "count_missing": ("COUNT 1 1 1 1 2", "COUNT 1 1"),
    "fields_missing": ("FIELDS x y z rgb tag\n", ""),
    "fields_without_x": ("FIELDS x y", "FIELDS a b"),
    "x_is_a_vector": ("COUNT 1 1 1 1 2", "COUNT 2 1 1 1 1"),
    "data_unknown": ("DATA ascii", "DATA morse"),
    "data_missing": ("DATA ascii\n", ""),
    "key_unknown": ("WIDTH 3", "BREADTH 3"),
    "viewpoint_text": ("VIEWPOINT 0 0 0 1 0 0 0", "VIEWPOINT a b c d e f g"),
    "no_count_at_all": ("WIDTH 3\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS 3\n", ""),
}


def _head(kind: str) -> bytes:
    return HEAD.replace("ascii", kind).encode()


def _compressed(packed: bytes, plain: int) -> bytes:
    return _head("binary_compressed") + struct.pack("<II", len(packed), plain) + packed


def _lzf() -> bytes:
    """The rows field after field; zeros as copies of the byte before them."""
    columns = list(zip(*ROWS, strict=True))
    raw = b"".join(struct.pack("<3f", *columns[i]) for i in range(3))
    raw += struct.pack("<3I", *columns[3])
    raw += b"".join(struct.pack("<2h", *row[4:]) for row in ROWS)
    out = b"".join(bytes([len(raw[a : a + 20]) - 1]) + raw[a : a + 20] for a in range(0, 20, 20))
    at = 20
    while at < len(raw):
        if raw[at : at + 4] == bytes(4) and raw[at - 1 : at] == b"\0":
            out += bytes([2 << 5, 0])
            at += 4
        else:
            out += bytes([0]) + raw[at : at + 1]
            at += 1
    return out


def seeds() -> dict[str, bytes]:
    body = b"".join(struct.pack("<3fI2h", *row) for row in ROWS)
    organised = HEAD.replace("WIDTH 3", "WIDTH 1").replace("HEIGHT 1", "HEIGHT 3")
    return {
        "ascii": ASCII.encode(),
        "binary": _head("binary") + body,
        "compressed": _compressed(_lzf(), 60),
        "organised": (organised + "0 0 0 1 2 3\nnan nan nan 4 5 6\n1 1 0 7 8 9\n").encode(),
        "old": b"VERSION .5\nFIELDS x y\nSIZE 4 4\nTYPE F F\nPOINTS 1\nDATA ascii\n1 2\n",
    }


def corpus() -> dict[str, bytes]:
    files = {name: ASCII.replace(old, new, 1).encode() for name, (old, new) in TEXT.items()}
    good = seeds()
    for cut in (1, 30, 59):
        files[f"binary_cut_{cut}"] = good["binary"][:-cut]
        files[f"compressed_cut_{cut}"] = good["compressed"][:-cut]
    packed = _lzf()
    files["compressed_plain_enormous"] = _compressed(packed, 2**32 - 1)
    files["compressed_plain_small"] = _compressed(packed, 59)
    files["compressed_short"] = _compressed(packed[:-1], 60)
    files["compressed_before_start"] = _compressed(b"\xff\xff\xff\xff" + packed[4:], 60)
    files["compressed_bomb"] = _compressed(b"\0\0" + b"\xe0\xff\0" * 100, 60)
    many = HEAD.replace("3\n", f"{10**9}\n").replace("ascii", "binary_compressed").encode()
    files["compressed_many"] = many + struct.pack("<II", 100, 20 * 10**9 % 2**32) + bytes(100)
    files["ascii_cut"] = ASCII.encode()[:-9]
    files["header_cut"] = ASCII.encode()[:100]
    files["text"] = b"hello, I am no mesh\n"
    files["random"] = bytes(range(256)) * 3
    return files
