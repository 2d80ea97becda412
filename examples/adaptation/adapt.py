"""Solve, see where the error is, move the mesh there, carry the solution along, solve again.

    - laplace u + u = f  in (0, 1)^2,   u given on the boundary,
    u = tanh((r - 0.35) / width),  r the distance from (0.5, 0.4): a steep front on a ring

by linear elements (scikit-fem) on a triangle mesh that keeps its points and cells: each pass moves
it to even out the error of interpolation, estimated from the solution alone. The known u is only
for the table.

    python examples/adaptation/adapt.py --size 32 --passes 4
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

import meshop
from meshop.mesh import Mesh, carry_fields
from meshop.movers import adapt, error_monitor, function_of, smoothed

RADIUS, CENTRE = 0.35, (0.5, 0.4)


class Pass(NamedTuple):
    """One row of the table: relative L2 errors of the solution on the mesh, and of what was carried
    to it from the mesh before; the smallest angle in degrees, inverted cells, iterations."""

    mesh: Mesh
    error: float
    carried: float
    angle: float
    inverted: int
    iterations: int


def square(n: int) -> Mesh:
    """The unit square in 2 n^2 triangles, diagonals by turns."""
    axis = np.linspace(0, 1, n + 1)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    i, j = (k.ravel() for k in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
    a = i * (n + 1) + j
    quad = np.stack([a, a + n + 1, a + n + 2, a + 1], 1)
    even = ((i + j) % 2 == 0)[:, None]
    one = np.where(even, quad[:, [0, 1, 2]], quad[:, [0, 1, 3]])
    two = np.where(even, quad[:, [0, 2, 3]], quad[:, [1, 2, 3]])
    return Mesh.from_blocks(points, [("triangle", np.stack([one, two], 1).reshape(-1, 3))])


def exact(x: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """u and f = u - laplace u at points (2, ...)."""
    r = np.sqrt((x[0] - CENTRE[0]) ** 2 + (x[1] - CENTRE[1]) ** 2)
    u = np.tanh((r - RADIUS) / width)
    slope = (1 - u**2) / width
    bend = -2 * u * slope / width
    return u, u - bend - slope / np.maximum(r, 1e-12)


def basis_of(mesh: Mesh):
    from skfem import Basis, ElementTriP1, MeshTri

    cells = mesh.cell_nodes.reshape(-1, 3)
    plane = MeshTri(mesh.points[:, :2].T.copy(), cells.T.copy())
    return Basis(plane, ElementTriP1(), intorder=6)


def solve(mesh: Mesh, width: float) -> np.ndarray:
    """(N,) the solution at the mesh's points."""
    from skfem import BilinearForm, LinearForm, condense
    from skfem import solve as direct
    from skfem.helpers import dot, grad

    basis = basis_of(mesh)
    matrix = BilinearForm(lambda u, v, w: dot(grad(u), grad(v)) + u * v).assemble(basis)
    load = LinearForm(lambda v, w: exact(w.x, width)[1] * v).assemble(basis)
    known = exact(basis.doflocs, width)[0]
    return direct(*condense(matrix, load, x=known, D=basis.get_dofs()))


def error(mesh: Mesh, u: np.ndarray, width: float) -> float:
    """The L2 norm of u minus the solution, over the solution's."""
    from skfem import Functional

    basis = basis_of(mesh)
    square = Functional(lambda w: (w.u - exact(w.x, width)[0]) ** 2)
    size = Functional(lambda w: exact(w.x, width)[0] ** 2)
    return float(np.sqrt(square.assemble(basis, u=basis.interpolate(u)) / size.assemble(basis)))


def passes(mesh: Mesh, width: float, count: int, method: str | None = None) -> Iterator[Pass]:
    """The mesh as it is, and after each of `count` movements.

    Each moves the mesh of the beginning: what the cells have shrunk since then goes into the
    monitor, whose field is on the mesh of the last pass. Distortion so does not pile up.
    """
    first, size = mesh, mesh.p1().lumped
    mesh = mesh.copy()
    mesh.point_data["u"] = solve(mesh, width)
    now = error(mesh, mesh.point_data["u"], width)
    yield Pass(mesh, now, now, float(mesh.quality("min_angle").min()), 0, 0)
    for _ in range(count):
        monitor = error_monitor(mesh, mesh.point_data["u"]) * size / mesh.p1().lumped
        field = function_of(mesh, smoothed(mesh, monitor))
        moved, report = adapt(first, field, method=method)
        mesh = carry_fields(mesh, moved)
        carried = error(mesh, mesh.point_data["u"], width)  # a first guess for what comes next
        mesh.point_data["u"] = solve(mesh, width)
        now, after = error(mesh, mesh.point_data["u"], width), report.after
        yield Pass(mesh, now, carried, after.min_angle, after.inverted, report.move.iterations)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=32, help="cells along a side")
    parser.add_argument("--passes", type=int, default=4)
    parser.add_argument("--width", type=float, default=0.02, help="of the front")
    parser.add_argument("--method", choices=meshop.movers.METHODS, default=None)
    parser.add_argument("--out", type=Path, help="folder for the mesh of each pass")
    given = parser.parse_args()
    print("pass  L2 error  uniform / this  carried  least angle  inverted  iterations")
    first = 0.0
    for k, one in enumerate(passes(square(given.size), given.width, given.passes, given.method)):
        first = first or one.error
        print(
            f"{k:4d}  {one.error:8.2%}  {first / one.error:14.2f}  {one.carried:7.2%}  "
            f"{one.angle:9.2f}°  {one.inverted:8d}  {one.iterations:10d}"
        )
        if given.out is not None:
            given.out.mkdir(parents=True, exist_ok=True)
            one.mesh.save(given.out / f"pass_{k}.vtu")
    for n in (2 * given.size, 4 * given.size):
        mesh = square(n)
        found = error(mesh, solve(mesh, given.width), given.width)
        print(f"uniform, {mesh.n_points:,} points: {found:.2%}")


if __name__ == "__main__":
    main()
