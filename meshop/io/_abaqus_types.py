"""The element types of Abaqus and CalculiX, as VTK cells, and the numbers of their sides."""

from __future__ import annotations

import functools
import re

from ._labels import MIRRORED_WEDGE

_MIDDLE_LAST = [0, 2, 1]  # the second of three nodes of a beam is its middle
_FLAT = "S|CPS|CPE|CPEG|CAX|CGAX|M3D|SFM3D|DS|DC2D|DCAX|AC2D|ACAX"
_PATTERNS: tuple[tuple[str, int, list[int] | None], ...] = (
    (r"(C3D|DC3D|AC3D|CC3D|F3D|DCC3D|C3DT?)4", 10, None),
    (r"(C3D|DC3D|AC3D|F3D)5", 14, None),
    (r"(C3D|DC3D|AC3D|CC3D|F3D|COH3D|SC|GK3D|DCC3D)6", 13, MIRRORED_WEDGE),
    (r"(C3D|DC3D|AC3D|CC3D|F3D|COH3D|SC|GK3D|DCC3D|CSS|EMC3D)8", 12, None),
    (r"(C3D|DC3D|AC3D|CPE4P)10", 24, None),
    (r"(C3D|DC3D|AC3D)13", 27, None),
    (r"(C3D|DC3D|AC3D)15", 26, None),
    (r"(C3D|DC3D|AC3D)20", 25, None),
    (r"(C3D)27", 29, None),
    (rf"({_FLAT}|STRI|R3D|F3D|MFM3D)3", 5, None),
    (rf"({_FLAT}|R3D|COH2D|COHAX|F2D|MFM3D|DCC2D)4", 9, None),
    (rf"({_FLAT})6|STRI65", 22, None),
    (rf"({_FLAT})8", 23, None),
    (r"(S|M3D)9", 28, None),
    (r"(T2D|T3D|DC1D|CONN3D|CONN2D|SAX|MAX|RAX|DSAX|R2D|GAPUN|AC1D|DCC1D)2", 3, None),
    (r"(B|PIPE|FRAME)[23](1|3)", 3, None),
    (r"(SPRING|DASHPOT)(2|A)|GAPUNI|ITSUNI|JOINTC", 3, None),
    (r"(T2D|T3D|DC1D|SAX|MAX|DSAX|AC1D)3", 21, _MIDDLE_LAST),
    (r"(B|PIPE)[23]2", 21, _MIDDLE_LAST),
    (r"MASS|ROTARYI|(SPRING|DASHPOT)1|DCOUP[23]D|HEATCAP", 1, None),
)  # fmt: skip

# Corners of the sides S1, S2, ... in VTK's local numbers.
_SIDES = {
    10: ((0, 1, 2), (0, 3, 1), (1, 3, 2), (2, 3, 0)),
    12: ((0, 1, 2, 3), (4, 7, 6, 5), (0, 4, 5, 1), (1, 5, 6, 2), (2, 6, 7, 3), (3, 7, 4, 0)),
    26: ((0, 1, 2), (3, 5, 4), (0, 3, 4, 1), (1, 4, 5, 2), (2, 5, 3, 0)),
    14: ((0, 1, 2, 3), (0, 4, 1), (1, 4, 2), (2, 4, 3), (3, 4, 0)),
    5: ((0, 1), (1, 2), (2, 0)),
    9: ((0, 1), (1, 2), (2, 3), (3, 0)),
}
_SIDES |= {24: _SIDES[10], 25: _SIDES[12], 29: _SIDES[12], 27: _SIDES[14], 22: _SIDES[5]}
_SIDES |= {23: _SIDES[9], 28: _SIDES[9]}
_BACK = {new: old for old, new in enumerate(MIRRORED_WEDGE)}
_SIDES[13] = tuple(tuple(_BACK[node] for node in side) for side in _SIDES[26])


@functools.lru_cache(256)
def cell_of(kind: str) -> tuple[int, list[int] | None] | None:
    """(VTK code, VTK's order of its nodes or None where it is the same) of an element type."""
    for pattern, code, order in _PATTERNS:
        if re.fullmatch(rf"(?:{pattern})(?:[A-Z][A-Z0-9]{{0,4}})?", kind):
            return code, order
    return None


def facet_nodes(code: int, side: str) -> tuple[int, ...]:
    """The corners of a side, or of a shell's face; empty where it has no such side."""
    sides = _SIDES.get(code, ())
    if side in ("SPOS", "SNEG"):
        corners = len(sides) if code in (5, 9, 22, 23, 28) else 0
        return tuple(range(corners)) if side == "SPOS" else tuple(reversed(range(corners)))
    number = int(side[1:]) - 1
    return sides[number] if number < len(sides) else ()
