"""Triangles, lines and points in space as an image: VTK in a child process, else matplotlib."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXELS = (1500, 1000)
EDGE = "#33414f"
# Seen from the front right and above, as drawings of parts are; z is up.
TOWARD = np.array([0.55, -0.72, 0.42]) / np.linalg.norm([0.55, -0.72, 0.42])
RIGHT = np.cross([0.0, 0.0, 1.0], TOWARD) / np.linalg.norm(np.cross([0.0, 0.0, 1.0], TOWARD))
UP = np.cross(TOWARD, RIGHT)

# Run by a fresh interpreter: VTK aborts the process where libGL or a display is missing.
_CHILD = """
import sys
import numpy as np
import pyvista as pv
data = np.load(sys.argv[1])
window = sys.argv[3] == "window"
points = data["points"]
plotter = pv.Plotter(off_screen=not window, window_size=data["pixels"].tolist())
plotter.set_background("white")
if len(data["triangles"]):
    fans = np.column_stack([np.full(len(data["triangles"]), 3), data["triangles"]])
    skin = pv.PolyData(points, fans.ravel())
    skin.cell_data["rgb"] = data["triangle_rgb"]
    plotter.add_mesh(skin, scalars="rgb", rgb=True, ambient=0.5, diffuse=0.6, specular=0.05)
if len(data["lines"]):
    pairs = np.column_stack([np.full(len(data["lines"]), 2), data["lines"]])
    # Nearer by a hair, so that no line sinks into the triangles that it bounds.
    net = pv.PolyData(points + 0.002 * data["toward"], lines=pairs.ravel())
    net.cell_data["rgb"] = data["line_rgb"]
    plotter.add_mesh(net, scalars="rgb", rgb=True, lighting=False,
                     line_width=float(data["line_width"]), opacity=float(data["line_opacity"]))
if len(data["dots"]):
    # Marks lie before everything else, so that none is hidden.
    cloud = pv.PolyData(data["dots"] + 1.9 * float(data["dots_on_top"]) * data["toward"])
    cloud.point_data["rgb"] = data["dot_rgb"]
    plotter.add_mesh(cloud, scalars="rgb", rgb=True, style="points", ambient=0.4, diffuse=0.65,
                     point_size=float(data["dot_size"]), render_points_as_spheres=True)
plotter.enable_parallel_projection()
toward, up = data["toward"], data["up"]
plotter.view_vector(toward, viewup=up)
right = np.cross(up, toward)
x, y = points @ right, points @ up
middle = right * (x.max() + x.min()) / 2 + up * (y.max() + y.min()) / 2
width, height = data["pixels"]
plotter.camera.focal_point = middle
plotter.camera.position = middle + 3 * toward
plotter.camera.parallel_scale = 0.515 * max(np.ptp(y), np.ptp(x) * height / width, 1e-6)
plotter.reset_camera_clipping_range()
if window:
    plotter.add_axes()
    plotter.show(title=str(data["title"]))
else:
    plotter.enable_anti_aliasing("ssaa")
    plotter.screenshot(sys.argv[2])
"""


class Scene(NamedTuple):
    """points (N, 3); triangles (T, 3) and lines (L, 2) of their ids, dots (D, 3) of their own, each
    with rgb uint8 rows; how wide lines and how large dots are in pixels; dots_on_top: not hidden by
    what lies before them."""

    points: np.ndarray
    triangles: np.ndarray
    triangle_rgb: np.ndarray
    lines: np.ndarray
    line_rgb: np.ndarray
    dots: np.ndarray
    dot_rgb: np.ndarray
    line_width: float = 1.0
    line_opacity: float = 1.0
    dot_size: float = 8.0
    dots_on_top: bool = False


def render(scene: Scene, timeout: float = 120.0) -> np.ndarray | None:
    """(h, w, 3) uint8 image, white margins cut off; None where VTK does not work."""
    from matplotlib.image import imread

    with tempfile.TemporaryDirectory(prefix="meshop-") as folder:
        target = Path(folder) / "picture.png"
        if not _child(scene, Path(folder), "off", timeout, target) or not target.is_file():
            return None
        image = (imread(target)[..., :3] * 255).astype(np.uint8)
    drawn = np.any(image != 255, axis=2)
    if not drawn.any():
        return None
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def show(scene: Scene, title: str) -> bool:
    """Open a window and wait until it is closed; False where there is no display for it."""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return False
    with tempfile.TemporaryDirectory(prefix="meshop-") as folder:
        return _child(scene, Path(folder), "window", None, Path(folder) / "none.png", title)


def _child(
    scene: Scene, folder: Path, mode: str, timeout: float | None, target: Path, title: str = ""
) -> bool:
    source = folder / "scene.npz"
    arrays = {name: np.asarray(value) for name, value in scene._asdict().items()}
    # Far from the origin or at odd scales single precision would not do.
    arrays["points"], arrays["dots"] = _unit(scene)
    arrays |= {"pixels": np.array(PIXELS), "toward": TOWARD, "up": UP, "title": np.array(title)}
    np.savez(source, **cast(Any, arrays))
    command = [sys.executable, "-c", _CHILD, os.fspath(source), os.fspath(target), mode]
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def paint(axes: Axes, scene: Scene) -> None:
    """The same by matplotlib: farther triangles first, flat shading, each with its edges."""
    from matplotlib.collections import LineCollection, PolyCollection

    points, dots = _unit(scene)
    flat = np.stack([points @ RIGHT, points @ UP], axis=1)
    corner = points[scene.triangles]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    length = np.maximum(np.linalg.norm(normal, axis=1), 1e-300)
    light = 0.55 + 0.45 * np.abs(normal @ TOWARD) / length
    order = np.argsort(corner.mean(axis=1) @ TOWARD)
    colours = np.clip(scene.triangle_rgb / 255 * light[:, None], 0, 1)[order]
    axes.add_collection(
        PolyCollection(
            flat[scene.triangles[order]],
            facecolors=colours,
            edgecolors=EDGE if len(scene.lines) else "face",
            lw=0.2,
        )
    )
    if not len(scene.triangles):  # lines behind triangles would shine through
        axes.add_collection(LineCollection(flat[scene.lines], colors=scene.line_rgb / 255, lw=0.6))
    if len(scene.dots):
        order = np.argsort(dots @ TOWARD)
        size = scene.dot_size / 4
        x, y = dots[order] @ RIGHT, dots[order] @ UP
        axes.scatter(x, y, c=scene.dot_rgb[order] / 255, s=size**2, lw=0)
    axes.autoscale()
    axes.set_aspect("equal")


def _unit(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Points and dots moved and scaled to an extent of 1 about the origin."""
    low, high = scene.points.min(axis=0), scene.points.max(axis=0)
    middle, size = (low + high) / 2, np.max(high - low) or 1.0
    return (scene.points - middle) / size, (scene.dots - middle) / size
