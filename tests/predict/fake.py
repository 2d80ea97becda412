"""A body in a potential flow, and a surrogate that knows that flow: no weights, exact answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from meshop.graph import GraphSpec, build_graph
from meshop.mesh import Mesh, Region
from meshop.surrogate import Condition, Evaluation, Field, Scalar, Schema


def ring(
    around: int = 96, layers: int = 24, radius: float = 0.5, far: float = 20.0, **data: float
) -> Mesh:
    """Quads between a circle of `radius` about (0.5, 0) and the far field; tags as in airfoils."""
    angle = 2 * np.pi * np.arange(around) / around
    r = radius * (far / radius) ** np.linspace(0, 1, layers + 1) ** 2
    xy = r[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1) + (0.5, 0.0)
    i, j = np.meshgrid(np.arange(around), np.arange(layers))
    a, b = i + around * j, (i + 1) % around + around * j
    quads = np.stack([a, a + around, b + around, b], axis=-1).reshape(-1, 4)
    tag = np.zeros((layers + 1, around), np.uint8)
    tag[0], tag[-1] = 1, 2
    return Mesh.from_blocks(
        xy.reshape(-1, 2),
        [("quad", quads)],
        point_data={"boundary": tag.ravel()},
        field_data={name: np.array([value]) for name, value in data.items()},
    )


def extrude(mesh: Mesh, axis: int = 2, thickness: float = 0.1) -> Mesh:
    """A plane mesh as one layer of volumes across an axis; patches by its tags, and `sides`."""
    n = mesh.n_points
    points = np.zeros((2 * n, 3))
    points[:, [i for i in range(3) if i != axis]] = np.tile(mesh.points[:, :2], (2, 1))
    points[n:, axis] += thickness
    cells = np.split(mesh.cell_nodes, mesh.cell_offsets[1:-1])
    sides = np.full((2, mesh.n_cells, 4), -1)
    for i, nodes in enumerate(cells):
        sides[:, i, : len(nodes)] = nodes, nodes + n
    edges = mesh.boundary_facets().nodes
    tag = mesh.point_data["boundary"][edges].min(axis=1)
    ring = np.column_stack([edges, edges[:, ::-1] + n])
    return Mesh(
        points,
        np.where(mesh.cell_types == 5, 13, 12),
        2 * mesh.cell_offsets,
        np.concatenate([np.concatenate([nodes, nodes + n]) for nodes in cells]),
        regions={
            "sides": Region("facet", sides.reshape(-1, 4)),
            "airfoil": Region("facet", ring[tag == 1]),
            "farfield": Region("facet", ring[tag == 2]),
        },
        field_data={"foam_patch sides": np.array(["empty"])},
    )


def cylinder_flow(
    points: np.ndarray, aoa_deg: float, circulation: float, radius: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Velocity (n, 3) and kinematic pressure (n,) about a cylinder at (0.5, 0), free stream 1.

    w'(z) = e^{-ia} - r^2 e^{ia} / z^2 - i G / (2 pi z), G > 0 counter-clockwise (lift is -G).
    """
    z = points[:, 0] - 0.5 + 1j * points[:, 1]
    turn = np.exp(1j * np.radians(aoa_deg))
    w = np.conj(turn) - radius**2 * turn / z**2 - 1j * circulation / (2 * np.pi * z)
    return np.stack([w.real, -w.imag, 0 * w.real], axis=1), 0.5 * (1 - np.abs(w) ** 2)


class FakeSurrogate:
    """The interface of `meshop.surrogate.Surrogate`, answering with the flow about a cylinder."""

    name, hash = "fake", "f" * 64

    def __init__(self, head: float = 0.0, **options: Any) -> None:
        self.head = head  # what the scalar head is off by
        self.circulation: float = options.get("circulation", -0.4)
        self.spec = GraphSpec(
            conditions=("aoa_deg", "reynolds"), direction="aoa_deg", external=True
        )
        self.schema = Schema(
            location="cell",
            dim=2,
            fields=(
                Field(name="U", components=3, constant=(None, None, 0.0), units="U_inf"),
                Field(name="p", components=1, constant=(None,), units="U_inf^2"),
            ),
            scalars=(Scalar(name="Cl"), Scalar(name="Cd"), Scalar(name="Cm")),
            conditions=(
                Condition(name="aoa_deg", low=-4, high=12, units="deg"),
                Condition(name="reynolds", low=1e6, high=6e6, log=True),
            ),
            extent=(0.9, 1.1),
            thickness=(0.05, 1.0),
        )

    def evaluate(
        self,
        mesh: Mesh,
        conditions: Mapping[str, Any],
        device: str = "cpu",
        tile: int | None = None,
    ) -> Evaluation:
        values, warnings = self.schema.check_conditions(conditions)
        start = time.perf_counter()
        graph = build_graph(mesh, values, self.spec)
        velocity, pressure = cylinder_flow(mesh.cell_centers(), values["aoa_deg"], self.circulation)
        lift = -2 * self.circulation
        return Evaluation(
            fields={"U": velocity.astype(np.float32), "p": pressure.astype(np.float32)},
            scalars={
                "Cl": lift + self.head,
                "Cd": 0.01,
                "Cm": -0.25 * lift * np.cos(np.radians(values["aoa_deg"])),
            },
            warnings=warnings,
            in_range=not warnings,
            seconds={"operator": time.perf_counter() - start},
            graph=graph,
        )
