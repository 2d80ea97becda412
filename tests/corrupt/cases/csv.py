"""Malformed tables with a line of names."""

from __future__ import annotations

SUFFIX = ".csv"
GOOD = 'id,"x",y,z,name\n1,0,0,0,a\n2,1,0,0,"b, c"\n3,1,1,0,d\n'
TEXT = {
    "cell_missing": ("3,1,1,0,d", "3,1,1,0"),
    "cell_too_many": ("3,1,1,0,d", "3,1,1,0,d,e"),
    "x_text": ("3,1,1,0,d", "3,one,1,0,d"),
    "x_empty": ("3,1,1,0,d", "3,,1,0,d"),
    "x_nan": ("3,1,1,0,d", "3,nan,1,0,d"),
    "x_infinite": ("3,1,1,0,d", "3,inf,1,0,d"),
    "x_overflow": ("3,1,1,0,d", "3,1e999,1,0,d"),
    "x_underscore": ("3,1,1,0,d", "3,1_0,1,0,d"),
    "x_hexadecimal": ("3,1,1,0,d", "3,0x1,1,0,d"),
    "x_endless": ("3,1,1,0,d", "3," + "9" * 900 + ",1,0,d"),
    "no_x": ('"x"', '"abc"'),
    "no_y": (",y,", ",abc,"),
    "nul": ("3,1,1,0,d", "3,1,\0,0,d"),
    "cut": ("3,1,1,0,d\n", "3,1,"),
    "semicolons_in_one_row": ("3,1,1,0,d", "3;1;1;0;d"),
}


def seeds() -> dict[str, bytes]:
    return {
        "text": GOOD.encode(),
        "numbers": b"x,y,z,value\n0,0,0,1\n1,0,0,2.5\n",
        "spreadsheet": b'"p","Points:0","Points:1","Points:2"\n1.5,0,0,0\n2.5,1,0,0\n',
        "missing": b"x,y,value\n0,0,1\n1,0,\n",
        "european": "﻿x;y;z\r\n0,5;1,5;2,5\r\n".encode(),
        "tabs": b"x\ty\tz\n0\t1\t2\n",
        "wide": "x,y\n1,2\n".encode("utf-16"),
    }


def corpus() -> dict[str, bytes]:
    files = {name: GOOD.replace(old, new, 1).encode() for name, (old, new) in TEXT.items()}
    files["names_alone"] = b"x,y,z\n"
    files["names_and_text"] = b"x,y,z\na,b,c\nd,e,f\n"
    files["x_alone"] = b"x\n1\n2\n"
    files["commas"] = b",,,\n,,,\n"
    files["only_comments"] = b"# x,y\n# nothing\n"
    files["prose"] = b"hello, I am no mesh\nnot at all\n"
    files["page"] = b"<html><body>404, not found</body></html>"
    files["random"] = bytes(range(256)) * 3
    files["many_columns"] = b"1," * 900 + b"\n2\n"
    files["long_cell"] = b"x,y,name\n1,2," + b"a" * 1500 + b"\n1,two,b\n"
    return files
