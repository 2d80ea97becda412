"""The laminar flow around a cylinder in a channel, by finite elements.

    du/dt + u . grad u = nu laplace u - grad p,   div u = 0,   mean inflow 1, Re = diameter / nu

in a channel of height 0.41: a parabola flows in, the walls and the cylinder hold the fluid, at the
outlet nu du/dn = p n (the benchmarks of Schaefer and Turek, 1996).

Taylor-Hood elements (P2, P1), BDF2, incremental pressure correction (Guermond, Minev and Shen,
Comput. Methods Appl. Mech. Engrg. 195, 2006, section 3; the form that knows one velocity). With w a
velocity of a while ago and u* = 2 u^n - u^(n-1), convection is

    w . grad u^(n+1) + (u* - w) . grad u*

of second order, and stable at time steps where u* . grad u* is not. w and the factors of the
velocity's matrix are renewed where u* - w asks for it; the pressure's are computed once for a case.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import SuperLU, splu

import meshop
from meshop.mesh import Region

HEIGHT, LENGTH = 0.41, 1.4
COURANT = 0.3  # |u* - w| dt / h from which the velocity's matrix is factorised anew
KICK = 0.5  # until then the cylinder turns, so that shedding need not wait for rounding


class Cylinder(NamedTuple):
    x: float = 0.2
    y: float = 0.2
    diameter: float = 0.1


@dataclass(frozen=True)
class Sizes:
    """Edge lengths at the cylinder, in the wake and elsewhere."""

    near: float
    wake: float
    far: float

    def scaled(self, factor: float) -> Sizes:
        return Sizes(factor * self.near, factor * self.wake, factor * self.far)


COARSE = Sizes(0.013, 0.02, 0.028)


def channel(cylinder: Cylinder, sizes: Sizes, length: float = LENGTH, seed: int = 1) -> meshop.Mesh:
    """Triangles of the channel around the cylinder; regions inlet, outlet, walls, cylinder."""
    import gmsh

    x, y, radius = cylinder.x, cylinder.y, cylinder.diameter / 2
    gmsh.initialize(interruptible=False)
    try:
        for name, value in (
            ("General.Terminal", 0), ("Mesh.MeshSizeExtendFromBoundary", 0),
            ("Mesh.MeshSizeFromPoints", 0), ("Mesh.RandomSeed", seed), ("Mesh.Algorithm", 6),
            ("General.NumThreads", 1),
        ):  # fmt: skip
            gmsh.option.setNumber(name, value)
        shape = gmsh.model.occ
        box = shape.addRectangle(0, 0, 0, length, HEIGHT)
        shape.cut([(2, box)], [(2, shape.addDisk(x, y, 0, radius, radius))])
        shape.synchronize()

        up, off = f"({x} - x)", f"(abs(y - {y}) - {1.6 * radius})"
        wanted = (
            f"{sizes.near} + 0.13 * (sqrt((x - {x})^2 + (y - {y})^2) - {radius})",
            f"{sizes.wake} + 0.075 * ({off} + abs({off}) + {up} + abs({up}))",
            f"{sizes.far}",
        )
        field = gmsh.model.mesh.field
        for number, formula in enumerate(wanted, start=1):
            field.add("MathEval", number)
            field.setString(number, "F", formula)
        field.setNumbers(field.add("Min", 4), "FieldsList", [1, 2, 3])
        field.setAsBackgroundMesh(4)
        gmsh.model.mesh.generate(2)
        tags, points, _ = gmsh.model.mesh.getNodes()
        _, _, (nodes,) = gmsh.model.mesh.getElements(2)
    finally:
        gmsh.finalize()
    row = np.zeros(int(tags.max()) + 1, np.int64)
    row[tags.astype(np.int64)] = np.arange(len(tags))
    mesh = meshop.Mesh.from_blocks(
        points.reshape(-1, 3)[:, :2], [("triangle", row[nodes.astype(np.int64)].reshape(-1, 3))]
    )
    edges = mesh.boundary_facets().nodes
    a, b = mesh.points[edges].mean(1)[:, :2].T
    near = 1e-6
    sides = {"inlet": a < near, "outlet": a > length - near}
    sides["walls"] = (b < near) | (b > HEIGHT - near)
    sides["cylinder"] = ~np.any(list(sides.values()), axis=0)
    mesh.regions = {name: Region("facet", edges[here]) for name, here in sides.items()}
    return mesh


def _factors(matrix: csr_matrix) -> SuperLU:
    """Of a matrix of symmetric pattern whose diagonal may be trusted: no pivoting, less fill."""
    return splu(
        matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )  # fmt: skip


class State(NamedTuple):
    """At one time: velocity (2, P2 nodes), pressure (P1 nodes), forces on the cylinder (drag, lift)
    as coefficients F / (diameter / 2)."""

    time: float
    velocity: np.ndarray
    pressure: np.ndarray
    force: np.ndarray


class Flow:
    """The flow on a mesh of `channel`, advanced by steps of dt."""

    def __init__(self, mesh: meshop.Mesh, cylinder: Cylinder, reynolds: float, dt: float) -> None:
        from skfem import Basis, BilinearForm, ElementTriP1, ElementTriP2, MeshTri
        from skfem.helpers import dot, grad

        self.mesh, self.cylinder, self.dt = mesh, cylinder, dt
        self.nu = cylinder.diameter / reynolds
        cells = mesh.cell_nodes.reshape(-1, 3)
        plane = MeshTri(mesh.points[:, :2].T.copy(), cells.T.copy())
        self.fine = Basis(plane, ElementTriP2(), intorder=5)
        self.plain = Basis(plane, ElementTriP1(), intorder=5)
        mass = BilinearForm(lambda u, v, w: u * v).assemble(self.fine)
        stiff = BilinearForm(lambda u, v, w: dot(grad(u), grad(v)))
        self.mass, self.stiff = mass.tocsr(), stiff.assemble(self.fine).tocsr()
        # (q, du/dx_i) for velocities u and pressures q.
        slopes = [BilinearForm(lambda u, v, w, i=i: grad(u)[i] * v) for i in range(2)]
        self.div = [form.assemble(self.fine, self.plain).tocsr() for form in slopes]
        # About each node, from the integral of its squared shape.
        self.size = np.sqrt(self.mass.diagonal() * 6)
        # Degrees of freedom at the corners, in the order of the mesh's points.
        self.corners = self.fine.nodal_dofs[0]
        at = {name: self._dofs(region.ids) for name, region in mesh.regions.items()}
        self.held = np.unique(np.concatenate([at["walls"], at["cylinder"], at["inlet"]]))
        self.round = at["cylinder"]
        self.inlet = np.zeros((2, self.fine.N))
        y = self.fine.doflocs[1, at["inlet"]]
        self.inlet[0, at["inlet"]] = 6 * y * (HEIGHT - y) / HEIGHT**2
        dry = np.unique(mesh.regions["outlet"].ids)
        self.free = np.setdiff1d(np.arange(self.plain.N), self.plain.nodal_dofs[0][dry])
        self.poisson = _factors(stiff.assemble(self.plain)[self.free][:, self.free])
        self.inner = np.setdiff1d(np.arange(self.fine.N), self.held)
        self._convection()

    def _dofs(self, facets: np.ndarray) -> np.ndarray:
        """P2 nodes on edges (F, 2) of points."""
        key = {tuple(pair): i for i, pair in enumerate(self.fine.mesh.facets.T.tolist())}
        ids = [key[tuple(sorted(pair))] for pair in facets.tolist()]
        return self.fine.get_dofs(np.array(ids)).all()

    def _convection(self) -> None:
        """Arrays of the convective term: values and slopes of the elements' shapes."""
        basis = self.fine
        shapes = [basis.elem.lbasis(basis.X, i) for i in range(6)]
        self.value = np.stack([value for value, _ in shapes])  # (6, Q)
        mapped = basis.mapping.invDF(basis.X)[..., 0]  # affine: (2, 2, elements)
        self.inverse = mapped.transpose(2, 0, 1).copy()
        slopes = np.stack([slope for _, slope in shapes])
        self.slope = slopes.transpose(0, 2, 1).reshape(6, -1)  # (6, Q 2)
        nodes = basis.element_dofs.T
        self.nodes, count = nodes, nodes.size
        self.dx = basis.dx
        self.gather = csr_matrix(
            (np.ones(count), (nodes.ravel(), np.arange(count))), (basis.N, count)
        )

    def _along(self, u: np.ndarray) -> np.ndarray:
        """(2, elements, Q) a velocity at the quadrature points, in the elements' coordinates."""
        return np.einsum("eij,jeq->ieq", self.inverse, u[:, self.nodes] @ self.value) * self.dx

    def convection(self, w: np.ndarray, u: np.ndarray) -> np.ndarray:
        """(2, N) integrals of (w . grad) u against every shape."""
        along = self._along(w)
        slope = u[:, self.nodes] @ self.slope  # (2, elements, 2 Q)
        what = along[0] * slope[..., ::2] + along[1] * slope[..., 1::2]
        return (self.gather @ (what @ self.value.T).reshape(2, -1).T).T

    def _factorise(self, weight: float, w: np.ndarray) -> None:
        """weight M / dt + nu K + (w . grad), its factors on what is free."""
        along = self._along(w)[:, :, None]
        what = along[0] * self.slope[:, ::2] + along[1] * self.slope[:, 1::2]  # (elements, 6, Q)
        local = self.value @ what.transpose(0, 2, 1)
        rows, columns = (np.broadcast_to(n, local.shape).ravel()
                         for n in (self.nodes[:, :, None], self.nodes[:, None]))  # fmt: skip
        carried = csr_matrix((local.ravel(), (rows, columns)), self.mass.shape)
        self.whole = (weight / self.dt * self.mass + self.nu * self.stiff + carried).tocsr()
        part = self.whole[self.inner]
        self.given = part[:, self.held].tocsr()
        self.factor = _factors(part[:, self.inner])
        self.carrier = w

    def march(self, kick: float = KICK) -> Iterator[State]:
        """The states at dt, 2 dt, ... of the fluid that starts from rest, without end. While time
        is less than `kick` the surface of the cylinder turns at the speed of the inflow."""
        zero = np.zeros((2, self.fine.N))
        old, now = zero, zero
        pressure, change, before = (np.zeros(self.plain.N) for _ in range(3))
        away = self.fine.doflocs[:, self.round] - np.array([[self.cylinder.x], [self.cylinder.y]])
        step = 0
        while True:
            step += 1
            time = step * self.dt
            weight = 1.5 if step > 1 else 1.0
            past = (2 * now - 0.5 * old) if step > 1 else now
            ahead = 2 * now - old if step > 1 else now
            if step <= 2 or np.max(np.abs(ahead - self.carrier) / self.size) > COURANT / self.dt:
                self._factorise(weight, ahead)
            bound = self.inlet * min(1.0, time / 0.2)
            if time < kick:
                turn = 0.5 * np.sin(np.pi * time / kick) / (self.cylinder.diameter / 2)
                bound[:, self.round] = turn * np.stack([-away[1], away[0]])
            guess = pressure + (4 * change - before) / 3
            convected = self.convection(ahead - self.carrier, ahead)
            right = (self.mass @ past.T).T / self.dt - convected
            right += np.stack([d.T @ guess for d in self.div])
            new = bound.copy()
            load = right[:, self.inner] - (self.given @ bound[:, self.held].T).T
            new[:, self.inner] = self.factor.solve(load.T).T
            flux = sum(d @ v for d, v in zip(self.div, new, strict=True))
            before, change = change, np.zeros(self.plain.N)
            change[self.free] = self.poisson.solve(-weight / self.dt * flux[self.free])
            pressure = pressure + change
            if not np.isfinite(flux).all():
                raise FloatingPointError(f"the flow diverged at time {time:g}: a smaller time step")
            # What the momentum equation lacks at the cylinder is the force on it.
            right += np.stack([d.T @ (pressure - guess) for d in self.div])
            lack = ((self.whole @ new.T).T - right)[:, self.round].sum(1)
            old, now = now, new
            yield State(time, now, pressure, -2 * lack / self.cylinder.diameter)

    def nodal(self, state: State) -> tuple[np.ndarray, np.ndarray]:
        """Velocity (N, 2) and pressure (N,) at the points of the mesh."""
        return state.velocity[:, self.corners].T.copy(), state.pressure[self.plain.nodal_dofs[0]]


def frequency(signal: np.ndarray, dt: float) -> float:
    """Of a periodic signal (T,): from its mean upward crossings, by straight lines between times.
    NaN with fewer than two."""
    x = signal - (signal.max() + signal.min()) / 2
    up = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))
    at = up + x[up] / (x[up] - x[up + 1])
    return float((len(at) - 1) / ((at[-1] - at[0]) * dt)) if len(at) > 1 else float("nan")
