import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.loader import DataLoader

from meshop.errors import ConditionError, MeshError
from meshop.graph import GraphSpec, build_graph, dual_weights, geometry, node_features
from meshop.mesh import Mesh
from tests.meshes import airfoil, box, ring

FLOW = GraphSpec(
    conditions=("aoa_deg", "reynolds"), direction="aoa_deg", external=True, potential=True
)
CONDITIONS = {"aoa_deg": 4.0, "reynolds": 2e6}


@pytest.mark.parametrize("location", ["cell", "point"])
def test_weights_sum_to_the_domain(location: str):
    mesh = ring(64, layers=10, radius=10)

    def enclosed(curve: np.ndarray) -> float:
        x, y = curve.T
        return 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))

    weight = dual_weights(mesh, location)
    assert np.all(weight > 0)
    exact = enclosed(mesh.points[-64:, :2]) - enclosed(airfoil(64))
    assert weight.sum() == pytest.approx(exact, rel=1e-12)
    assert dual_weights(box(3), location).sum() == pytest.approx(1.0, rel=1e-12)


def test_lower_dimensional_cells_weigh_nothing_but_are_nodes():
    mesh = ring(32, layers=4)
    lines = np.column_stack([np.arange(32), np.roll(np.arange(32), -1)])
    quads = mesh.cell_nodes[: 4 * 32 * 3].reshape(-1, 4)
    mixed = Mesh.from_blocks(mesh.points, [("line", lines), ("quad", quads)])
    graph = build_graph(mixed, {}, GraphSpec())
    assert len(graph.x) == mixed.n_cells and float(graph.weight[:32].sum()) == 0.0


def test_edges_are_receiver_sorted_and_symmetric():
    for spec, n in ((GraphSpec(edges=True), 18 * 4), (GraphSpec(edges=True, location="point"), 0)):
        mesh = ring(18, layers=4)
        graph = build_graph(mesh, {}, spec)
        source, target = graph.edge_index
        assert torch.all(target[1:] >= target[:-1])
        pairs = set(map(tuple, graph.edge_index.t().tolist()))
        assert {(b, a) for a, b in pairs} == pairs and len(pairs) == len(source)
        count = torch.bincount(target, minlength=len(graph.x))
        assert torch.equal(graph.rowptr.diff(), count)
        relative = graph.pos[source] - graph.pos[target]
        torch.testing.assert_close(graph.edge_attr[:, :3], relative, atol=1e-5, rtol=0)
        assert n == 0 or len(graph.x) == 18 * 3 + 36


def test_polyhedra_have_the_edges_of_the_cells_they_stand_for():
    plain = box(3, hole=True)
    faces = plain.cell_nodes.reshape(-1, 4)[:, [[0, 1, 3], [1, 2, 3], [2, 0, 3], [0, 2, 1]]]
    stream = np.full((plain.n_cells, 17), 3)
    stream[:, 0] = 4
    stream[:, 1:].reshape(-1, 4, 4)[:, :, 1:] = faces
    poly = Mesh(
        plain.points,
        np.full(plain.n_cells, 42),
        plain.cell_offsets,
        plain.cell_nodes,
        faces=stream.ravel(),
        face_offsets=np.arange(1, plain.n_cells + 1) * 17,
    )
    for location in ("point", "cell"):
        spec = GraphSpec(dim=3, edges=True, location=location)
        one, other = (build_graph(mesh, {}, spec) for mesh in (plain, poly))
        assert torch.equal(one.edge_index, other.edge_index)


def test_mirror_image_is_the_parity():
    mesh = ring(48, layers=8)
    image = mesh.copy()
    image.points = mesh.points * [1, -1, 1]
    mirrored = {"aoa_deg": -4.0, "reynolds": 2e6}
    parity = node_features(geometry(mesh, FLOW), CONDITIONS, FLOW).parity
    a, b = build_graph(mesh, CONDITIONS, FLOW), build_graph(image, mirrored, FLOW)
    torch.testing.assert_close(b.x, a.x * parity, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(b.prior, a.prior * torch.tensor([1.0, -1, 1]), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(b.lift, -a.lift)


@settings(max_examples=10)
@given(st.floats(-50, 50), st.floats(-50, 50))
def test_translation_changes_nothing(dx: float, dy: float):
    mesh = ring(32, layers=6)
    moved = mesh.copy()
    moved.points = mesh.points + np.array([dx, dy, 0])
    a, b = build_graph(mesh, CONDITIONS, FLOW), build_graph(moved, CONDITIONS, FLOW)
    torch.testing.assert_close(a.x, b.x, atol=2e-4, rtol=1e-3)
    torch.testing.assert_close(a.wall_x, b.wall_x, atol=1e-5, rtol=1e-4)


def test_far_from_the_body_the_prior_is_the_free_stream():
    graph = build_graph(ring(48, layers=12, radius=500), CONDITIONS, FLOW)
    far = graph.prior[graph.kind == 2]
    angle = np.radians(4.0)
    expected = torch.tensor([np.cos(angle), np.sin(angle), 0.0]).float().expand_as(far)
    torch.testing.assert_close(far, expected, atol=2e-3, rtol=0)


def test_tags_are_part_of_the_cache_key():
    mesh = ring(24, layers=4)
    first = geometry(mesh, GraphSpec())
    swapped = mesh.copy()
    first_extent = first.extent
    swapped.point_data["boundary"] = np.array([0, 2, 1], dtype=np.uint8)[
        mesh.point_data["boundary"]
    ]
    assert geometry(swapped, GraphSpec()).extent > 10 * first_extent
    assert geometry(mesh, GraphSpec()) is first


def test_tokens_are_capped_by_measure():
    spec = FLOW.model_copy(update={"max_tokens": 16})
    graph = build_graph(ring(90, layers=4), CONDITIONS, spec)
    assert len(graph.wall_x) == 16
    assert float(graph.wall_weight.sum()) == pytest.approx(1.0)


def test_pyg_batches_ragged_graphs():
    graphs = [build_graph(ring(n, layers=4), CONDITIONS, FLOW) for n in (20, 30)]
    batch = next(iter(DataLoader(graphs, batch_size=2)))
    assert batch.ptr.tolist() == [0, 100, 250]
    assert torch.bincount(batch.wall_batch).tolist() == [20, 30]
    assert batch.cond.shape == (2, 2)


def test_wrong_meshes_are_refused_in_three_lines():
    tilted = ring(20, layers=3)
    tilted.points[:, 2] = tilted.points[:, 0]
    cloud = Mesh.from_blocks(np.random.default_rng(0).random((5, 3)))
    for mesh, words in ((box(2), "3-D mesh"), (tilted, "plane"), (cloud, "point cloud")):
        with pytest.raises(MeshError, match=words) as error:
            build_graph(mesh, CONDITIONS, FLOW)
        assert len(str(error.value).splitlines()) == 3
    with pytest.raises(ConditionError, match="reynolds"):
        build_graph(ring(20, layers=3), {"aoa_deg": 1.0}, FLOW)
