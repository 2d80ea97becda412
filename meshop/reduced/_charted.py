"""A reference in the plane, to whose domain each mesh is mapped by a chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from ..errors import MeshError
from ..mesh import DIM, Mesh
from ._carried import Array, Carried, Reference
from ._chart import Chart, dual, dual_chart, sharpened, transport
from ._loops import boundary_loops, frame
from ._morph import Target, make_target, morph


class ChartReference(Reference):
    """Nodes are those of the mesh of median size. weight (R,): their dual measures; around a body
    in a far field, damped away from it by (1 + (d / L)^2)^-3/2.
    """

    dim = 2

    def __init__(self, target: Target, chart: Chart, location: str) -> None:
        super().__init__()
        self.target, self.chart, self.location = target, chart, location
        corners = chart.mesh.cell_nodes.reshape(-1, 3)
        # Of triangles on both sides of a cut, one is enough.
        self.triangles = np.unique(np.sort(chart.nodes[corners], axis=1), axis=0)
        self.weight = np.ones(len(chart.places))

    @classmethod
    def of(cls, base: Mesh, family: Sequence[Mesh], location: str) -> ChartReference:
        """After a mesh, to which all of a family can be morphed; raises MeshError where not."""
        target = make_target(base, family)
        found = cls(target, _charts(base, target, location)[1], location)
        found.weight = _measures(base, location)
        if target.modulus:
            body = base.points[boundary_loops(base)[1].nodes]
            gap = cKDTree(body).query(_nodes(base, location))[0] / np.ptp(body, axis=0).max()
            found.weight = found.weight / (1 + gap**2) ** 1.5
        return found

    @property
    def may_fold(self) -> bool:
        """Whether there are holes for which no theorem says that charts are one to one."""
        return bool(len(self.target.holes)) and not self.target.modulus

    @property
    def mesh(self) -> Mesh:
        return self.chart.mesh

    def _map(self, mesh: Mesh) -> tuple[Chart, Chart]:
        return _charts(mesh, self.target, self.location)

    def _carry(self, mesh: Mesh, image: tuple[Chart, Chart], shift: Array | None = None) -> Carried:
        (points, nodes), chart, body = image, self.chart, mesh
        if shift is not None:
            xi = chart.mesh.points[:, :2] + shift[chart.nodes]
            triangles = chart.mesh.cell_nodes.reshape(-1, 3)
            chart = chart._replace(mesh=Mesh.from_blocks(xi, [("triangle", triangles)]))
        if self.location == "cell":
            body = Mesh.from_blocks(mesh.cell_centers(), [("triangle", dual(mesh))])
        # Not from cells to cells: these end half a cell before the boundary.
        places = transport(points, chart) @ mesh.points
        there, back = transport(nodes, chart), transport(chart, nodes)
        lying = Mesh.from_blocks(places, [("triangle", self.triangles)])
        place, size = self._frame(mesh)
        return Carried(
            sharpened(there, body, places),
            sharpened(back, lying, body.points),
            back,
            (places - place) / size,
            place[:2],
            size,
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
    def restored(cls, state: Mapping[str, Any], location: str) -> ChartReference:
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
