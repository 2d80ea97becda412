"""Malformed STL: two triangles, ascii or binary, with one thing wrong each."""

from __future__ import annotations

import struct

SUFFIX = ".stl"
ASCII = """solid part one
facet normal 0 0 1
 outer loop
  vertex 0 0 0
  vertex 1 0 0
  vertex 1 1 0
 endloop
endfacet
facet normal 0 0 1
 outer loop
  vertex 0 0 0
  vertex 1 1 0
  vertex 0 1 0
 endloop
endfacet
endsolid part one
"""
FACET = struct.pack("<12fH", 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0)
BINARY = b"solid in name only".ljust(80) + struct.pack("<I", 2) + 2 * FACET

TEXT = {
    "vertex_missing": ("  vertex 0 1 0\n", ""),
    "vertex_four": ("  vertex 0 1 0\n", "  vertex 0 1 0\n  vertex 0 2 0\n"),
    "coordinate_missing": ("vertex 0 1 0", "vertex 0 1"),
    "coordinate_too_many": ("vertex 0 1 0", "vertex 0 1 0 0"),
    "coordinate_text": ("vertex 0 1 0", "vertex 0 one 0"),
    "coordinate_underscore": ("vertex 0 1 0", "vertex 0 1_0 0"),
    "coordinate_nan": ("vertex 0 1 0", "vertex 0 nan 0"),
    "coordinate_infinite": ("vertex 0 1 0", "vertex 0 inf 0"),
    "coordinate_overflow": ("vertex 0 1 0", "vertex 0 1e999 0"),
    "coordinate_hexadecimal": ("vertex 0 1 0", "vertex 0 0x10 0"),
    "coordinate_endless": ("vertex 0 1 0", "vertex 0 " + "9" * 900 + " 0"),
    "normal_missing": ("facet normal 0 0 1\n", "facet\n"),
    "loop_missing": (" outer loop\n", ""),
    "endloop_missing": (" endloop\n", ""),
    "endfacet_missing": ("endfacet\n", ""),
    "keyword_unknown": ("  vertex 1 0 0", "  corner 1 0 0"),
    "facet_open_at_end": ("endfacet\nendsolid part one\n", ""),
    "other_text": ("facet", "faces"),
    "nul_inside": ("vertex 1 0 0", "vertex 1 0 \0"),
}


def seeds() -> dict[str, bytes]:
    count = struct.pack("<I", 2)
    attribute = FACET[:-2] + b"\x07\x00"
    return {
        "ascii": ASCII.encode(),
        "several": (ASCII + ASCII.replace("part one", "")).replace("\n", "\r\n").encode(),
        "upper": ASCII.upper().replace(" 1 ", " 1.0E+00 ").encode(),
        "binary": BINARY,
        "attribute": bytes(80) + count + 2 * attribute,
        "count_unknown": bytes(80) + bytes(4) + 2 * FACET,
        "padding": bytes(80) + count + 2 * FACET + bytes(100),
        "no_facets": b"solid nothing\nendsolid nothing\n",
    }


def corpus() -> dict[str, bytes]:
    files = {name: ASCII.replace(old, new, 1).encode() for name, (old, new) in TEXT.items()}
    for length in (30, 100, 150, 200):
        files[f"ascii_cut_{length}"] = ASCII.encode()[:length]
    for length in (83, 84, 100, 133, len(BINARY) - 1):
        files[f"binary_cut_{length}"] = bytes(80) + BINARY[80:length]
    for count in (1, 3, 2**31, 2**32 - 2):
        files[f"count_{count}"] = bytes(80) + struct.pack("<I", count) + 2 * FACET
    for name, value in (("nan", float("nan")), ("infinite", float("inf"))):
        facet = FACET[:12] + struct.pack("<f", value) + FACET[16:]
        files[f"binary_{name}"] = bytes(80) + struct.pack("<I", 1) + facet
    files["count_zero_and_part"] = bytes(84) + FACET + FACET[:20]
    files["count_all_ones"] = bytes(80) + b"\xff" * 4 + FACET[:30]
    files["random"] = bytes(range(256)) * 3
    files["page"] = b"<html><body>404 not found</body></html>"
    files["solid_alone"] = b"solid"[:4]
    return files
