"""TetGen and Triangle: both orders, attributes, markers, comments, numbers from 0 or 1."""

import numpy as np
import pytest

from meshop.errors import MeshFileError
from meshop.io import read
from meshop.mesh import CELL_TYPES, Mesh

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1.0]])
# The edges whose middles are nodes 5 to 10 in TetGen, other than in VTK.
TETGEN_EDGES = ((2, 3), (0, 3), (1, 2), (0, 2), (1, 3), (0, 1))


def put(folder, suffix, head, rows):
    lines = [" ".join(map(str, row)) for row in (head, *rows)]
    (folder / f"a.1{suffix}").write_text("# made by hand\n" + "\n".join(lines) + "\n# end\n")


@pytest.mark.parametrize("first", [0, 1])
def test_linear(tmp_path, first):
    rows = [(i + first, *at, 0.5 * i, i % 2) for i, at in enumerate(CORNERS.tolist())]
    put(tmp_path, ".node", (5, 3, 1, 1), rows)
    cells = np.array([[0, 1, 2, 3], [1, 4, 2, 3]])
    put(tmp_path, ".ele", (2, 4, 1), [(i + 1, *row, 7 + i) for i, row in enumerate(cells + first)])
    put(tmp_path, ".face", (2, 1), [(1, *(cells[0, :3] + first), -3), (2, 1, 2, 3, 0)])
    for suffix in (".node", ".ele"):
        mesh = read(tmp_path / f"a.1{suffix}")
        assert np.array_equal(mesh.points, CORNERS)
        assert mesh.cell_nodes.reshape(-1, 4).tolist() == cells.tolist()
        assert mesh.point_data["tetgen:attr1"].tolist() == [0, 0.5, 1, 1.5, 2]
        assert mesh.point_data["tetgen:ref"].tolist() == [0, 1, 0, 1, 0]
        assert mesh.cell_data["tetgen:ref"].tolist() == [7, 8]
        assert mesh.regions["face marker -3"].ids.tolist() == [[0, 1, 2]]
    (tmp_path / "a.1.ele").unlink()
    assert read(tmp_path / "a.1.node").n_cells == 0


def test_second_order_is_as_vtk_has_it(tmp_path):
    middles = np.array([(CORNERS[a] + CORNERS[b]) / 2 for a, b in TETGEN_EDGES])
    points = np.concatenate([CORNERS[:4], middles])
    put(tmp_path, ".node", (10, 3, 0, 0), [(i, *at) for i, at in enumerate(points.tolist())])
    put(tmp_path, ".ele", (1, 10, 0), [(0, *range(10))])
    mesh = read(tmp_path / "a.1.ele")
    expected = Mesh.from_blocks(CORNERS[:4], [("tetra", [[0, 1, 2, 3]])])
    assert mesh.cell_types.tolist() == [24]
    assert mesh.cell_measures() == pytest.approx(expected.cell_measures())
    corners = points[mesh.cell_nodes[:4]]
    for place, (a, b) in enumerate([(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)], 4):
        assert np.array_equal(points[mesh.cell_nodes[place]], (corners[a] + corners[b]) / 2)
    assert CELL_TYPES[24].size == 10


def test_triangles(tmp_path):
    points = [[0, 0], [2, 0], [0, 2], [1, 1], [0, 1], [1, 0]]  # middles opposite of the corners
    put(tmp_path, ".node", (6, 2, 0, 1), [(i + 1, *at, 1) for i, at in enumerate(points)])
    put(tmp_path, ".ele", (1, 6, 0), [(1, 1, 2, 3, 4, 5, 6)])
    mesh = read(tmp_path / "a.1.node")
    assert mesh.cell_types.tolist() == [22] and mesh.cell_nodes.tolist() == [0, 1, 2, 5, 3, 4]
    assert mesh.storage["dimension"] == "2"


@pytest.mark.parametrize(
    ("node", "ele", "reason"),
    [("5 3 0 0\n1 0 0 0", "0 4 0", "expected 4 for each of 5"),
     ("2 3 0 0\n1 0 0 0\n2 1 0 0", "1 4 0\n1 1 2 3 4", "refers to 3"),
     ("1 3 0 0\n1 0 0 0", "1 5 0\n1 1 1 1 1 1", "5 nodes each"),
     ("1 4 0 0\n1 0 0 0 0", "0 4 0", "4 coordinates"),
     ("1 3 -1 0\n1 0 0", "0 4 0", "coordinates"),
     ("1 3 0 0\n1.5 0 0 0", "0 4 0", "no whole number"),
     ("-1 3 0 0\n", "0 4 0", "no counts"), ("", "0 4 0", "empty"),
     ("10000000000 3 0 0\n1 0 0 0", "0 4 0", "numbers")],
)  # fmt: skip
def test_malformed(tmp_path, node, ele, reason):
    (tmp_path / "a.node").write_text(node)
    (tmp_path / "a.ele").write_text(ele)
    with pytest.raises(MeshFileError, match=reason):
        read(tmp_path / "a.ele")


def test_nodes_that_are_nowhere(tmp_path):
    (tmp_path / "a.ele").write_text("0 4 0\n")
    with pytest.raises(MeshFileError, match=r"a\.node is missing"):
        read(tmp_path / "a.ele")
