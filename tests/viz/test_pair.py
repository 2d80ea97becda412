"""Before and after: both meshes are drawn, side by side, and coloured alike."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread

from meshop.errors import MeshError
from meshop.viz import _pair, _scene, pair_picture

from ..meshes import box, ring
from ..movers.test_move import square


def halves(path):
    """What is drawn of each mesh, without the column at the right."""
    image = imread(path)[..., :3]
    width = image.shape[1]
    column = int(1.6 * 150)
    half = (width - column) // 2
    return image[int(0.9 * 150) :, :half], image[int(0.9 * 150) :, half : 2 * half]


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setattr(_scene, "render", lambda scene, timeout: None)


def test_cells_show_where_they_went(tmp_path, plain):
    before = square(10)
    x = before.points.copy()
    x[:, 0] **= 2  # to the left
    before.point_data["u"] = before.points[:, 0]
    after = replace(before, points=x)
    pair_picture(before, after, tmp_path / "a.png", title="a", note="b")
    one, two = (half[:, 8:] for half in halves(tmp_path / "a.png"))

    def dark(image):  # edges, by thirds of the width
        columns = np.mean(image.max(axis=2) < 0.35, axis=0)
        return np.array([part.mean() for part in np.array_split(columns, 3)])

    assert dark(two)[0] > 1.3 * dark(two)[2] and dark(two)[0] > 1.3 * dark(one)[0]
    pair_picture(before, after, tmp_path / "b.png", array="u")
    one, two = halves(tmp_path / "b.png")
    # The same colours at the same values: the yellow side is as wide as cells of it are.
    yellow = [np.mean((i[..., 0] > 0.8) & (i[..., 2] < 0.4)) for i in (one, two)]
    assert yellow[1] > 1.1 * yellow[0] > 0.05


def test_many_cells_are_seen_from_nearer_where_they_shrank(tmp_path, plain):
    before = square(40)
    step = before.points[:, :2] - [0.8, 0.2]
    x = before.points.copy()
    x[:, :2] -= 0.5 * step * np.exp(-(step**2).sum(axis=1, keepdims=True) / 0.02)
    after = replace(before, points=x)
    views = _pair._views(before, after)
    assert len(views) == 2
    left, right, low, high = views[1][1]
    assert left < 0.8 < right and low < 0.2 < high and right - left < 0.4
    pair_picture(before, after, tmp_path / "a.png")
    assert imread(tmp_path / "a.png").shape[0] > 900


def test_a_wall_in_a_far_field_fills_the_view(tmp_path, plain):
    mesh = ring(64, 24)
    (name, extent), *_ = _pair._views(mesh, mesh)
    assert name == "at the wall" and extent[1] - extent[0] < 3
    pair_picture(mesh, mesh, tmp_path / "a.png", array="boundary")
    one, two = halves(tmp_path / "a.png")
    assert np.abs(np.mean(one) - np.mean(two)) < 0.02 and np.std(one) > 0.1


def test_volumes_are_cut_open(tmp_path, plain):
    mesh = box(3)
    mesh.cell_data["c"] = mesh.cell_centers()[:, 0]
    pair_picture(mesh, mesh, tmp_path / "a.png", array="c")
    one, two = halves(tmp_path / "a.png")
    assert np.std(one) > 0.05 and np.std(two) > 0.05


def test_what_is_refused(tmp_path):
    with pytest.raises(MeshError, match="the same cells"):
        pair_picture(square(2), square(3), tmp_path / "a.png")
    with pytest.raises(MeshError, match="array 'q'"):
        pair_picture(square(2), square(2), tmp_path / "a.png", array="q")
    assert not list(tmp_path.iterdir())
