"""The table of VTK cell types: one row each, and lookup arrays indexed by the VTK code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Facets list corner nodes, ordered so that normals point out of a positively oriented cell (VTK).
_TRI = ((0, 1), (1, 2), (2, 0))
_QUAD = ((0, 1), (1, 2), (2, 3), (3, 0))
_PIXEL = ((0, 1), (1, 3), (3, 2), (2, 0))
_TET = ((0, 1, 3), (1, 2, 3), (2, 0, 3), (0, 2, 1))
_HEX = ((0, 4, 7, 3), (1, 2, 6, 5), (0, 1, 5, 4), (3, 7, 6, 2), (0, 3, 2, 1), (4, 5, 6, 7))
_VOXEL = tuple(tuple((0, 1, 3, 2, 4, 5, 7, 6)[i] for i in face) for face in _HEX)
_WEDGE = ((0, 1, 2), (3, 5, 4), (0, 3, 4, 1), (1, 4, 5, 2), (2, 5, 3, 0))
_PYRAMID = ((0, 3, 2, 1), (0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4))


def _prism(n: int) -> tuple[tuple[int, ...], ...]:
    sides = tuple((i, (i + 1) % n, (i + 1) % n + n, i + n) for i in range(n))
    return (tuple(reversed(range(n))), tuple(range(n, 2 * n)), *sides)


@dataclass(frozen=True)
class CellType:
    """One VTK cell type.

    ``size`` nodes, or 0 when it varies (then at least ``min_size``); the first ``corners`` nodes
    are corners (0: all of them, -1: the first half). ``facets`` hold local corner indices; empty
    where they depend on the size.
    """

    code: int
    name: str
    dim: int
    size: int
    min_size: int
    corners: int
    facets: tuple[tuple[int, ...], ...] = ()


def _fixed(code: int, name: str, dim: int, size: int, corners: int, facets: tuple) -> CellType:
    return CellType(code, name, dim, size, size, corners, facets)


def _varying(
    code: int, name: str, dim: int, least: int, corners: int = 0, facets: tuple = ()
) -> CellType:
    return CellType(code, name, dim, 0, least, corners, facets)


_ENDS = ((0,), (1,))
_ROWS = [
    _fixed(0, "empty", 0, 0, 0, ()),
    _fixed(1, "vertex", 0, 1, 1, ()),
    _varying(2, "poly_vertex", 0, 1),
    _fixed(3, "line", 1, 2, 2, _ENDS),
    _varying(4, "poly_line", 1, 1),
    _fixed(5, "triangle", 2, 3, 3, _TRI),
    _varying(6, "triangle_strip", 2, 3),
    _varying(7, "polygon", 2, 3),
    _fixed(8, "pixel", 2, 4, 4, _PIXEL),
    _fixed(9, "quad", 2, 4, 4, _QUAD),
    _fixed(10, "tetra", 3, 4, 4, _TET),
    _fixed(11, "voxel", 3, 8, 8, _VOXEL),
    _fixed(12, "hexahedron", 3, 8, 8, _HEX),
    _fixed(13, "wedge", 3, 6, 6, _WEDGE),
    _fixed(14, "pyramid", 3, 5, 5, _PYRAMID),
    _fixed(15, "pentagonal_prism", 3, 10, 10, _prism(5)),
    _fixed(16, "hexagonal_prism", 3, 12, 12, _prism(6)),
    _fixed(21, "quadratic_edge", 1, 3, 2, _ENDS),
    _fixed(22, "quadratic_triangle", 2, 6, 3, _TRI),
    _fixed(23, "quadratic_quad", 2, 8, 4, _QUAD),
    _fixed(24, "quadratic_tetra", 3, 10, 4, _TET),
    _fixed(25, "quadratic_hexahedron", 3, 20, 8, _HEX),
    _fixed(26, "quadratic_wedge", 3, 15, 6, _WEDGE),
    _fixed(27, "quadratic_pyramid", 3, 13, 5, _PYRAMID),
    _fixed(28, "biquadratic_quad", 2, 9, 4, _QUAD),
    _fixed(29, "triquadratic_hexahedron", 3, 27, 8, _HEX),
    _fixed(30, "quadratic_linear_quad", 2, 6, 4, _QUAD),
    _fixed(31, "quadratic_linear_wedge", 3, 12, 6, _WEDGE),
    _fixed(32, "biquadratic_quadratic_wedge", 3, 18, 6, _WEDGE),
    _fixed(33, "biquadratic_quadratic_hexahedron", 3, 24, 8, _HEX),
    _fixed(34, "biquadratic_triangle", 2, 7, 3, _TRI),
    _fixed(35, "cubic_line", 1, 4, 2, _ENDS),
    _varying(36, "quadratic_polygon", 2, 6, -1),
    _fixed(37, "triquadratic_pyramid", 3, 19, 5, _PYRAMID),
    _varying(41, "convex_point_set", 3, 1),
    _varying(42, "polyhedron", 3, 4),
    *(
        row
        for base, family in ((68, "lagrange"), (75, "bezier"))
        for row in (
            _varying(base, f"{family}_curve", 1, 2, 2, _ENDS),
            _varying(base + 1, f"{family}_triangle", 2, 3, 3, _TRI),
            _varying(base + 2, f"{family}_quadrilateral", 2, 4, 4, _QUAD),
            _varying(base + 3, f"{family}_tetrahedron", 3, 4, 4, _TET),
            _varying(base + 4, f"{family}_hexahedron", 3, 8, 8, _HEX),
            _varying(base + 5, f"{family}_wedge", 3, 6, 6, _WEDGE),
            _varying(base + 6, f"{family}_pyramid", 3, 5, 5, _PYRAMID),
        )
    ),
]

POLY_LINE, TRIANGLE_STRIP, POLYGON = 4, 6, 7
CONVEX_POINT_SET, POLYHEDRON, PIXEL = 41, 42, 8
CURVED_HEXAHEDRA = (72, 79)
WEDGES = (13, 26, 31, 32, 73, 80)

CELL_TYPES: dict[int, CellType] = {row.code: row for row in _ROWS}
CODES: dict[str, int] = {row.name: row.code for row in _ROWS}


def _lookup(field: str, default: int) -> np.ndarray:
    table = np.full(256, default, dtype=np.int64)
    for row in _ROWS:
        table[row.code] = getattr(row, field)
    table.setflags(write=False)
    return table


DIM = _lookup("dim", -1)  # (256,) topological dimension, -1 for unknown codes
SIZE = _lookup("size", -1)  # (256,) nodes per cell, 0 when it varies, -1 for unknown codes
MIN_SIZE = _lookup("min_size", 0)
