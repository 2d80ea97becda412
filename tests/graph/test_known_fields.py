"""Known fields, boundary data, positions and surfaces in a graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from meshop.errors import ConditionError, MeshError
from meshop.graph import GraphSpec, build_graph, geometry
from meshop.mesh import Mesh
from tests.meshes import ring

FLOW = {"conditions": ("aoa_deg",), "direction": "aoa_deg", "external": True}


def square(n: int = 6) -> Mesh:
    x, y = (a.ravel() for a in np.meshgrid(*[np.linspace(0, 1, n)] * 2, indexing="ij"))
    i, j = (a.ravel() for a in np.meshgrid(*[np.arange(n - 1)] * 2, indexing="ij"))
    a = i * n + j
    quads = np.column_stack([a, a + n, a + n + 1, a + 1])
    return Mesh.from_blocks(
        np.column_stack([x, y]),
        [("quad", quads)],
        point_data={"f": np.column_stack([x, 2 * y]), "g": x - y},
        cell_data={"k": np.arange(len(quads), dtype=np.float64)},
    )


def sphere() -> Mesh:
    from trimesh.creation import icosphere

    found = icosphere(subdivisions=2)
    points, faces = np.array(found.vertices), np.array(found.faces)
    return Mesh.from_blocks(points, [("triangle", faces)], point_data={"p": points[:, 0].copy()})


def test_known_fields_are_columns_of_inputs_and_boundary_means_of_wall_inputs():
    mesh = square()
    spec = GraphSpec(location="point", inputs=("f", "g"), wall_inputs=("g", "k"))
    graph = build_graph(mesh, {}, spec)
    x, y = graph.pos[:, 0], graph.pos[:, 1]
    torch.testing.assert_close(graph.inputs, torch.stack([x, 2 * y, x - y], 1))
    assert graph.wall_inputs.shape == (20, 2)
    torch.testing.assert_close(graph.wall_inputs[:, 0], graph.wall_pos[:, 0] - graph.wall_pos[:, 1])
    owner = geometry(mesh, spec).wall.owner
    np.testing.assert_array_equal(graph.wall_inputs[:, 1], owner)


def test_on_cells_inputs_are_cell_data():
    graph = build_graph(square(), {}, GraphSpec(location="cell", inputs=("k",)))
    np.testing.assert_array_equal(graph.inputs[:, 0], np.arange(25))


def test_boundary_data_follow_the_panels_of_a_potential_flow():
    """Panels go round the loop, facets do not: each token gets the data of its own place."""
    mesh = ring(24, 4)
    mesh.point_data["g"] = mesh.points[:, 0] * 3 + mesh.points[:, 1]
    for potential in (False, True):
        spec = GraphSpec(**FLOW, potential=potential, wall_inputs=("g",), max_tokens=10)
        graph = build_graph(mesh, {"aoa_deg": 2.0}, spec)
        expected = 3 * graph.wall_pos[:, 0] + graph.wall_pos[:, 1]
        torch.testing.assert_close(graph.wall_inputs[:, 0], expected, atol=1e-5, rtol=1e-5)
        assert len(graph.wall_pos) == len(graph.wall_x) == 10


def test_a_known_field_that_is_missing_or_broken_is_an_error():
    mesh = square()
    with pytest.raises(ConditionError, match="'q'"):
        build_graph(mesh, {}, GraphSpec(location="point", inputs=("q",)))
    with pytest.raises(ConditionError, match="'q'"):
        build_graph(mesh, {}, GraphSpec(location="point", wall_inputs=("q",)))
    mesh.point_data["g"][3] = np.nan
    with pytest.raises(ConditionError, match="NaN"):
        build_graph(mesh, {}, GraphSpec(location="point", inputs=("g",)))


@pytest.mark.parametrize("location", ["point", "cell"])
def test_a_surface_is_its_own_wall(location: str):
    mesh = sphere()
    spec = GraphSpec(location=location, surface=True, edges=True)
    assert spec.space == 3 and GraphSpec().space == 2
    geo, graph = geometry(mesh, spec), build_graph(mesh, {}, spec)
    n = mesh.n_points if location == "point" else mesh.n_cells
    assert len(graph.x) == n and graph.x.isfinite().all()
    outward = geo.pos / np.linalg.norm(geo.pos, axis=1, keepdims=True)
    assert (geo.normal * outward).sum(1).min() > 0.99
    assert float(geo.weight.sum()) == pytest.approx(4 * np.pi, rel=0.05)
    assert float(geo.weight.sum()) == pytest.approx(float(geo.wall.measure.sum()))
    assert len(graph.wall_x) == min(512, mesh.n_cells) and graph.wall_x.shape[1] == 6


def test_a_surface_is_refused_where_a_plane_mesh_is_expected():
    with pytest.raises(MeshError, match="plane"):
        geometry(sphere(), GraphSpec(location="point"))
