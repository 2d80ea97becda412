"""Files of other programs: every one reads, or says in one clear error why not."""

import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import read, read_series
from meshop.mesh import CELL_TYPES

DATA = Path(__file__).parents[3] / "shared" / "data"
FOLDERS = ("format_zoo", "mover_meshes", "transient_samples", "shapenet_car", "snirom_cavity")
FILES = sorted(p for name in FOLDERS for p in (DATA / name).rglob("*") if p.is_file())

pytestmark = pytest.mark.skipif(not FILES, reason="the shared data are absent")

# (points, cells) as VTK, meshio, gmsh or the file's own header have them.
FACTS = {
    "calculix_tests/test/coucylcomp.frd.ref": (320, 128),
    "calculix_tests/test/contact19.frd.ref": (16, 2),
    "calculix_tests/test/dashpot3.inp": (10, 3),
    "calculix_tests/test/green2.inp": (261, 32),
    "calculix_tests/test/planestress4.inp": (21, 4),
    "calculix_tests/test/square.frd.ref": (803, 100),
    "calculix_tests/test/thermomech.inp": (522, 64),
    "libmesh_meshes/examples/miscellaneous/miscellaneous_ex2/lshape.unv": (1281, 300),
    "libmesh_meshes/tests/meshes/bad_64bit_elem_integers.e": (16, 9),
    "libmesh_meshes/tests/meshes/exodus_elements/read_exodus_EDGE4.e": (7, 2),
    "libmesh_meshes/tests/meshes/exodus_elements/read_exodus_TRI7.e": (33, 8),
    "libmesh_meshes/tests/meshes/nontrivial_elem_num_map.exo": (50, 35),
    "mfem_data/data/beam-quad-amr.mesh": (32, 42),
    "mfem_data/data/escher-p3.mesh": (26, 90),
    "mfem_data/data/tinyzoo-3d.mesh": (12, 18),
    "mfem_data/miniapps/electromagnetics/cylinder-tet-p2.gen": (2417, 1478),
    "mfem_data/miniapps/meshing/cube-tet.mesh": (429, 1920),
    "nasa_tmr/Airfoilwake_grids/nak_a_fine_unified_281.cgns": (27538, 13440),
    "nasa_tmr/FlatPlate/Grids/flatplate_clust2_4levelsdown_35x25.p2dfmt": (875, 816),
    "nasa_tmr/NACA4412sep_grids/n4412_113-33.p3dfmt": (7458, 3584),
    "pointclouds_pyntcloud/tests/data/diamond.xyz": (6, 0),
    "su2_testcases/disc_adj_euler/cylinder3D/cylinder3D.cgns": (5696, 31699),
    "su2_testcases/vandv/rans/bump_in_channel/mesh_bump_2d_0089x041.cgns": (3649, 3776),
    "vtk_data/FLUENTCFF/room.cas.h5": (4565, 4338),
    "vtk_data/UCD2D/UCD_00005.inp": (6576, 5918),
    "vtk_data/cgns/sqnz_s.adf.cgns": (15228, 11264),
    "vtk_data/clown.facet": (631, 802),
    "vtk_data/coarseGrid.e": (121, 100),
    "vtk_data/combxyz.bin": (47025, 43008),
    "vtk_data/cow.g": (2903, 3263),
    "vtk_data/edgeFaceElem.exii": (12, 3),
    "vtk_data/fineGrid.e-s002": (422, 373),
    "vtk_data/flow.tec": (441, 800),
    "vtk_data/mesh.frd": (190, 61),
    "vtk_data/mesh_fs8.exo": (1000, 1344),
    "vtk_data/multi-bin-2D.xyz": (374, 320),
    "vtk_data/prism.neu": (10, 4),
    "vtk_data/prostar.cel": (44, 10),
    "vtk_data/tecplot_ascii.dat": (180, 120),
    "../mover_meshes/ugawg/cube/cube-linear-00.meshb": (64, 270),
    "../mover_meshes/ugawg/cube/cube-linear-00.mesh": (64, 270),
    "../mover_meshes/ugawg/cube-cylinder/cube-cylinder.ugrid": (395, 2233),
    "../transient_samples/mock_airfoil/sample_000000005.xdmf": (27125, 52656),
    "../shapenet_car/data/test/sample_000000000/meshes/mesh_000000000.cgns": (3586, 7168),
}  # fmt: skip

# What the error says of files that are no mesh here, or whose other files are missing.
REASONS = {
    "vtk_data/EnSight/blow3_bin.case": "blow3_bin.geo",
    "vtk_data/EnSight/ironProt_ascii.case": "ironProt_ascii.geo",
    "vtk_data/EnSight/mandelbrot.sos": "mandelbrot1.case",
    "vtk_data/EnSight/blow1_bin.geo": "EnSight case",
    "vtk_data/nek5000/eddy_uv.nek5000": "eddy_uv0.f00001",
    "vtk_data/meshio/out.xdmf": "out.h5 is missing",
    "mfem_data/data/pipe-nurbs-2d.mesh": "NURBS",
    "mfem_data/data/star-q3.fms": "FMS",
    "mfem_data/miniapps/meshing/amr-quad-q2.mesh": "refined and curved",
    "libmesh_meshes/examples/adaptivity/adaptivity_ex3/lshaped.xda": "libMesh",
    "libmesh_meshes/tests/meshes/xdrio_elements/read_xdrio_HEX8.xdr": "libMesh",
    "nasa_tmr/Bump/Grids/bump_quad_all_vol.mapbc": "FUN3D",
    "nasa_tmr/3dsqduct_grids/duct.nmf": "neutral map",
    "pyamg_gallery/example_data/airfoil.mat": "MATLAB",
    "../mover_meshes/ugawg/cone-cone/cone-cone.csm": "OpenCSM",
    "../mover_meshes/ugawg/cone-cone/cone-cone.egads": "EGADS",
    "../mover_meshes/ugawg/cube/cube-linear-00.sol": "Medit",
    "../shapenet_car/infos.yaml": "YAML",
    "../snirom_cavity/mien": "without a header",
    "../snirom_cavity/train/truth_0": "without a header",
}


def quietly(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MeshFileWarning)
        return read(path)


def of(name):
    path = DATA / "format_zoo" / name
    return path if path.exists() else pytest.skip(f"{name} is absent")


@pytest.mark.parametrize("name", FACTS)
def test_counts(name, capfd):
    mesh = quietly(of(name))
    assert (mesh.n_points, mesh.n_cells) == FACTS[name]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", REASONS)
def test_reasons(name, capfd):
    with pytest.raises(MeshFileError) as caught:
        quietly(of(name))
    assert REASONS[name] in str(caught.value) and len(str(caught.value).splitlines()) <= 3
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DATA)))
def test_every_file(path, capfd):
    started = time.monotonic()
    try:
        mesh = quietly(path)
    except MeshFileError as error:
        assert 2 <= len(str(error).splitlines()) <= 3 and error.reason
        assert "the reader failed" not in error.reason
    else:
        mesh.check()
        mesh.cell_centers()
        assert mesh.n_points
    assert time.monotonic() - started < 20
    assert capfd.readouterr() == ("", "")


def test_cgns_boundary_conditions_are_regions():
    mesh = quietly(of("su2_testcases/vandv/rans/bump_in_channel/mesh_bump_2d_0089x041.cgns"))
    sizes = {name: len(region.ids) for name, region in mesh.regions.items()}
    assert sizes == {"bump": 40, "inlet": 40, "lower_downstream": 24, "lower_upstream": 24,
                     "outlet": 40, "upper": 88}  # fmt: skip
    assert set(mesh.cell_types[mesh.regions["bump"].ids].tolist()) == {3}
    mesh = quietly(of("vtk_data/cgns/sqnz_s.adf.cgns"))
    facets = {frozenset(row) for row in mesh.boundary_facets().nodes.tolist()}
    for name in ("entree", "sortie", "sym1", "paroi1"):  # on the boundary of their zones
        assert mesh.regions[name].kind == "facet" and len(mesh.regions[name].ids)
        assert {frozenset(row) for row in mesh.regions[name].ids.tolist()} <= facets
    with pytest.warns(MeshFileWarning, match="BCFarfield"):
        read(of("nasa_tmr/Airfoilwake_grids/nak_a_fine_unified_281.cgns"))


def test_exodus_sets_and_times():
    mesh = quietly(of("vtk_data/coarseGrid.e"))
    kinds = {name: (region.kind, len(region.ids)) for name, region in mesh.regions.items()}
    assert kinds["left"] == ("facet", 10) and kinds["left set"] == ("point", 11)
    assert kinds["block 0"] == ("cell", 100)
    on = mesh.points[mesh.regions["left set"].ids]
    assert len(np.unique(on[:, 0])) == 1
    assert set(mesh.regions["left"].ids.ravel()) == set(mesh.regions["left set"].ids)
    steps = read_series(of("vtk_data/edgeFaceElem.exii"))
    assert len(steps) == 2 and steps[0].field_data["TimeValue"] == [steps.times[0]]
    assert steps[1].n_cells == 3


def test_steps_of_calculix():
    steps = read_series(of("vtk_data/mesh.frd"))
    assert steps.times == (0.5, 1.0)
    for mesh in steps:
        assert list(mesh.point_data) == ["DISP", "NDTEMP", "STRESS", "TOSTRAIN", "FORC", "ERROR"]
        assert mesh.point_data["DISP"].shape == (190, 3)
        assert mesh.components["point", "STRESS"] == ("SXX", "SYY", "SZZ", "SXY", "SYZ", "SZX")
    kinds = {CELL_TYPES[code].name for code in set(steps[0].cell_types.tolist())}
    assert len(kinds) > 5


def test_formats_of_one_suffix_are_told_apart():
    plain = {"Abaqus": "calculix_tests/test/green2.inp", "AVS UCD": "vtk_data/UCD2D/UCD_00005.inp",
             "MFEM": "mfem_data/data/tinyzoo-3d.mesh", "BYU": "vtk_data/cow.g"}  # fmt: skip
    from meshop.io._dispatch import format_of

    for name, path in plain.items():
        assert format_of(of(path)).name == name
