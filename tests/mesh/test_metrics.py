"""Quality metrics: VTK's Verdict, OpenFOAM's checkMesh and analytic shapes as oracles."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from meshop.errors import MeshError
from meshop.mesh import (
    CELL_TYPES,
    METRICS,
    Mesh,
    cell_quality,
    is_node,
    parse_faces,
    quality_names,
)
from meshop.mesh._facets import facet_table
from meshop.mesh._finite_volume import facet_quality

sys.path.insert(0, str(Path(__file__).parents[1] / "io"))
from mesh_cases import meshes
from test_mesh_geometry import as_polyhedra, box, mixed_plane

ROOT3, ROOT6 = 3**0.5, 6**0.5
PERFECT = {
    "triangle": [[0, 0, 0], [1, 0, 0], [0.5, ROOT3 / 2, 0]],
    "quad": [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]],
    "tetra": [[0, 0, 0], [1, 0, 0], [0.5, ROOT3 / 2, 0], [0.5, ROOT3 / 6, ROOT6 / 3]],
    "hexahedron": [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0],
                   [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]],
    "wedge": [[0, 0, 0], [1, 0, 0], [0.5, ROOT3 / 2, 0],
              [0, 0, 1], [1, 0, 1], [0.5, ROOT3 / 2, 1]],
    "pyramid": [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.5, 0.5, 0.5**0.5]],
}  # fmt: skip
# What VTK has under the same definition. It lacks, or gets wrong: the edge 3-7 of hexahedra in
# edge_ratio, some of the dihedral angles of tetrahedra in min_angle.
VERDICT = {
    "scaled_jacobian": ("SCALED_JACOBIAN", tuple(PERFECT)),
    "equiangle_skewness": ("EQUIANGLE_SKEW", tuple(PERFECT)),
    "edge_ratio": ("EDGE_RATIO", ("triangle", "quad", "tetra", "wedge")),
    "aspect_ratio": ("ASPECT_RATIO", ("triangle", "quad", "tetra")),
    "aspect_ratio of hexahedra": ("MAX_EDGE_RATIO", ("hexahedron",)),
    "min_angle": ("MIN_ANGLE", ("triangle", "quad")),
    "max_angle": ("MAX_ANGLE", ("triangle", "quad")),
}


def cells(kind, count=60, noise=0.1, seed=0):
    """`count` perfect cells with their corners moved, as one mesh."""
    shape = np.array(PERFECT[kind])
    rng = np.random.default_rng(seed)
    points = shape + noise * rng.normal(size=(count, *shape.shape)) + rng.normal(size=(count, 1, 3))
    ids = np.arange(count * len(shape)).reshape(count, -1)
    return Mesh.from_blocks(points.reshape(-1, 3), [(kind, ids)])


def verdict(mesh, measure):
    vtk = pytest.importorskip("vtkmodules.vtkFiltersVerdict")
    pv = pytest.importorskip("pyvista")
    stream = np.insert(mesh.cell_nodes, mesh.cell_offsets[:-1], np.diff(mesh.cell_offsets))
    run = vtk.vtkCellQuality()
    run.SetInputData(pv.UnstructuredGrid(stream, mesh.cell_types, mesh.points))
    run.SetQualityMeasure(getattr(vtk.vtkMeshQuality.QualityMeasureTypes, measure))
    run.Update()
    return np.array(pv.wrap(run.GetOutput()).cell_data["CellQuality"])


@pytest.mark.parametrize(
    ("metric", "measure", "kind"),
    [(name, m, kind) for name, (m, kinds) in VERDICT.items() for kind in kinds],
)
def test_the_same_as_verdict(metric, measure, kind):
    mesh = cells(kind)
    found = mesh.quality(metric.split(" ")[0])
    np.testing.assert_allclose(found, verdict(mesh, measure), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", PERFECT)
def test_perfect_cells(kind):
    mesh = Mesh.from_blocks(PERFECT[kind], [(kind, [range(len(PERFECT[kind]))])])
    assert mesh.quality("scaled_jacobian") == pytest.approx([1])
    assert mesh.quality("aspect_ratio") == pytest.approx([1])
    assert mesh.quality("edge_ratio") == pytest.approx([1])
    assert mesh.quality("equiangle_skewness") == pytest.approx([0], abs=1e-12)
    dihedral = np.degrees(np.arccos(1 / 3))
    base = np.degrees(np.arccos(1 / ROOT3))  # between the base of the pyramid and a side
    least = {"triangle": 60, "tetra": dihedral, "wedge": 60, "pyramid": base}
    most = {"triangle": 60, "tetra": dihedral, "pyramid": 180 - dihedral}
    assert mesh.quality("min_angle") == pytest.approx([least.get(kind, 90)])
    assert mesh.quality("max_angle") == pytest.approx([most.get(kind, 90)])


@pytest.mark.parametrize("n", [5, 6, 11])
def test_regular_polygons_and_prisms_are_perfect(n):
    turn = 2 * np.pi * np.arange(n) / n
    ring = np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)
    flat = Mesh.from_blocks(ring, [("polygon", [range(n)])])
    assert flat.quality("scaled_jacobian") == pytest.approx([1])
    assert flat.quality("aspect_ratio") == pytest.approx([1])
    assert flat.quality("equiangle_skewness") == pytest.approx([0], abs=1e-12)
    assert flat.quality("min_angle") == pytest.approx([180 - 360 / n])
    if n < 7:
        kind = {5: "pentagonal_prism", 6: "hexagonal_prism"}[n]
        solid = Mesh.from_blocks(
            np.vstack([ring, ring + np.array([0, 0, 1])]), [(kind, [range(2 * n)])]
        )
        assert solid.quality("scaled_jacobian") == pytest.approx([1])
        assert solid.quality("max_angle") == pytest.approx([180 - 360 / n])
        same = as_polyhedra(solid)
        for name in ("edge_ratio", "equiangle_skewness", "min_angle", "max_angle"):
            assert same.quality(name) == pytest.approx(solid.quality(name), abs=1e-9)


def test_known_values():
    arrow = [[0, 0], [2, 0], [0.5, 0.5], [0, 2]]  # not convex
    mesh = Mesh.from_blocks(arrow, [("quad", [range(4)])])
    assert mesh.quality("max_angle") == pytest.approx([360 - np.degrees(np.arccos(-0.6))])
    assert mesh.quality("scaled_jacobian") == pytest.approx([-0.8])
    bar = np.array(PERFECT["hexahedron"]) * [10, 2, 1]
    mesh = Mesh.from_blocks(bar, [("hexahedron", [range(8)])])
    assert mesh.quality("aspect_ratio") == pytest.approx([10])
    assert mesh.quality("scaled_jacobian") == pytest.approx([1])
    mesh = as_polyhedra(mesh)
    assert mesh.quality("aspect_ratio") == pytest.approx([2 * (20 + 10 + 2) / 6 / 20 ** (2 / 3)])
    assert np.isnan(mesh.quality("scaled_jacobian")).all()
    assert "scaled_jacobian" not in quality_names(mesh)


def test_polyhedra_have_the_angles_of_the_cells_they_stand_for():
    plain = box(3, warp=0.2)
    solid = as_polyhedra(plain)
    for name in ("edge_ratio", "equiangle_skewness", "min_angle", "max_angle"):
        np.testing.assert_allclose(solid.quality(name), plain.quality(name), rtol=1e-9, atol=1e-9)
    for name in ("non_orthogonality", "skewness"):
        np.testing.assert_allclose(solid.quality(name), plain.quality(name), rtol=1e-6, atol=1e-6)


def test_a_mirrored_wedge_is_as_good_and_a_turned_cell_is_negative():
    for kind in ("tetra", "hexahedron", "wedge", "pyramid"):
        mesh = cells(kind)
        twin = Mesh(mesh.points * [1, 1, -1], mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes)
        sign = 1 if kind == "wedge" else -1
        good = mesh.quality("scaled_jacobian") > 0.5
        assert good.sum() > 20
        assert np.all(sign * twin.quality("scaled_jacobian")[good] > 0)
        for name in ("min_angle", "max_angle", "aspect_ratio", "non_orthogonality", "skewness"):
            np.testing.assert_allclose(twin.quality(name), mesh.quality(name), atol=1e-9)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(MeshError, match="equiangle_skewness"):
        cell_quality(mixed_plane(), "beauty")


def test_points_and_lines_have_no_quality():
    mesh = mixed_plane()
    for name in METRICS:
        values = mesh.quality(name)
        assert np.isnan(values[-1]) and np.isfinite(values[:-1]).all()
    assert quality_names(Mesh.from_blocks(np.zeros((2, 3)), [("line", [[0, 1]])])) == ()


# -- as finite volumes --------------------------------------------------------------------------

# What OpenFOAM v1912's checkMesh prints: non-orthogonality max and average, skewness, aspect ratio.
CHECKED = {
    "hexahedra": (lambda: box(5, warp=0.3), 26.0847716346, 10.675169675, 0.287445655978),
    "polyhedra": (
        lambda: as_polyhedra(box(3, warp=0.25)), 13.7520905851, 7.28341180777, 0.188154671424,
    ),
}  # fmt: skip


def figures(mesh):
    """Largest non-orthogonality, its average as checkMesh takes it, largest skewness."""
    found = facet_quality(mesh)
    angle = found.non_orthogonality[found.neighbor >= 0]
    average = np.degrees(np.arccos(np.cos(np.radians(angle)).mean()))
    return angle.max(), average, found.skewness.max()


@pytest.mark.parametrize("name", CHECKED)
def test_the_figures_of_checkmesh(name):
    make, *expected = CHECKED[name]
    assert figures(make()) == pytest.approx(expected, rel=1e-9)


@pytest.mark.skipif(not shutil.which("checkMesh"), reason="OpenFOAM is not installed")
@pytest.mark.parametrize("warp", [0.05, 0.4])
def test_checkmesh_itself_agrees(tmp_path, warp):
    mesh = box(4, warp=warp)
    text = check_mesh(mesh, tmp_path)
    angles = re.search(r"non-orthogonality Max: (\S+) average: (\S+)", text)
    skewness = re.search(r"Max skewness = (\S+)", text)
    if not angles or not skewness:
        pytest.skip("checkMesh does not run here")
    printed = [*map(float, angles.groups()), float(skewness.group(1).rstrip(","))]
    assert figures(mesh) == pytest.approx(printed, rel=1e-9)


def check_mesh(mesh, folder):
    """What checkMesh prints of a mesh of volumes that are not mirrored."""

    def put(kind, name, body, where="constant/polyMesh"):
        head = f"FoamFile {{ version 2.0; format ascii; class {kind}; object {name}; }}\n"
        (folder / where).mkdir(parents=True, exist_ok=True)
        (folder / where / name).write_text(head + body)

    def listed(rows):
        return f"{len(rows)}\n(\n" + "\n".join(rows) + "\n)"

    facets = facet_table(mesh)
    rings = np.split(facets.nodes, facets.ptr[1:-1])
    pairs = np.stack([facets.owner, facets.neighbor], axis=1)
    inner = np.flatnonzero(pairs[:, 1] >= 0)
    swap = inner[pairs[inner, 0] > pairs[inner, 1]]
    pairs[swap] = pairs[swap, ::-1]
    for face in swap:
        rings[face] = rings[face][::-1]
    inner = inner[np.lexsort((pairs[inner, 1], pairs[inner, 0]))]
    order = [*inner, *np.flatnonzero(pairs[:, 1] < 0)]
    points = [f"({x!r} {y!r} {z!r})" for x, y, z in mesh.points.tolist()]
    put("vectorField", "points", listed(points))
    faces = [f"{len(rings[i])}({' '.join(map(str, rings[i]))})" for i in order]
    put("faceList", "faces", listed(faces))
    put("labelList", "owner", listed([str(pairs[i, 0]) for i in order]))
    put("labelList", "neighbour", listed([str(pairs[i, 1]) for i in inner]))
    patch = f"all {{ type patch; nFaces {len(order) - len(inner)}; startFace {len(inner)}; }}"
    put("polyBoundaryMesh", "boundary", listed([patch]))
    control = "startFrom startTime; startTime 0; stopAt endTime; endTime 1; deltaT 1;"
    control += "writeControl timeStep; writeInterval 1; writePrecision 14;"
    put("dictionary", "controlDict", control, "system")
    schemes = ("ddt", "grad", "div", "laplacian", "interpolation", "snGrad")
    for name in ("fvSchemes", "fvSolution"):
        body = "".join(f"{s}Schemes {{ default none; }}\n" for s in schemes)
        put("dictionary", name, body, "system")
    home = os.environ.get("WM_PROJECT_DIR", "/usr/share/openfoam")
    done = subprocess.run(
        ["checkMesh", "-constant", "-case", str(folder)],
        env=os.environ | {"WM_PROJECT_DIR": home}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    return done.stdout


def test_regular_grids_are_orthogonal_also_in_the_plane():
    for mesh in (box(3), box(2)):
        assert mesh.quality("non_orthogonality") == pytest.approx(np.zeros(mesh.n_cells), abs=1e-5)
        assert mesh.quality("skewness") == pytest.approx(np.zeros(mesh.n_cells), abs=1e-12)
    # Sheared quads: the line of centres leaves the normal by the shear's angle.
    x, y = np.meshgrid(np.arange(4.0), np.arange(4.0))
    at = np.arange(16).reshape(4, 4)
    quads = np.stack([at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]], -1).reshape(-1, 4)
    mesh = Mesh.from_blocks(np.stack([(x + y).ravel(), y.ravel()], 1), [("quad", quads)])
    assert mesh.quality("non_orthogonality") == pytest.approx(np.full(9, 45.0))
    turned = Mesh(
        mesh.points[:, [2, 0, 1]], mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes[::-1]
    )
    assert turned.quality("non_orthogonality") == pytest.approx(np.full(9, 45.0))


def test_the_plane_agrees_with_its_extrusion():
    plane = mixed_plane()
    rng = np.random.default_rng(3)
    plane.points[:, :2] += 0.15 * rng.uniform(-1, 1, (plane.n_points, 2))
    n, faces, ends, nodes, offsets = plane.n_points, [], [], [], [0]
    for cell in range(plane.n_cells - 1):
        ring = plane.cell_nodes[plane.cell_offsets[cell] : plane.cell_offsets[cell + 1]].tolist()
        top = [i + n for i in ring]
        sides = [[ring[i - 1], ring[i], top[i], top[i - 1]] for i in range(len(ring))]
        every = [ring[::-1], top, *sides]
        faces += [len(every), *(v for face in every for v in (len(face), *face))]
        ends.append(len(faces))
        nodes += ring + top
        offsets.append(len(nodes))
    points = np.vstack([plane.points, plane.points + np.array([0, 0, 1])])
    types = np.full(len(ends), 42)
    solid = Mesh(points, types, offsets, nodes, faces=np.array(faces), face_offsets=np.array(ends))
    for name in ("non_orthogonality", "skewness"):
        np.testing.assert_allclose(plane.quality(name)[:-1], solid.quality(name), atol=1e-6)


# -- invariants ---------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
def test_moved_turned_scaled_and_renumbered_meshes_are_as_good(metric):
    rng = np.random.default_rng(7)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rotation *= np.linalg.det(rotation)
    samples = [cells(kind, 20) for kind in PERFECT]
    for mesh in [*samples, box(3, warp=0.2), as_polyhedra(box(2, warp=0.2)), mixed_plane()]:
        base = mesh.quality(metric)
        points = 1e-5 * (mesh.points @ rotation.T + [3, -2, 1])
        order = rng.permutation(mesh.n_points)  # new point i is the old point order[i]
        renumber = np.argsort(order)
        faces = mesh.faces
        if faces is not None:
            places = is_node(len(faces), parse_faces(faces, mesh.face_offsets))
            faces = np.where(places, renumber[faces * places], faces)
        again = Mesh(
            points[order], mesh.cell_types, mesh.cell_offsets, renumber[mesh.cell_nodes],
            faces=faces, face_offsets=mesh.face_offsets,
        )  # fmt: skip
        np.testing.assert_allclose(again.quality(metric), base, rtol=1e-7, atol=1e-5)


@settings(max_examples=150)
@given(mesh=meshes(places=(), regions=()))
def test_any_mesh_has_numbers_and_no_warning(mesh):
    row = [CELL_TYPES[int(code)] for code in mesh.cell_types]
    for name, metric in METRICS.items():
        values = mesh.quality(name)
        known = np.array([r.dim >= 2 and r.code != 41 for r in row], dtype=bool)
        if name == "scaled_jacobian":
            known &= mesh.cell_types != 42
        if name in ("skewness", "non_orthogonality"):
            # a collapsed cell may have no facet; cells of a lower dimension are not asked
            assert np.isnan(values[np.array([r.dim < mesh.dim for r in row], dtype=bool)]).all()
            assert not (values < 0).any() and not np.isinf(values).any()
            continue
        assert not np.isnan(values[known]).any()
        assert np.isnan(values[~known]).all()
        if metric.range[0] >= 0:
            assert (values[known] >= 0).all()


def test_a_worst_value_is_the_worst():
    values = np.array([np.nan, 0.5, 0.1, 0.9])
    assert METRICS["scaled_jacobian"].worst(values) == 0.1
    assert METRICS["skewness"].worst(values) == 0.9
    assert np.isnan(METRICS["skewness"].worst(values[:1]))
