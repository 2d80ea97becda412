"""Connectivity of mixed cells by sorting."""

import torch
from torch import Tensor

from ...celltypes import (
    CELL_TYPES,
    POLY_LINE,
    POLYGON,
    POLYHEDRON,
    QUADRATIC_POLYGON,
    TRIANGLE_STRIP,
)
from ._common import check_rowptr, require, rows_of


def cell_edges(
    cell_types: Tensor,
    cell_offsets: Tensor,
    cell_nodes: Tensor,
    faces: Tensor | None = None,
    face_offsets: Tensor | None = None,
) -> Tensor:
    _check(cell_types, cell_offsets, cell_nodes, faces, face_offsets)
    sizes = cell_offsets.diff()
    pairs = [cell_nodes.new_empty(0, 2)]
    for kind in cell_types.unique().tolist():
        mine = cell_types == kind
        local = CELL_TYPES[kind].edges
        require(local is not None, f"the edges of VTK type {kind} are not known")
        if local:
            columns = torch.tensor(local, device=cell_nodes.device)
            pairs.append(cell_nodes[cell_offsets[:-1][mine][:, None, None] + columns])
        elif kind == POLYHEDRON:
            ring, nodes, _ = polyhedron_faces(faces, face_offsets)
            pairs.append(torch.stack([nodes, nodes[_after(ring)]], 1))
        else:
            _, at, a, b = _ends(kind, cell_offsets[:-1][mine], sizes[mine])
            pairs.append(torch.stack([cell_nodes[at + a], cell_nodes[at + b]], 1))
            if kind == QUADRATIC_POLYGON:  # these were its sides; each has a node in the middle
                middle = at + torch.repeat_interleave(sizes[mine] // 2, sizes[mine] // 2) + a
                sides = pairs.pop()
                pairs += [torch.stack([end, cell_nodes[middle]], 1) for end in sides.unbind(1)]
    ends = torch.cat([p.reshape(-1, 2) for p in pairs]).sort(1).values
    ends = ends[ends[:, 0] != ends[:, 1]]  # a collapsed edge is no edge
    if len(ends) == 0:
        return ends
    span = int(ends.max()) + 1
    if span >= 3_037_000_499:  # the product of two would not fit in 63 bits
        return ends.unique(dim=0)
    key = (ends[:, 0] * span + ends[:, 1]).unique()
    return torch.stack([key // span, key % span], 1)


def cell_facets(
    cell_types: Tensor,
    cell_offsets: Tensor,
    cell_nodes: Tensor,
    faces: Tensor | None,
    face_offsets: Tensor | None,
    dim: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    _check(cell_types, cell_offsets, cell_nodes, faces, face_offsets)
    kinds = cell_types.unique().tolist()
    dim = max((CELL_TYPES[kind].dim for kind in kinds), default=0) if dim < 0 else dim
    ptr, nodes, owner = _uses(cell_types, cell_offsets, cell_nodes, faces, face_offsets, dim)
    ptr, nodes, owner = _distinct(ptr, nodes, owner, dim)
    sizes = ptr.diff()
    first = torch.arange(len(owner), device=owner.device)  # the first use of each facet
    second, third = torch.full_like(first, -1), []
    for size in sizes.unique().tolist():
        mine = (sizes == size).nonzero()[:, 0]  # only facets of one size can be equal
        table = nodes[ptr[:-1][mine][:, None] + torch.arange(size, device=nodes.device)]
        table = table.sort(1).values
        order = torch.arange(len(mine), device=nodes.device)
        for column in reversed(range(size)):
            order = order[table[order, column].argsort(stable=True)]
        same = (table[order[1:]] == table[order[:-1]]).all(1)
        start = torch.cat([same.new_zeros(1), same]).logical_not().nonzero()[:, 0]
        count = torch.cat([start, start.new_tensor([len(order)])]).diff()
        rank = torch.arange(len(order), device=order.device) - torch.repeat_interleave(start, count)
        use = mine[order]  # uses of one facet lie side by side, as cells have them
        first[use] = torch.repeat_interleave(use[start], count)
        second[use[start[count > 1]]] = owner[use[start[count > 1] + 1]]
        third.append(use[rank > 1])
    kept = first == torch.arange(len(first), device=first.device)
    number = kept.cumsum(0) - 1
    uses = torch.cat([owner.new_empty(0), *third]).sort().values
    further = torch.stack([number[first[uses]], owner[uses]], 1)
    further = further[further[:, 0].argsort(stable=True)]
    size = sizes[kept]
    nodes = nodes[torch.repeat_interleave(kept, sizes)]
    return torch.cat([size.new_zeros(1), size.cumsum(0)]), nodes, owner[kept], second[kept], further


def _uses(
    types: Tensor,
    offsets: Tensor,
    cell_nodes: Tensor,
    faces: Tensor | None,
    face_offsets: Tensor | None,
    dim: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Each facet of each cell of that dimension, in the order of cells: ptr, corner nodes, cell."""
    none = offsets.new_empty(0)
    cells, ranks, sizes, nodes = [none], [none], [none], [none]
    for kind in types.unique().tolist():
        row = CELL_TYPES[kind]
        mine = (types == kind).nonzero()[:, 0]
        if row.dim != dim or dim == 0:
            continue
        if kind == POLYHEDRON:
            ptr, found, cell = polyhedron_faces(faces, face_offsets)
            cells.append(cell)
            ranks.append(_place(cell))
            sizes.append(ptr.diff())
            nodes.append(found)
        elif row.facets:
            for turn, local in enumerate(row.facets):
                columns = torch.tensor(local, device=offsets.device)
                cells.append(mine)
                ranks.append(torch.full_like(mine, turn))
                sizes.append(torch.full_like(mine, len(local)))
                nodes.append(cell_nodes[offsets[:-1][mine][:, None] + columns].reshape(-1))
        elif kind == POLY_LINE:
            for turn, at in enumerate((offsets[:-1][mine], offsets[1:][mine] - 1)):
                cells.append(mine)
                ranks.append(torch.full_like(mine, turn))
                sizes.append(torch.ones_like(mine))
                nodes.append(cell_nodes[at])
        elif kind in (POLYGON, QUADRATIC_POLYGON, TRIANGLE_STRIP):
            row_of, at, a, b = _ends(kind, offsets[:-1][mine], offsets.diff()[mine], rim=True)
            cells.append(mine[row_of])
            ranks.append(_place(row_of))
            sizes.append(torch.full_like(at, 2))
            nodes.append(torch.stack([cell_nodes[at + a], cell_nodes[at + b]], 1).reshape(-1))
    cell, rank, size, node = (torch.cat(parts) for parts in (cells, ranks, sizes, nodes))
    order = rank.argsort(stable=True)
    order = order[cell[order].argsort(stable=True)]
    begin = size.cumsum(0) - size
    ptr = torch.cat([size.new_zeros(1), size[order].cumsum(0)])
    row_of = rows_of(ptr, len(node))
    inside = torch.arange(len(node), device=node.device) - ptr[row_of]
    return ptr, node[begin[order][row_of] + inside], cell[order]


def _distinct(ptr: Tensor, nodes: Tensor, owner: Tensor, dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """Without repeated nodes in a facet, and without facets collapsed below their dimension."""
    row = rows_of(ptr, len(nodes))
    order = nodes.argsort(stable=True)
    order = order[row[order].argsort(stable=True)]
    again = torch.zeros_like(nodes, dtype=torch.bool)
    a, b = order[:-1], order[1:]
    again[b] = (row[a] == row[b]) & (nodes[a] == nodes[b])
    size = torch.zeros_like(owner).index_add_(0, row, (~again).long())
    kept = size >= dim
    nodes = nodes[~again & kept[row]]
    return torch.cat([ptr.new_zeros(1), size[kept].cumsum(0)]), nodes, owner[kept]


def _ends(
    kind: int, begin: Tensor, size: Tensor, rim: bool = False
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Edges of cells whose count varies: which of the cells, its first place, two local nodes.

    rim: only what a strip has on its boundary, and in the order of its facets.
    """
    corners = size // 2 if kind == QUADRATIC_POLYGON else size
    count = {POLY_LINE: corners - 1, TRIANGLE_STRIP: 2 * corners - 3}.get(kind, corners)
    if kind not in (POLY_LINE, TRIANGLE_STRIP, POLYGON, QUADRATIC_POLYGON):
        count = torch.zeros_like(count)
    count = corners if kind == TRIANGLE_STRIP and rim else count
    row = torch.repeat_interleave(torch.arange(len(size), device=size.device), count)
    a = _place(row)
    b = torch.where(a + 1 < corners[row], a + 1, 0)
    if kind == TRIANGLE_STRIP and rim:  # both ends, then the sides
        n = corners[row]
        a, b = (
            torch.where(a == 0, 0, torch.where(a == 1, n - 2, a - 2)),
            torch.where(a == 0, 1, torch.where(a == 1, n - 1, a)),
        )
    elif kind == TRIANGLE_STRIP:  # the zigzag, then the sides
        n = corners[row]
        a, b = torch.where(a < n - 1, a, a - n + 1), torch.where(a < n - 1, a + 1, a - n + 3)
    return row, begin[row], a, b


def _place(row: Tensor) -> Tensor:
    """Place of each entry among those of its row; rows lie together, in rising order."""
    if len(row) == 0:
        return row
    count = torch.bincount(row)
    begin = count.cumsum(0) - count
    return torch.arange(len(row), device=row.device) - begin[row]


def _after(ptr: Tensor) -> Tensor:
    """For each entry of a CSR of rings, the next one around."""
    at = torch.arange(int(ptr[-1]), device=ptr.device)
    row = rows_of(ptr, len(at))
    return torch.where(at + 1 < ptr[row + 1], at + 1, ptr[row])


def polyhedron_faces(
    faces: Tensor | None, face_offsets: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Faces of polyhedra: their nodes as a CSR (ptr, nodes) and the cell of each.

    The stream is read for all cells at once, one face of each in every turn.
    """
    assert faces is not None and face_offsets is not None
    cell = (face_offsets >= 0).nonzero()[:, 0]
    ends = face_offsets[cell]
    begins = torch.cat([ends.new_zeros(1), ends])[:-1]
    left, place = faces[begins], begins + 1
    require((left >= 0).all(), "a polyhedron has a negative number of faces")
    turns = []
    while len(cell):
        more = left > 0
        require((place[~more] == ends[~more]).all(), "a polyhedron's faces do not fill its part")
        cell, ends, left, place = cell[more], ends[more], left[more], place[more]
        require((place < ends).all(), "a polyhedron's faces are cut off")
        size = faces[place]
        fits = (size >= 3) & (size <= ends - place - 1)
        require(fits.all(), "a polyhedron's face does not fit into its part")
        turns.append(torch.stack([cell, place + 1, size]))
        left, place = left - 1, place + 1 + size
    cell, begin, size = torch.cat([faces.new_empty(3, 0), *turns], 1)
    order = begin.argsort()
    ptr = torch.cat([size.new_zeros(1), size[order].cumsum(0)])
    row = rows_of(ptr, int(ptr[-1]))
    inside = torch.arange(len(row), device=row.device) - ptr[row]
    return ptr, faces[begin[order][row] + inside], cell[order]


def _check(
    types: Tensor,
    offsets: Tensor,
    nodes: Tensor,
    faces: Tensor | None,
    face_offsets: Tensor | None,
) -> None:
    check_rowptr(offsets, len(nodes), "cell_offsets")
    require(len(offsets) == len(types) + 1, "cell_offsets must have cells + 1 entries")
    require((nodes >= 0).all(), "cell_nodes must not be negative")
    sizes = offsets.diff()
    for kind in types.unique().tolist():
        row, size = CELL_TYPES.get(kind), sizes[types == kind]
        require(row is not None, f"no VTK type {kind}")
        assert row is not None
        if row.size or kind == 0:
            require((size == row.size).all(), f"VTK type {kind} must have {row.size} nodes")
        require((size >= row.min_size).all(), f"VTK type {kind} needs {row.min_size} nodes")
        if kind == QUADRATIC_POLYGON:
            require((size % 2 == 0).all(), "a quadratic polygon has as many mid-sides as corners")
    if faces is None or face_offsets is None:
        require(faces is None and face_offsets is None, "faces and face_offsets go together")
        require((types != POLYHEDRON).all(), "a polyhedron is defined through its faces")
        return
    require(len(face_offsets) == len(types), "face_offsets must have an entry for each cell")
    solid = types == POLYHEDRON
    require(((face_offsets >= 0) == solid).all(), "face_offsets must be -1 but for polyhedra")
    ends = face_offsets[solid]
    begins = torch.cat([ends.new_zeros(1), ends])
    require((begins[1:] > begins[:-1]).all(), "face_offsets must increase")
    require(begins[-1] == len(faces), "face_offsets must end at the length of faces")
    _, found, _ = polyhedron_faces(faces, face_offsets)
    require((found >= 0).all(), "faces must not have negative nodes")
