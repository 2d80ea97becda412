"""How cells hang together: shared edges, equal cells, connected parts, winding of surfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..celltypes import TRIANGLE_STRIP
from ._blocks import blocks
from ._cells import DIM
from ._normals import strip_triangles

if TYPE_CHECKING:
    from ._mesh import Mesh


class SurfaceEdges(NamedTuple):
    """Edges of the two-dimensional cells. open and crowded: (n, 2) nodes of edges that one cell
    has, and more than two; open_cells and crowded_cells: their cells; inner (P, 2): cells on both
    sides of the others; twisted (P,): both run along the edge the same way."""

    open: np.ndarray
    open_cells: np.ndarray
    crowded: np.ndarray
    crowded_cells: np.ndarray
    inner: np.ndarray
    twisted: np.ndarray


def surface_edges(mesh: Mesh) -> SurfaceEdges:
    """The edges of the two-dimensional cells, by how many cells have them and which way."""
    starts, ends, owners = [], [], []
    for block in blocks(mesh, 2):
        strip = block.row.code == TRIANGLE_STRIP
        for ring in strip_triangles(block.nodes) if strip else [block.corners]:
            starts.append(ring.ravel())
            ends.append(np.roll(ring, -1, axis=1).ravel())
            owners.append(np.repeat(block.cells, ring.shape[1]))
    none = np.empty(0, np.int64)
    start, end, owner = (np.concatenate([none, *parts]) for parts in (starts, ends, owners))
    proper = start != end
    start, end, owner = start[proper], end[proper], owner[proper]
    order, first, uses = pair_edges(start, end)

    def ends_of(groups: np.ndarray) -> np.ndarray:
        at = order[first[groups]]
        return np.sort(np.stack([start[at], end[at]], axis=1), axis=1)

    crowd = owner[order[np.repeat(uses > 2, uses)]]
    pair = first[uses == 2]
    one, two = order[pair], order[pair + 1]
    return SurfaceEdges(
        ends_of(uses == 1),
        owner[order[first[uses == 1]]],
        ends_of(uses > 2),
        np.unique(crowd),
        np.stack([owner[one], owner[two]], axis=1),
        (start[one] == start[two]) & (owner[one] != owner[two]),
    )


class EdgePairs(NamedTuple):
    """Directed edges sorted by where they lie: order (E,); of each distinct one its first place
    in that order (G,) and how many uses it has (G,)."""

    order: np.ndarray
    first: np.ndarray
    uses: np.ndarray


def pair_edges(start: np.ndarray, end: np.ndarray, body: np.ndarray | None = None) -> EdgePairs:
    """Which directed edges (E,) join the same two nodes (in the same body (E,), where given)."""
    keys = _edge_keys(start, end, body)
    order = np.lexsort(keys[::-1]) if len(keys) > 1 else np.argsort(keys[0], kind="stable")
    new = np.zeros(len(order), dtype=bool)
    new[:1] = True
    for key in keys:
        new[1:] |= key[order[1:]] != key[order[:-1]]
    first = np.flatnonzero(new)
    return EdgePairs(order, first, np.diff(first, append=len(order)))


def lone_edges(start: np.ndarray, end: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Edges (n,) that are not exactly one of two that join the same two nodes in a body."""
    keys = _edge_keys(start, end, body)
    if len(keys) == 1 and len(start) % 2 == 0:  # mostly there is none: a plain sort shows it
        one, two = np.sort(keys[0]).reshape(-1, 2).T
        if np.all(one == two) and np.all(one[1:] != two[:-1]):
            return np.empty(0, np.int64)
    pairs = pair_edges(start, end, body)
    return pairs.order[np.repeat(pairs.uses != 2, pairs.uses)]


def _edge_keys(start: np.ndarray, end: np.ndarray, body: np.ndarray | None) -> list[np.ndarray]:
    """Numbers that tell body, lower and higher node: one where the three fit into 63 bits."""
    low, high = np.minimum(start, end), np.maximum(start, end)
    if not len(low):
        return [low]
    first = low.min()
    span = int(high.max() - first) + 1
    if span >= 3_037_000_499:
        return [low, high] if body is None else [body, low, high]
    key = (low - first) * span + (high - first)
    if body is None:
        return [key]
    body = body - body.min()
    if (int(body.max()) + 1) * span**2 < 2**63:
        return [body * span**2 + key]
    return [body, key]


def flipped_cells(edges: SurfaceEdges, n_cells: int) -> np.ndarray:
    """Cells wound against most of those they hang together with over edges that two share.

    Where no winding suits all of them (a Moebius band), the cells along the seam.
    """
    if not edges.twisted.any():
        return np.empty(0, np.int64)
    # Each cell stands twice, as it is and turned. What agrees with it as it is, is connected.
    a, b = edges.inner.T
    other = np.where(edges.twisted, b + n_cells, b)
    mirror = np.where(edges.twisted, b, b + n_cells)
    label = components(
        np.concatenate([a, a + n_cells]), np.concatenate([other, mirror]), 2 * n_cells
    )
    plain, turned = label[:n_cells], label[n_cells:]
    size = np.bincount(plain, minlength=int(label.max()) + 1)  # as many cells agree with the label
    # Of the two halves the smaller is flipped; of equal halves that without the first cell.
    first = np.full(len(size), n_cells)
    np.minimum.at(first, plain, np.arange(n_cells))
    fewer = size[plain] < size[turned]
    even = (size[plain] == size[turned]) & (plain != turned)
    bad = fewer | (even & (first[plain] > first[turned]))
    seam = edges.inner[edges.twisted]
    bad[seam[(plain == turned)[seam[:, 0]]].ravel()] = True
    return np.flatnonzero(bad)


def connected_parts(mesh: Mesh) -> np.ndarray:
    """(M,) number of the part that each cell belongs to, 0 the one with most cells.

    Cells that share a point hang together, whatever their dimension; -1 for cells without points.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    # Cells, then points: the rows of the cells are CSR as they are, and points have none.
    n, links = mesh.n_cells + mesh.n_points, len(mesh.cell_nodes)
    integer = np.int32 if max(n, links) < 2**31 else np.int64
    ends = np.concatenate([mesh.cell_offsets, np.full(mesh.n_points, links)]).astype(integer)
    points = (mesh.cell_nodes + mesh.n_cells).astype(integer)
    graph = csr_array((np.ones(links), points, ends), shape=(n, n))
    label: np.ndarray = connected_components(graph, directed=False)[1]
    label = label[: mesh.n_cells]
    filled = np.diff(mesh.cell_offsets) > 0
    found, index, count = np.unique(label[filled], return_inverse=True, return_counts=True)
    rank = np.empty(len(found), np.int64)
    rank[np.argsort(-count, kind="stable")] = np.arange(len(found))
    out = np.full(mesh.n_cells, -1)
    out[filled] = rank[index]
    return out


def components(a: np.ndarray, b: np.ndarray, n: int) -> np.ndarray:
    """(n,) the connected part that each node is in, where links run from a (L,) to b (L,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(n, n))
    return connected_components(links.tocsr(), directed=False)[1]


def in_order_of_appearance(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(L,) labels as numbers from 0 in their order of appearance, and where each appears first."""
    _, first, number = np.unique(label, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(first), np.int64)
    rank[order] = np.arange(len(first))
    return rank[number.ravel()], first[order]


def duplicate_cells(mesh: Mesh) -> np.ndarray:
    """Cells with the dimension and the nodes, in any order, of one with a lower id."""
    size = np.diff(mesh.cell_offsets)
    ends = np.zeros(len(mesh.cell_nodes) + 1, np.uint64)
    np.cumsum(mix(np.arange(mesh.n_points))[mesh.cell_nodes], out=ends[1:])
    key = ends[mesh.cell_offsets[1:]] - ends[mesh.cell_offsets[:-1]]
    key += mix(size + 1000 * DIM[mesh.cell_types])
    ordered = np.sort(key)
    if not np.any(ordered[1:] == ordered[:-1]):
        return np.empty(0, np.int64)
    order = np.argsort(key, kind="stable")
    same = np.flatnonzero(key[order[1:]] == key[order[:-1]])
    one, two = order[same], order[same + 1]
    fits = (size[one] == size[two]) & (size[one] > 0)
    one, two = one[fits], two[fits]
    found = [np.empty(0, np.int64)]
    for n in np.unique(size[one]):  # equal sums are all but proof: compare the nodes
        mine = size[one] == n
        left, right = (
            np.sort(mesh.cell_nodes[mesh.cell_offsets[ids[mine]][:, None] + np.arange(n)], axis=1)
            for ids in (one, two)
        )
        found.append(two[mine][np.all(left == right, axis=1)])
    return np.unique(np.concatenate(found))


def find_rows(table: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(R,) the first row of `table` (T, k) with the same set of nodes as each of `rows` (R, j).

    -1 pads and is not counted; -1 also where there is none.
    """
    if not len(table) or not len(rows):
        return np.full(len(rows), -1)
    width = max(table.shape[1], rows.shape[1])
    table, rows = _sets(table, width), _sets(rows, width)
    keys, wanted = mix(table).sum(axis=1), mix(rows).sum(axis=1)
    order = np.argsort(keys, kind="stable")
    at = np.minimum(np.searchsorted(keys[order], wanted), len(order) - 1)
    found = order[at]
    return np.where(np.all(table[found] == rows, axis=1), found, -1)


def _sets(nodes: np.ndarray, width: int) -> np.ndarray:
    """Rows as sets: sorted, repeated nodes left out, padded with -1 to `width`."""
    out = np.full((len(nodes), width), -1, np.int64)
    out[:, : nodes.shape[1]] = np.sort(nodes, axis=1)
    again = out[:, 1:] == out[:, :-1]
    if again.any():
        out[:, 1:][again] = -1
    out.sort(axis=1)
    return out


def mix(values: np.ndarray) -> np.ndarray:
    """64 well mixed bits of each integer (splitmix64: Steele, Lea and Flood, 2014)."""
    z = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
