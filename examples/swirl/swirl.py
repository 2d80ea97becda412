"""A ring that a swirling flow draws out and brings back, on a mesh that moves with it.

    du/dt + c . grad u = 0  in (0, 1)^2,  t in (0, 1),   u(0) = exp(-(r - .2)^2 / (2 width^2)),
    c = +-1.5 (sin^2 pi x sin 2 pi y, -sin^2 pi y sin 2 pi x),  + until t = .5, - from then on,

r the distance from (.25, .25). In each step the mesh of the beginning is moved to a monitor of the
solution, and linear elements take the solution from the mesh that there was to the new one as it
moves (arbitrary Lagrangian-Eulerian), so that nothing is interpolated. The exact solution is known
along characteristics.

    python examples/swirl/swirl.py --size 48 --out runs/swirl

Source of the case: Zhang et al., UM2N, NeurIPS 2024 (arXiv 2407.00382), with width .05 / 6; flow
after LeVeque, SIAM J. Numer. Anal. 33 (1996).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import splu

from meshop import movers
from meshop.mesh import Mesh, carry_fields

Velocity = Callable[[np.ndarray], np.ndarray]
CENTRE, RADIUS, SPEED = (0.25, 0.25), 0.2, 1.5
METHODS = ("uniform", "um2n", "ma")


class State(NamedTuple):
    """The mesh at a time, u (N,) on it, cells inverted then or on the way, seconds of the movement
    and of the solution in this step."""

    time: float
    mesh: Mesh
    u: np.ndarray
    inverted: int
    moving: float
    solving: float


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


def swirl(x: np.ndarray) -> np.ndarray:
    """(n, 2) the velocity at points (n, 2), as it is until t = .5."""
    one, two = np.sin(np.pi * x) ** 2, np.sin(2 * np.pi * x)
    return SPEED * np.stack([one[:, 0] * two[:, 1], -one[:, 1] * two[:, 0]], 1)


def exact(x: np.ndarray, t: float, width: float, step: float = 0.01) -> np.ndarray:
    """u at points (n, 2): its value at the start of the characteristic, by Runge and Kutta's method
    of fourth order. The flow of the second half takes all back."""
    t, x = min(t, 1 - t), x[:, :2].copy()
    count = int(np.ceil(t / step))
    for _ in range(count):
        h = -t / count
        a = swirl(x)
        b = swirl(x + h / 2 * a)
        c = swirl(x + h / 2 * b)
        d = swirl(x + h * c)
        x += h / 6 * (a + 2 * b + 2 * c + d)
    far = np.hypot(x[:, 0] - CENTRE[0], x[:, 1] - CENTRE[1])
    return np.exp(-((far - RADIUS) ** 2) / (2 * width**2))


def transported(old: Mesh, new: Mesh, u: np.ndarray, velocity: Velocity, dt: float) -> np.ndarray:
    """(N,) the solution on the new mesh, of u on the old one, a step earlier; same cells.

    d/dt int u v = int u a . grad v for hat functions v that go with the mesh, a the velocity less
    that of the points: Crank and Nicolson's method, a and gradients half way. The integral of u
    stays, as nothing flows through the boundary; where the mesh alone moves constants do too. What
    keeps it from oscillating is the part of a . grad u that no continuous field has (orthogonal
    subscales; Codina, Comput. Methods Appl. Mech. Eng. 190 (2000)), of third order.
    """
    middle = old.copy()
    middle.points = (old.points + new.points) / 2
    p1 = middle.p1()
    nodes, size = p1.simplices.nodes, p1.simplices.measure[:, None]
    slope = p1.basis_gradients()[:, :, :2]
    a = velocity(middle.points[:, :2]) - (new.points - old.points)[:, :2] / dt
    corner = a[nodes]
    share = (corner.sum(1, keepdims=True) + corner) * size[:, None] / 12  # int v_j a
    along = (slope @ corner.mean(1)[:, :, None])[:, :, 0]  # a . grad v_i
    tau = 1 / np.maximum(np.abs(along).sum(1, keepdims=True), 1e-12)
    some = np.sqrt(tau) * along
    local = size[:, None] * some[:, :, None] * some[:, None] - slope @ share.transpose(0, 2, 1)
    mean = summed(nodes, np.repeat((size / 3 * some)[:, None], 3, 1), len(u))
    lost = mean.T @ diags(1 / p1.lumped) @ mean
    rate = summed(nodes, local, len(u)) - lost
    left = (new.p1().mass() + dt / 2 * rate).tocsc()
    return splu(left).solve(old.p1().mass() @ u - dt / 2 * (rate @ u))


def summed(nodes: np.ndarray, local: np.ndarray, n: int) -> csr_matrix:
    """The matrix (n, n) of those of cells (S, 3, 3)."""
    rows, columns = np.broadcast_arrays(nodes[:, :, None], nodes[:, None])
    return coo_matrix((local.ravel(), (rows.ravel(), columns.ravel())), (n, n)).tocsr()


def monitor_of(mesh: Mesh, u: np.ndarray, kind: str) -> movers.Monitor:
    """1 + the larger of 5 |H|^2 and 10 |grad u|^2 over their maxima ("both"), or of H alone."""
    found = movers.hessian_monitor(mesh, u, 5.0)
    if kind == "both":
        found = np.maximum(found, movers.gradient_monitor(mesh, u, 10.0))
    return movers.function_of(mesh, movers.smoothed(mesh, found))


def moved(first: Mesh, mesh: Mesh, u: np.ndarray, method: str, kind: str) -> Mesh:
    """The first mesh, moved to what u on this one asks for."""
    if method == "uniform":
        return first
    mover = movers.um2n if method == "um2n" else movers.monge_ampere
    return mover(first, monitor_of(mesh, u, kind))[0]


def run(
    n: int, method: str, width: float, dt: float, kind: str = "hessian", carry: bool = False
) -> Iterator[State]:
    """The solution in time. carry: solved on the mesh as it is, then interpolated to the next."""
    first = mesh = square(n)
    u = exact(first.points, 0.0, width)
    for _ in range(3 * (method != "uniform")):  # the beginning is known everywhere
        mesh = moved(first, mesh, u, method, kind)
        u = exact(mesh.points, 0.0, width)
    yield State(0.0, mesh, u, 0, 0.0, 0.0)
    for k in range(count := round(1 / dt)):
        start = time.process_time()
        new = moved(first, mesh, u, method, kind)
        between = time.process_time()
        sign = 1 if k < count / 2 else -1
        goal = mesh if carry else new
        u = transported(mesh, goal, u, lambda x, s=sign: s * swirl(x), dt)
        if carry:
            mesh.point_data["u"] = u
            new = carry_fields(mesh, new)
            u = new.point_data["u"]
        bad = inverted(mesh, new)
        mesh = new
        now = time.process_time()
        yield State((k + 1) * dt, mesh, u, bad, between - start, now - between)


def inverted(old: Mesh, new: Mesh) -> int:
    """Triangles that are not positive, half way to the new mesh or there."""
    nodes, bad = old.cell_nodes.reshape(-1, 3), 0
    for points in ((old.points + new.points) / 2, new.points):
        a, b, c = points[nodes, :2].transpose(1, 0, 2)
        bad += int(((b - a)[:, 0] * (c - a)[:, 1] <= (b - a)[:, 1] * (c - a)[:, 0]).sum())
    return bad


def grid(n: int) -> np.ndarray:
    """(n^2, 3) middles of the squares of a grid."""
    axis = (np.arange(n) + 0.5) / n
    x, y = np.meshgrid(axis, axis, indexing="ij")
    return np.stack([x.ravel(), y.ravel(), np.zeros(n * n)], 1)


def error(state: State, width: float, fine: int = 400) -> float:
    """The L2 norm of what the solution misses over that of the exact one, by a fine grid."""
    x = grid(fine)
    known = exact(x, state.time, width)
    return float(np.linalg.norm(state.mesh.p1().field(state.u)(x) - known) / np.linalg.norm(known))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=32, help="cells along a side")
    parser.add_argument("--width", type=float, default=0.06, help="of the ring; UM2N's is .05 / 6")
    parser.add_argument("--step", type=float, default=0.01, help="of time")
    parser.add_argument("--monitor", choices=("both", "hessian"), default="both")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=METHODS)
    parser.add_argument("--carry", action="store_true", help="interpolate between the meshes")
    parser.add_argument("--out", type=Path, help="folder for a picture, and a table in JSON")
    given = parser.parse_args()
    if given.step <= 0 or abs(0.25 / given.step - round(0.25 / given.step)) > 1e-9:
        parser.error(f"--step {given.step:g}: expected a whole number of steps in 0.25")
    at = (0.0, 0.25, 0.5, 0.75, 1.0)
    found, shown = {}, []
    print("mover    error at t = " + "  ".join(f"{t:4.2f}" for t in at), end="")
    print("  range of u at the end  integral  inverted  moving s  solving s")
    for method in given.methods:
        states = run(given.size, method, given.width, given.step, given.monitor, given.carry)
        errors, bad, spent = {}, 0, np.zeros(2)
        for state in states:
            t = round(state.time, 6)
            if t in at:
                errors[t] = error(state, given.width)
            if t == 0:
                first = integral(state)
            if t in (0.25, 0.5):
                shown.append((method, state))
            bad += state.inverted
            spent += state.moving, state.solving
        change = integral(state) / first - 1
        row = [*errors.values(), state.u.min(), state.u.max(), change, bad, *spent]
        found[method] = [float(v) for v in row]
        print(f"{method:20s}" + " ".join(f"{100 * e:5.1f}" for e in errors.values()), end="")
        print(f"  {state.u.min():8.3f} {state.u.max():6.3f}  {change:+14.1e}  {bad:8d}", end="")
        print(f"  {spent[0]:8.1f}  {spent[1]:9.1f}", flush=True)
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "swirl.json").write_text(json.dumps(found))
        picture(shown, given.out / "swirl.png")


def integral(state: State) -> float:
    return float(state.mesh.p1().lumped @ state.u)


def picture(shown: list[tuple[str, State]], path: Path) -> None:
    """The meshes coloured by u: a column for each mover, a row for each time."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    names = list(dict.fromkeys(name for name, _ in shown))
    figure, axes = plt.subplots(2, len(names), figsize=(3 * len(names), 6.2), squeeze=False)
    for (name, state), ax in zip(shown, axes.T.ravel(), strict=True):
        x, cells = state.mesh.points, state.mesh.cell_nodes.reshape(-1, 3)
        ax.tripcolor(*x[:, :2].T, cells, state.u, vmin=0, vmax=1, cmap="Blues", shading="gouraud")
        ax.triplot(*x[:, :2].T, cells, color="black", linewidth=0.15)
        ax.set_title(f"{name}, t = {state.time:.2f}", fontsize=9)
        ax.set_aspect("equal")
        ax.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=72)
    plt.close(figure)
    Image.open(path).convert("RGB").quantize(32).save(path, optimize=True)


if __name__ == "__main__":
    main()
