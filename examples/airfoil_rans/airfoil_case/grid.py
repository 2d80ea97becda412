"""The mesh of an airfoil case: 16 quad layers at the wall, graded triangles to a far circle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .contour import Contour

INTERIOR, WALL, FAR = 0, 1, 2


@dataclass(frozen=True)
class GridOptions:
    """Sizes in chords; the defaults give about 18,000 cells, the resolution of `airfoil_rans`."""

    wall_height: float = 2.5e-4  # first cell: its centre is at y+ 5 to 35 for Re 1e6 to 6e6
    growth: float = 1.22
    layers_thickness: float = 0.03
    wall_size: float = 0.008
    edge_size: float = 0.0022  # at the nose and at the trailing edge
    far_size: float = 1.6
    far_radius: float = 20.0
    wall_grading: float = 0.13  # growth of the size with distance from the wall
    edge_grading: float = 0.0995  # and with distance from nose and trailing edge
    wake_size: float = 0.05
    wake_end: float = 3.0
    wake_half_width: float = 0.35
    wake_blend: float = 4.0  # the wake's size reaches `far_size` this far outside its box
    scale: float = 1.0  # multiplies every size along the surface and in the field

    def sized(self, length: float) -> float:
        return length * self.scale


@dataclass
class Grid:
    """A planar mesh. `blocks` keeps gmsh's cells; `order` is the cell order of the files."""

    points: NDArray[np.float64]  # (N, 3), z = 0
    triangles: NDArray[np.int64]  # (T, 3), counter-clockwise
    quads: NDArray[np.int64]  # (Q, 4)
    boundary: NDArray[np.uint8]  # (N,) 0 inside, 1 wall, 2 far field
    order: NDArray[np.int64] = field(repr=False)  # (T + Q,) into triangles then quads

    @property
    def n_cells(self) -> int:
        return len(self.order)

    def cells(self) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
        """VTK cell types (M,), offsets (M + 1,) and nodes (K,), in the files' order."""
        n_tri = len(self.triangles)
        padded = np.full((n_tri + len(self.quads), 4), -1, dtype=np.int64)
        padded[:n_tri, :3] = self.triangles
        padded[n_tri:] = self.quads
        padded = padded[self.order]
        used = padded >= 0
        types = np.where(used[:, 3], 9, 5).astype(np.uint8)
        offsets = np.concatenate([[0], np.cumsum(used.sum(axis=1))]).astype(np.int64)
        return types, offsets, padded[used]


def make_grid(
    contour: Contour,
    options: GridOptions | None = None,
    exports: tuple[str | Path, ...] = (),
) -> Grid:
    """Mesh the flow around `contour` with gmsh.

    `exports` are further files that gmsh writes of the same mesh (`.su2`, `.msh`), with physical
    groups `airfoil`, `farfield` and `fluid`. Raises ImportError with the command that installs
    gmsh when it is missing.
    """
    options = options or GridOptions()
    with gmsh_session() as gmsh:
        curves = _geometry(gmsh, contour, options)
        _sizes(gmsh, curves, options)
        gmsh.model.mesh.generate(2)
        grid = _read_back(gmsh, curves)
        gmsh.option.setNumber("Mesh.Binary", 1)
        gmsh.option.setNumber("Mesh.MshFileVersion", 2.2)
        for path in exports:
            gmsh.write(str(path))
    return grid


@contextmanager
def gmsh_session() -> Iterator[Any]:
    """The gmsh module, quiet, single-threaded and reproducible; ImportError says how to get it."""
    try:
        import gmsh
    except (ImportError, OSError) as error:  # OSError: its library lacks libGLU and friends
        raise ImportError(
            f"meshing needs gmsh, which does not import ({error})\n"
            "try: pip install gmsh  (and: apt-get install libglu1-mesa libxft2 libxcursor1)"
        ) from error
    gmsh.initialize(["", "-nopopup"], readConfigFiles=False, interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.option.setNumber("General.NumThreads", 1)
        gmsh.option.setNumber("Mesh.RandomSeed", 1)
        yield gmsh
    finally:
        gmsh.finalize()


def _geometry(gmsh: Any, contour: Contour, options: GridOptions) -> dict[str, list[int]]:
    geo = gmsh.model.geo
    tail = geo.addPoint(1.0, 0.0, 0.0)
    nose = geo.addPoint(*contour.upper[0], 0.0)
    r = options.far_radius
    compass = [geo.addPoint(0.5 + r * x, r * y, 0.0) for x, y in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    centre = geo.addPoint(0.5, 0.0, 0.0)
    upper = [geo.addPoint(x, y, 0.0) for x, y in contour.upper[1:-1][::-1]]
    lower = [geo.addPoint(x, y, 0.0) for x, y in contour.lower[1:-1]]
    airfoil = [geo.addSpline([tail, *upper, nose]), geo.addSpline([nose, *lower, tail])]
    far = [geo.addCircleArc(compass[i], centre, compass[(i + 1) % 4]) for i in range(4)]
    surface = geo.addPlaneSurface([geo.addCurveLoop(far), geo.addCurveLoop(airfoil)])
    geo.synchronize()
    gmsh.model.addPhysicalGroup(1, airfoil, name="airfoil")
    gmsh.model.addPhysicalGroup(1, far, name="farfield")
    gmsh.model.addPhysicalGroup(2, [surface], name="fluid")
    return {"airfoil": airfoil, "far": far, "edges": [tail, nose], "tail": [tail]}


def _sizes(gmsh: Any, curves: dict[str, list[int]], options: GridOptions) -> None:
    """Size grows with the distance from wall, nose and trailing edge; a box covers the wake."""
    mesh = gmsh.model.mesh.field
    far = options.sized(options.far_size)
    fields = []
    for entity, key, length, grading in (
        ("CurvesList", "airfoil", options.wall_size, options.wall_grading),
        ("PointsList", "edges", options.edge_size, options.edge_grading),
    ):
        size = options.sized(length)
        distance = mesh.add("Distance")
        mesh.setNumbers(distance, entity, curves[key])
        if entity == "CurvesList":
            mesh.setNumber(distance, "Sampling", 400)
        size_field = mesh.add("Threshold")
        mesh.setNumber(size_field, "InField", distance)
        mesh.setNumber(size_field, "SizeMin", size)
        mesh.setNumber(size_field, "SizeMax", far)
        mesh.setNumber(size_field, "DistMin", 0.0)
        mesh.setNumber(size_field, "DistMax", (far - size) / grading)
        fields.append(size_field)
    wake = mesh.add("Box")
    for name, value in (
        ("VIn", options.sized(options.wake_size)),
        ("VOut", far),
        ("XMin", 1.0),
        ("XMax", options.wake_end),
        ("YMin", -options.wake_half_width),
        ("YMax", options.wake_half_width),
        ("Thickness", options.wake_blend),
    ):
        mesh.setNumber(wake, name, value)
    smallest = mesh.add("Min")
    mesh.setNumbers(smallest, "FieldsList", [*fields, wake])
    mesh.setAsBackgroundMesh(smallest)

    layers = mesh.add("BoundaryLayer")
    mesh.setNumbers(layers, "CurvesList", curves["airfoil"])
    mesh.setNumbers(layers, "FanPointsList", curves["tail"])
    for name, value in (
        ("Size", options.wall_height),
        ("Ratio", options.growth),
        ("Thickness", options.layers_thickness),
        ("Quads", 1),
    ):
        mesh.setNumber(layers, name, value)
    mesh.setAsBoundaryLayer(layers)
    for name in ("MeshSizeExtendFromBoundary", "MeshSizeFromPoints", "MeshSizeFromCurvature"):
        gmsh.option.setNumber(f"Mesh.{name}", 0)
    gmsh.option.setNumber("Mesh.Algorithm", 6)  # frontal Delaunay


def _read_back(gmsh: Any, curves: dict[str, list[int]]) -> Grid:
    tags, xyz, _ = gmsh.model.mesh.getNodes()
    position = np.full(int(tags.max()) + 1, -1, dtype=np.int64)
    elements = {3: np.empty((0, 3), np.int64), 4: np.empty((0, 4), np.int64)}
    for kind, width in ((2, 3), (3, 4)):
        _, nodes = gmsh.model.mesh.getElementsByType(kind)
        elements[width] = nodes.astype(np.int64).reshape(-1, width)
    # Nodes that no cell uses (the circle's centre, contour points) are left out.
    used = np.unique(np.concatenate([elements[3].ravel(), elements[4].ravel()]))
    kept = np.isin(tags.astype(np.int64), used)
    position[tags[kept].astype(np.int64)] = np.arange(kept.sum())
    points = xyz.reshape(-1, 3)[kept].astype(float)
    points[:, 2] = 0.0
    boundary = np.zeros(len(points), dtype=np.uint8)
    for key, value in (("airfoil", WALL), ("far", FAR)):
        for curve in curves[key]:
            on_curve, _, _ = gmsh.model.mesh.getNodes(1, curve, includeBoundary=True)
            ids = position[on_curve.astype(np.int64)]
            boundary[ids[ids >= 0]] = value
    triangles = _sorted(_counter_clockwise(points, position[elements[3]]))
    quads = _sorted(_counter_clockwise(points, position[elements[4]]))
    return Grid(points, triangles, quads, boundary, _narrow_order(triangles, quads))


def _counter_clockwise(points: NDArray[np.float64], cells: NDArray[np.int64]) -> NDArray[np.int64]:
    x, y = points[cells, 0], points[cells, 1]
    area = (x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1)
    cells = cells.copy()
    cells[area < 0] = cells[area < 0][:, ::-1]
    return cells


def _sorted(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Least node first, rows in order: gmsh lists layer cells in a new order on every run."""
    if len(cells) == 0:
        return cells
    turn = (cells.argmin(axis=1)[:, None] + np.arange(cells.shape[1])) % cells.shape[1]
    cells = np.take_along_axis(cells, turn, axis=1)
    return cells[np.lexsort(cells.T[::-1])]


def _narrow_order(triangles: NDArray[np.int64], quads: NDArray[np.int64]) -> NDArray[np.int64]:
    """Reverse Cuthill-McKee order of the cells: neighbours close in memory help the solver."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    n = len(triangles) + len(quads)
    edges, owners = [], []
    for cells, first in ((triangles, 0), (quads, len(triangles))):
        edges.append(np.stack([cells, np.roll(cells, -1, axis=1)], axis=-1).reshape(-1, 2))
        owners.append(np.repeat(np.arange(len(cells)) + first, cells.shape[1]))
    edge, owner = np.sort(np.concatenate(edges), axis=1), np.concatenate(owners)
    rank = np.lexsort((owner, edge[:, 1], edge[:, 0]))
    edge, owner = edge[rank], owner[rank]
    same = np.all(edge[1:] == edge[:-1], axis=1)
    a, b = owner[:-1][same], owner[1:][same]
    ones = np.ones(2 * len(a), dtype=np.int8)
    graph = csr_array((ones, (np.r_[a, b], np.r_[b, a])), shape=(n, n))
    return np.asarray(reverse_cuthill_mckee(graph, symmetric_mode=True), dtype=np.int64)
