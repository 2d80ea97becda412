"""Pictures are PNG files that show something, drawn without a display."""

import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from matplotlib.image import imread

from meshop.errors import MeshError
from meshop.mesh import Mesh, Region
from meshop.viz import (
    _field,
    _scene,
    field_picture,
    scalar_scatter,
    training_curves,
    volume_picture,
)
from meshop.viz._raster import rasterise, to_points

from ..predict.fake import cylinder_flow, ring


def colours(path: Path, left: float = 0, right: float = 1) -> int:
    """How many different colours a vertical strip of the picture has."""
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    image = imread(path)
    width = image.shape[1]
    strip = image[:, int(left * width) : int(right * width), :3].reshape(-1, 3)
    return len(np.unique(strip, axis=0))


def fields(mesh: Mesh) -> dict[str, np.ndarray]:
    velocity, pressure = cylinder_flow(mesh.cell_centers(), 4.0, -0.4)
    return {"U": velocity, "p": pressure}


def test_the_flow_about_a_body(tmp_path: Path) -> None:
    mesh = ring()
    field_picture(mesh, fields(mesh), tmp_path / "a.png", pressure="p", title="a title")
    assert colours(tmp_path / "a.png") > 1000
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").stat().st_mode & 0o444 == 0o444


def test_truth_adds_rows(tmp_path: Path) -> None:
    mesh = ring()
    known = fields(mesh)
    predicted = {name: 1.1 * values for name, values in known.items()}
    field_picture(mesh, known, tmp_path / "one.png", pressure="p")
    field_picture(mesh, predicted, tmp_path / "three.png", truth=known, pressure="p", note="a\nb")
    one, three = imread(tmp_path / "one.png"), imread(tmp_path / "three.png")
    assert three.shape[0] > 2 * one.shape[0]
    bottom = three[int(0.7 * len(three)) : int(0.95 * len(three)), :, :3]  # the row of errors
    assert len(np.unique(bottom.reshape(-1, 3), axis=0)) > 500


def test_point_data_no_wall_and_constant_fields(tmp_path: Path) -> None:
    x, y = np.meshgrid(np.linspace(0, 3, 13), np.linspace(0, 1, 5))
    at = np.arange(65).reshape(5, 13)
    quads = np.stack([at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]], axis=-1).reshape(-1, 4)
    mesh = Mesh.from_blocks(np.stack([x.ravel(), y.ravel()], axis=1), [("quad", quads)])
    field_picture(mesh, {"T": x.ravel(), "one": np.ones(48)}, tmp_path / "a.png")
    assert colours(tmp_path / "a.png", 0, 0.5) > 100


def channel(length: float) -> Mesh:
    """Walls below and above, open at its ends, one unit high."""
    x, y = np.meshgrid(np.linspace(0, length, 21), np.linspace(0, 1, 5))
    at = np.arange(105).reshape(5, 21)
    quads = np.stack([at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]], axis=-1).reshape(-1, 4)
    walls = [np.stack([row[:-1], row[1:]], axis=1) for row in (at[0], at[-1])]
    ends = [np.stack([column[:-1], column[1:]], axis=1) for column in (at[:, 0], at[:, -1])]
    lines = [("line", np.concatenate(part)) for part in (walls, ends)]
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    mesh = Mesh.from_blocks(points, [("quad", quads), *lines])
    mesh.regions["wall"] = Region("cell", 80 + np.arange(40))
    mesh.regions["ends"] = Region("cell", 120 + np.arange(8))
    return mesh


@pytest.mark.parametrize("length", [1.0, 3.0, 30.0])
def test_all_of_a_channel_is_seen(tmp_path: Path, length: float) -> None:
    mesh = channel(length)
    view = _field._view(mesh)
    left, right, bottom, top = view.extent
    assert view.wall is not None and left < 0 and right > length and bottom < 0 and top > 1
    assert (right - left) / (top - bottom) == pytest.approx(view.panel[0] / view.panel[1])
    if length == 3.0:  # which fits: the panel is the channel and its margin
        assert (right - left) * (top - bottom) == pytest.approx(1.02**2 * length)
    field_picture(mesh, {"T": mesh.points[:, 0]}, tmp_path / "a.png")
    assert colours(tmp_path / "a.png") > 100


def test_not_finite_and_mixed_cells(tmp_path: Path) -> None:
    mesh = Mesh.from_blocks(
        [[0, 0], [1, 0], [1, 1], [0, 1], [2, 0], [2, 1]],
        [("line", [[0, 1]]), ("triangle", [[0, 1, 2], [0, 2, 3]]), ("quad", [[1, 4, 5, 2]])],
    )
    values = np.array([9.0, 1.0, np.nan, 3.0])
    field_picture(mesh, {"p": values}, tmp_path / "a.png", truth={"p": np.ones(4)})
    assert colours(tmp_path / "a.png") > 50


def test_what_cannot_be_drawn(tmp_path: Path) -> None:
    tetra = Mesh.from_blocks(np.eye(4, 3), [("tetra", [[0, 1, 2, 3]])])
    with pytest.raises(MeshError, match="dimension 3"):
        field_picture(tetra, {"p": np.ones(1)}, tmp_path / "a.png")
    with pytest.raises(MeshError, match="dimension 2"):
        volume_picture(ring(), "p", np.ones(1), tmp_path / "a.png")
    with pytest.raises(MeshError, match="'p' has shape"):
        field_picture(ring(), {"p": np.ones(7)}, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_a_failed_picture_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    def fail(self: Figure, path: str, **options: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("disk full")

    (tmp_path / "a.png").write_bytes(b"old")
    monkeypatch.setattr(Figure, "savefig", fail)
    mesh = ring()
    with pytest.raises(OSError, match="disk full"):
        field_picture(mesh, fields(mesh), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_every_pixel_knows_its_cell() -> None:
    # A field that is linear must come back exactly, on cells of every size, with no gap.
    mesh = ring(around=48, layers=40)
    raster = rasterise(mesh, (-1.5, 2.5, -1.5, 1.5), 400, 300)
    x = np.linspace(-1.5, 2.5, 801)[1::2][None]
    y = np.linspace(1.5, -1.5, 601)[1::2][:, None]
    outside = np.hypot(x - 0.5, y) > 0.53
    image = raster.of_points(2 * mesh.points[:, 0] - mesh.points[:, 1])
    assert np.isfinite(image[outside]).all()
    assert np.isnan(image[np.hypot(x - 0.5, y) < 0.45]).all()
    expected = np.broadcast_to(2 * x - y, image.shape)
    miss = np.abs(image - expected)[outside]
    assert np.percentile(miss, 80) < 1e-5
    assert miss.max() < 0.1  # at edges, and where cells are thinner than a pixel
    centre = mesh.cell_centers()[raster.cell[outside]]
    gap = np.hypot(centre[:, 0] - np.broadcast_to(x, image.shape)[outside],
                   centre[:, 1] - np.broadcast_to(y, image.shape)[outside])  # fmt: skip
    assert gap.max() < 0.25


def test_cells_to_points_keeps_constants() -> None:
    mesh = ring()
    np.testing.assert_allclose(to_points(mesh, np.full(mesh.n_cells, 2.5)), 2.5)


def cube() -> Mesh:
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    i, j, k = (a.ravel() for a in np.meshgrid(*[np.arange(3)] * 3, indexing="ij"))
    at = 16 * i + 4 * j + k
    hexes = np.stack([at, at + 16, at + 20, at + 4, at + 1, at + 17, at + 21, at + 5], axis=1)
    mesh = Mesh.from_blocks(grid, [("hexahedron", hexes)])
    return mesh


@pytest.mark.slow  # starting VTK takes seconds
def test_a_volume_by_vtk_or_whatever_works_here(tmp_path: Path) -> None:
    mesh = cube()
    volume_picture(mesh, "p", mesh.points[:, 0], tmp_path / "a.png")
    assert colours(tmp_path / "a.png") > 20
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("child", ["raise SystemExit(1)", "import os; os.abort()", "pass"])
def test_a_volume_where_vtk_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child: str
) -> None:
    monkeypatch.setattr(_scene, "_CHILD", child)
    mesh = cube()
    volume_picture(mesh, "U", mesh.cell_centers(), tmp_path / "b.png", title="t")
    assert colours(tmp_path / "b.png") > 20
    assert [p.name for p in tmp_path.iterdir()] == ["b.png"]


def test_report_figures(tmp_path: Path) -> None:
    history = {
        "step": [1, 2, 3],
        "train": [1.0, 0.5, 0.2],
        "val": [1.0, np.nan, 0.3],
        "lr": [1, 2, 0],
    }
    training_curves(history, tmp_path / "curves.png")
    training_curves({"train": []}, tmp_path / "empty.png")
    truth = np.random.default_rng(0).random((20, 2))
    scalar_scatter(truth, truth + 0.01, ["Cl", "Cd"], tmp_path / "scatter.png")
    scalar_scatter([[1.0]], [[1.0]], ["Cl"], tmp_path / "single.png")
    for name in ("curves", "scatter"):
        assert colours(tmp_path / f"{name}.png") > 50


def test_importing_costs_nothing_and_needs_no_display() -> None:
    code = (
        "import sys, meshop.viz; "
        "assert not {'matplotlib', 'pyvista', 'vtk', 'torch'} & set(sys.modules)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "DISPLAY"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


@pytest.mark.slow
def test_eighteen_thousand_cells_take_a_second(tmp_path: Path) -> None:
    mesh = ring(around=240, layers=75)
    field_picture(mesh, fields(mesh), tmp_path / "a.png", pressure="p")
    start = perf_counter()
    field_picture(mesh, fields(mesh), tmp_path / "a.png", pressure="p")
    assert perf_counter() - start < 1.5
