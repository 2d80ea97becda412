"""MFEM meshes: conforming, refined, and with nodes of a finite-element space."""

SUFFIX = ".mesh"

PLAIN = b"""MFEM mesh v1.0

# geometries: SEGMENT = 1
dimension
2

elements
3
1 2 0 1 4
2 2 0 4 3
2 3 1 2 5 4

boundary
2
1 1 0 1
7 1 1 2

vertices
6
2
0 0
1 0
2 0
0 1
1 1
2 1
"""
SOLID = b"""MFEM mesh v1.3
dimension
3
elements
3
1 5 0 1 4 3 6 7 10 9
1 6 4 1 5 10 7 11
1 7 11 7 1 5 8
attribute_sets
2
"all" 1 1
"none" 0
boundary
1
1 3 0 3 4 1
bdr_attribute_sets
1
"bottom" 1 1
vertices
12
3
0 0 0 1 0 0 2 0 0 0 1 0 1 1 0 2 1 0 0 0 1 1 0 1 2 0 1 0 1 1 1 1 1 2 1 1
mfem_mesh_end
"""
NODES = (
    PLAIN[: PLAIN.index(b"vertices")]
    + b"""vertices
6

nodes
FiniteElementSpace
FiniteElementCollection: H1_2D_P1
VDim: 2
Ordering: 1

0 0
1 0
2 0
0 1
1 1
2 1
"""
)
CURVED = b"""MFEM mesh v1.0
dimension
2
elements
2
1 3 0 1 4 3
1 2 1 2 4
boundary
1
1 1 0 1
vertices
5

nodes
FiniteElementSpace
FiniteElementCollection: H1_2D_P2
VDim: 2
Ordering: 1

0 0 1 0 2 0 0 1 1 1 .5 0 1 .5 .5 1 0 .5 1.5 0 1.5 .5 .5 .5
"""
REFINED = b"""MFEM NC mesh v1.0
dimension
2
# rank attr geom ref_type nodes/children
elements
3
-1 1 3 1 1 2
0 1 3 0 0 4 5 3
0 1 3 0 4 1 2 5
boundary
1
1 1 0 4
vertex_parents
2
4 0 1
5 2 3
root_state
1
0
coordinates
4
2
0 0
1 0
1 1
0 1
mfem_mesh_end
"""


def seeds():
    return {
        "plain": PLAIN,
        "solid": SOLID,
        "nodes": NODES,
        "by nodes": NODES.replace(b"Ordering: 1", b"Ordering: 0"),
        "refined": REFINED,
        "curved": CURVED,
        "crlf": PLAIN.replace(b"\n", b"\r\n"),
    }


def corpus():
    out = {"empty": b"", "title alone": PLAIN[:15], "zeros": b"MFEM " + bytes(200)}
    out |= {f"cut {n}": PLAIN[:n] for n in (40, 64, 72, 85, 100, 135, 160, len(PLAIN) - 4)}
    edits = {
        "plain": [
            ("no version", b"v1.0", b"v2.0"),
            ("INLINE", b"MFEM mesh v1.0", b"MFEM INLINE mesh v1.0"),
            ("NURBS", b"MFEM mesh", b"MFEM NURBS mesh"),
            ("dimension 4", b"dimension\n2", b"dimension\n4"),
            ("dimension text", b"dimension\n2", b"dimension\ntwo"),
            ("no elements", b"elements\n3", b"cells\n3"),
            ("more elements", b"elements\n3", b"elements\n4"),
            ("fewer elements", b"elements\n3", b"elements\n2"),
            ("many elements", b"elements\n3", b"elements\n100000000000"),
            ("negative count", b"elements\n3", b"elements\n-3"),
            ("count beyond 64 bits", b"elements\n3", b"elements\n99999999999999999999999"),
            ("geometry 9", b"1 2 0 1 4", b"1 9 0 1 4"),
            ("geometry -1", b"1 2 0 1 4", b"1 -1 0 1 4"),
            ("node out of range", b"1 2 0 1 4", b"1 2 0 1 6"),
            ("node negative", b"1 2 0 1 4", b"1 2 0 1 -4"),
            ("node 2^62", b"1 2 0 1 4", b"1 2 0 1 4611686018427387904"),
            ("node beyond 64 bits", b"1 2 0 1 4", b"1 2 0 1 99999999999999999999"),
            ("node text", b"1 2 0 1 4", b"1 2 0 1 x"),
            ("node a fraction", b"1 2 0 1 4", b"1 2 0 1 1.5"),
            ("node underscore", b"1 2 0 1 4", b"1 2 0 0_1 4"),
            ("too few nodes", b"2 3 1 2 5 4", b"2 3 1 2 5"),
            ("boundary count", b"boundary\n2", b"boundary\n9"),
            ("no vertices", b"vertices\n", b"points\n"),
            ("vertex count", b"vertices\n6", b"vertices\n7"),
            ("vertices many", b"vertices\n6\n2", b"vertices\n1000000000000\n2"),
            ("vertices of 5", b"vertices\n6\n2", b"vertices\n6\n5"),
            ("nan", b"2 1\n", b"2 nan\n"),
            ("infinite", b"2 1\n", b"2 1e999\n"),
            ("coordinate text", b"2 1\n", b"2 one\n"),
            ("coordinate missing", b"2 1\n", b"2\n"),
            ("coordinate underscore", b"2 1\n", b"2 1_0\n"),
        ],
        "nodes": [
            ("space L2", b"H1_2D_P1", b"L2_T1_2D_P1"),
            ("space NURBS", b"H1_2D_P1", b"NURBS2"),
            ("VDim 0", b"VDim: 2", b"VDim: 0"),
            ("VDim 5", b"VDim: 2", b"VDim: 5"),
            ("Ordering 2", b"Ordering: 1", b"Ordering: 2"),
            ("no space", b"FiniteElementSpace\n", b""),
            ("too few values", b"2 1\n", b""),
            ("value text", b"2 1\n", b"2 y\n"),
            ("more vertices than values", b"vertices\n6", b"vertices\n60"),
        ],
        "curved": [
            ("node out of range", b"1 2 1 2 4", b"1 2 1 2 5"),
            ("node negative", b"1 2 1 2 4", b"1 2 1 2 -4"),
            ("node 2^62", b"1 2 1 2 4", b"1 2 1 2 4611686018427387904"),
            ("boundary out of range", b"1 1 0 1", b"1 1 0 9"),
            ("nan", b" .5 .5 .5\n", b" .5 nan .5\n"),
            ("vertices many", b"vertices\n5", b"vertices\n500000000000"),
        ],
        "refined": [
            ("rows", b"elements\n3", b"elements\n2"),
            ("row short", b"0 1 3 0 0 4 5 3", b"0 1 3"),
            ("row nodes", b"0 1 3 0 0 4 5 3", b"0 1 3 0 0 4 5"),
            ("row geometry", b"0 1 3 0 0 4 5 3", b"0 1 44 0 0 4 5 3"),
            ("parents in a circle", b"4 0 1", b"4 5 4"),
            ("parent unknown", b"4 0 1", b"4 0 77"),
            ("parents count", b"vertex_parents\n2", b"vertex_parents\n200000000000"),
            ("child unknown", b"4 0 1", b"6 0 1"),
            ("no coordinates", b"coordinates\n", b"nothing\n"),
        ],
        "solid": [("set too short", b'"all" 1 1', b'"all" 5 1')],
    }
    good = seeds()
    for variant, rows in edits.items():
        for name, old, new in rows:
            assert old in good[variant], name
            out[f"{variant} {name}"] = good[variant].replace(old, new, 1)
    return {name.replace(" ", "_"): data for name, data in out.items()}
