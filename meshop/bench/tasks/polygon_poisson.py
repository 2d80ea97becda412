"""Poisson's equation on random polygons with random boundary data, made with scikit-fem.

    -laplace u = f inside, u = g on the boundary

Star-shaped polygons of 5 to 12 corners at distances of .5 to 1 from the origin, about 800 points.
g: a random trigonometric polynomial of the arc length, five waves. f: four Gaussian bumps of random
place, width, height and sign. f is known at the nodes, g on the boundary and at its nodes; the
others get its extension (`GraphSpec.extended`). Quadratic elements; the field is taken at the
corners of the triangles. 1,000 training and 200 test cases, fixed by number. Error: relative L2
norm weighted by dual measures. The family is ours.

`polygon_poisson_fine`: the same training cases; the first 50 test cases on such meshes, and the
same 50 problems on meshes of half the edge length, four times the points.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import MeshopError
from ...mesh import Mesh
from .._generate import along, cache_folder, generate, in_polygon, need_skfem, triangulate
from .._meshes import triangle_mesh, with_case
from .._task import Split, Task

TRAIN, TEST, SEED, POINTS = 1000, 200, 20601, 800
FINE, FINER = 50, 2  # cases on finer meshes, and how many times shorter their edges are


def make(i: int, finer: int = 1) -> dict[str, np.ndarray]:
    """Points, triangles, u, f and g (zero inside) of case i; finer: on edges so much shorter."""
    for attempt in range(20):  # a corner may be too sharp for the mesh
        random = np.random.default_rng([SEED, i, attempt])
        corners = polygon(random)
        area = 0.5 * abs(np.sum(_cross(corners, np.roll(corners, -1, axis=0))))
        h = np.sqrt(area * 2 / np.sqrt(3) / POINTS)
        try:
            edge = along(corners, h)
            points, triangles = triangulate([edge], partial(in_polygon, corners), h, random)
            break
        except MeshopError:
            if attempt == 19:
                raise
    bumps = np.column_stack(
        [
            random.uniform(-0.7, 0.7, (4, 2)),
            random.uniform(0.12, 0.4, 4),
            random.uniform(4, 20, 4) * random.choice([-1, 1], 4),
        ]
    )
    waves = random.normal(size=(2, 6)) / (1 + np.arange(6))
    if finer > 1:
        edge, points, triangles = _again(corners, h / finer, [SEED, i, finer])
    step = np.linalg.norm(np.roll(edge, -1, axis=0) - edge, axis=1)
    arc = 2 * np.pi * np.concatenate([[0], np.cumsum(step)[:-1]]) / step.sum()
    k = np.arange(6)[:, None]
    on_edge = waves[0] @ np.cos(k * arc) + waves[1] @ np.sin(k * arc)

    def f(x: np.ndarray) -> np.ndarray:
        out = np.zeros(x.shape[1:])
        for a, b, width, height in bumps:
            out += height * np.exp(-((x[0] - a) ** 2 + (x[1] - b) ** 2) / (2 * width**2))
        return out

    g = np.zeros(len(points))
    g[: len(edge)] = on_edge
    return {
        "points": points,
        "triangles": triangles,
        "u": solve(points, triangles, f, g),
        "f": f(points.T),
        "g": g,
    }


def _again(
    corners: np.ndarray, h: float, seed: list[int], attempt: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boundary points, points and triangles of edge h, or a little less where that loses an edge.

    Raises MeshopError where none of 20 attempts keeps all.
    """
    edge, random = along(corners, h), np.random.default_rng([*seed, attempt])
    try:
        return edge, *triangulate([edge], partial(in_polygon, corners), h, random)
    except MeshopError:
        if attempt == 19:
            raise
        return _again(corners, 0.99 * h, seed, attempt + 1)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def polygon(random: np.random.Generator) -> np.ndarray:
    """(n, 2) corners, counter-clockwise."""
    n = int(random.integers(5, 13))
    turn = 2 * np.pi * (np.arange(n) + random.uniform(-0.3, 0.3, n)) / n
    radius = random.uniform(0.5, 1, n)
    return radius[:, None] * np.column_stack([np.cos(turn), np.sin(turn)])


def solve(points: np.ndarray, triangles: np.ndarray, f: Any, g: np.ndarray) -> np.ndarray:
    """(N,) solution at the points; f(x (2, ...)) source, g (N,) values on the boundary, linear on
    its edges."""
    from skfem import Basis, ElementTriP2, LinearForm, MeshTri, asm, condense
    from skfem import solve as linear_solve
    from skfem.models.poisson import laplace

    mesh = MeshTri(points.T.copy(), triangles.T.copy())
    basis = Basis(mesh, ElementTriP2(), intorder=4)
    load = LinearForm(lambda v, w: f(w.x) * v)
    edges = mesh.boundary_facets()
    u = basis.zeros()
    u[basis.nodal_dofs[0]] = g
    u[basis.facet_dofs[0, edges]] = g[mesh.facets[:, edges]].mean(0)
    fixed = np.concatenate([basis.nodal_dofs[0, mesh.boundary_nodes()], basis.facet_dofs[0, edges]])
    u = linear_solve(*condense(asm(laplace, basis), asm(load, basis), x=u, D=fixed))
    return u[basis.nodal_dofs[0]]


def load(data: Path, work: Path) -> Split:
    """1,000 training and 200 test cases, from the cache or made."""
    need_skfem("polygon_poisson")
    found = generate(make, range(TRAIN + TEST), cache_folder() / "polygon_poisson-1")
    cases = [_mesh(case) for case in found]
    return Split(cases[:TRAIN], {"test": cases[TRAIN:]})


def load_fine(data: Path, work: Path) -> Split:
    """The training cases, and test problems on meshes of their size and on finer ones."""
    base = load(data, work)
    ids = range(TRAIN, TRAIN + FINE)
    found = generate(partial(make, finer=FINER), ids, cache_folder() / "polygon_poisson_fine-1")
    return Split(
        base.train, {"same": base.tests["test"][:FINE], "fine": [_mesh(case) for case in found]}
    )


def _mesh(case: dict[str, np.ndarray]) -> Mesh:
    base = triangle_mesh(case["points"], case["triangles"])
    return with_case(base, {name: case[name] for name in "ufg"})


TASKS = [
    Task(
        name=name,
        summary=summary,
        load=loader,
        targets=("u",),
        conditions=(),
        inputs=("f", "g"),
        wall_inputs=("g",),
        version=version,
        measure="quadrature",
        source="none; the family is meshop's",
    )
    for name, loader, version, summary in (
        (
            "polygon_poisson",
            load,
            3,
            "Poisson's equation on random polygons, random source and boundary data",
        ),
        (
            "polygon_poisson_fine",
            load_fine,
            2,
            "the same, asked on meshes of four times the points too",
        ),
    )
]
