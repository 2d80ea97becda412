"""Malformed PLY: two triangles, ascii or binary, with one thing wrong each."""

from __future__ import annotations

import struct

SUFFIX = ".ply"
HEAD = """ply
format {} 1.0
comment made by hand
element vertex 4
property float x
property float y
property float z
property uchar red
element face 2
property list uchar int vertex_indices
property short tag
end_header
"""
ASCII = HEAD.format("ascii") + "0 0 0 1\n1 0 0 2\n1 1 0 3\n0 1 0 4\n3 0 1 2 7\n3 0 2 3 8\n"
MIXED = HEAD.format("ascii") + "0 0 0 1\n1 0 0 2\n1 1 0 3\n0 1 0 4\n4 0 1 2 3 7\n3 0 2 3 8\n"

TEXT = {
    "node_out_of_range": ("3 0 2 3 8", "3 0 2 4 8"),
    "node_negative": ("3 0 2 3 8", "3 0 2 -1 8"),
    "node_enormous": ("3 0 2 3 8", f"3 0 2 {2**62} 8"),
    "node_beyond_64_bits": ("3 0 2 3 8", f"3 0 2 {2**70} 8"),
    "node_float": ("3 0 2 3 8", "3 0 2 2.5 8"),
    "node_text": ("3 0 2 3 8", "3 0 2 three 8"),
    "node_nan": ("3 0 2 3 8", "3 0 2 nan 8"),
    "list_too_long": ("3 0 2 3 8", "9 0 2 3 8"),
    "list_enormous": ("3 0 2 3 8", f"{10**12} 0 2 3 8"),
    "list_negative": ("3 0 2 3 8", "-3 0 2 3 8"),
    "list_without_tag": ("3 0 2 3 8", "3 0 2 3"),
    "tag_out_of_its_type": ("3 0 2 3 8", "3 0 2 3 70000"),
    "tag_underscore": ("3 0 2 3 8", "3 0 2 3 1_0"),
    "colour_out_of_its_type": ("1 1 0 3", "1 1 0 256"),
    "colour_negative": ("1 1 0 3", "1 1 0 -1"),
    "colour_float": ("1 1 0 3", "1 1 0 0.5"),
    "coordinate_missing": ("1 1 0 3", "1 1"),
    "coordinate_text": ("1 1 0 3", "1 one 0 3"),
    "coordinate_nan": ("1 1 0 3", "1 nan 0 3"),
    "coordinate_overflow": ("1 1 0 3", "1 1e39 0 3"),
    "vertices_many": ("vertex 4", f"vertex {10**10}"),
    "vertices_beyond_64_bits": ("vertex 4", f"vertex {10**30}"),
    "vertices_negative": ("vertex 4", "vertex -4"),
    "vertices_one_too_many": ("vertex 4", "vertex 5"),
    "vertices_one_too_few": ("vertex 4", "vertex 3"),
    "faces_many": ("face 2", f"face {10**12}"),
    "faces_one_too_many": ("face 2", "face 3"),
    "faces_text": ("face 2", "face two"),
    "no_vertex": ("element vertex", "element something"),
    "no_x": ("property float x", "property float abc"),
    "type_unknown": ("float x", "quadruple x"),
    "list_count_is_float": ("list uchar int", "list float int"),
    "list_type_missing": ("list uchar int vertex_indices", "list uchar vertex_indices"),
    "property_before_element": ("element vertex 4\n", ""),
    "format_unknown": ("format ascii 1.0", "format binary_middle_endian 1.0"),
    "format_missing": ("format ascii 1.0\n", ""),
    "end_missing": ("end_header", "something"),
    "magic": ("ply\n", "plx\n"),
    "line_unknown": ("comment made", "remark made"),
}


def _binary(order: str, quad: bool = False) -> bytes:
    name = {"<": "binary_little_endian", ">": "binary_big_endian"}[order]
    out = HEAD.format(name).encode()
    for x, y, red in ((0, 0, 1), (1, 0, 2), (1, 1, 3), (0, 1, 4)):
        out += struct.pack(order + "fffB", x, y, 0, red)
    first = (4, 0, 1, 2, 3) if quad else (3, 0, 1, 2)
    out += struct.pack(f"{order}B{first[0]}ih", *first, 7)
    return out + struct.pack(order + "B3ih", 3, 0, 2, 3, 8)


def seeds() -> dict[str, bytes]:
    strips = (
        "ply\nformat ascii 1.0\nelement vertex 4\nproperty double x\nproperty double y\n"
        "property double z\nelement tristrips 1\nproperty list int int vertex_indices\n"
        "element edge 1\nproperty int vertex1\nproperty int vertex2\nproperty float w\n"
        "element other 1\nproperty list uchar float a\nproperty int b\nend_header\n"
        "0 0 0\n1 0 0\n1 1 0\n0 1 0\n8 0 1 2 3 -1 2 1 0\n0 1 0.5\n2 1.5 2.5 9\n"
    )
    plain = "ply\nformat {} 1.0\nelement vertex 1\nproperty float x\nproperty float y\nend_header\n"
    only = HEAD.format("binary_little_endian").replace("property short tag\n", "").encode()
    points = struct.pack("<fffB", 0, 0, 0, 1) * 4
    return {
        "ascii": ASCII.encode(),
        "mixed": MIXED.encode(),
        "windows": ASCII.replace("\n", "\r\n").encode(),
        "little": _binary("<"),
        "big": _binary(">"),
        "little_mixed": _binary("<", True),
        "big_mixed": _binary(">", True),
        "lists_alone": only + points + struct.pack("<B3iB4i", 3, 0, 1, 2, 4, 0, 1, 2, 3),
        "strips": strips.encode(),
        "cloud": plain.format("ascii").encode() + b"1 2\n",
        "cloud_binary": plain.format("binary_big_endian").encode() + struct.pack(">2f", 1, 2),
    }


def corpus() -> dict[str, bytes]:
    files = {name: ASCII.replace(old, new, 1).encode() for name, (old, new) in TEXT.items()}
    good = seeds()
    for name in ("little", "big", "little_mixed", "lists_alone"):
        for cut in (1, 9, 30, 70):
            files[f"{name}_cut_{cut}"] = good[name][:-cut]
    for name, value in (("many", 2**31), ("enormous", 10**17)):
        files[f"binary_vertices_{name}"] = good["little"].replace(b"x 4", f"x {value}".encode())
        files[f"binary_faces_{name}"] = good["little"].replace(b"face 2", f"face {value}".encode())
    floats = good["little"].replace(b"list uchar int", b"list uchar float")
    files["binary_nodes_nan"] = floats[:-6] + b"\xff" * 4 + floats[-2:]
    edges = good["little"].replace(b"face 2", b"edge 1").replace(b"short tag", b"double vertex1")
    edges = edges.replace(b"list uchar int vertex_indices", b"double vertex2")
    end = edges.index(b"end_header\n") + 11 + 4 * 13  # behind the points
    files["binary_edges_enormous"] = edges[:end] + struct.pack("<2d", 0, 1e300)
    files["binary_list_longer"] = good["little"][:-15] + b"\xff" + good["little"][-14:]
    files["binary_node"] = good["big"][:-3] + b"\x7f" + good["big"][-2:]
    files["binary_nan"] = good["little"].replace(
        struct.pack("<f", 1), struct.pack("<I", 0x7FC00000)
    )
    count = HEAD.format("binary_little_endian").replace("list uchar int", "list int int").encode()
    body = struct.pack("<fffB", 0, 0, 0, 1) * 4
    for name, value in (("negative", -3), ("enormous", 2**31 - 1)):
        files[f"binary_count_{name}"] = count + body + struct.pack("<iiiih", value, 0, 1, 2, 7) * 2
    files["ascii_cut"] = ASCII.encode()[:-12]
    files["header_cut"] = ASCII.encode()[:100]
    files["random"] = b"ply\n" + bytes(range(256))
    return files
