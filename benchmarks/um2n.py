"""What learned movers give: errors of P1 solutions on moved meshes, beside Monge-Ampere, and speed.

    python benchmarks/um2n.py [--cases 10] [--nets NAME=FILE ...] [--solids] [--files MESH ...]

Cases: Poisson (-Laplacian u = f) and Helmholtz (-Laplacian u + u = f, as UM2N has it) by turns,
with u a random sum of Gaussians, exact boundary values, P1 by scikit-fem, error in L2 by quadrature
of sixth order. Meshes: squares of sizes other than those trained on, an L, a channel with a
cylinder, one with five: irregular triangles that no mover has seen; by gmsh, tetrahedra in a unit
cube and in one with a cylinder cut out (--solids, and these alone). The monitor is
1 + 5 |H|^2 / max |H|^2 of the solution on the mesh as it was. Reduction: 1 - error after / error
before; a mover that raises an error, or leaves a cell inverted, counts as 0. Movers:
`monge_ampere`; `adapt`'s elastic; `um2n` with the shipped network, in solids also with that for the
plane, with files that --nets names; `dmm`; and without a network, "flow": the same flow to the
monitor as it is (Moser and Liao's deformation method), and "potential", dmm's iteration, five
steps. "by hand" has the monitor m replaced by (m - min m + .02 (max m - min m))^(1/3): cells of
equal parts of |H|^(2/3), which is what the error in L2 asks for.

--files: the triangles or tetrahedra of mesh files, and a cube; what P1 interpolation misses of a
Gaussian and of an oblique layer (tanh), by the middles of edges.

Speed: processor seconds of one thread, calls by turns, squares of 5,000 points.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _timing import interleaved, machine, table, write_json

import meshop
from meshop import movers, ops
from meshop.bench import along, in_polygon, triangulate
from meshop.errors import MeshopError
from meshop.mesh import Mesh

Mover = Callable[[Mesh, np.ndarray], movers.Moved]
MONGE = "Monge-Ampere"
L = np.array([[0, 0], [1, 0], [1, 0.5], [0.5, 0.5], [0.5, 1], [0, 1]])
CHANNEL = np.array([[0, 0], [2.2, 0], [2.2, 0.41], [0, 0.41]])
FIVE = [
    (0.3, 0.2, 0.05),
    (0.7, 0.28, 0.04),
    (0.75, 0.11, 0.04),
    (1.2, 0.2, 0.06),
    (1.7, 0.15, 0.04),
]


def domain(
    corners: Sequence, h: float, seed: int, holes: Sequence[tuple[float, float, float]] = ()
) -> Mesh:
    """Irregular triangles of about h in a polygon less some discs (x, y, radius)."""
    corners = np.asarray(corners, float)
    loops = [along(corners, h)]
    for x, y, r in holes:
        turn = 2 * np.pi * np.arange(n := max(16, round(2 * np.pi * r / h))) / n
        loops.append(np.column_stack([x + r * np.cos(turn), y + r * np.sin(turn)]))

    def inside(points: np.ndarray) -> np.ndarray:
        found = in_polygon(corners, points)
        for loop in loops[1:]:
            found &= ~in_polygon(loop, points)
        return found

    for k in range(20):
        try:
            at, cells = triangulate(loops, inside, h, np.random.default_rng((seed, k)))
        except MeshopError:  # a boundary edge was lost
            continue
        return Mesh.from_blocks(at, [("triangle", cells)])
    raise SystemExit(f"no mesh of size {h}")


def solid(h: float, seed: int, radius: float = 0.0) -> Mesh:
    """Irregular tetrahedra of about h in the unit cube less a cylinder through it."""
    import gmsh

    random = np.random.default_rng((seed, 3))
    gmsh.initialize(interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.option.setNumber("Mesh.RandomSeed", seed + 1)
        gmsh.option.setNumber("Mesh.MeshSizeMax", h * random.uniform(0.95, 1.05))
        box = gmsh.model.occ.addBox(0, 0, 0, 1, 1, 1)
        if radius:
            x, y = random.uniform(0.4, 0.6, 2)
            rod = gmsh.model.occ.addCylinder(x, y, -1, 0, 0, 3, radius)
            gmsh.model.occ.cut([(3, box)], [(3, rod)])
        gmsh.model.occ.synchronize()
        gmsh.model.mesh.generate(3)
        tags, points, _ = gmsh.model.mesh.getNodes()
        cells = gmsh.model.mesh.getElementsByType(4)[1].reshape(-1, 4)
    finally:
        gmsh.finalize()
    used, cells = np.unique(cells, return_inverse=True)
    order = np.argsort(tags)
    points = points.reshape(-1, 3)[order[np.searchsorted(tags[order], used)]]
    return Mesh.from_blocks(points, [("tetra", cells.reshape(-1, 4))])


SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1]]
DOMAINS: dict[str, Callable[[int], Mesh]] = {
    "square, 230": lambda s: domain(SQUARE, 0.075, s),
    "square, 1,000": lambda s: domain(SQUARE, 0.034, s),
    "square, 2,500": lambda s: domain(SQUARE, 0.0214, s),
    "square, 5,000": lambda s: domain(SQUARE, 0.0151, s),
    "L": lambda s: domain(L, 0.025, s),
    "cylinder": lambda s: domain(CHANNEL, 0.022, s, [(0.2, 0.2, 0.05)]),
    "five cylinders": lambda s: domain(CHANNEL, 0.022, s, FIVE),
    "cube, 500": lambda s: solid(0.15, s),
    "cube, 3,000": lambda s: solid(0.075, s),
    "cube with a cylinder": lambda s: solid(0.11, s, 0.2),
}
SOLID = [name for name in DOMAINS if name.startswith("cube")]


class Gaussians:
    """A random sum of Gaussians in a domain, scaled by its size; centres are in it. Those of solids
    are twice as wide: their meshes are that much coarser."""

    def __init__(self, mesh: Mesh, random: np.random.Generator) -> None:
        n, d = int(random.integers(1, 7)), mesh.dim
        size = mesh.cell_measures().sum() ** (1 / d)
        self.height = random.uniform(0.2, 1, n)
        self.centre = mesh.points[random.integers(0, mesh.n_points, n), :d]
        if random.random() < 0.5:
            wide = np.maximum(random.normal(1 / 4, 1 / 6, (n, d)), 1 / 8)
        else:
            wide = np.repeat(random.uniform(0.05, 0.2, (n, 1)) * (d - 1), d, axis=1)
        self.rate = 1 / (size * wide) ** 2

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self._sum(x)[0]

    def laplacian(self, x: np.ndarray) -> np.ndarray:
        return self._sum(x)[1]

    def _sum(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u and its Laplacian at points (d, ...)."""
        u, bend = np.zeros((2, *x.shape[1:]))
        for height, centre, rate in zip(self.height, self.centre, self.rate, strict=True):
            away = [x[i] - c for i, c in enumerate(centre)]
            part = height * np.exp(-sum(r * a**2 for r, a in zip(rate, away, strict=True)))
            u += part
            bend += part * sum(4 * r**2 * a**2 - 2 * r for r, a in zip(rate, away, strict=True))
        return u, bend


def solved(mesh: Mesh, exact: Gaussians, reaction: float) -> tuple[np.ndarray, float]:
    """P1 solution (N,) of -Laplacian u + reaction u = f, and its error in L2."""
    import skfem
    from skfem.helpers import dot, grad

    d = mesh.dim
    cells = mesh.cell_nodes.reshape(-1, d + 1)
    kind, element = (
        (skfem.MeshTri, skfem.ElementTriP1()) if d == 2 else (skfem.MeshTet, skfem.ElementTetP1())
    )
    twin = kind(mesh.points[:, :d].T.copy(), cells.T.copy())
    basis = skfem.Basis(twin, element, intorder=6)

    def form(u: Any, v: Any, _: Any) -> Any:
        return dot(grad(u), grad(v)) + reaction * u * v

    def load(v: Any, w: Any) -> Any:
        return (reaction * exact(w.x) - exact.laplacian(w.x)) * v

    def square(w: Any) -> Any:
        return (w["u"] - exact(w.x)) ** 2

    system = skfem.BilinearForm(form).assemble(basis), skfem.LinearForm(load).assemble(basis)
    known = skfem.condense(*system, x=exact(twin.p), D=twin.boundary_nodes())
    values = skfem.solve(*known)
    miss = skfem.Functional(square).assemble(basis, u=values)
    return values, float(np.sqrt(miss))


def by_hand(mover: Mover) -> Mover:
    """The mover, to what the error of P1 fields asks for behind a Hessian monitor."""

    def moved(mesh: Mesh, monitor: np.ndarray) -> movers.Moved:
        low, high = monitor.min(), monitor.max()
        return mover(mesh, (monitor - low + 0.02 * (high - low)) ** (1 / 3))

    return moved


def elastic(mesh: Mesh, monitor: np.ndarray) -> movers.Moved:
    moved, report = movers.adapt(mesh, monitor, method="elastic")
    return movers.Moved(moved, report.move)


def inverted(mesh: Mesh, moved: Mesh) -> int:
    """Simplices that are not positive, by exact signs."""
    nodes = torch.from_numpy(movers.positive_corners(mesh))
    points = torch.from_numpy(moved.points[:, : mesh.dim].copy())
    return int((ops.simplex_sign(points, nodes) <= 0).sum())


def spread(mesh: Mesh, value: Callable[[np.ndarray], np.ndarray]) -> float:
    """The coefficient of variation of m |K|."""
    corners = mesh.cell_nodes.reshape(mesh.n_cells, -1)
    m = value(mesh.points)[corners].mean(axis=1) * mesh.cell_measures()
    return float(m.std() / m.mean())


def one_case(name: str, number: int, choice: dict[str, Mover]) -> dict[str, Any]:
    mesh = DOMAINS[name](number)
    random = np.random.default_rng((len(name), number))
    exact, reaction = Gaussians(mesh, random), float(number % 2)
    values, before = solved(mesh, exact, reaction)
    monitor = movers.hessian_monitor(mesh, values)
    even = mesh.p1().field(monitor)
    out: dict[str, Any] = {"domain": name, "case": number, "points": mesh.n_points}
    out["spread"] = spread(mesh, even)
    for key, mover in choice.items():
        start = time.process_time()
        found: dict[str, Any] = {"reduction": 0.0, "inverted": 0, "failed": True}
        try:
            moved, report = mover(mesh, monitor)
            spent = time.process_time() - start
        except MeshopError as error:
            spent = time.process_time() - start
            found["error"] = str(error)
        else:
            bad = inverted(mesh, moved)
            reduction = 1 - solved(moved, exact, reaction)[1] / before
            found = {
                "reduction": 0.0 if bad else reduction, "inverted": bad, "failed": bad > 0,
                "proposed": report.proposed, "done": report.done, "angle": report.min_angle,
                "spread": spread(moved, even),
            }  # fmt: skip
        out[key] = found | {"seconds": spent}
    return out


def summary(cases: list[dict], names: Sequence[str]) -> str:
    """A row for each domain and mover."""
    rows = []
    groups = {name: [c for c in cases if c["domain"] == name] for name in DOMAINS}
    groups |= {
        "all squares": [c for c in cases if c["domain"].startswith("square")],
        "all others": [c for c in cases if not c["domain"].startswith(("square", "cube"))],
        "all solids": [c for c in cases if c["domain"].startswith("cube")],
        "all": cases,
    }
    for group, some in groups.items():
        if not some:
            continue
        most = np.mean([c[MONGE]["reduction"] for c in some]) if MONGE in names else np.nan
        for name in names:
            got = np.array([c[name]["reduction"] for c in some])
            rows.append((
                group, name, len(some), *(f"{100 * v:.1f}" for v in
                (got.mean(), np.median(got), got.min(), 100 * (got > 0).mean() / 100,
                 got.mean() / most)),
                sum(c[name]["failed"] for c in some),
                sum(c[name]["inverted"] for c in some),
                f"{np.mean([c[name].get('spread', c['spread']) for c in some]):.3f}",
                f"{np.median([c[name].get('angle', 0.0) for c in some]):.0f}",
                f"{np.median([c[name]['seconds'] for c in some]):.2f}",
            ))  # fmt: skip
    head = ("domain", "mover", "cases", "mean %", "median %", "worst %", "positive %",
            "of Monge-Ampere %", "failed", "inverted", "spread", "least angle", "s")  # fmt: skip
    return table(rows, head)


def speed(choice: dict[str, Mover], turns: int) -> dict[str, float]:
    """Processor milliseconds, median, over monitors of three solutions."""
    out: dict[str, list[float]] = {name: [] for name in choice}
    for number in range(3):
        mesh = DOMAINS["square, 5,000"](number)
        values = Gaussians(mesh, np.random.default_rng(number))(mesh.points.T)
        monitor = movers.hessian_monitor(mesh, values)
        jobs = {name: partial(mover, mesh, monitor) for name, mover in choice.items()}
        for name, seconds in interleaved(jobs, turns, clock=time.process_time).items():
            out[name].append(1e3 * seconds)
    return {name: float(np.mean(times)) for name, times in out.items()}


def missed(mesh: Mesh, u: Callable[[np.ndarray], np.ndarray]) -> float:
    """What the P1 interpolant of u misses in the middles of edges, root mean square."""
    corner = mesh.points[mesh.cell_nodes.reshape(mesh.n_cells, -1)]
    pairs = [(i, j) for i in range(corner.shape[1]) for j in range(i)]
    ends = [(corner[:, i], corner[:, j]) for i, j in pairs]
    miss = sum(((u(a) + u(b)) / 2 - u((a + b) / 2)) ** 2 for a, b in ends)
    return float(np.sqrt(miss @ mesh.cell_measures() / len(pairs)))


def simplices(path: str) -> Mesh:
    """The triangles of a mesh file, or its tetrahedra, alone."""
    mesh = meshop.read(path)
    kind, name, width = (10, "tetra", 4) if (mesh.cell_types == 10).any() else (5, "triangle", 3)
    start = mesh.cell_offsets[:-1][mesh.cell_types == kind]
    ids, cells = np.unique(mesh.cell_nodes[start[:, None] + np.arange(width)], return_inverse=True)
    return Mesh.from_blocks(mesh.points[ids], [(name, cells.reshape(-1, width))])


def cube(n: int) -> Mesh:
    """The unit cube in tetrahedra, six in each of n^3 boxes."""
    axis = np.arange(n + 1)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3) / n
    corner = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 3)
    place = np.array([(n + 1) ** 2, n + 1, 1])
    cells = []
    for order in permutations(range(3)):
        way = np.cumsum(np.eye(3, dtype=int)[list(order)], axis=0) @ place
        cells.append((corner @ place)[:, None] + np.concatenate([[0], way]))
    return Mesh.from_blocks(points, [("tetra", np.concatenate(cells))])


def on_files(paths: Sequence[str], choice: dict[str, Mover]) -> str:
    """How much less interpolation misses, and the least angle."""
    rows = []
    for name, mesh in [*((Path(p).stem, simplices(p)) for p in paths), ("cube", cube(12))]:
        centre, size = mesh.points.mean(axis=0), np.ptp(mesh.points, axis=0).max()
        fields = {
            "Gaussian": lambda x: np.exp(-(((x - centre) / size / 0.15) ** 2).sum(-1)),  # noqa: B023
            "layer": lambda x: np.tanh((x - centre) @ np.array([15, 9, 4.5]) / size),  # noqa: B023
        }
        for field, u in fields.items():
            monitor = movers.hessian_monitor(mesh, u(mesh.points))
            row = [name, mesh.n_points, field]
            for mover in choice.values():
                try:
                    moved, report = mover(mesh, monitor)
                    row.append(f"{100 - 100 * missed(moved, u) / missed(mesh, u):.1f}")
                    row.append(f"{report.min_angle:.0f}")
                except MeshopError:
                    row += ["failed", ""]
            rows.append(row)
    head = [part for name in choice for part in (f"{name} %", "angle")]
    return table(rows, ("mesh", "points", "field", *head))


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--cases", type=int, default=10, help="of each domain")
    args.add_argument("--domains", nargs="*", default=[n for n in DOMAINS if n not in SOLID])
    args.add_argument("--solids", action="store_true", help="the tetrahedra instead (needs gmsh)")
    args.add_argument("--nets", nargs="*", default=[], metavar="NAME=FILE")
    args.add_argument("--speed", type=int, default=7, help="turns; 0: none")
    args.add_argument("--movers", nargs="*", help="these alone")
    args.add_argument("--files", nargs="*", metavar="MESH")
    args.add_argument("--json")
    opt = args.parse_args()
    torch.set_num_threads(1)
    files = dict(one.split("=", 1) for one in opt.nets)
    nets = {k: movers.load_mover(v) for k, v in files.items()}
    nets["flow"] = movers.FlowMover(steps=8, blocks=0)
    choice: dict[str, Mover] = {
        MONGE: movers.monge_ampere,
        f"{MONGE}, by hand": by_hand(movers.monge_ampere),
        "elastic": elastic,
        "um2n": movers.um2n,
    }
    if opt.solids:
        opt.domains, opt.speed = SOLID, 0
        choice["um2n, plane"] = partial(movers.um2n, net=movers.load_mover())
    for name, net in nets.items():
        choice[name] = partial(movers.um2n, net=net)
    choice["flow, by hand"] = by_hand(choice["flow"])
    choice["dmm"], choice["dmm, by hand"] = movers.dmm, by_hand(movers.dmm)
    choice["potential"] = partial(movers.dmm, net=movers.DMM(steps=5))
    choice = {name: mover for name, mover in choice.items() if name in (opt.movers or choice)}
    cases = []
    for name in opt.domains:
        for number in range(opt.cases):
            cases.append(one_case(name, number, choice))
        print(f"{name}: {len(cases)} cases", flush=True)
    if cases:
        print(summary(cases, list(choice)))
    if opt.files is not None:
        print(on_files(opt.files, {key: choice[key] for key in (MONGE, "um2n")}))
    times = speed(choice, opt.speed) if opt.speed else {}
    if times:
        rows = [(name, ms, times.get(MONGE, np.nan) / ms) for name, ms in times.items()]
        print(table(rows, ("5,000 points", "ms", "times as fast as Monge-Ampere")))
    write_json(opt.json, {"machine": machine(), "cases": cases, "speed": times})
    print(f"meshop {meshop.__version__}")


if __name__ == "__main__":
    main()
