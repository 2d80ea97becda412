"""Gmsh's element types: their VTK codes, and where the nodes of one are in the other.

Gmsh lists corners, then the inner nodes of edges, of faces and of the body, each of them again as
an element of lower order (Gmsh manual, "High-order elements"). VTK lists the inner nodes of
quadrilaterals, hexahedra and wedges row by row instead (vtkHigherOrderHexahedron and others). Both
lists are built here as places in an integer lattice; the permutation is what matches them.
"""

from __future__ import annotations

from functools import cache

import numpy as np

Place = tuple[int, ...]

# Family -> Gmsh's types of order 1, 2, 3, ...; VTK's codes of order 1 and 2, then for all above.
_FAMILIES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "line": ((1, 8, 26, 27, 28, 62, 63, 64, 65, 66), (3, 21, 68)),
    "triangle": ((2, 9, 21, 23, 25, 42, 43, 44, 45, 46), (5, 22, 69)),
    "quadrangle": ((3, 10, 36, 37, 38, 47, 48, 49, 50, 51), (9, 28, 70)),
    "tetrahedron": ((4, 11, 29, 30, 31, 71, 72, 73, 74, 75), (10, 24, 71)),
    "hexahedron": ((5, 12, 92, 93, 94, 95, 96, 97, 98), (12, 29, 72)),
    "prism": ((6, 13, 90, 91, 106, 107, 108, 109, 110), (13, 32, 73)),
    "pyramid": ((7, 14, 118, 119, 120, 121, 122, 123, 124), (14, 74, 74)),
}
_SERENDIPITY = {16: (23, "quadrangle", 8), 17: (25, "hexahedron", 20), 18: (26, "prism", 15),
                19: (27, "pyramid", 13)}  # fmt: skip
_OTHERS = {
    20: "triangle with 9 nodes", 22: "triangle with 12 nodes", 24: "triangle with 15 nodes",
    32: "tetrahedron with 22 nodes", 33: "tetrahedron with 28 nodes", 34: "polygon",
    35: "polyhedron", 39: "quadrangle with 12 nodes", 40: "quadrangle with 16 nodes",
    41: "quadrangle with 20 nodes", 67: "line of a boundary", 68: "triangle of a boundary",
    69: "polygon of a boundary", 70: "line of a child", 133: "point of a cut",
    134: "line of a cut", 135: "triangle of a cut", 136: "tetrahedron of a cut",
    137: "tetrahedron with 16 nodes", 138: "triangle with a bubble",
    139: "tetrahedron with a bubble", 140: "trihedron",
} | {
    kind: f"incomplete {name} of high order"
    for name, kinds in (
        ("triangle", range(52, 57)), ("quadrangle", range(57, 62)), ("tetrahedron", range(79, 84)),
        ("hexahedron", range(99, 106)), ("prism", range(111, 118)), ("pyramid", range(125, 132)),
    )
    for kind in kinds
}  # fmt: skip

# Corners in units of the order, edges and faces as Gmsh orders and directs them. The apex of the
# pyramid stands above corner 0: a shear, which keeps the lattice whole.
_CORNERS: dict[str, tuple[Place, ...]] = {
    "line": ((0, 0, 0), (1, 0, 0)),
    "triangle": ((0, 0, 0), (1, 0, 0), (0, 1, 0)),
    "quadrangle": ((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)),
    "tetrahedron": ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "hexahedron": (
        (0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1),
    ),
    "prism": ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (0, 1, 1)),
    "pyramid": ((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1)),
}  # fmt: skip
_GMSH_EDGES = {
    "line": ("01",),
    "triangle": ("01", "12", "20"),
    "quadrangle": ("01", "12", "23", "30"),
    "tetrahedron": ("01", "12", "20", "30", "32", "31"),
    "hexahedron": ("01", "03", "04", "12", "15", "23", "26", "37", "45", "47", "56", "67"),
    "prism": ("01", "02", "03", "12", "14", "25", "34", "35", "45"),
    "pyramid": ("01", "03", "04", "12", "14", "23", "24", "34"),
}
_GMSH_FACES = {
    "triangle": ("012",),
    "quadrangle": ("0123",),
    "tetrahedron": ("021", "013", "032", "312"),
    "hexahedron": ("0321", "0154", "0473", "1265", "2376", "4567"),
    "prism": ("021", "345", "0143", "0352", "1254"),
    "pyramid": ("014", "304", "124", "234", "0321"),
}
_VTK_EDGES = _GMSH_EDGES | {
    "quadrangle": ("01", "12", "32", "03"),
    "tetrahedron": ("01", "12", "20", "03", "13", "23"),
    "hexahedron": ("01", "12", "32", "03", "45", "56", "76", "47", "04", "15", "26", "37"),
    "prism": ("01", "12", "20", "34", "45", "53", "03", "14", "25"),
    "pyramid": ("01", "12", "32", "03", "04", "14", "24", "34"),
}
_VTK_FACES = _GMSH_FACES | {
    "tetrahedron": ("013", "231", "032", "021"),
    "hexahedron": ("0374", "1265", "0154", "3267", "0123", "4567"),
    "prism": ("012", "345", "0143", "1254", "2035"),
    "pyramid": ("0123", "014", "124", "234", "304"),
}


def _inner(corners: tuple[Place, ...], order: int, rows: bool) -> list[Place]:
    """Inner nodes of an edge or face: row by row, or as an element of lower order."""
    first = np.array(corners[0])
    moves = [(np.array(corners[c]) - first) // order for c in (1, len(corners) - 1)]

    def at(i: int, j: int = 0) -> Place:
        return tuple((first + i * moves[0] + j * moves[1]).tolist())

    inside = range(1, order)
    if len(corners) == 2:
        return [at(i) for i in inside]
    if rows:
        return [at(i, j) for j in inside for i in inside if len(corners) == 4 or i + j < order]
    far = order - 1
    if len(corners) == 4:
        square = (at(1, 1), at(far, 1), at(far, far), at(1, far))
        return _nodes("quadrangle", order - 2, square, False) if order >= 2 else []
    ends = (at(1, 1), at(order - 2, 1), at(1, order - 2))
    return _nodes("triangle", order - 3, ends, False) if order >= 3 else []


def _nodes(name: str, order: int, corners: tuple[Place, ...], vtk: bool) -> list[Place]:
    """All nodes of an element with these corners, in Gmsh's order or VTK's."""
    if order == 0:
        return [corners[0]]
    edges, faces = (_VTK_EDGES, _VTK_FACES) if vtk else (_GMSH_EDGES, _GMSH_FACES)
    places = list(corners)
    for part in (*edges[name], *faces.get(name, ())):
        rows = vtk and (len(part) == 4 or name == "prism")
        places += _inner(tuple(corners[int(c)] for c in part), order, rows)
    x, y, z = start = corners[0]
    inside = range(1, order)
    less = {"tetrahedron": 4, "pyramid": 3, "hexahedron": 2}.get(name, order + 1)
    if name == "hexahedron" and vtk:
        places += [(x + i, y + j, z + k) for k in inside for j in inside for i in inside]
    elif name == "prism":
        base = _inner(corners[:3], order, vtk)
        if vtk:
            places += [(i, j, z + k) for k in inside for i, j, _ in base]
        else:
            levels = [*sorted({1, order - 1} & set(inside)), *range(2, order - 1)]
            places += [(i, j, z + k) for i, j, _ in base for k in levels]
    elif order >= less:
        ends = _scaled(name, order - less, tuple(s + 1 for s in start))
        places += _nodes(name, order - less, ends, vtk)
    return places


def _scaled(name: str, order: int, start: Place) -> tuple[Place, ...]:
    ends = np.array(start) + order * np.array(_CORNERS[name])
    return tuple(tuple(place) for place in ends.tolist())


def lattice(name: str, order: int, vtk: bool) -> list[Place]:
    """Where each node of an element is, in steps of 1 / order; Gmsh's order or VTK's."""
    return _nodes(name, order, _scaled(name, order, (0, 0, 0)), vtk)


@cache
def _permutation(name: str, order: int, size: int) -> np.ndarray | None:
    places = {place: index for index, place in enumerate(lattice(name, order, vtk=False)[:size])}
    found = [places[place] for place in lattice(name, order, vtk=True)[:size]]
    if name == "prism" and order == 1:
        found = [0, 2, 1, 3, 5, 4]  # VTK's linear wedge is the mirror image of Gmsh's
    return None if found == list(range(size)) else np.array(found)


def _size(name: str, order: int) -> int:
    n = order + 1
    return {
        "line": n, "triangle": n * (n + 1) // 2, "quadrangle": n * n,
        "tetrahedron": n * (n + 1) * (n + 2) // 6, "hexahedron": n**3,
        "prism": n * n * (n + 1) // 2, "pyramid": n * (n + 1) * (2 * n + 1) // 6,
    }[name]  # fmt: skip


_TABLE: dict[int, tuple[int, str, int, int]] = {15: (1, "", 0, 1)}  # VTK code, family, order, nodes
for _name, (_kinds, _codes) in _FAMILIES.items():
    for _order, _kind in enumerate(_kinds, 1):
        _code = 35 if _kind == 26 else _codes[min(_order, 3) - 1]
        _TABLE[_kind] = (_code, _name, _order, _size(_name, _order))
_TABLE |= {kind: (code, name, 2, n) for kind, (code, name, n) in _SERENDIPITY.items()}

N_KINDS = 141
VTK_CODE = np.zeros(N_KINDS, np.int64)  # by Gmsh's type; 0 where VTK has none
N_NODES = np.zeros(N_KINDS, np.int64)
for _kind, _row in _TABLE.items():
    VTK_CODE[_kind], N_NODES[_kind] = _row[0], _row[3]
_KINDS = {(code, count): kind for kind, (code, _, _, count) in _TABLE.items()}
# Lagrange cells of order 1 and 2 are written as the ordinary types; so is the cubic line.
_KINDS |= {
    (codes[2], N_NODES[kind].item()): kind for kinds, codes in _FAMILIES.values() for kind in kinds
}


def order_of(kind: int) -> np.ndarray | None:
    """(n,): which of Gmsh's nodes is VTK's i-th; None where they are the same."""
    _, name, order, size = _TABLE[kind]
    return _permutation(name, order, size) if name else None


def kind_of(code: int, size: int) -> int:
    """Gmsh's type of a VTK cell with so many nodes; 0 for none."""
    return _KINDS.get((code, size), 0)


def curved(code: int, size: int) -> tuple[int, np.ndarray | None] | None:
    """(VTK code, order as of `order_of`) of a cell with `size` nodes in Gmsh's order.

    code: the linear cell under whose name Gmsh writes it in formats that know no such cell. None
    where there is none of that size.
    """
    for name, (kinds, codes) in _FAMILIES.items():
        if codes[0] == code:
            known = {N_NODES[kind].item(): kind for kind in kinds}
            known |= {n: kind for kind, (_, of, n) in _SERENDIPITY.items() if of == name}
            kind = known.get(size, 0)
            return (VTK_CODE[kind].item(), order_of(kind)) if kind else None
    return None


def name_of(kind: int) -> str:
    """What an element type that VTK lacks is, in words."""
    return _OTHERS.get(kind, "not an element type of Gmsh")
