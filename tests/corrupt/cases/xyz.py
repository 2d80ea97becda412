"""Malformed point clouds in text without names."""

from __future__ import annotations

SUFFIX = ".xyz"
GOOD = "0 0 0 7\n1 0 0 8\n1 1 0 9\n"
TEXT = {
    "number_missing": ("1 1 0 9", "1 1 0"),
    "number_too_many": ("1 1 0 9", "1 1 0 9 9"),
    "text": ("1 1 0 9", "one 1 0 9"),
    "underscore": ("1 1 0 9", "1_0 1 0 9"),
    "hexadecimal": ("1 1 0 9", "0x1 1 0 9"),
    "nan": ("1 1 0 9", "nan 1 0 9"),
    "infinite": ("1 1 0 9", "-inf 1 0 9"),
    "overflow": ("1 1 0 9", "1e999 1 0 9"),
    "endless": ("1 1 0 9", "9" * 900 + " 1 0 9"),
    "complex": ("1 1 0 9", "1j 1 0 9"),
    "quotes": ("1 1 0 9", '"1 1 0 9'),
    "two_decimal_points": ("1 1 0 9", "1.2.3 1 0 9"),
    "cut": ("1 1 0 9\n", "1 1"),
    "nul": ("1 1 0 9", "1 1 \0 9"),
}


def seeds() -> dict[str, bytes]:
    return {
        "plain": GOOD.encode(),
        "counted": b"2\n\nC 0 0 0\nH 1.5 0 0\n",
        "named": b"# x y z value\n0 0 0 7\n\n1 0 0 8 # a comment\n",
        "commas": b"0,0,0\r\n1,0,0\r\n",
        "plane": b"0\t0\n1\t2\n",
    }


def corpus() -> dict[str, bytes]:
    files = {name: GOOD.replace(old, new, 1).encode() for name, (old, new) in TEXT.items()}
    files["one_column"] = b"1\n2\n3\n"
    files["only_comments"] = b"# x y z\n# nothing\n"
    files["only_white"] = b" \n\t\n"
    files["prose"] = b"hello, I am no mesh\nnot at all\n"
    files["page"] = b"<html><body>404 not found</body></html>"
    files["random"] = bytes(range(256)) * 3
    files["binary_behind_text"] = GOOD.encode() + bytes(range(128, 256))
    files["count_alone"] = b"3\nwater\n"
    files["plot3d"] = (2).to_bytes(4, "little") + bytes(60)
    files["many_columns"] = b"1 " * 900 + b"\n2\n"
    return files
