"""Solved series: a field carried and spread in a square, each case on a triangle mesh of its own.

    du/dt + b . grad u = kappa laplace u   in (0, 1)^2,   du/dn = 0,   u(0) = five Gaussian bumps

b is divergence-free and does not cross the boundary: the curl of the stream function
(swirl sin(pi x) sin(pi y) + shear sin(2 pi x) sin(pi y)) / pi. Quadratic elements on the mesh whose
points are written, the trapezoidal rule with four steps a time step. Conditions swirl, shear and
diffusivity vary from case to case, as do the bumps and the mesh.

    python examples/advection_diffusion/generate.py cases --count 80
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.sparse.linalg import splu
from scipy.spatial import Delaunay

import meshop

DT, STEPS, INNER = 0.02, 100, 4


def triangles(h: float, random: np.random.Generator) -> meshop.Mesh:
    """The unit square in triangles of about h; its inner points are where chance puts them."""
    n = round(1 / h)
    side = np.arange(n) / n
    zero, one = np.zeros(n), np.ones(n)
    edge = np.concatenate(
        [np.c_[side, zero], np.c_[one, side], np.c_[1 - side, one], np.c_[zero, 1 - side]]
    )
    x, y = np.meshgrid(np.arange(1, n) * h, np.arange(1, round(n * 1.15)) * h * np.sqrt(3) / 2)
    x = x + 0.5 * h * (np.arange(len(x)) % 2)[:, None]
    inner = np.c_[x.ravel(), y.ravel()] + random.uniform(-0.3, 0.3, (x.size, 2)) * h
    inner = inner[(inner > 0.55 * h).all(1) & (inner < 1 - 0.55 * h).all(1)]
    points = np.concatenate([edge, inner])
    cells = Delaunay(points).simplices
    a, b, c = points[cells].transpose(1, 0, 2)
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    cells = cells[np.abs(area) > 1e-9]
    return meshop.Mesh.from_blocks(points, [("triangle", cells)])


def velocity(x: np.ndarray, swirl: float, shear: float) -> np.ndarray:
    """(2, ...) b at points (2, ...)."""
    sx, cx, sy, cy = (f(np.pi * v) for v in x for f in (np.sin, np.cos))
    s2, c2 = np.sin(2 * np.pi * x[0]), np.cos(2 * np.pi * x[0])
    return np.stack([(swirl * sx + shear * s2) * cy, -(swirl * cx + 2 * shear * c2) * sy])


def solve(
    mesh: meshop.Mesh, bumps: np.ndarray, swirl: float, shear: float, kappa: float, steps: int
) -> np.ndarray:
    """(steps + 1, N) the field at the mesh's points. bumps: rows of x, y, width, height."""
    from skfem import Basis, BilinearForm, ElementTriP2, MeshTri
    from skfem.helpers import dot, grad

    cells = mesh.cell_nodes.reshape(-1, 3)
    plane = MeshTri(mesh.points[:, :2].T.copy(), cells.T.copy())
    basis = Basis(plane, ElementTriP2(), intorder=4)
    mass = BilinearForm(lambda u, v, w: u * v).assemble(basis)
    moved = BilinearForm(
        lambda u, v, w: (
            kappa * dot(grad(u), grad(v)) + dot(velocity(w.x, swirl, shear), grad(u)) * v
        )
    ).assemble(basis)
    dt = DT / INNER
    ahead, back = splu((mass + dt / 2 * moved).tocsc()), (mass - dt / 2 * moved).tocsr()
    x, y = basis.doflocs
    u = sum(
        height * np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * width**2))
        for a, b, width, height in bumps
    )
    at = basis.nodal_dofs[0]
    out = [u[at]]
    for _ in range(steps):
        for _ in range(INNER):
            u = ahead.solve(back @ u)
        out.append(u[at])
    return np.array(out)


def make(number: int, path: Path, steps: int = STEPS, h: float | None = None) -> None:
    """Write case `number`, the same whenever it is made, as a series."""
    random = np.random.default_rng([7, number])
    mesh = triangles(h or random.uniform(0.045, 0.06), random)
    swirl, shear = random.uniform(0.3, 1.0), random.uniform(-0.4, 0.4)
    kappa = float(np.exp(random.uniform(np.log(0.004), np.log(0.02))))
    bumps = np.c_[
        random.uniform(0.1, 0.9, (5, 2)),
        random.uniform(0.08, 0.2, 5),
        random.uniform(0.5, 1.5, 5) * random.choice([-1, 1], 5),
    ]
    mesh.point_data["velocity"] = velocity(mesh.points[:, :2].T, swirl, shear).T.copy()
    for name, value in (("swirl", swirl), ("shear", shear), ("diffusivity", kappa)):
        mesh.field_data[name] = np.array([value])
    series = []
    for step, u in enumerate(solve(mesh, bumps, swirl, shear, kappa, steps)):
        now = mesh.copy()
        now.point_data["u"] = u
        series.append((step * DT, now))
    meshop.write_series(path, series)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=80)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for number in range(options.count):
        path = options.folder / f"case_{number:03d}.vtkhdf"
        if not path.exists():
            make(number, path)


if __name__ == "__main__":
    main()
