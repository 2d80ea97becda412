"""Meshes of every kind of cell for the tests of P1 fields, and orders of convergence."""

import sys
from itertools import permutations, product
from pathlib import Path

import numpy as np

from meshop.mesh import CELL_TYPES, Mesh, is_node, parse_faces

sys.path.insert(0, str(Path(__file__).parent))
from test_mesh_geometry import as_polyhedra as as_polyhedra

OUTSIDE = CELL_TYPES[12].facets


def lattice(n, dim, jitter=0.0):
    """Points of the unit square or cube, inner ones moved at random, and cells by their low corner:
    ids (n, ..., n, 2, ..., 2)."""
    axis = np.linspace(0, 1, n + 1)
    points = np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
    inner = np.all((points > 0) & (points < 1), axis=1)
    points[inner] += jitter / n * np.random.default_rng(0).uniform(-1, 1, (inner.sum(), dim))
    at = np.arange((n + 1) ** dim).reshape((n + 1,) * dim)
    corner = [
        at[tuple(slice(c, n + c) for c in corners)].ravel()
        for corners in product((0, 1), repeat=dim)
    ]
    return points, np.stack(corner, axis=1).reshape(-1, *(2,) * dim)


def triangles(n, jitter=0.2):
    points, at = lattice(n, 2, jitter)
    a, b, c, d = at[:, 0, 0], at[:, 1, 0], at[:, 1, 1], at[:, 0, 1]
    cells = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return Mesh.from_blocks(points, [("triangle", cells)])


def tetrahedra(n, jitter=0.15):
    """Kuhn's six tetrahedra to the cube."""
    points, at = lattice(n, 3, jitter)
    cells = []
    for order in permutations(range(3)):
        corner, path = [0, 0, 0], [at[:, 0, 0, 0]]
        for axis in order:
            corner[axis] = 1
            path.append(at[(slice(None), *corner)])
        cells.append(np.stack(path, 1))
    return Mesh.from_blocks(points, [("tetra", np.concatenate(cells))])


def irregular(n):
    """Delaunay triangles of points without any pattern: rings are not symmetric anywhere."""
    from scipy.spatial import Delaunay

    points, _ = lattice(n, 2, 0.45)
    cells = Delaunay(points).simplices
    a, b, c = (points[cells[:, i]] for i in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    return Mesh.from_blocks(points, [("triangle", cells[np.abs(area) > 1e-9])])


def plane(n, jitter=0.2):
    """Quads, triangles, and pentagons with a node halfway along the side that they share."""
    points, at = lattice(n, 2, jitter)
    quads = at[:, [0, 1, 1, 0], [0, 0, 1, 1]]
    i, j = np.unravel_index(np.arange(n * n), (n, n))
    kind = (i + 2 * j) % 4
    left = (kind == 2) & (i + 1 < n)
    right = (kind == 3) & (i > 0)
    middle = np.full((n, n), -1)
    middle[i[left], j[left]] = len(points) + np.arange(left.sum())
    between = points[quads[left][:, 1:3]].mean(axis=1)
    points = np.concatenate([points, between])
    split = quads[kind == 1]
    one = np.column_stack([quads[left][:, :2], middle[i[left], j[left]], quads[left][:, 2:]])
    two = np.column_stack([quads[right], middle[i[right] - 1, j[right]]])
    plain = ~left & ~right & (kind != 1)
    blocks = [("quad", quads[plain]), ("polygon", one), ("polygon", two)]
    triangles = np.concatenate([split[:, [0, 1, 3]], split[:, [1, 2, 3]]])
    return Mesh.from_blocks(points, [*blocks, ("triangle", triangles)])


def solid(n, jitter=0.15, polyhedra=False):
    """Hexahedra, stacks of wedges, cubes of six pyramids, and tetrahedra: face to face."""
    points, at = lattice(n, 3, jitter)
    hexes = at[:, [0, 1, 1, 0, 0, 1, 1, 0], [0, 0, 1, 1, 0, 0, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1]]
    i, j, k = np.unravel_index(np.arange(n**3), (n, n, n))
    stack = (i + 2 * j) % 4 == 1
    centred = ~stack & ((i + j + k) % 3 == 0)
    whole = hexes[~stack & ~centred]
    cut = hexes[stack]
    wedges = np.concatenate([cut[:, [0, 1, 3, 4, 5, 7]], cut[:, [1, 2, 3, 5, 6, 7]]])
    cubes = hexes[centred]
    apex = len(points) + np.arange(len(cubes))
    points = np.concatenate([points, points[cubes].mean(axis=1)])
    blocks = [("hexahedron", whole), ("wedge", wedges)]
    for face in OUTSIDE:
        base = cubes[:, face[::-1]]
        rim = (face == (0, 3, 2, 1)) & (k[centred] == 0)  # nobody is below these
        blocks.append(("pyramid", np.column_stack([base[~rim], apex[~rim]])))
        if rim.any():
            for corners in ([0, 1, 2], [0, 2, 3]):
                blocks.append(("tetra", np.column_stack([base[rim][:, corners], apex[rim]])))
    return Mesh.from_blocks(points, blocks)


def sphere(levels):
    """The unit sphere in triangles: an octahedron, refined."""
    points = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
    cells = np.array(
        [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    )
    for _ in range(levels):
        ends = np.sort(cells[:, [[0, 1], [1, 2], [2, 0]]], axis=2).reshape(-1, 2)
        edges, number = np.unique(ends, axis=0, return_inverse=True)
        x, y, z = (len(points) + number.reshape(-1, 3)).T
        a, b, c = cells.T
        middle = points[edges].sum(axis=1)
        points = np.concatenate([points, middle / np.linalg.norm(middle, axis=1, keepdims=True)])
        cells = np.concatenate(
            [np.stack(t, 1) for t in ((a, x, z), (x, b, y), (z, y, c), (x, y, z))]
        )
    return Mesh.from_blocks(points, [("triangle", cells)])


def renumbered(mesh, seed=0):
    """The same mesh with its points in another order, and the new id of each point."""
    number = np.random.default_rng(seed).permutation(mesh.n_points)
    points = np.empty_like(mesh.points)
    points[number] = mesh.points
    faces = None
    if mesh.faces is not None:
        faces = mesh.faces.copy()
        mask = is_node(len(faces), parse_faces(faces, mesh.face_offsets))
        faces[mask] = number[faces[mask]]
    parts = (points, mesh.cell_types, mesh.cell_offsets, number[mesh.cell_nodes])
    return Mesh(*parts, faces=faces, face_offsets=mesh.face_offsets), number


def reordered(mesh, seed=0):
    """The same mesh with its cells in another order, and the old cell of each."""
    order = np.random.default_rng(seed).permutation(mesh.n_cells)
    rows = np.split(mesh.cell_nodes, mesh.cell_offsets[1:-1])
    sizes = np.diff(mesh.cell_offsets)[order]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    nodes = np.concatenate([rows[i] for i in order])
    faces = ends = None
    if mesh.faces is not None:
        parts = np.split(mesh.faces, mesh.face_offsets[:-1])
        faces = np.concatenate([parts[i] for i in order])
        ends = np.cumsum([len(parts[i]) for i in order])
    found = Mesh(
        mesh.points, mesh.cell_types[order], offsets, nodes, faces=faces, face_offsets=ends
    )
    return found, order


def orders(errors):
    """Orders of convergence between meshes, each twice as fine as the one before."""
    errors = np.asarray(errors)
    return np.log2(errors[:-1] / errors[1:])
