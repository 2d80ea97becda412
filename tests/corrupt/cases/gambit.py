"""GAMBIT neutral files."""

SUFFIX = ".neu"

GOOD = b"""        CONTROL INFO 2.0.0
** GAMBIT NEUTRAL FILE
by hand
PROGRAM:                Gambit     VERSION:  2.0.0
 4 Jan 2000    13:07:49
     NUMNP     NELEM     NGRPS    NBSETS     NDFCD     NDFVL
         9         2         1         2         3         3
ENDOFSECTION
   NODAL COORDINATES 2.0.0
         1    0.0000000000e+00    0.0000000000e+00    0.0000000000e+00
         2    1.0000000000e+00    0.0000000000e+00    0.0000000000e+00
         3    0.0000000000e+00    1.0000000000e+00    0.0000000000e+00
         4    1.0000000000e+00    1.0000000000e+00    0.0000000000e+00
         5    0.0000000000e+00    0.0000000000e+00    1.0000000000e+00
         6    1.0000000000e+00    0.0000000000e+00    1.0000000000e+00
         7    0.0000000000e+00    1.0000000000e+00    1.0000000000e+00
         8    1.0000000000e+00    1.0000000000e+00    1.0000000000e+00
        19    5.0000000000e-01    5.0000000000e-01    2.5000000000e+00
ENDOFSECTION
      ELEMENTS/CELLS 2.0.0
       1  4  8        1       2       3       4       5       6       7
                      8
      12  7  5        5       6       7       8      19
ENDOFSECTION
       ELEMENT GROUP 2.0.0
GROUP:          1 ELEMENTS:          2 MATERIAL:          2 NFLAGS:          1
                           fluid
       0
       1      12
ENDOFSECTION
 BOUNDARY CONDITIONS 2.0.0
                          in let       1       2       0       6
         1    4    5
        12    7    2
ENDOFSECTION
 BOUNDARY CONDITIONS 2.0.0
                             top       0       1       0      24
        19
ENDOFSECTION
"""
ROWS = b"1       2       3       4       5       6       7\n                      8"
RING = b"1       2       4       3       5       6       8\n                      7"
AROUND = GOOD.replace(ROWS, RING).replace(
    b"5       6       7       8      19", b"5       6       8       7      19"
)
PLANE = b"""        CONTROL INFO 1.3.0
** GAMBIT NEUTRAL FILE
NUMNP NELEM NGRPS NBSETS NDFCD NDFVL
4 2 0 1 2 2
ENDOFSECTION
NODAL COORDINATES 1.3.0
1 0 0
2 1 0
3 1 1
4 0 1
ENDOFSECTION
ELEMENTS/CELLS 1.3.0
1 3 3 1 2 3
2 3 3 1 3 4
ENDOFSECTION
BOUNDARY CONDITIONS 1.3.0
wall 1 2 0 6
1 3 1
2 3 2
ENDOFSECTION
"""


def seeds():
    return {
        "good": GOOD, "around": AROUND, "plane": PLANE, "crlf": GOOD.replace(b"\n", b"\r\n"),
    }  # fmt: skip


def corpus():
    out = {"empty": b"", "text": b"hello, I am no mesh\n", "zeros": bytes(100)}
    out |= {f"cut {n}": GOOD[:n] for n in (30, 240, 330, 500, 800, 1220, 1300)}
    edits = [
        ("nodes 10^12", b"         9         2 ", b" 1000000000000       2 "),
        ("nodes -1", b"         9         2 ", b"        -1         2 "),
        ("nodes 8", b"         9         2 ", b"         8         2 "),
        ("elements 10^12", b"         9         2 ", b"         9 1000000000000 "),
        ("elements -1", b"         9         2 ", b"         9        -1 "),
        ("elements 1", b"         9         2 ", b"         9         1 "),
        ("counts text", b"         9         2 ", b"      nine         2 "),
        ("4 dimensions", b"         3         3\nEND", b"         4         3\nEND"),
        ("nan", b"2.5000000000e+00", b"             nan"),
        ("infinite", b"2.5000000000e+00", b"           1e999"),
        ("coordinate text", b"2.5000000000e+00", b"            here"),
        ("coordinate underscore", b"2.5000000000e+00", b"             2_5"),
        ("label a fraction", b"        19    5.0", b"      19.5    5.0"),
        ("label huge", b"        19    5.0", b"      9e99    5.0"),
        ("label infinite", b"        19    5.0", b"       inf    5.0"),
        ("node unknown", b"8      19\n", b"8      20\n"),
        ("node negative", b"8      19\n", b"8     -19\n"),
        ("node 2^62", b"8      19\n", b"8 4611686018427387904\n"),
        ("node beyond 64 bits", b"8      19\n", b"8 99999999999999999999\n"),
        ("node text", b"8      19\n", b"8       x\n"),
        ("node missing", b"8      19\n", b"8\n"),
        ("type 8", b"      12  7  5 ", b"      12  8  5 "),
        ("tetrahedron of 5", b"      12  7  5 ", b"      12  6  5 "),
        ("element of 10^12", b"      12  7  5 ", b"      12  7 1000000000000 "),
        ("element of -5", b"      12  7  5 ", b"      12  7 -5 "),
        ("group of 3", b"ELEMENTS:          2", b"ELEMENTS:          3"),
        ("group of 10^12", b"ELEMENTS:          2", b"ELEMENTS: 1000000000000"),
        ("group unknown element", b"       1      12\nEND", b"       1      13\nEND"),
        ("group without head", b"GROUP:          1", b"group one"),
        ("condition of 3", b"in let       1       2", b"in let       1       3"),
        ("condition of 10^12", b"in let       1       2", b"in let       1 1000000000000"),
        ("condition of -1", b"in let       1       2", b"in let       1      -1"),
        ("condition of kind 5", b"in let       1       2", b"in let       5       2"),
        ("condition values 10^12", b"2       0       6", b"2 1000000000000 6"),
        ("condition side 7", b"        12    7    2", b"        12    7    7"),
        ("condition side 0", b"        12    7    2", b"        12    7    0"),
        ("condition side a fraction", b"        12    7    2", b"        12    7  2.5"),
        ("condition side infinite", b"        12    7    2", b"        12    7  inf"),
        ("condition unknown element", b"        12    7    2", b"        13    7    2"),
        ("condition unknown node", b"24\n        19", b"24\n        20"),
        ("no elements", b"ELEMENTS/CELLS", b"ELEMENTS"),
        ("no coordinates", b"NODAL COORDINATES", b"NODAL"),
    ]
    for name, old, new in edits:
        assert old in GOOD, name
        out[name] = GOOD.replace(old, new, 1)
    return {name.replace(" ", "_"): data for name, data in out.items()}
