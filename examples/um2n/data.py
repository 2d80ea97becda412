"""What movers are trained on: domains, problems with known solutions, monitors, targets.

Solutions as published: sums of n <= 6 Gaussians, amplitudes U(0, 1), centres in the domain, widths
max(N(1/4, 1/6), 1/8) along each axis, or one width U(.05, .2) for both, in units of the domain's
size; in space U(.1, .3). Source: Zhang et al., UM2N, NeurIPS 2024 (arXiv 2407.00382). Poisson and
Helmholtz problems are made of them; the monitor is `hessian_monitor`'s of the P1 solution on the
mesh as it is, half of strength 5 as published and half between 2 and 20. Targets are
`monge_ampere`'s. Or monitors are functions that nothing was solved for (`function`), which is all
that DMM is trained on.
"""

from __future__ import annotations

from typing import NamedTuple

import fem
import numpy as np
import torch
from scipy.spatial import Delaunay
from torch import Tensor

from meshop import movers
from meshop.bench import along, in_polygon, triangulate
from meshop.errors import MeshopError
from meshop.mesh import Mesh
from meshop.movers import Domain

# Cells a unit, by dimension and whether there may be holes; the widths of round Gaussians.
CELLS = {(2, False): (12, 46), (2, True): (12, 28), (3, False): (6, 13), (3, True): (6, 11)}
WIDTH = {2: (0.05, 0.2), 3: (0.1, 0.3)}


class Sample(NamedTuple):
    """One mesh with a problem, the error of its solution, and a monitor (N,) of that.

    target (N, d): Monge-Ampere's displacement; NaN where it does not get there, or was not asked.
    The error is NaN where the monitor is a function.
    """

    domain: Domain
    problem: fem.Problem
    error: Tensor
    monitor: Tensor
    target: Tensor


def square(n: int, random: np.random.Generator) -> Mesh:
    """The unit square, about n cells a side: irregular triangles, or regular ones."""
    h = 1 / n
    side, zero, one = np.arange(n) * h, np.zeros(n), np.ones(n)
    edge = [np.c_[side, zero], np.c_[one, side], np.c_[1 - side, one], np.c_[zero, 1 - side]]
    kind = random.integers(3)
    if kind == 2:
        x, y = np.meshgrid(np.arange(1, n) * h, np.arange(1, n) * h)
        inner = np.c_[x.ravel(), y.ravel()] + random.uniform(-0.05, 0.05, (x.size, 2)) * h
    else:
        x, y = np.meshgrid(np.arange(1, n) * h, np.arange(1, round(n * 1.15)) * h * np.sqrt(3) / 2)
        x = x + 0.5 * h * (np.arange(len(x)) % 2)[:, None]
        inner = np.c_[x.ravel(), y.ravel()]
        inner = inner + random.uniform(-0.3, 0.3, inner.shape) * h * (kind == 1)
        inner = inner[(inner > 0.55 * h).all(1) & (inner < 1 - 0.55 * h).all(1)]
    points = np.concatenate([*edge, inner])
    cells = Delaunay(points).simplices
    a, b, c = points[cells].transpose(1, 0, 2)
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    cells = np.where(area[:, None] < 0, cells[:, [1, 0, 2]], cells)[np.abs(area) > 1e-9]
    return Mesh.from_blocks(points, [("triangle", cells)])


def holed(
    n: int,
    random: np.random.Generator,
    most: int = 4,
    radii: tuple[float, float] = (0.06, 0.2),
) -> Mesh:
    """A rectangle of sides 1 to 1 .. `most`, with up to so many discs cut out, about n cells a
    unit."""
    wide, h = float(random.uniform(1, most)), 1 / n
    corners = np.array([[0, 0], [wide, 0], [wide, 1], [0, 1]])
    while True:
        discs: list[tuple[float, float, float]] = []
        for _ in range(int(random.integers(0, most + 1))):
            r = float(random.uniform(*radii))
            x, y = random.uniform(1.6 * r, wide - 1.6 * r), random.uniform(1.6 * r, 1 - 1.6 * r)
            if all(np.hypot(x - a, y - b) > 1.5 * (r + c) for a, b, c in discs):
                discs.append((x, y, r))
        loops = [along(corners, h)]
        for x, y, r in discs:
            turn = 2 * np.pi * np.arange(k := max(12, round(2 * np.pi * r / h))) / k
            loops.append(np.column_stack([x + r * np.cos(turn), y + r * np.sin(turn)]))

        def inside(points: np.ndarray, loops: list[np.ndarray] = loops) -> np.ndarray:
            within = [~in_polygon(loop, points) for loop in loops[1:]]
            return np.logical_and.reduce([in_polygon(corners, points), *within])

        try:
            points, cells = triangulate(loops, inside, h, random)
        except MeshopError:  # a boundary edge was lost
            continue
        return Mesh.from_blocks(points, [("triangle", cells)])


def extruded(plane: Mesh, layers: int, random: np.random.Generator) -> Mesh:
    """Tetrahedra over a plane mesh, to height 1, their inner points moved at random."""
    n, cells = plane.n_points, plane.cell_nodes.reshape(-1, 3)
    number = random.permutation(n)  # the diagonals of a prism's sides are those of the order
    cells = np.take_along_axis(cells, np.argsort(number[cells], axis=1), 1)
    low = (cells + n * np.arange(layers)[:, None, None]).reshape(-1, 3)
    both = np.concatenate([low, low + n], axis=1)
    cells = np.concatenate([both[:, [0, 1, 2, 5]], both[:, [0, 1, 4, 5]], both[:, [0, 3, 4, 5]]])
    points = np.tile(plane.points, (layers + 1, 1))
    points[:, 2] = np.repeat(np.linspace(0, 1, layers + 1), n)
    edge = points[cells[:, 1:]] - points[cells[:, :1]]
    turned = np.linalg.det(edge) < 0
    cells[turned, :2] = cells[turned, 1::-1]
    mesh = Mesh.from_blocks(points, [("tetra", cells)])
    domain = Domain.of(mesh)
    step = torch.from_numpy(random.uniform(-0.2, 0.2, (len(points), 3)) / layers)
    step[domain.boundary] = 0
    while (domain.volumes(domain.points + step) < 0.2 * domain.measure).any():
        step = step / 2
    return Mesh.from_blocks((domain.points + step).numpy(), [("tetra", cells)])


def shape(n: int, random: np.random.Generator, dim: int, holes: bool) -> Mesh:
    """A random one, about n cells a unit: in space those of the plane, less fine, extruded."""
    if dim == 2:
        return holed(n, random) if holes else square(n, random)
    plane = holed(n, random, 2, (0.12, 0.3)) if holes else square(n, random)
    return extruded(plane, n, random)


def problem(mesh: Mesh, random: np.random.Generator) -> fem.Problem:
    """A random one on the mesh."""
    d = mesh.dim
    n, size = int(random.integers(1, 7)), mesh.cell_measures().sum() ** (1 / d)
    height, centre, width = np.zeros(6), np.zeros((6, d)), np.ones((6, d))
    height[:n] = random.uniform(0, 1, n)
    height[0] += 0.2
    centre[:n] = mesh.points[random.integers(0, mesh.n_points, n), :d]
    if random.random() < 0.5:
        width[:n] = size * np.maximum(random.normal(1 / 4, 1 / 6, (n, d)), 1 / 8)
    else:
        width[:n] = size * random.uniform(*WIDTH[d], (n, 1))
    parts = height, centre, width, np.array(float(random.integers(2)))
    return fem.Problem(*(torch.from_numpy(part)[None] for part in parts))


def function(mesh: Mesh, known: fem.Problem, beta: float, random: np.random.Generator) -> Tensor:
    """(N,) a monitor 1 + beta f / max f: f is a problem's sum of Gaussians, the square of its
    Laplacian, or sech^2 across a sphere, of a centre in the domain, as wide as a front."""
    x = torch.from_numpy(mesh.points[:, : mesh.dim].copy())
    kind = int(random.integers(3))
    u, load = known(x, torch.zeros(len(x), dtype=torch.int64))
    found = u if kind == 0 else (known.reaction * u - load) ** 2
    if kind == 2:
        size = mesh.cell_measures().sum() ** (1 / mesh.dim)
        centre = x[int(random.integers(mesh.n_points))]
        far = (x - centre).norm(dim=1) / size - random.uniform(0.1, 1.0)
        found = torch.cosh((far / random.uniform(0.04, 0.2)).clamp(-300, 300)) ** -2.0
    return 1 + beta * found / found.max()


def sample(
    seed: int, holes: float = 0.5, target: bool = False, functions: bool = False, dim: int = 2
) -> Sample:
    """The sample of a number. holes: share of domains that are not the unit square, or cube;
    functions: with a monitor that is one, of a strength between 2 and 20, and nothing solved."""
    random = np.random.default_rng(seed)
    cut = bool(random.random() < holes)
    low, high = CELLS[dim, cut]
    mesh = shape(int(np.exp(random.uniform(np.log(low), np.log(high)))), random, dim, cut)
    domain, known = Domain.of(mesh), problem(mesh, random)
    none = torch.full((mesh.n_points, dim), torch.nan, dtype=torch.float64)
    if functions:
        beta = float(np.exp(random.uniform(np.log(2), np.log(20))))
        return Sample(domain, known, none[:1, 0], function(mesh, known, beta, random), none)
    values, error = fem.solve(domain, domain.points, known)
    beta = 5.0 if random.random() < 0.5 else float(np.exp(random.uniform(np.log(2), np.log(20))))
    monitor = movers.hessian_monitor(mesh, values.numpy(), beta)
    goal = none
    if target:
        moved, report = movers.monge_ampere(mesh, monitor, max_iterations=400)
        if report.residual < 5e-3 and report.done == 1.0:
            goal = torch.from_numpy((moved.points - mesh.points)[:, :dim].copy())
    return Sample(domain, known, error, torch.from_numpy(monitor), goal)


def join(samples: list[Sample]) -> Sample:
    """A batch."""
    parts = list(zip(*samples, strict=True))
    problems = [torch.cat(column) for column in zip(*parts[1], strict=True)]
    rest = (torch.cat(part) for part in parts[2:])
    return Sample(Domain.join(parts[0]), fem.Problem(*problems), *rest)
