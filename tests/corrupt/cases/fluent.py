"""Ansys Fluent's meshes, cases and results."""

import gzip
import struct

SUFFIX = ".cas"

# Two hexahedra, 1 and 2, side by side along x; the face between them is number 1.
POINTS = [(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1, 2)]
# Nodes from 1, the cell that the normal points into, the other one.
INNER = [([2, 5, 11, 8], 2, 1)]
WALLS = [
    ([1, 2, 5, 4], 1, 0), ([7, 10, 11, 8], 1, 0), ([1, 7, 8, 2], 1, 0), ([4, 5, 11, 10], 1, 0),
    ([2, 3, 6, 5], 2, 0), ([8, 11, 12, 9], 2, 0), ([2, 8, 9, 3], 2, 0), ([5, 6, 12, 11], 2, 0),
]  # fmt: skip
INLET = [([1, 4, 10, 7], 1, 0)]
OUTLET = [([3, 9, 12, 6], 2, 0)]
ZONES = [(3, 2, INNER), (4, 3, WALLS), (10, 10, INLET), (11, 36, OUTLET)]
NAMES = b"""(39 (2 fluid water 1)(
(sources? . #f) (names (a b)) (text "with ) inside")
))
(45 (3 interior inside)())
(45 (4 wall the-wall)())
(45 (16 velocity-inlet left)())
"""


def head(dimension=3, nodes=12, cells=2, faces=11):
    return (
        f'(0 "made by hand (really)")\n(2 {dimension})\n(10 (0 1 {nodes:x} 0 {dimension}))\n'
        f"(12 (0 1 {cells:x} 0))\n(13 (0 1 {faces:x} 0))\n"
    ).encode()


def nodes(points, index=10, zone=1):
    text = f"({index} ({zone:x} 1 {len(points):x} 1 {len(points[0])})("
    if index == 10:
        rows = "\n".join(" ".join(map(repr, point)) for point in points)
        return f"{text}\n{rows}\n))\n".encode()
    code = "f" if index == 2010 else "d"
    data = b"".join(struct.pack(f"<{len(point)}{code}", *point) for point in points)
    return text.encode() + data + f")\nEnd of Binary Section   {index})\n".encode()


def faces(zone, kind, rows, first, index=13, shape=None, order="<"):
    shape = len(rows[0][0]) if shape is None else shape
    table = [[*([len(ids)] if shape in (0, 5) else []), *ids, a, b] for ids, a, b in rows]
    text = f"({index} ({zone:x} {first:x} {first + len(rows) - 1:x} {kind:x} {shape})("
    if index == 13:
        lines = "\n".join(" ".join(f"{value:x}" for value in row) for row in table)
        return f"{text}\n{lines}\n))\n".encode()
    data = b"".join(struct.pack(f"{order}{len(row)}i", *row) for row in table)
    return text.encode() + data + f")\nEnd of Binary Section   {index})\n".encode()


def zones(index=13, shape=None, parts=ZONES, order="<"):
    out, first = b"", 1
    for zone, kind, rows in parts:
        out += faces(zone, kind, rows, first, index, shape, order)
        first += len(rows)
    return out


CELLS = b"(12 (2 1 2 1 4))\n"
TEXT = head() + nodes(POINTS) + CELLS + zones() + NAMES
SINGLE = b"(4 (60 0 0 1 2 4 4 4 8 8 8 4))\n" + head() + nodes(POINTS, 2010) + CELLS + zones(2013)
DOUBLE = head() + nodes(POINTS, 3010) + CELLS + zones(3013, 0) + NAMES
BIG = b"(4 (23 0 0 1 2 4 4 4 8 8 8 4))\n" + head() + nodes(POINTS) + CELLS
BIG += zones(2013, order=">") + NAMES
TREE = head(faces=12) + nodes(POINTS) + CELLS + zones(13, 5)
TREE += faces(12, 31, [([1, 3, 6, 4], 1, 0)], 12) + b"(59 (c c 12 4)(\n2 2 6\n))\n"
PLANE = (
    head(2, 4, 2, 5)
    + nodes([(0, 0), (1, 0), (1, 1), (0, 1)])
    + b"(12 (2 1 2 1 0)(\n1 1\n))\n"
    + zones(
        13, None, [(3, 2, [([1, 3], 1, 2)]),
                   (4, 3, [([2, 1], 1, 0), ([3, 2], 1, 0), ([4, 3], 2, 0), ([1, 4], 2, 0)])],
    )
)  # fmt: skip
LISTED = b'(1 "meshio")\n(2 3)\n' + nodes(POINTS) + b"(12 (1 0 1 1 2)(\n1 2 4 7\n2 3 5 8\n))\n"
SURFACE = b"(2 3)\n" + nodes(POINTS) + faces(5, 3, [([1, 2, 5, 4], 0, 0)], 1)


def field(number, zone, rows, first=1, index=300, order="<"):
    """The values of one variable on cells, or on faces, from `first` on."""
    size = len(rows[0]) if isinstance(rows[0], tuple) else 1
    flat = [value for row in rows for value in (row if size > 1 else (row,))]
    head = f"({index} ({number} {zone} {size} 0 0 {first} {first + len(rows) - 1})\n(".encode()
    if index == 300:
        return head + b"\n" + "\n".join(map(repr, flat)).encode() + b"\n))\n"
    data = struct.pack(f"{order}{len(flat)}{'f' if index == 2300 else 'd'}", *flat)
    return head + data + f")\nEnd of Binary Section   {index})\n".encode()


def results(index=300, order="<"):
    """Pressure, velocity and temperature on the two cells, pressure on the walls."""
    machine = f"(4 ({60 if order == '<' else 23} 0 0 1 2 4 4 4 8 8 8 4))\n".encode()
    return (
        b'(0 "results")\n' + machine + b"(33 (2 11 12))\n(37 ((flow-time 0.5)))\n"
        + field(1, 2, [1.5, -2.25], 1, index, order)
        + field(2, 2, [(1.0, 2.0, 3.0), (4.0, 5.0, 6.0)], 1, index, order)
        + field(3, 2, [300.0], 1, index, order) + field(3, 2, [400.0], 2, index, order)
        + field(9999, 2, [7.0, 8.0], 1, index, order)
        + b"(301 (1 2 0)\n(0.1 0.2))\n"
    )  # fmt: skip


RESULTS = {
    "results text": results(), "results single": results(2300), "results double": results(3300),
    "results big endian": results(2300, ">"), "results gzip": gzip.compress(results(), mtime=0),
}  # fmt: skip


def place(folder, name, data):
    """The case; where the name says so the good one, with `data` as its results."""
    if not name.startswith("results") or name == "results alone":
        path = folder / f"{name.replace(' ', '_')}{SUFFIX}"
        path.write_bytes(data)
        return path
    (folder / "a.dat").write_bytes(data)
    (folder / "a.cas").write_bytes(TEXT)
    return folder / "a.cas"


def seeds():
    return RESULTS | {
        "text": TEXT, "single": SINGLE, "double": DOUBLE, "big endian": BIG, "tree": TREE,
        "plane": PLANE, "listed": LISTED, "surface": SURFACE,
        "crlf": TEXT.replace(b"\n", b"\r\n"), "gzip": gzip.compress(TEXT, mtime=0),
    }  # fmt: skip


def corpus():
    out = {"empty": b"", "text": b"hello, I am no mesh\n", "zeros": bytes(100), "head": head()}
    out |= {f"cut {n}": TEXT[:n] for n in (20, 90, 200, 400, 560)}
    out |= {f"cut double {n}": DOUBLE[:n] for n in (200, 420, 600)}
    out |= {"no nodes": head() + CELLS + zones(), "no faces": head() + nodes(POINTS) + CELLS}
    out["results alone"] = b'(0 "data")\n(33 (2 4 3))\n(300 (1 2 1 0 0 1 2)(1.0 2.0))\n'
    edits = [
        ("node 0", b"\n2 5 b 8 2 1", b"\n0 5 b 8 2 1"),
        ("node d", b"\n2 5 b 8 2 1", b"\nd 5 b 8 2 1"),
        ("node 2^62", b"\n2 5 b 8 2 1", b"\n4000000000000000 5 b 8 2 1"),
        ("node 2^59", b"\n2 5 b 8 2 1", b"\n800000000000000 5 b 8 2 1"),
        ("node negative", b"\n2 5 b 8 2 1", b"\n-2 5 b 8 2 1"),
        ("node text", b"\n2 5 b 8 2 1", b"\nnode 5 b 8 2 1"),
        ("node underscore", b"\n2 5 b 8 2 1", b"\n1_0 5 b 8 2 1"),
        ("node missing", b"\n2 5 b 8 2 1", b"\n5 b 8 2 1"),
        ("cell 3", b"\n2 5 b 8 2 1", b"\n2 5 b 8 3 1"),
        ("cell 10^12", b"\n2 5 b 8 2 1", b"\n2 5 b 8 e8d4a51000 1"),
        ("cells 10^12", b"(12 (2 1 2 1 4))", b"(12 (2 1 e8d4a51000 1 4))"),
        ("cells overlap", b"(12 (2 1 2 1 4))", b"(12 (2 1 2 1 4)) (12 (5 2 2 1 4))"),
        ("cell number 0", b"(12 (2 1 2 1 4))", b"(12 (2 0 2 1 4))"),
        ("cells backwards", b"(12 (2 1 2 1 4))", b"(12 (2 9 2 1 4))"),
        ("more cells", b"(12 (2 1 2 1 4))", b"(12 (2 1 3 1 4))"),
        ("faces 10^12", b"(13 (3 1 1 2 4)", b"(13 (3 1 e8d4a51000 2 4)"),
        ("faces 2", b"(13 (3 1 1 2 4)", b"(13 (3 1 2 2 4)"),
        ("faces 0", b"(13 (3 1 1 2 4)", b"(13 (3 2 1 2 4)"),
        ("face type 3", b"(13 (3 1 1 2 4)", b"(13 (3 1 1 2 3)"),
        ("face type 9", b"(13 (3 1 1 2 4)", b"(13 (3 1 1 2 9)"),
        ("faces mixed", b"(13 (3 1 1 2 4)", b"(13 (3 1 1 2 0)"),
        ("face head short", b"(13 (3 1 1 2 4)", b"(13 (3 1)"),
        ("face head text", b"(13 (3 1 1 2 4)", b"(13 (three 1 1 2 4)"),
        ("nodes 10^12", b"(10 (1 1 c 1 3)", b"(10 (1 1 e8d4a51000 1 3)"),
        ("nodes beyond 64 bits", b"(10 (1 1 c 1 3)", b"(10 (1 1 fffffffffffffffffffff 1 3)"),
        ("nodes more", b"(10 (1 1 c 1 3)", b"(10 (1 1 d 1 3)"),
        ("nodes fewer", b"(10 (1 1 c 1 3)", b"(10 (1 1 b 1 3)"),
        ("nodes from 2", b"(10 (1 1 c 1 3)", b"(10 (1 2 d 1 3)"),
        ("nodes of 4 coordinates", b"(10 (1 1 c 1 3)", b"(10 (1 1 c 1 4)"),
        ("4 dimensions", b"(2 3)", b"(2 4)"),
        ("plane with volumes", b"(2 3)", b"(2 2)"),
        ("nan", b"\n0 0 0\n", b"\nnan 0 0\n"),
        ("infinite", b"\n0 0 0\n", b"\n1e999 0 0\n"),
        ("coordinate text", b"\n0 0 0\n", b"\nx 0 0\n"),
        ("coordinate underscore", b"\n0 0 0\n", b"\n1_0 0 0\n"),
        ("coordinate missing", b"\n0 0 0\n", b"\n0 0\n"),
    ]
    for name, old, new in edits:
        assert old in TEXT, name
        out[name] = TEXT.replace(old, new, 1)
    out["nodes twice"] = TEXT + nodes(POINTS, zone=2)
    out["marker missing"] = DOUBLE.replace(b"End of Binary Section   3010", b"")
    out["faces in binary cut"] = SINGLE.replace(b"(2013 (4 2 9 3 4)(", b"(2013 (4 2 f 3 4)(")
    out["mixed in binary wrong"] = DOUBLE.replace(
        struct.pack("<2i", 4, 2), struct.pack("<2i", 5, 2), 1
    )
    out["mixed in binary negative"] = DOUBLE.replace(
        struct.pack("<2i", 4, 2), struct.pack("<2i", -4, 2), 1
    )
    out["other byte order"] = BIG.replace(b"(4 (23 ", b"(4 (60 ")
    out["open polygon"] = PLANE.replace(b"\n2 1 1 0", b"\n2 4 1 0")
    out["edge twice"] = PLANE.replace(b"\n3 2 1 0", b"\n2 1 1 0")
    out["tree of 10^12"] = TREE.replace(b"(59 (c c ", b"(59 (1 e8d4a51000 ")
    out["listed type 7"] = LISTED.replace(b"(12 (1 0 1 1 2)", b"(12 (1 0 1 1 7)")
    out["listed too few"] = LISTED.replace(b"(12 (1 0 1 1 2)", b"(12 (1 0 1 1 5)")
    out["listed out of range"] = LISTED.replace(b"\n2 3 5 8", b"\n2 3 5 d")
    out["surface of a point"] = SURFACE.replace(b" 1 1 3 4)(\n1 2 5 4", b" 1 1 3 5)(\n1 2")
    packed = gzip.compress(TEXT, mtime=0)
    out["gzip cut"] = packed[: len(packed) // 2]
    out["gzip damaged"] = packed[:60] + b"\xff\xff\xff\xff" + packed[64:]
    text, double = RESULTS["results text"], RESULTS["results double"]
    out |= {f"results cut {n}": text[:n] for n in (130, 150, 190)}
    out |= {f"results double cut {n}": double[:n] for n in (140, 150, 215)}
    edits = [
        ("beyond", b"(1 2 1 0 0 1 2)", b"(1 2 1 0 0 1 3)"),
        ("10^12 cells", b"(1 2 1 0 0 1 2)", b"(1 2 1 0 0 1 1000000000000)"),
        ("10^12 components", b"(1 2 1 0 0 1 2)", b"(1 2 1000000000000 0 0 1 2)"),
        ("no components", b"(1 2 1 0 0 1 2)", b"(1 2 0 0 0 1 2)"),
        ("backwards", b"(1 2 1 0 0 1 2)", b"(1 2 1 0 0 9 2)"),
        ("cell 0", b"(1 2 1 0 0 1 2)", b"(1 2 1 0 0 0 1)"),
        ("negative", b"(1 2 1 0 0 1 2)", b"(1 2 -1 0 0 1 2)"),
        ("head short", b"(1 2 1 0 0 1 2)", b"(1 2 1 0 0)"),
        ("head text", b"(1 2 1 0 0 1 2)", b"(one 2 1 0 0 1 2)"),
        ("beyond 64 bits", b"(1 2 1 0 0 1 2)", b"(1 2 1 0 0 1 99999999999999999999999)"),
        ("components differ", b"(3 2 1 0 0 2 2)", b"(2 2 1 0 0 2 2)"),
    ]
    for name, old, new in edits:
        assert old in text, name
        out[f"results {name}"] = text.replace(old, new)
        out[f"results double {name}"] = double.replace(old, new)
    out["results value text"] = text.replace(b"-2.25", b"a bit")
    out["results value missing"] = text.replace(b"\n-2.25", b"")
    out["results marker missing"] = double.replace(b"End of Binary Section   3300", b"")
    out["results gzip cut"] = RESULTS["results gzip"][:90]
    return {
        name if name.startswith("results ") else name.replace(" ", "_"): data
        for name, data in out.items()
    }
