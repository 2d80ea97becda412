"""Malformed SU2 solution files, binary and ascii."""

from __future__ import annotations

import struct

SUFFIX = ".dat"
ASCII = '"PointID"\t"x"\t"y"\t"Pressure"\n0\t0\t0\t1.5\n1\t1\t0\t2.5\n2\t0\t1\t3\nAOA= 1.25\n'
MAGIC = 535532


def binary(
    order: str = "<",
    head: tuple[int, ...] = (MAGIC, 3, 2, 1, 8),
    names: tuple[str, ...] = ("x", "y", "Density"),
    values: tuple[float, ...] = (0, 0, 1.5, 1, 0, 2.5),
) -> bytes:
    data = struct.pack(f"{order}5i", *head)
    data += b"".join(name.encode().ljust(33, b"\0") for name in names)
    data += struct.pack(f"{order}{len(values)}d", *values)
    return data + struct.pack(f"{order}i8d", 10, *range(8))


def seeds() -> dict[str, bytes]:
    """Good files: binary of both byte orders, ascii."""
    return {"little": binary(), "big": binary(">"), "ascii": ASCII.encode()}


def corpus() -> dict[str, bytes]:
    """The files of the corpus by name."""
    nan, inf = float("nan"), float("inf")
    good = binary()
    files = {
        "variables_many": binary(head=(MAGIC, 2**31 - 1, 2, 1, 8)),
        "variables_negative": binary(head=(MAGIC, -3, 2, 1, 8)),
        "variables_none": binary(head=(MAGIC, 0, 2, 1, 8)),
        "variables_one": binary(head=(MAGIC, 1, 2, 1, 8)),
        "points_many": binary(head=(MAGIC, 3, 2**31 - 1, 1, 8)),
        "points_negative": binary(head=(MAGIC, 3, -2, 1, 8)),
        "points_more_than_bytes": binary(head=(MAGIC, 3, 20, 1, 8)),
        "metadata_negative": binary(head=(MAGIC, 3, 2, -1, 8)),
        "doubles_negative": binary(head=(MAGIC, 3, 2, 1, -8)),
        "header_only": good[:20],
        "header_cut": good[:12],
        "magic_only": good[:4],
        "names_cut": good[:60],
        "values_cut": good[:140],
        "no_x": binary(names=("u", "y", "Density")),
        "no_y": binary(names=("x", "v", "Density")),
        "two_x": binary(names=("x", "y", "x")),
        "names_empty": binary(names=("", "", "")),
        "points_nan": binary(values=(0, nan, 1.5, 1, 0, 2.5)),
        "points_infinite": binary(values=(0, 0, 1.5, inf, 0, 2.5)),
        "byte_orders_mixed": binary("<")[:4] + binary(">")[4:],
        "ascii_row_short": ASCII.replace("\t2.5", "").encode(),
        "ascii_row_long": ASCII.replace("\t2.5", "\t2.5\t3").encode(),
        "ascii_text": ASCII.replace("2.5", "high").encode(),
        "ascii_no_x": ASCII.replace('"x"', '"u"').encode(),
        "ascii_nan": ASCII.replace("1\t1\t0", "1\tnan\t0").encode(),
        "ascii_overflow": ASCII.replace("1\t1\t0", "1\t1e999\t0").encode(),
        "ascii_underscore": ASCII.replace("2.5", "2_5").encode(),
        "ascii_names_cut": ASCII.encode()[:22],
        "ascii_value_before_the_end": ASCII.replace("1\t1\t0\t2.5", "1\t1\t0\tx= 2.5").encode(),
    }
    return files
