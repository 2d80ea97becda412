"""Files that meshio refuses and gmsh reads."""

import numpy as np
import pytest

from meshop.errors import MeshFileError
from meshop.io import read

pytest.importorskip("gmsh")

BDF = """$ bulk data without BEGIN BULK
GRID,1,,0.,0.,0.
GRID,2,,1.,0.,0.
GRID,3,,0.,1.,0.
GRID,4,,0.,0.,1.
CTETRA,1,1,1,2,3,4
ENDDATA
"""
WRL = """#VRML V1.0 ascii
Coordinate3 {
  point [
0 0 0,
1 0 0,
0 1 0
  ]
}
DEF Surface1 IndexedFaceSet {
  coordIndex [
0,1,2,-1,
  ]
}
"""


def test_bulk_data_alone(tmp_path):
    (tmp_path / "a.bdf").write_text(BDF)
    mesh = read(tmp_path / "a.bdf")
    assert mesh.cell_types.tolist() == [10] and mesh.cell_measures() == pytest.approx([1 / 6])


def test_a_surface_of_vrml(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    (tmp_path / "a.wrl").write_text(WRL)
    mesh = read(tmp_path / "a.wrl")
    assert not list(here.iterdir()), "gmsh's copies belong into the child's folder"
    assert mesh.cell_types.tolist() == [5]
    assert np.array_equal(mesh.points, [[0, 0, 0], [1, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize("suffix", [".bdf", ".mesh", ".diff", ".ply2", ".wrl"])
def test_scripts_are_never_run(tmp_path, suffix):
    made = tmp_path / "made"
    script = f'SystemCall "touch {made}";\nPrintf("x") > "{made}";\nPoint(1) = {{0, 0, 0}};\n'
    (tmp_path / f"a{suffix}").write_text(script)
    with pytest.raises(MeshFileError) as caught:
        read(tmp_path / f"a{suffix}")
    assert not made.exists()
    if suffix in (".bdf", ".mesh"):
        assert "nor can gmsh" in caught.value.reason
