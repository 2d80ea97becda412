"""Small meshes with known answers, for the tests of several packages."""

from __future__ import annotations

import numpy as np

from meshop.mesh import Mesh


def airfoil(
    n: int = 160, thickness: float = 0.1, camber: float = 0.05, blow_up: float = 1.0
) -> np.ndarray:
    """(n, 2) points of a Karman-Trefftz airfoil, chord about 1, counter-clockwise from its tail.

    The trailing edge has 18 degrees. blow_up > 1 maps a larger concentric circle: a curve around
    it. Circulation at angle a: -pi |1 - c| sin(a + asin(camber / |1 - c|)), c = -thickness + i
    camber. Source: Milne-Thomson, Theoretical Aerodynamics, 7.6.
    """
    centre, power = -thickness + 1j * camber, 1.9
    turn = 2 * np.pi * np.arange(n) / n + np.angle(1 - centre)
    zeta = centre + blow_up * abs(1 - centre) * np.exp(1j * turn)
    plus, minus = (1 + 1 / zeta) ** power, (1 - 1 / zeta) ** power
    if blow_up == 1.0:
        minus[0] = 0.0
    z = power * (plus + minus) / (plus - minus) / 4 + 0.5
    return np.column_stack([z.real, z.imag])


def ring(n: int = 64, layers: int = 24, radius: float = 15.0) -> Mesh:
    """A conformal O-grid around `airfoil(n)` out to about a radius, graded geometrically.

    Quads, with triangles in the outermost layer. Point data `boundary`: 1 wall, 2 far field.
    """
    growth = np.concatenate([[1.0], 1 + np.geomspace(1e-3, 4 * radius - 1, layers)])
    points = np.concatenate([airfoil(n, blow_up=float(g)) for g in growth])
    i, j = np.meshgrid(np.arange(n), np.arange(layers), indexing="ij")
    k = (i + 1) % n
    quads = np.stack([j * n + i, j * n + k, (j + 1) * n + k, (j + 1) * n + i], axis=-1)
    inner, last = quads[:, :-1].reshape(-1, 4), quads[:, -1]
    triangles = np.concatenate([last[:, [0, 1, 2]], last[:, [0, 2, 3]]])
    boundary = np.zeros(len(points), dtype=np.uint8)
    boundary[:n], boundary[-n:] = 1, 2
    return Mesh.from_blocks(
        points, [("quad", inner), ("triangle", triangles)], point_data={"boundary": boundary}
    )


def box(n: int = 3, hole: bool = False) -> Mesh:
    """The unit cube in tetrahedra, n cells a side; hole leaves out the middle cell (n odd)."""
    axis = np.linspace(0, 1, n + 1)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)

    def at(i: int, j: int, k: int) -> int:
        return (i * (n + 1) + j) * (n + 1) + k

    # Kuhn's subdivision: six tetrahedra along the main diagonal, conforming between cubes.
    steps = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    cells = []
    for i in range(n):
        for j in range(n):
            for k in range(n):
                if hole and i == j == k == n // 2:
                    continue
                for order in steps:
                    corner, tet = [i, j, k], [at(i, j, k)]
                    for axis_id in order:
                        corner[axis_id] += 1
                        tet.append(at(*corner))
                    cells.append(tet)
    used = np.unique(cells)
    renumber = np.full(len(points), -1)
    renumber[used] = np.arange(len(used))
    return Mesh.from_blocks(points[used], [("tetra", renumber[np.array(cells)])])
