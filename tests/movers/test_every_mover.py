"""All movers on domains that are not convex and on real meshes: nothing inverted, ever."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import meshop
from meshop.errors import MeshopError
from meshop.mesh import Mesh
from meshop.movers import (
    Moved,
    elastic,
    laplacian,
    monge_ampere,
    move,
    positive_corners,
    rbf,
    ring_monitor,
    smooth,
    springs,
)

from ..meshes import box, ring
from .test_move import square

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "mover_meshes"
REAL = [
    "movement/history/demos/l.msh",
    "movement/history/demos/l_convex.msh",
    "um2n/history/meshes/airfoil.msh",
    "ugawg/cube/cube-linear-00.mesh",
    "ugawg/cube-cylinder/cube-cylinder.ugrid",
]


def l_shape(n: int) -> Mesh:
    mesh = square(n)
    centre = mesh.points[mesh.cell_nodes.reshape(-1, 3)].mean(axis=1)
    kept = mesh.cell_nodes.reshape(-1, 3)[~((centre[:, :2] > 0.5).all(axis=1))]
    used, cells = np.unique(kept, return_inverse=True)
    return Mesh.from_blocks(mesh.points[used], [("triangle", cells.reshape(-1, 3))])


def stretched(mesh: Mesh, ratio: float) -> Mesh:
    """Towards y = 0, as a boundary layer is."""
    out, points = mesh.copy(), mesh.points.copy()
    points[:, 1] = ((1 + ratio) ** points[:, 1] - 1) / ratio
    out.points = points
    return out


MADE = {
    "L shape": lambda: l_shape(12),
    "cube with a hole": lambda: box(5, hole=True),
    "rings of quads": lambda: ring(32, 8),
    "boundary layer": lambda: stretched(square(12), 1e6),
    "solid layer": lambda: stretched(box(5), 1e4),
}


def movers(mesh: Mesh) -> dict[str, Callable[[], Moved]]:
    """Each asked for more than it can do."""
    d, x = mesh.dim, mesh.points[:, : mesh.dim]
    low, high = x.min(axis=0), x.max(axis=0)
    size = float((high - low).max())
    monitor = ring_monitor(10, 10 / size**2, 0.1 * size**2, tuple(0.5 * (low + high)))
    wall = mesh.p1().boundary.points
    led, way = wall[: max(3, len(wall) // 3)], np.full(d, 0.15 * size)
    noise = 0.1 * size * np.random.default_rng(0).normal(size=x.shape)
    return {
        "move": lambda: move(mesh, noise),
        "monge_ampere": lambda: monge_ampere(mesh, monitor),
        "relaxation": lambda: monge_ampere(mesh, monitor, method="relaxation", max_iterations=20),
        "sampled": lambda: monge_ampere(mesh, monitor(x), max_iterations=5),
        "smooth": lambda: smooth(mesh, max_iterations=30),
        **{
            mover.__name__: lambda mover=mover: mover(mesh, led, way)
            for mover in (laplacian, elastic, springs, rbf)
        },
    }


def check(mesh: Mesh) -> None:
    before = mesh.points.copy()
    for name, job in movers(mesh).items():
        moved, report = job()
        assert report.inverted == 0 and np.isfinite(moved.points).all(), name
        positive_corners(moved)  # or it raises
        assert np.abs(moved.points - before).max() > 0 and 0 < report.done <= 1, name
        assert np.array_equal(mesh.points, before), name


@pytest.mark.parametrize("name", MADE)
def test_nothing_is_inverted_on_made_domains(name: str) -> None:
    check(MADE[name]())


@pytest.mark.skipif(not FOLDER.is_dir(), reason="needs ../shared/data/mover_meshes")
@pytest.mark.parametrize("name", REAL)
def test_nothing_is_inverted_on_real_meshes(name: str) -> None:
    check(meshop.read(FOLDER / name))


@pytest.mark.parametrize("mesh", [square(3), box(2)], ids=["2", "3"])
def test_where_nothing_can_move_there_is_an_error_and_the_mesh_as_it_was(mesh: Mesh) -> None:
    points = mesh.points.copy()
    n = np.rint(points[:, 1] * (3 if mesh.dim == 2 else 2))
    points[:, 1] = 1.0 + n * 2.0**-52  # flat to the last digit
    mesh.points = points
    positive_corners(mesh)
    for name, job in movers(mesh).items():
        try:
            moved, report = job()
        except MeshopError as error:
            assert 2 <= len(str(error).splitlines()) <= 3, name
        else:
            assert report.inverted == 0 and np.isfinite(moved.points).all(), name
            positive_corners(moved)
        assert np.array_equal(mesh.points, points), name
