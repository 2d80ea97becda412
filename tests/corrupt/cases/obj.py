"""Malformed OBJ: a quad and a triangle with one thing wrong each."""

from __future__ import annotations

SUFFIX = ".obj"
GOOD = """# a comment
mtllib a.mtl
o part
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
vt 0 0
vt 1 1
vn 0 0 1
g one two
usemtl steel
s 1
f 1/1/1 2/1/1 3/1/1 4/1/1
f -4//1 -3//1 -2//1
l 1 2 3
p 4
"""
TEXT = {
    "point_out_of_range": ("4/1/1", "5/1/1"),
    "point_zero": ("f 1/1/1", "f 0/1/1"),
    "point_before_the_first": ("f -4//1", "f -5//1"),
    "point_enormous": ("4/1/1", f"{2**62}/1/1"),
    "point_beyond_64_bits": ("4/1/1", f"{2**70}/1/1"),
    "point_most_negative": ("4/1/1", f"-{2**63}/1/1"),
    "point_float": ("4/1/1", "4.5/1/1"),
    "point_text": ("4/1/1", "four/1/1"),
    "point_underscore": ("4/1/1", "1_0/1/1"),
    "point_missing": ("4/1/1", "/1/1"),
    "slashes_three": ("4/1/1", "4/1/1/1"),
    "texture_out_of_range": ("4/1/1", "4/9/1"),
    "texture_negative": ("4/1/1", "4/-9/1"),
    "normal_out_of_range": ("4/1/1", "4/1/9"),
    "normal_enormous": ("4/1/1", f"4/1/{2**62}"),
    "normal_beyond_64_bits": ("4/1/1", f"4/1/{10**30}"),
    "line_out_of_range": ("l 1 2 3", "l 1 2 33"),
    "vertex_out_of_range": ("p 4", "p 5"),
    "face_empty": ("l 1 2 3", "f"),
    "line_empty": ("l 1 2 3", "l"),
    "coordinate_missing": ("v 1 1 0", "v 1 1"),
    "coordinate_all_missing": ("v 1 1 0", "v"),
    "coordinate_text": ("v 1 1 0", "v 1 one 0"),
    "coordinate_nan": ("v 1 1 0", "v 1 nan 0"),
    "coordinate_infinite": ("v 1 1 0", "v 1 -inf 0"),
    "coordinate_overflow": ("v 1 1 0", "v 1 1e999 0"),
    "coordinate_underscore": ("v 1 1 0", "v 1 1_0 0"),
    "coordinate_hexadecimal": ("v 1 1 0", "v 1 0x1 0"),
    "coordinate_comma": ("v 1 1 0", "v 1,0 1,0 0,0"),
    "coordinate_endless": ("v 1 1 0", "v 1 " + "9" * 900 + " 0"),
    "normal_text": ("vn 0 0 1", "vn up"),
    "normal_short": ("vn 0 0 1", "vn 0 1"),
    "texture_empty": ("vt 1 1", "vt"),
    "nul": ("v 1 1 0", "v 1 1 \0"),
}


def seeds() -> dict[str, bytes]:
    plain = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    return {
        "all": GOOD.encode(),
        "plain": plain.encode(),
        "windows": plain.replace("\n", "\r\n").encode(),
        "continued": plain.replace("f 1 2", "f 1 \\\n2").encode(),
        "colours": plain.replace(" 0\n", " 0 0.5 0.25 1\n").encode(),
        "cloud": b"v 0 0 0\nvn 0 0 1\nv 1 0 0 1\nvn 0 0 1\n",
    }


def corpus() -> dict[str, bytes]:
    files = {name: GOOD.replace(old, new, 1).encode() for name, (old, new) in TEXT.items()}
    files["no_points"] = b"f 1 2 3\n"
    files["text"] = b"hello, I am no mesh\n"
    files["random"] = bytes(range(256)) * 3
    files["cut_before_points"] = GOOD.encode()[:30]
    files["cut_in_point"] = GOOD.encode()[:42]
    files["binary"] = b"v 0 0 0\n" + bytes(200)
    return files
