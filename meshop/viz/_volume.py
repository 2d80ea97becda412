"""A picture of a volume's surface: VTK in a child process where it works, else matplotlib."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MeshError
from ..mesh import triangles_of
from ._style import INK, figure, save_png

if TYPE_CHECKING:
    from ..mesh import Mesh

_COLOURS = ("viridis", "tab20c")  # of a field, of regions

# Run by a fresh interpreter: VTK aborts the process where libGL or a display is missing.
_CHILD = """
import sys
import numpy as np
import pyvista
data = np.load(sys.argv[1])
faces = np.column_stack([np.full(len(data["triangles"]), 3), data["triangles"]])
surface = pyvista.PolyData(data["points"], faces.ravel())
surface.cell_data["value"] = data["values"]
plotter = pyvista.Plotter(off_screen=True, window_size=(1200, 800))
plotter.add_mesh(surface, scalars="value", cmap=str(data["colours"]), clim=data["clim"].tolist(),
                 show_edges=bool(data["edges"]), edge_opacity=0.35, line_width=0.5,
                 show_scalar_bar=not data["edges"],
                 ambient=0.45, diffuse=0.6, scalar_bar_args={
                     "title": str(data["name"]), "color": "black", "vertical": True,
                     "position_x": 0.88, "position_y": 0.15, "height": 0.7, "width": 0.05})
plotter.set_background("white")
plotter.camera_position = "iso"
plotter.screenshot(sys.argv[2])
"""


def volume_picture(
    mesh: Mesh,
    name: str,
    values: np.ndarray,
    path: str | os.PathLike,
    *,
    title: str = "",
    timeout: float = 60.0,
) -> None:
    """Draw the boundary of a three-dimensional mesh, coloured by `values`, into a PNG.

    values (M, ...) on cells or (N, ...) on points, vectors by magnitude. The wall is drawn where
    there is one inside a far field, else the whole boundary. Raises MeshError for other meshes.
    """
    triangles, scalar = _surface(mesh, name, values)
    finite = scalar[np.isfinite(scalar)]
    clim = np.percentile(finite, (0.5, 99.5)) if finite.size else np.array([0.0, 1.0])
    if clim[1] <= clim[0]:
        clim = clim[0] + np.array([-0.5, 0.5])
    if not _with_vtk(mesh, triangles, scalar, clim, name, path, timeout):
        _with_matplotlib(mesh, triangles, scalar, clim, name, path, title)


def mesh_picture(
    mesh: Mesh, path: str | os.PathLike, *, title: str = "", timeout: float = 60.0
) -> None:
    """Draw a surface, or the boundary of a volume, with its edges and coloured by region.

    Raises MeshError for a mesh without a surface.
    """
    triangles, owner = triangles_of(mesh)
    number = np.zeros(mesh.n_cells)
    cells = [region.ids for region in mesh.regions.values() if region.kind == "cell"]
    for i, ids in enumerate(sorted(cells, key=len, reverse=True), 1):  # small ones on top
        number[ids] = 1 + (7 * i) % 19  # neighbours in number should not be so in colour
    clim = np.array([0.0, 20.0])
    values = number[owner]
    if not _with_vtk(mesh, triangles, values, clim, "region", path, timeout, edges=True):
        _with_matplotlib(mesh, triangles, values, clim, "region", path, title, edges=True)


def _surface(mesh: Mesh, name: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (T, 3) of the wall or boundary and the value of each (T,)."""
    from ..graph import find_boundary

    if mesh.dim != 3:
        raise MeshError(f"a mesh of dimension {mesh.dim} has no surface to draw", "expected 3")
    values = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    if len(values) not in (mesh.n_cells, mesh.n_points):
        raise MeshError(f"array {name!r} has {len(values)} rows", "expected one a cell or a point")
    values = np.linalg.norm(values, axis=1) if values.shape[1] > 1 else values[:, 0]
    found = find_boundary(mesh)
    drawn = found.wall if found.wall.any() else np.ones_like(found.wall)
    nodes, owner = found.facets.nodes[drawn], found.facets.owner[drawn]
    fans, of = [np.empty((0, 3), np.int64)], [np.empty(0, np.int64)]
    for j in range(2, nodes.shape[1]):
        has = nodes[:, j] >= 0
        fans.append(nodes[has][:, [0, j - 1, j]])
        of.append(owner[has])
    triangles = np.concatenate(fans)
    on_cells = len(values) == mesh.n_cells
    scalar = values[np.concatenate(of)] if on_cells else values[triangles].mean(axis=1)
    return triangles, scalar


def _with_vtk(
    mesh: Mesh,
    triangles: np.ndarray,
    values: np.ndarray,
    clim: np.ndarray,
    name: str,
    path: str | os.PathLike,
    timeout: float,
    edges: bool = False,
) -> bool:
    """True where a child process drew the picture; whatever goes wrong there is no error here."""
    path = Path(path).absolute()
    with tempfile.TemporaryDirectory(prefix=".meshop-", dir=path.parent) as folder:
        source, target = Path(folder) / "surface.npz", Path(folder) / "picture.png"
        used, local = np.unique(triangles, return_inverse=True)
        np.savez(
            source, points=mesh.points[used], triangles=local.reshape(-1, 3), values=values,
            clim=clim, name=np.array(name), edges=np.array(edges),
            colours=np.array(_COLOURS[edges]),
        )  # fmt: skip
        command = [sys.executable, "-c", _CHILD, os.fspath(source), os.fspath(target)]
        try:
            ended = subprocess.run(command, capture_output=True, timeout=timeout, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return False
        if ended.returncode or not target.is_file() or not target.stat().st_size:
            return False
        os.replace(target, path)
    return True


def _with_matplotlib(
    mesh: Mesh,
    triangles: np.ndarray,
    values: np.ndarray,
    clim: np.ndarray,
    name: str,
    path: str | os.PathLike,
    title: str,
    edges: bool = False,
) -> None:
    """Painter's algorithm on an isometric projection: farther triangles first, flat shading."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import Normalize

    right = np.array([-1.0, 1.0, 0.0]) / np.sqrt(2)
    up = np.array([-1.0, -1.0, 2.0]) / np.sqrt(6)
    toward = np.cross(right, up)
    corner = mesh.points[triangles]
    order = np.argsort(corner.mean(axis=1) @ toward)
    flat = np.stack([corner @ right, corner @ up], axis=-1)[order]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    length = np.maximum(np.linalg.norm(normal, axis=1), 1e-300)
    light = (0.55 + 0.45 * np.abs(normal @ toward) / length)[order]
    scale = Normalize(clim[0], clim[1])
    colours = colormaps[_COLOURS[edges]](scale(values[order]))
    colours[:, :3] *= light[:, None]
    with figure(8.0, 5.3) as drawing:
        axes = drawing.add_axes((0.02, 0.03, 0.82, 0.88))
        axes.add_collection(
            PolyCollection(
                list(flat),
                facecolors=colours,
                edgecolors=INK if edges else "face",
                lw=0.1 if edges else 0.2,
            )
        )
        axes.autoscale()
        axes.set_aspect("equal")
        axes.set_axis_off()
        if not edges:
            bar = drawing.add_axes((0.88, 0.15, 0.02, 0.65))
            drawing.colorbar(ScalarMappable(scale, "viridis"), cax=bar, label=name)
        drawing.text(0.02, 0.97, title, va="top", fontsize=10.5, fontweight="bold")
        save_png(drawing, path)
