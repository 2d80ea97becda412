"""I-DEAS universal files."""

SUFFIX = ".unv"

NODES = b"""    -1
  2411
         1         1         1        11
   0.0000000000000000D+00   0.0000000000000000D+00   0.0000000000000000D+00
         2         1         1        11
   1.0000000000000000D+00   0.0000000000000000D+00   0.0000000000000000D+00
         3         1         1        11
   1.0000000000000000D+00   1.0000000000000000D+00   0.0000000000000000D+00
        40         1         1        11
   0.0000000000000000D+00   1.0000000000000000D+00   5.0000000000000000D-01
    -1
"""
ELEMENTS = b"""    -1
  2412
         1        11         2         1         7         2
         0         1         1
         1         2
         2        41         2         1         7         3
         1         2         3
         3        41         2         1         7         3
         1         3        40
         9       111         2         1         7         4
         1         2         3        40
    -1
"""
GROUPS = b"""    -1
  2467
         1         0         0         0         0         0         0         2
wall
         8         2         0         0         8         3         0         0
         2         0         0         0         0         0         0         1
corner
         7        40         0         0
    -1
"""
UNITS = b"    -1\n   164\n         1  SI: Meters (newton)         2\n    -1\n"
OLD = b"""    -1
    15
         1         0         0         0  0.00000E+00  0.00000E+00  0.00000E+00
         2         0         0         0  1.00000E+00  0.00000E+00  0.00000E+00
         3         0         0         0  0.00000E+00  1.00000E+00  0.00000E+00
    -1
    -1
   780
         5        91         1         1         1         1         7         3
         1         2         3
    -1
    -1
  2417
         1         0         0         0         0         0         0         1
face
         8         5
    -1
"""
GOOD = UNITS + NODES + ELEMENTS + GROUPS


def seeds():
    return {"all": GOOD, "old": OLD, "nodes": NODES, "crlf": GOOD.replace(b"\n", b"\r\n")}


def corpus():
    out = {"empty": b"", "text": b"hello, I am no mesh\n", "zeros": bytes(100), "units": UNITS}
    out |= {f"cut {n}": NODES[:n] for n in (10, 60, 140)}
    out |= {
        f"cut all {n}": GOOD[:n] for n in (1000, GOOD.index(b"wall") + 2, GOOD.index(b"corner"))
    }
    edits = [
        ("no nodes", b"  2411\n", b"  9999\n"),
        ("label text", b"        40         1 ", b"        xx         1 "),
        ("label a fraction", b"        40         1 ", b"      40.5         1 "),
        ("label huge", b"        40         1 ", b"      4e99         1 "),
        ("nan", b"5.0000000000000000D-01", b"                   nan"),
        ("infinite", b"5.0000000000000000D-01", b"                 1D999"),
        ("coordinate text", b"5.0000000000000000D-01", b"                  here"),
        ("coordinate underscore", b"5.0000000000000000D-01", b"                   1_0"),
        ("coordinate missing", b"   5.0000000000000000D-01", b""),
        ("coordinate more", b"5.0000000000000000D-01", b"5.0000000000000000D-01 1 2"),
        ("node unknown", b"         1         3        40\n", b"         1         3        41\n"),
        ("node negative", b"         1         3        40\n", b"         1         3       -40\n"),
        ("node 0", b"         1         3        40\n", b"         1         3         0\n"),
        ("node 2^62", b"3        40\n  ", b"3 4611686018427387904\n  "),
        ("node beyond 64 bits", b"3        40\n  ", b"3 99999999999999999999999\n  "),
        ("node text", b"         1         3        40\n", b"         1         3         c\n"),
        ("node missing", b"         1         3        40\n", b"         1         3\n"),
        ("type unknown", b"         9       111 ", b"         9       777 "),
        ("type negative", b"         9       111 ", b"         9      -111 "),
        ("type of other size", b"         9       111 ", b"         9       112 "),
        ("count of nodes 0", b"7         4\n", b"7         0\n"),
        ("count of nodes 10^12", b"7         4\n", b"7 1000000000000\n"),
        ("count of nodes -1", b"7         4\n", b"7        -1\n"),
        ("element cut", b"         1         2         3        40\n    -1", b"    -1"),
        ("element's first row cut", b"2         1         7         4\n         1", b"1"),
        ("fraction for an element", b"         9       111 ", b"       9.5       111 "),
        ("group count 5", b"         0         2\nwall", b"         0         5\nwall"),
        ("group count 10^12", b"         0         2\nwall", b"  1000000000000\nwall"),
        ("group count negative", b"         0         2\nwall", b"         0        -2\nwall"),
        ("group's members text", b"         8         2 ", b"         8         x "),
        ("group without a name", b"corner\n         7        40         0         0\n", b""),
        ("group row short", b"         2" + 6 * b"         0" + b"         1\nc", b"  2   0\nc"),
    ]  # fmt: skip
    for name, old, new in edits:
        assert old in GOOD, name
        out[name] = GOOD.replace(old, new, 1)
    out["old count"] = OLD.replace(b"7         3\n", b"7         4\n")
    return {name.replace(" ", "_"): data for name, data in out.items()}
