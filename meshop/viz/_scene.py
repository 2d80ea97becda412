"""Triangles, lines and points in space as an image: VTK in a child process, else matplotlib."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXELS = (1500, 1000)
EDGE = "#33414f"


class View(NamedTuple):
    """Unit vectors: from what is seen to who sees it, and up."""

    toward: np.ndarray
    up: np.ndarray

    @property
    def right(self) -> np.ndarray:
        return np.cross(self.up, self.toward)


def view_from(toward: Sequence[float], up: Sequence[float]) -> View:
    """The view along -toward, with `up` (any vector that is not parallel) upright."""
    back = np.asarray(toward, float) / np.linalg.norm(toward)
    right = np.cross(up, back)
    return View(back, np.cross(back, right / np.linalg.norm(right)))


# From the front right and above, as drawings of parts are; z is up, or y.
ISO = view_from([0.55, -0.72, 0.42], [0, 0, 1])
ISO_Y = view_from([0.55, 0.42, 0.72], [0, 1, 0])
VIEWS = {
    "iso": ISO, "iso-y": ISO_Y,
    "x": view_from([1, 0, 0], [0, 0, 1]), "-x": view_from([-1, 0, 0], [0, 0, 1]),
    "y": view_from([0, 1, 0], [0, 0, 1]), "-y": view_from([0, -1, 0], [0, 0, 1]),
    "z": view_from([0, 0, 1], [0, 1, 0]), "-z": view_from([0, 0, -1], [0, 1, 0]),
}  # fmt: skip

# Run by a fresh interpreter: VTK aborts the process where libGL or a display is missing.
_CHILD = """
import sys
import numpy as np
import pyvista as pv
data = np.load(sys.argv[1])
window = sys.argv[3] == "window"
points, toward, up = data["points"], data["toward"], data["up"]
plotter = pv.Plotter(off_screen=not window, window_size=data["pixels"].tolist())
plotter.set_background("white")
skin, solid = None, []
if len(data["triangles"]):
    fans = np.column_stack([np.full(len(data["triangles"]), 3), data["triangles"]])
    skin = pv.PolyData(points, fans.ravel())
    smooth = len(data["point_rgb"]) > 0
    (skin.point_data if smooth else skin.cell_data)["rgb"] = data[
        "point_rgb" if smooth else "triangle_rgb"]
    ambient = float(data["ambient"])
    solid.append(plotter.add_mesh(skin, scalars="rgb", rgb=True, ambient=ambient,
                                  diffuse=1.1 - ambient, specular=0.0))
def segments(pairs):
    # Nearer by a hair, so that no line sinks into the triangles that it bounds.
    rows = np.column_stack([np.full(len(pairs), 2), pairs])
    return pv.PolyData(points + 0.002 * toward, lines=rows.ravel())
net = None
if len(data["edges"]):
    net = segments(data["edges"])
elif skin is not None and data["outline"]:
    net = skin.extract_feature_edges(35, non_manifold_edges=False, manifold_edges=False)
    net.points = net.points + 0.002 * toward
if net is not None and net.n_points:
    net = plotter.add_mesh(net, color=str(data["edge_colour"]), lighting=False,
                           line_width=float(data["edge_width"]),
                           opacity=float(data["edge_opacity"]))
if len(data["lines"]):
    wires = segments(data["lines"])
    wires.cell_data["rgb"] = data["line_rgb"]
    solid.append(plotter.add_mesh(wires, scalars="rgb", rgb=True, lighting=False, line_width=8.0))
if len(data["dots"]):
    # Marks lie before everything else, so that none is hidden.
    cloud = pv.PolyData(data["dots"] + 1.9 * float(data["dots_on_top"]) * toward)
    cloud.point_data["rgb"] = data["dot_rgb"]
    solid.append(plotter.add_mesh(cloud, scalars="rgb", rgb=True, style="points", ambient=0.4,
                                  diffuse=0.65, point_size=float(data["dot_size"]),
                                  render_points_as_spheres=True))
plotter.enable_parallel_projection()
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
    if data["ask_seen"]:  # once more without light and edges: which of the colours are seen?
        plotter.disable_anti_aliasing()
        for actor in solid:
            actor.prop.lighting = False
            actor.prop.ambient, actor.prop.diffuse = 1.0, 0.0
        if net is not None:
            net.SetVisibility(False)
        plotter.render()
        flat = plotter.screenshot(return_img=True).reshape(-1, 3).astype(np.int64)
        codes, counts = np.unique(flat @ [65536, 256, 1], return_counts=True)
        np.save(sys.argv[2] + ".npy", codes[counts > 8])
"""


class Scene(NamedTuple):
    """points (N, 3); of their ids triangles (T, 3), lines (L, 2) and the edges (E, 2) of triangles;
    dots (D, 3) of their own. Triangles, lines and dots have rgb uint8 rows; point_rgb (N, 3), where
    there are any, blends over triangles instead. outline: without edges, those where the surface
    bends or ends. ambient: the part of the light without direction. dots_on_top: not hidden by
    what lies before them. ask_seen: find out which colours can be seen."""

    points: np.ndarray
    triangles: np.ndarray = np.empty((0, 3), np.int64)
    triangle_rgb: np.ndarray = np.empty((0, 3), np.uint8)
    lines: np.ndarray = np.empty((0, 2), np.int64)
    line_rgb: np.ndarray = np.empty((0, 3), np.uint8)
    dots: np.ndarray = np.empty((0, 3))
    dot_rgb: np.ndarray = np.empty((0, 3), np.uint8)
    edges: np.ndarray = np.empty((0, 2), np.int64)
    point_rgb: np.ndarray = np.empty((0, 3), np.uint8)
    view: View = ISO
    edge_colour: str = EDGE
    edge_width: float = 1.0
    edge_opacity: float = 1.0
    outline: bool = False
    ambient: float = 0.5
    dot_size: float = 8.0
    dots_on_top: bool = False
    ask_seen: bool = False


class Image(NamedTuple):
    """rgb (h, w, 3) uint8, white margins cut off; seen: the colours found in it, where asked."""

    rgb: np.ndarray
    seen: frozenset[int] | None = None

    def shows(self, rgb: np.ndarray) -> bool:
        return self.seen is None or int(rgb.astype(np.int64) @ [65536, 256, 1]) in self.seen


def render(scene: Scene, timeout: float = 120.0) -> Image | None:
    """The scene as VTK draws it; None where VTK does not work."""
    from matplotlib.image import imread

    with tempfile.TemporaryDirectory(prefix="meshop-") as folder:
        target = Path(folder) / "picture.png"
        if not _child(scene, Path(folder), "off", timeout, target) or not target.is_file():
            return None
        image = (imread(target)[..., :3] * 255).astype(np.uint8)
        found = target.with_name(f"{target.name}.npy")
        seen = frozenset(np.load(found).tolist()) if found.is_file() else None
    drawn = np.any(image != 255, axis=2)
    if not drawn.any():
        return None
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    return Image(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], seen)


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
    arrays = {n: np.asarray(value) for n, value in scene._asdict().items() if n != "view"}
    # Far from the origin or at odd scales single precision would not do.
    arrays["points"], arrays["dots"] = _unit(scene)
    arrays |= {"pixels": np.array(PIXELS), "title": np.array(title), **scene.view._asdict()}
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
    toward, up, right = *scene.view, scene.view.right
    flat = np.stack([points @ right, points @ up], axis=1)
    corner = points[scene.triangles]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    length = np.maximum(np.linalg.norm(normal, axis=1), 1e-300)
    light = scene.ambient + (1 - scene.ambient) * np.abs(normal @ toward) / length
    order = np.argsort(corner.mean(axis=1) @ toward)
    colours = np.clip(scene.triangle_rgb / 255 * light[:, None], 0, 1)[order]
    axes.add_collection(
        PolyCollection(
            flat[scene.triangles[order]],
            facecolors=colours,
            edgecolors=scene.edge_colour if len(scene.edges) else "face",
            lw=0.2,
        )
    )
    axes.add_collection(LineCollection(flat[scene.lines], colors=scene.line_rgb / 255, lw=1.6))
    if len(scene.dots):
        order = np.argsort(dots @ toward)
        size = scene.dot_size / 4
        x, y = dots[order] @ right, dots[order] @ up
        axes.scatter(x, y, c=scene.dot_rgb[order] / 255, s=size**2, lw=0)
    axes.autoscale()
    axes.set_aspect("equal")


def _unit(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Points and dots moved and scaled to an extent of 1 about the origin."""
    low, high = scene.points.min(axis=0), scene.points.max(axis=0)
    middle, size = (low + high) / 2, np.max(high - low) or 1.0
    return (scene.points - middle) / size, (scene.dots - middle) / size
