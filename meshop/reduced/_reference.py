"""The reference of a family of meshes, and the matrices that carry values to it and back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from ..errors import MeshError
from ..mesh import DIM, Mesh
from ._chart import Chart, dual, dual_chart, sharpened, transport
from ._loops import boundary_loops, frame
from ._morph import Target, make_target, morph

Array = NDArray[np.float64]
ROOM = 1 << 29  # bytes of matrices that are kept


class Carried(NamedTuple):
    """there (R, N), back (N, R): values to the reference and from it, of second order for what is
    smooth on the mesh; plain (N, R): back in P1, with weights that are not negative. image (R, 3):
    where the reference's nodes lie on this mesh, less place and in units of size. charts: of the
    mesh's points, and of what carries its fields."""

    there: csr_matrix
    back: csr_matrix
    plain: csr_matrix
    image: Array
    place: Array
    size: float
    charts: tuple[Chart, Chart]

    @property
    def n_bytes(self) -> int:
        matrices = self.there, self.back, self.plain
        return sum(m.data.nbytes + m.indices.nbytes + m.indptr.nbytes for m in matrices)


class Reference:
    """One domain, and a mesh on it whose nodes all fields are carried to.

    Nodes are the points of meshes, or their cells (location). weight (R,): dual measures on the
    mesh of median size; around a body in a far field, damped away from it by (1 + (d / L)^2)^-3/2.
    """

    def __init__(self, target: Target, chart: Chart, location: str) -> None:
        self.target, self.chart, self.location = target, chart, location
        corners = chart.mesh.cell_nodes.reshape(-1, 3)
        # Of triangles on both sides of a cut, one is enough.
        self.triangles = np.unique(np.sort(chart.nodes[corners], axis=1), axis=0)
        self.weight = np.ones(len(chart.places))
        self._kept: OrderedDict[str, Carried] = OrderedDict()

    @classmethod
    def of(cls, meshes: Sequence[Mesh], location: str) -> Reference:
        """After the mesh of median size; raises MeshError where it cannot be morphed."""
        order = np.argsort([m.n_points for m in meshes], kind="stable")
        base = meshes[int(order[len(meshes) // 2])]
        unlike = {mesh.content_hash(): mesh for mesh in meshes}
        target = make_target(base, list(unlike.values()))
        found = cls(target, _charts(base, target, location)[1], location)
        found.weight = _measures(base, location)
        if target.modulus:
            body = base.points[boundary_loops(base)[1].nodes]
            gap = cKDTree(body).query(_nodes(base, location))[0] / np.ptp(body, axis=0).max()
            found.weight = found.weight / (1 + gap**2) ** 1.5
        return found

    def __len__(self) -> int:
        return len(self.chart.places)

    @property
    def mesh(self) -> Mesh:
        """Of triangles, on the reference domain."""
        return self.chart.mesh

    def carry(self, mesh: Mesh, shift: Array | None = None) -> Carried:
        """The matrices of a mesh. Raises MeshError where it cannot be morphed. shift (R, 2): by
        which the reference's nodes move on its domain first."""
        key = mesh.content_hash()
        if key not in self._kept:
            charts = _charts(mesh, self.target, self.location)
            self._kept[key] = self._carry(mesh, charts, self.chart)
            while len(self._kept) > 1 and sum(c.n_bytes for c in self._kept.values()) > ROOM:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        kept = self._kept[key]
        if shift is None:
            return kept
        moved = Mesh.from_blocks(
            self.mesh.points[:, :2] + shift[self.chart.nodes],
            [("triangle", self.mesh.cell_nodes.reshape(-1, 3))],
        )
        return self._carry(mesh, kept.charts, self.chart._replace(mesh=moved))

    def forget(self) -> None:
        """Let go of the matrices of all meshes."""
        self._kept.clear()

    def _carry(self, mesh: Mesh, charts: tuple[Chart, Chart], chart: Chart) -> Carried:
        points, nodes = charts
        body = mesh
        if self.location == "cell":
            body = Mesh.from_blocks(mesh.cell_centers(), [("triangle", dual(mesh))])
        # Not from cells to cells: these end half a cell before the boundary.
        image = transport(points, chart) @ mesh.points
        there, back = transport(nodes, chart), transport(chart, nodes)
        lying = Mesh.from_blocks(image, [("triangle", self.triangles)])
        place, size = self._frame(mesh)
        return Carried(
            sharpened(there, body, image),
            sharpened(back, lying, body.points),
            back,
            (image - place) / size,
            place[:2],
            size,
            charts,
        )

    def _frame(self, mesh: Mesh) -> tuple[Array, float]:
        """Place (3,) and size of a domain, or of the body that it is around."""
        if self.target.modulus:
            loop = boundary_loops(mesh)[1]
            place, _ = frame(mesh.points[:, :2], loop)
            return np.append(place, 0.0), float(np.ptp(mesh.points[loop.nodes], axis=0).max())
        measure = mesh.p1().lumped
        return measure @ mesh.points / measure.sum(), float(np.sqrt(measure.sum()))

    def state(self) -> dict[str, Any]:
        """Arrays that `restored` takes."""
        chart = self.chart
        return {
            "landmarks": self.target.landmarks,
            "share": self.target.share,
            "holes": self.target.holes,
            "modulus": np.array(self.target.modulus),
            "chart_points": chart.mesh.points,
            "chart_triangles": chart.mesh.cell_nodes.reshape(-1, 3),
            "chart_nodes": chart.nodes,
            "weight": self.weight,
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any], location: str) -> Reference:
        """Raises ValueError or MeshError for arrays that do not fit each other."""
        landmarks, holes, share = (np.asarray(state[k]) for k in ("landmarks", "holes", "share"))
        nodes, points = (
            np.asarray(state["chart_nodes"], np.int64),
            np.asarray(state["chart_points"]),
        )
        triangles, modulus = np.asarray(state["chart_triangles"]), float(state["modulus"])
        own = int(nodes.max(initial=-1)) + 1
        if (
            nodes.shape != points.shape[:1]
            or not 0 < own <= len(nodes)
            or nodes.min() < 0
            or not np.array_equal(nodes[:own], np.arange(own))
        ):
            raise ValueError("chart_nodes: expected the nodes in order, then copies of them")
        if not len(triangles):
            raise ValueError("chart_triangles: expected some")
        if landmarks.ndim != 3 or landmarks.shape[::2] != (len(landmarks) or 1, 2):
            raise ValueError(f"landmarks {landmarks.shape}: expected (F, K, 2)")
        corners, bodies = landmarks.shape[1], len(holes)
        ring = modulus > 0 and landmarks.shape[:2] in ((1, 0), (1, 1)) and bodies == 1
        if holes.shape != (bodies, 3) or not (modulus == 0 or ring):
            raise ValueError(
                f"holes {holes.shape}, modulus {modulus}: expected (H, 3) and a ring's"
            )
        if share.shape != (0 if ring else corners,):
            raise ValueError(f"share {share.shape}: expected a part for each of {corners} corners")
        target = Target(landmarks, share, holes, modulus)
        mesh = Mesh.from_blocks(points, [("triangle", triangles)])
        found = cls(target, Chart(mesh, True, nodes), location)
        found.weight = np.asarray(state["weight"])
        if found.weight.shape != (own,):
            raise ValueError(f"weight {found.weight.shape}: expected ({own},)")
        return found


def _charts(mesh: Mesh, target: Target, location: str) -> tuple[Chart, Chart]:
    """Of a mesh's points, and of the nodes that carry its fields."""
    chart = morph(mesh, target)
    if not chart.valid:
        raise MeshError(
            "this mesh cannot be morphed to the reference",
            "its holes lie too far from theirs: triangles would turn over",
        )
    if location == "point":
        return chart, chart
    found = dual_chart(mesh, chart)
    if not found.mesh.n_cells:
        raise MeshError(
            "this mesh is too coarse to carry fields on its cells",
            "no point of it lies inside the domain",
            "a finer mesh, or fields at points",
        )
    return chart, found


def _nodes(mesh: Mesh, location: str) -> Array:
    return mesh.cell_centers() if location == "cell" else mesh.points


def _measures(mesh: Mesh, location: str) -> Array:
    if location == "point":
        return mesh.p1().lumped
    return np.where(DIM[mesh.cell_types] == 2, mesh.cell_measures(), 0.0)
