"""Curved cells in formats of other programs, against the MSH file that gmsh writes of them."""

import gmsh
import pytest
from gmsh_shapes import build, cells_by_nodes

from meshop.errors import MeshFileError
from meshop.io import read

SHAPES = ("tetra", "hexahedron", "wedge", "pyramid")
# What gmsh leaves out, or damages itself.
LEFT_OUT = {
    ("unv", "pyramid"), ("su2", "pyramid"), ("inp", "wedge", 2, 0), ("inp", "pyramid", 2, 0),
    ("neu", "hexahedron"), ("neu", "pyramid", 2),
}  # fmt: skip


@pytest.mark.parametrize("suffix", ["unv", "inp", "su2", "neu"])
@pytest.mark.parametrize(("order", "incomplete"), [(1, 0), (2, 0), (2, 1)])
@pytest.mark.parametrize("shape", SHAPES)
def test_same_as_msh(tmp_path, model, shape, order, incomplete, suffix):
    case = suffix, shape, order, incomplete
    if any(case[: len(row)] == row for row in LEFT_OUT):
        return
    build(model, shape, order, incomplete)
    gmsh.write(str(tmp_path / "a.msh"))
    gmsh.write(str(tmp_path / f"a.{suffix}"))
    mesh, expected = read(tmp_path / f"a.{suffix}"), read(tmp_path / "a.msh")
    volumes = [row for row in cells_by_nodes(expected) if row[0] not in (5, 9, 22, 23, 28)]
    assert [row for row in cells_by_nodes(mesh) if row[0] not in (5, 9, 22, 23, 28)] == volumes
    if suffix == "neu" and shape != "pyramid":
        triangles = mesh.regions["bottom"].ids
        wanted = expected.cell_nodes[expected.cell_offsets[expected.regions["bottom"].ids]]
        assert len(triangles) == len(wanted) and not mesh.points[triangles, 2].any()


@pytest.mark.parametrize("shape", ["tetra", "hexahedron", "wedge"])
def test_third_order(tmp_path, model, shape):
    build(model, shape, 3)
    for suffix in ("msh", "unv", "inp"):
        gmsh.write(str(tmp_path / f"a.{suffix}"))
    assert cells_by_nodes(read(tmp_path / "a.unv")) == cells_by_nodes(read(tmp_path / "a.msh"))
    with pytest.raises(MeshFileError, match=r"a line of \d+ nodes, expected"):
        read(tmp_path / "a.inp")


@pytest.mark.parametrize(
    ("shape", "order", "incomplete"),
    [("tetra", 2, 0), ("hexahedron", 2, 1), ("wedge", 1, 0), ("pyramid", 2, 0)],
)
def test_cgns(tmp_path, model, shape, order, incomplete):
    build(model, shape, order, incomplete)
    gmsh.write(str(tmp_path / "a.msh"))
    gmsh.write(str(tmp_path / "a.cgns"))
    mesh, expected = read(tmp_path / "a.cgns"), read(tmp_path / "a.msh")
    assert cells_by_nodes(mesh) == cells_by_nodes(expected)
    for name, region in expected.regions.items():
        assert mesh.cell_types[mesh.regions[name].ids].tolist() == (
            expected.cell_types[region.ids].tolist()
        )


def test_edges_of_a_plane_in_cgns(tmp_path, model):
    square = model.occ.addRectangle(0, 0, 0, 1, 1)
    model.occ.synchronize()
    model.addPhysicalGroup(2, [square], name="body")
    model.addPhysicalGroup(1, [1], name="bottom")
    model.mesh.generate(2)
    gmsh.write(str(tmp_path / "a.cgns"))
    gmsh.write(str(tmp_path / "a.msh"))
    mesh, expected = read(tmp_path / "a.cgns"), read(tmp_path / "a.msh")
    assert cells_by_nodes(mesh) == cells_by_nodes(expected)
    bottom = mesh.regions["bottom"].ids
    assert set(mesh.cell_types[bottom]) == {3}
    assert mesh.cell_measures()[bottom].sum() == pytest.approx(1)
    assert len(mesh.regions["body"].ids) == mesh.n_cells - len(bottom)
