"""Pictures of meshes: they show regions, arrays, faults; with VTK and without."""

import subprocess
import sys
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from matplotlib.image import imread

from meshop.errors import MeshError
from meshop.mesh import Mesh, Region
from meshop.viz import _flat, _paint, _plane, _scene, default_array, mesh_picture

from ..meshes import box, ring

picture = import_module("meshop.viz._mesh")


@pytest.fixture
def plain(monkeypatch):
    """Without VTK."""
    monkeypatch.setattr(_scene, "render", lambda scene, timeout: None)


def share(path, colour, within=0.12):
    """Part of the picture's pixels that are near a colour."""
    from matplotlib.colors import to_rgb

    image = imread(path)[..., :3]
    return float(np.mean(np.abs(image - np.array(to_rgb(colour))).max(axis=2) < within))


def parted():
    """Tetrahedra in two materials, with a named side."""
    mesh = box(3)
    left = mesh.cell_centers()[:, 0] < 0.5
    facets = mesh.boundary_facets().nodes
    top = np.all(mesh.points[facets][:, :, 2] == 1, axis=1)
    mesh.regions = {
        "left": Region("cell", np.flatnonzero(left)),
        "right": Region("cell", np.flatnonzero(~left)),
        "top": Region("facet", facets[top]),
    }
    return mesh


def test_regions_have_colours(tmp_path, plain):
    mesh = parted()
    scene, paint = picture.scene_of(mesh, None, True, False, None)
    assert [name for name, _ in paint.names] == ["top", "left", "right"]
    shell = _paint.shell_of(mesh, False)
    high = mesh.points[shell.nodes][:, :, 2].min(axis=1) == 1
    assert np.all(paint.rgb[high] == paint.rgb[high][0])
    assert len(scene.triangles) == len(shell.cell) == 108
    mesh_picture(mesh, tmp_path / "a.png", title="a title")
    assert share(tmp_path / "a.png", "white") < 0.8


def test_lines_dots_and_shells_beside_volumes():
    mesh = box(2)
    n = mesh.n_points
    points = np.vstack([mesh.points, [[0, 0, 2], [1, 0, 2], [1, 1, 2]]])
    tetra = mesh.cell_nodes.reshape(-1, 4)
    blocks = [("tetra", tetra), ("line", [[0, n]]), ("vertex", [[n]]), ("poly_line", [[0, 1, 2]]),
              ("triangle", [[n, n + 1, n + 2], mesh.boundary_facets().nodes[0]])]  # fmt: skip
    mesh = Mesh.from_blocks(points, blocks)
    mesh.regions = {"cable": Region("cell", np.array([len(tetra)]))}
    shell = _paint.shell_of(mesh, False)
    lines = shell.part(2).nodes[:, :2].tolist()
    assert lines == [[0, n], [0, 1], [1, 2]] and shell.part(1).nodes[:, 0].tolist() == [n]
    assert len(shell.part(3, None).cell) == 48 + 1  # the other triangle is on a face that is drawn
    paint = _paint.paint_of(mesh, shell)
    assert [name for name, _ in paint.names] == ["cable", "no region"]
    assert not np.array_equal(*paint.rgb[shell.of_size(2)][:2])


def layer(axis, thick=0.05):
    """One layer of 6 x 4 hexahedra across an axis, with a named end."""
    x, y, z = np.meshgrid(np.linspace(0, 3, 7), np.linspace(0, 2, 5), [0, thick], indexing="ij")
    at = np.arange(70).reshape(7, 5, 2)
    low = [at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]]
    cells = np.concatenate(
        [np.stack([q[..., k] for q in low], -1).reshape(-1, 4) for k in (0, 1)], 1
    )
    points = np.roll(np.stack([x, y, z], -1).reshape(-1, 3), axis - 2, axis=1)
    mesh = Mesh.from_blocks(points, [("hexahedron", cells)])
    mesh.cell_data["U"] = np.tile([3.0, 4.0, 0.0], (24, 1))
    mesh.regions["inlet"] = Region("facet", cells[:4][:, [0, 3, 7, 4]])
    return mesh


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_one_layer_of_cells_is_seen_face_on(tmp_path, axis):
    mesh = layer(axis)
    flat = _flat.lay_flat(mesh)
    assert flat.plane.is_planar and flat.plane.n_cells == 24
    assert f"seen along {'xyz'[axis]}" in flat.note
    assert sorted(np.ptp(flat.plane.points, axis=0).tolist()) == [0, 2, 3]
    assert len(picture._rims(flat.plane)) == 1
    mesh_picture(mesh, tmp_path / "a.png", array="U", marked=(np.array([3]), np.array([5])))
    assert share(tmp_path / "a.png", "#d1495b") > 0.01
    assert _flat.lay_flat(layer(axis, thick=3.0)) is None


def test_planes_of_any_direction_are_seen_face_on():
    mesh = ring(24, 6)
    turned = replace(mesh, points=mesh.points[:, [2, 0, 1]])
    assert _flat.lay_flat(mesh).plane is mesh
    np.testing.assert_array_equal(_flat.lay_flat(turned).plane.points, mesh.points)
    line = Mesh.from_blocks(turned.points, [("line", [[0, 1]])])
    assert picture.view_of(line, None) is _scene.VIEWS["x"]
    with pytest.raises(MeshError, match="view 'w'"):
        picture.view_of(line, "w")


def test_what_is_shown_by_default():
    mesh = box(2)
    assert default_array(mesh) is None
    x = np.linspace(0.1, 1, mesh.n_points)
    mesh.point_data = {"id": np.floor(9 * x), "one": np.ones(mesh.n_points), "k": x}
    assert default_array(mesh) == "k"
    mesh.cell_data["U"] = mesh.cell_centers()
    assert default_array(mesh) == "U"


def test_ends_of_the_scale():
    scale = _paint.scale_of(np.array([np.nan, np.inf, 2.0, 2.0]), "p")
    assert scale.least == scale.most == 2 and scale.low < 2 < scale.high
    scale = _paint.scale_of(np.append(np.linspace(0, 1, 999), 1e6), "p")
    assert scale.most == 1e6 and scale.high < 2
    assert np.isnan(_paint.scale_of(np.array([np.nan]), "p").most)
    paint = _paint.by_value(np.array([1.0, np.nan, 2.0]), "p")
    assert [name for name, _ in paint.names] == ["no value"]


def test_clip_opens_a_volume():
    mesh = box(4)
    whole, half = (_paint.shell_of(mesh, clip) for clip in (False, True))
    assert set(half.cell) < set(range(mesh.n_cells))
    middle = mesh.points[half.nodes].mean(axis=1)
    inside = np.all((middle > 0.01) & (middle < 0.99), axis=1)
    assert inside.sum() >= 16 and len(whole.cell) == 192
    assert half.cell.min() >= 0 and mesh.cell_centers()[half.cell][:, 0].max() <= 0.5


def test_arrays_on_points_and_cells(tmp_path, plain):
    mesh = ring(40, 6)
    mesh.cell_data["U"] = np.tile([3.0, 4.0, 0.0], (mesh.n_cells, 1))
    mesh.point_data["T"] = mesh.points[:, 0].copy()
    mesh.point_data["T"][3] = np.nan
    mesh.point_data["name"] = np.array(["a"] * mesh.n_points)
    for name in ("U", "T"):
        mesh_picture(mesh, tmp_path / f"{name}.png", array=name)
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    field = _paint.field_of(mesh, "U")
    assert field.label == "|U|" and field.values.tolist() == [5.0] * mesh.n_cells
    for name in ("V", "name"):
        with pytest.raises(MeshError, match="one of boundary"):
            mesh_picture(mesh, tmp_path / "a.png", array=name)


def test_the_wall_inside_a_far_field_gets_a_view_of_its_own():
    views = _plane.plane_views(ring(40, 6))
    assert [name for name, _ in views] == ["whole mesh", "at the wall"]
    left, right, low, high = views[1][1]
    assert right - left < 2 and high - low < 2


def test_small_cells_are_still_seen(tmp_path):
    n = 400  # 160,000 quads in 700 pixels across
    axis = np.linspace(0, 1, n + 1)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    at = np.arange((n + 1) ** 2).reshape(n + 1, n + 1)
    quads = np.stack([at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]], -1).reshape(-1, 4)
    mesh = Mesh.from_blocks(0.4 * points, [("quad", quads)])
    mesh.cell_data["x"] = mesh.cell_centers()[:, 0]
    big = Mesh.from_blocks(
        np.vstack([mesh.points, [[0.4, 0, 0], [1, 0, 0], [1, 1, 0], [0.4, 1, 0]]]),
        [("quad", quads), ("quad", [np.arange(4) + mesh.n_points])],
    )
    mesh_picture(big, tmp_path / "a.png", edges=False)
    image = imread(tmp_path / "a.png")[..., :3]
    colour = np.array([0xB9, 0xCB, 0xE0]) / 255
    assert np.mean(np.abs(image - colour).max(axis=2) < 0.05) > 0.3


def test_faults_are_red(tmp_path, plain):
    nothing = np.empty(0, np.int64)
    for mesh in (ring(40, 6), box(3), Mesh.from_blocks(np.random.default_rng(0).random((50, 3)))):
        cells = np.arange(min(mesh.n_cells, 5))
        mesh_picture(mesh, tmp_path / "bad.png", marked=(cells, np.array([7])))
        mesh_picture(mesh, tmp_path / "good.png", marked=(nothing, nothing))
        assert share(tmp_path / "bad.png", "#d1495b") > share(tmp_path / "good.png", "#d1495b")


def test_clouds_lines_and_nothing(tmp_path, plain):
    points = np.random.default_rng(0).random((300, 3))
    mesh_picture(Mesh.from_blocks(points), tmp_path / "cloud.png")
    lines = Mesh.from_blocks(points, [("line", np.arange(300).reshape(-1, 2))])
    mesh_picture(lines, tmp_path / "lines.png")
    mesh_picture(Mesh.from_blocks(np.zeros((1, 3))), tmp_path / "one.png")
    assert all((tmp_path / f"{n}.png").exists() for n in ("cloud", "lines", "one"))
    with pytest.raises(MeshError, match="no points"):
        mesh_picture(Mesh.from_blocks(np.zeros((0, 3))), tmp_path / "none.png")


def test_vtk_draws_what_it_is_given():
    check = (
        "import pyvista as pv; p = pv.Plotter(off_screen=True); p.add_mesh(pv.Sphere()); p.show()"
    )
    try:
        done = subprocess.run([sys.executable, "-c", check], capture_output=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("VTK does not draw here")
    if done.returncode:
        pytest.skip("VTK does not draw here")
    mesh = parted()
    scene, _ = picture.scene_of(mesh, None, True, True, (np.array([3]), np.array([4])))
    image = _scene.render(scene)
    assert image is not None and image.rgb.ndim == 3 and min(image.rgb.shape[:2]) > 300
    red = np.abs(image.rgb.astype(int) - [209, 73, 91]).max(axis=2) < 60
    assert red.sum() > 40
    scene, paint = picture.scene_of(mesh, None, True, False, None)
    image = _scene.render(scene._replace(view=_scene.VIEWS["-z"], ask_seen=True))
    shown = [n for n, c in paint.names if image.shows(_paint.rgb_rows(c, 1)[0])]
    assert shown == ["left", "right"]  # and not the top


def test_any_mesh_can_be_drawn(tmp_path, plain):
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parents[1] / "io"))
    from mesh_cases import meshes

    @settings(
        max_examples=10,
        phases=[Phase.explicit, Phase.generate],  # a picture takes too long to shrink by
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(mesh=meshes(stored=("float32",)))
    def draw(mesh):
        if mesh.n_points:
            mesh_picture(mesh, tmp_path / "any.png", title="$x$ a_b^c")

    draw()
