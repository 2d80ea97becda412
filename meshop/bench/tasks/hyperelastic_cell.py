"""A hyperelastic unit cell with a random void, pulled at its top; made with scikit-fem.

Neo-Hookean, plane strain, E = 1, nu = .3: P = mu (F - F^-T) + lambda ln J F^-T. The unit square
without a star-shaped void about its middle; the bottom is clamped, the top gripped and moved up by
`pull` (.02 to .2), the sides are free. The void's radius is a random trigonometric polynomial of
the angle. About 1,000 points; linear elements, so the figures are of this discretisation. Asked
for: the von Mises stress of the Cauchy stress at the nodes of the undeformed mesh, averaged over
the triangles around them by area. 1,000 training and 200 test cases, fixed by number. Error:
relative L2 norm weighted by dual measures. The family resembles Geo-FNO's `elasticity` in kind
only: other material, other load, other meshes; its published figures do not apply.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

from ...errors import MeshopError
from .._generate import along, cache_folder, generate, need_skfem, triangulate
from .._meshes import triangle_mesh, with_case
from .._task import Split, Task

TRAIN, TEST, SEED, POINTS = 1000, 200, 20602, 1000
MU, LAMBDA = 1 / 2.6, 0.3 / (1.3 * 0.4)
Radius = Callable[[np.ndarray], np.ndarray]
STEPS = 40  # of Newton's method, with half steps


def make(i: int) -> dict[str, np.ndarray]:
    """Points, triangles, pull and stress of case i."""
    for attempt in range(20):
        random = np.random.default_rng([SEED, i, attempt])
        radius = void(random)
        turn = 2 * np.pi * np.arange(400) / 400
        r = radius(turn)
        area = 1 - 0.5 * np.mean(r**2) * 2 * np.pi
        h = np.sqrt(area * 2 / np.sqrt(3) / POINTS)
        curve = 0.5 + r[:, None] * np.column_stack([np.cos(turn), np.sin(turn)])
        square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])

        def inside(p: np.ndarray, radius: Radius = radius) -> np.ndarray:
            d = p - 0.5
            out = np.hypot(*d.T) > radius(np.arctan2(d[:, 1], d[:, 0]))
            return out & (np.abs(d) < 0.5).all(1)

        try:
            loops = [along(square, h), _even(curve, h)]
            points, triangles = triangulate(loops, inside, h, random)
            pull = random.uniform(0.02, 0.2)
            bottom, top = (np.abs(points[:, 1] - y) < 1e-12 for y in (0, 1))
            fixed = bottom | top
            u0 = np.zeros_like(points)
            u0[:, 1] = pull * points[:, 1]
            u = solve(points, triangles, fixed, u0)
            break
        except MeshopError:
            if attempt == 19:
                raise
    return {
        "points": points,
        "triangles": triangles,
        "pull": np.array(pull),
        "stress": nodal_stress(points, triangles, u),
    }


def void(random: np.random.Generator) -> Radius:
    """Radius of the angle: mean .15 to .3, five waves, within .07 and .4."""
    mean = random.uniform(0.15, 0.3)
    waves = random.normal(size=(2, 5)) * 0.22 / np.arange(1, 6) ** 1.2
    k = np.arange(1, 6)[:, None]

    def radius(turn: np.ndarray) -> np.ndarray:
        wave = waves[0] @ np.cos(k * turn) + waves[1] @ np.sin(k * turn)
        return np.clip(mean * (1 + wave), 0.07, 0.4)

    return radius


def solve(
    points: np.ndarray, triangles: np.ndarray, fixed: np.ndarray, u0: np.ndarray
) -> np.ndarray:
    """(N, 2) displacement in equilibrium, by Newton's method from u0, which holds at `fixed` nodes.

    Raises MeshopError where it does not converge.
    """
    from skfem import Basis, ElementTriP1, ElementVector, MeshTri

    mesh = MeshTri(points.T.copy(), triangles.T.copy())
    basis = Basis(mesh, ElementVector(ElementTriP1()), intorder=1)
    # (E, 6, 2, 2) gradients of the vector basis functions, constant on a triangle.
    slope = np.stack([f[0].grad[..., 0].transpose(2, 0, 1) for f in basis.basis], axis=1)
    area, dofs = basis.dx[:, 0], basis.element_dofs.T
    rows, cols = np.repeat(dofs, 6, axis=1).ravel(), np.tile(dofs, (1, 6)).ravel()
    free = np.ones(basis.N, dtype=bool)
    free[basis.nodal_dofs[:, fixed].ravel()] = False
    u = np.zeros(basis.N)
    u[basis.nodal_dofs] = u0.T

    def residual(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        f = np.eye(2) + np.einsum("ea,eaij->eij", u[dofs], slope)
        if (np.linalg.det(f) <= 0).any():
            return f, np.full(basis.N, np.inf)
        force = np.einsum("e,eij,eaij->ea", area, first_piola(f), slope)
        return f, np.bincount(dofs.ravel(), force.ravel(), basis.N)

    f, force = residual(u)
    scale = max(float(np.abs(force[np.isfinite(force)]).max(initial=0)), 1e-12)
    for _ in range(STEPS):
        if np.abs(force[free]).max() < 1e-10 * scale:
            return u[basis.nodal_dofs].T
        local = np.einsum("e,eaij,eijkl,ebkl->eab", area, slope, tangent(f), slope, optimize=True)
        matrix = coo_matrix((local.ravel(), (rows, cols)), shape=(basis.N,) * 2).tocsr()
        step = np.zeros_like(u)
        step[free] = spsolve(matrix[free][:, free].tocsc(), -force[free])
        for half in range(8):
            f, tried = residual(u + 0.5**half * step)
            if np.isfinite(tried).all() and (
                np.linalg.norm(tried[free]) < np.linalg.norm(force[free]) or half == 7
            ):
                break
        if not np.isfinite(tried).all():
            break
        u, force = u + 0.5**half * step, tried
    raise MeshopError("Newton's method does not converge on this cell")


def first_piola(f: np.ndarray) -> np.ndarray:
    """(E, 2, 2) first Piola-Kirchhoff stress of deformation gradients in plane strain."""
    inverse = np.linalg.inv(f).transpose(0, 2, 1)
    log = np.log(np.linalg.det(f))[:, None, None]
    return MU * (f - inverse) + LAMBDA * log * inverse


def tangent(f: np.ndarray) -> np.ndarray:
    """(E, 2, 2, 2, 2) derivative of `first_piola`."""
    eye = np.eye(2)
    g = np.linalg.inv(f).transpose(0, 2, 1)
    log = np.log(np.linalg.det(f))
    out = MU * np.einsum("ik,jl->ijkl", eye, eye)[None] + LAMBDA * np.einsum("eij,ekl->eijkl", g, g)
    return out + (MU - LAMBDA * log)[:, None, None, None, None] * np.einsum("eil,ekj->eijkl", g, g)


def von_mises(f: np.ndarray) -> np.ndarray:
    """(E,) von Mises stress of the Cauchy stress, with its component out of the plane."""
    j = np.linalg.det(f)
    s = first_piola(f) @ f.transpose(0, 2, 1) / j[:, None, None]
    xx, yy, xy, zz = s[:, 0, 0], s[:, 1, 1], s[:, 0, 1], LAMBDA * np.log(j) / j
    return np.sqrt(0.5 * ((xx - yy) ** 2 + (yy - zz) ** 2 + (zz - xx) ** 2) + 3 * xy**2)


def nodal_stress(points: np.ndarray, triangles: np.ndarray, u: np.ndarray) -> np.ndarray:
    """(N,) von Mises stress, averaged over the triangles around a node by area."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    edges = np.stack([b - a, c - a], axis=2)
    p, q, r = (u[triangles[:, k]] for k in range(3))
    f = np.eye(2) + np.stack([q - p, r - p], axis=2) @ np.linalg.inv(edges)
    area = np.abs(np.linalg.det(edges))
    total = np.bincount(triangles.ravel(), np.repeat(area * von_mises(f), 3), len(points))
    return total / np.bincount(triangles.ravel(), np.repeat(area, 3), len(points))


def _even(curve: np.ndarray, h: float) -> np.ndarray:
    """Points about h apart on a closed curve."""
    closed = np.vstack([curve, curve[:1]])
    arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = np.linspace(0, arc[-1], max(12, round(arc[-1] / h)), endpoint=False)
    return np.column_stack([np.interp(at, arc, closed[:, d]) for d in (0, 1)])


def load(data: Path, work: Path) -> Split:
    """1,000 training and 200 test cases, from the cache or made."""
    need_skfem("hyperelastic_cell")
    found = generate(make, range(TRAIN + TEST), cache_folder() / "hyperelastic_cell-1")
    cases = [
        with_case(
            triangle_mesh(c["points"], c["triangles"]),
            {"stress": c["stress"]},
            {"pull": float(c["pull"])},
        )
        for c in found
    ]
    return Split(cases[:TRAIN], {"test": cases[TRAIN:]})


TASKS = [
    Task(
        name="hyperelastic_cell",
        summary="Stress in a hyperelastic cell with a random void",
        load=load,
        targets=("stress",),
        conditions=("pull",),
        measure="quadrature",
        source="none; the family is meshop's",
    )
]
