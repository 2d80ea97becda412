"""Cells as simplices: a polygon is a fan from its lowest node; a solid joins its lowest node to
the fans of the faces that do not have it."""

import torch
from torch import Tensor

from ._common import require

_HEX = ((0, 4, 7, 3), (1, 2, 6, 5), (0, 1, 5, 4), (3, 7, 6, 2), (0, 3, 2, 1), (4, 5, 6, 7))
_VOXEL = ((0, 4, 6, 2), (1, 3, 7, 5), (0, 1, 5, 4), (2, 6, 7, 3), (0, 2, 3, 1), (4, 5, 7, 6))
_WEDGE = ((0, 1, 2), (3, 5, 4), (0, 3, 4, 1), (1, 4, 5, 2), (2, 5, 3, 0))
_PYRAMID = ((0, 3, 2, 1), (0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4))
SOLIDS = {"hexahedron": (8, _HEX), "voxel": (8, _VOXEL), "wedge": (6, _WEDGE)}
SOLIDS |= {"pyramid": (5, _PYRAMID), "tetra": (4, ())}
#: VTK code: topological dimension, form, nodes (0: any number), corners (0: all, -1: half of them).
KINDS: dict[int, tuple[int, str, int, int]] = {
    1: (0, "dots", 1, 1),
    2: (0, "dots", 0, 0),
    3: (1, "path", 2, 2),
    4: (1, "path", 0, 0),
    5: (2, "ring", 3, 3),
    6: (2, "band", 0, 0),
    7: (2, "ring", 0, 0),
    8: (2, "pixel", 4, 4),
    9: (2, "ring", 4, 4),
    10: (3, "tetra", 4, 4),
    11: (3, "voxel", 8, 8),
    12: (3, "hexahedron", 8, 8),
    13: (3, "wedge", 6, 6),
    14: (3, "pyramid", 5, 5),
    21: (1, "path", 3, 2),
    22: (2, "ring", 6, 3),
    23: (2, "ring", 8, 4),
    24: (3, "tetra", 10, 4),
    25: (3, "hexahedron", 20, 8),
    26: (3, "wedge", 15, 6),
    27: (3, "pyramid", 13, 5),
    28: (2, "ring", 9, 4),
    29: (3, "hexahedron", 27, 8),
    30: (2, "ring", 6, 4),
    31: (3, "wedge", 12, 6),
    32: (3, "wedge", 18, 6),
    33: (3, "hexahedron", 24, 8),
    34: (2, "ring", 7, 3),
    35: (1, "path", 4, 2),
    36: (2, "ring", 0, -1),
    37: (3, "pyramid", 19, 5),
    42: (3, "polyhedron", 0, 0),
}


def simplices(
    cell_types: Tensor,
    cell_offsets: Tensor,
    cell_nodes: Tensor,
    faces: Tensor | None,
    face_offsets: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The simplices of the cells of the highest dimension present: the cell of each (S,), in
    rising order, and its nodes (S, K), each row rising."""
    codes = cell_types.unique().tolist()
    sizes = cell_offsets.diff()
    for code in codes:
        require(code in KINDS, f"no simplices known for VTK type {code}")
        expected = KINDS[code][2]
        fits = expected == 0 or (sizes[cell_types == code] == expected).all()
        require(fits, f"VTK type {code} must have {expected} nodes")
    dim = max((KINDS[code][0] for code in codes), default=-1)
    owner, nodes = [cell_nodes.new_empty(0)], [cell_nodes.new_empty(0, dim + 1)]

    def put(cells: Tensor, rows: Tensor) -> None:
        owner.append(cells)
        nodes.append(rows.sort(1).values)

    for code in codes:
        kind_dim, form, _, corners = KINDS[code]
        if form == "polyhedron":
            _put_polyhedra(put, cell_types, cell_offsets, cell_nodes, faces, face_offsets)
        elif kind_dim == dim:
            for size in sizes[cell_types == code].unique().tolist():
                cells = ((cell_types == code) & (sizes == size)).nonzero()[:, 0]
                count = corners if corners > 0 else size if corners == 0 else size // 2
                place = torch.arange(count, device=cells.device)
                _put_cells(put, form, cells, cell_nodes[cell_offsets[cells][:, None] + place])
    cells, rows = torch.cat(owner), torch.cat(nodes)
    order = cells.argsort(stable=True)
    return cells[order], rows[order]


def _put_cells(put, form: str, cells: Tensor, corner: Tensor) -> None:
    """Cells of one form and one number of corners."""
    count = corner.shape[1]
    if form in ("dots", "path", "band"):
        width = {"dots": 1, "path": 2, "band": 3}[form]
        for j in range(count - width + 1):
            put(cells, corner[:, j : j + width])
    elif form in ("ring", "pixel"):
        ring = corner[:, [0, 1, 3, 2]] if form == "pixel" else corner
        for triangle in _fan(ring):
            put(cells, triangle)
    elif form == "tetra":
        put(cells, corner)
    else:
        apex = corner.amin(1)
        for face in SOLIDS[form][1]:
            ring = corner[:, face]
            apart = (ring != apex[:, None]).all(1)
            for triangle in _fan(ring[apart]):
                put(cells[apart], torch.cat([apex[apart, None], triangle], 1))


def _fan(ring: Tensor) -> list[Tensor]:
    """The triangles (M, 3) of rings (M, n) from the lowest node of each."""
    n = ring.shape[1]
    if n < 3 or len(ring) == 0:
        return []
    place = (ring.argmin(1, keepdim=True) + torch.arange(n, device=ring.device)) % n
    turned = ring.gather(1, place)
    return [turned[:, [0, j, j + 1]] for j in range(1, n - 1)]


def _put_polyhedra(put, types, offsets, nodes, faces, face_offsets) -> None:
    require(faces is not None and face_offsets is not None, "polyhedra need faces")
    require(len(face_offsets) == len(types), "face_offsets must have one entry a cell")
    stream, ends, begin = faces.tolist(), face_offsets.tolist(), 0
    for cell in (types == 42).nonzero()[:, 0].tolist():
        part = stream[begin : ends[cell]]
        require(begin < ends[cell] <= len(stream), f"face_offsets[{cell}] must end its faces")
        begin = ends[cell]
        mine = nodes[offsets[cell] : offsets[cell + 1]]
        apex = int(mine.min()) if len(mine) else -1
        at = 1
        for _ in range(part[0]):
            require(at < len(part), f"the faces of polyhedron {cell} end early")
            ring = part[at + 1 : at + 1 + part[at]]
            require(0 <= part[at] == len(ring), f"a face of polyhedron {cell} has a bad count")
            at += 1 + part[at]
            require(min(ring, default=0) >= 0, "faces must not be negative")
            if apex not in ring:
                for triangle in _fan(nodes.new_tensor([ring])):
                    row = torch.cat([nodes.new_tensor([[apex]]), triangle], 1)
                    put(nodes.new_tensor([cell]), row)
        require(at == len(part), f"the faces of polyhedron {cell} must fill its part of faces")
