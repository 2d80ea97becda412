"""Malformed OFF: two faces with one thing wrong each."""

from __future__ import annotations

SUFFIX = ".off"
GOOD = """COFF
# a comment
4 2 0
0 0 0 255 0 0 255
1 0 0 255 0 0 255
1 1 0 255 0 0 255
0 1 0 255 0 0 255
3 0 1 2 0.5 0.5 0.5
3 0 2 3 0.5 0.5 0.5
"""
TEXT = {
    "node_out_of_range": ("3 0 2 3", "3 0 2 4"),
    "node_negative": ("3 0 2 3", "3 0 2 -1"),
    "node_enormous": ("3 0 2 3", f"3 0 2 {2**62}"),
    "node_beyond_64_bits": ("3 0 2 3", f"3 0 2 {2**70}"),
    "node_float": ("3 0 2 3", "3 0 2 2.5"),
    "node_nan": ("3 0 2 3", "3 0 2 nan"),
    "node_text": ("3 0 2 3", "3 0 2 three"),
    "size_too_large": ("3 0 2 3", "9 0 2 3"),
    "size_enormous": ("3 0 2 3", f"{10**12} 0 2 3"),
    "size_negative": ("3 0 2 3", "-3 0 2 3"),
    "size_zero_float": ("3 0 2 3", "0.5 0 2 3"),
    "points_many": ("4 2 0", f"{10**10} 2 0"),
    "points_enormous": ("4 2 0", f"{10**30} 2 0"),
    "points_negative": ("4 2 0", "-4 2 0"),
    "points_one_too_many": ("4 2 0", "5 2 0"),
    "points_one_too_few": ("4 2 0", "3 2 0"),
    "points_float": ("4 2 0", "4.5 2 0"),
    "points_nan": ("4 2 0", "nan 2 0"),
    "faces_many": ("4 2 0", f"4 {10**10} 0"),
    "faces_negative": ("4 2 0", "4 -2 0"),
    "faces_one_too_many": ("4 2 0", "4 3 0"),
    "counts_missing": ("4 2 0", "4"),
    "counts_text": ("4 2 0", "four two"),
    "coordinate_missing": ("1 1 0 255 0 0 255", "1 1"),
    "coordinate_text": ("1 1 0 255", "1 one 0 255"),
    "coordinate_nan": ("1 1 0 255", "1 nan 0 255"),
    "coordinate_infinite": ("1 1 0 255", "1 inf 0 255"),
    "coordinate_overflow": ("1 1 0 255", "1 1e999 0 255"),
    "coordinate_underscore": ("1 1 0 255", "1 1_1 0 255"),
    "binary": ("COFF", "COFF BINARY"),
    "keyword": ("COFF", "XOFF"),
    "weights": ("COFF", "C4OFF"),
    "dimension": ("COFF\n# a comment", "nOFF\n7"),
    "dimension_enormous": ("COFF\n# a comment", f"nOFF\n{10**12}"),
}


def seeds() -> dict[str, bytes]:
    plain = "OFF\n3 1 3\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
    return {
        "colours": GOOD.encode(),
        "plain": plain.encode(),
        "one_line": plain.replace("OFF\n", "OFF ").replace("\n", "\r\n").encode(),
        "no_keyword": plain[4:].encode(),
        "plane": b"nOFF\n2\n3 1 3\n0 0\n1 0\n0 1\n3 0 1 2 255 0 0\n",
        "normals": b"NOFF 1 0 0\n0 0 0 0 0 1\n",
        "weights": b"4OFF 1 0 0\n0 0 0 1\n",
    }


def corpus() -> dict[str, bytes]:
    files = {name: GOOD.replace(old, new, 1).encode() for name, (old, new) in TEXT.items()}
    for length in (4, 20, 30, 60, 110):
        files[f"cut_{length}"] = GOOD.encode()[:length]
    files["text"] = b"hello, I am no mesh\n"
    files["random"] = bytes(range(256)) * 3
    return files
