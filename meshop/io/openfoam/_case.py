"""A case: its times, regions and pieces, and the mesh with the fields at each time."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import MeshFileWarning
from ...mesh import Mesh, join
from .._files import CUT, Fault
from ._mesh import (
    Addressing,
    Patch,
    assemble,
    patch_list,
    read_addressing,
    read_poly,
    scatter_data,
    to_mesh,
)
from ._root import SLACK, Root, inside, listed, roots_of_processors
from ._text import FoamText, NotExecuted

_BACKUPS = ("~", ".bak", ".bk", ".old", ".orig", ".save")
DIMENSIONS = "dimensions "  # field data: the dimensions of a field, as its file has them
NOTE = "note "  # field data: the note in the header of a field's file

# Class of a field -> where it lives, how many components, and their names.
_SYMMETRIC = ("XX", "XY", "XZ", "YY", "YZ", "ZZ")
_TENSOR = ("XX", "XY", "XZ", "YX", "YY", "YZ", "ZX", "ZY", "ZZ")
RANKS: dict[str, tuple[str, ...]] = {
    "Scalar": ("",),
    "Vector": ("X", "Y", "Z"),
    "SphericalTensor": ("II",),
    "SymmTensor": _SYMMETRIC,
    "Tensor": _TENSOR,
}
FIELDS = {
    f"{place}{rank}Field{inner}": ("cell" if place == "vol" else "point", rank)
    for place in ("vol", "point")
    for rank in RANKS
    for inner in ("", "::Internal", "::DimensionedInternal")
}


@dataclass
class _Data:
    """The fields of one root at one time."""

    cell: dict[str, np.ndarray] = field(default_factory=dict)
    point: dict[str, np.ndarray] = field(default_factory=dict)
    dimensions: dict[str, np.ndarray] = field(default_factory=dict)
    components: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    def on(self, mesh: Mesh) -> Mesh:
        """A mesh that shares the arrays of `mesh` and has these data."""
        mesh = mesh.copy()
        mesh.cell_data, mesh.point_data, mesh.components = self.cell, self.point, self.components
        mesh.field_data |= self.dimensions
        return mesh


@dataclass
class _Kept:
    """The mesh of all roots, or one of each where it is not known how they fit together."""

    meshes: list[Mesh]
    addressing: list[Addressing] | None


class Case:
    """A case folder: its times, and the mesh with the data at each. Raises Fault."""

    def __init__(
        self,
        path: Path,
        region: str | None = None,
        time: str | None = None,
        *,
        fields: bool = True,
    ) -> None:
        self.fields = fields
        self.whole, self.pieces = Root(path), roots_of_processors(path)
        self.regions = self._regions() if region is None else [region]
        self._kept: dict[tuple, _Kept] = {}
        whole = any(self.whole.has_mesh(region) for region in self.regions)
        pieces = any(root.has_mesh(region) for root in self.pieces[:1] for region in self.regions)
        if not whole and not pieces:
            raise Fault(
                "constant/polyMesh", "there is no mesh: no faces, neither here nor in processor0",
                "run blockMesh (or the mesher of the case) first",
            )  # fmt: skip
        if time is not None:
            there = whole and (path / time).is_dir()
            value = -np.inf if time == "constant" else float(time)
            self.times = [(value, time, [self.whole] if there else self.pieces)]
            return
        times = {value: (name, [self.whole]) for name, value in self._times(whole, [self.whole])}
        for name, value in self._times(pieces, self.pieces[:1]):
            times.setdefault(value, (name, self.pieces))
        if not times:
            times[0.0] = ("constant", [self.whole] if whole else self.pieces)
        self.times = [(value, *times[value]) for value in sorted(times)]

    @staticmethod
    def is_one(path: Path) -> bool:
        """True where a folder holds a mesh of OpenFOAM, whole or in pieces."""
        try:
            Case(path)
        except Fault:
            return False
        return True

    @staticmethod
    def _times(wanted: bool, roots: list[Root]) -> list[tuple[str, float]]:
        return [item for root in roots for item in root.times().items()] if wanted else []

    def _regions(self) -> list[str]:
        """ "" is the mesh without a name; those of regionProperties are preferred to it."""
        roots = [self.whole, *self.pieces[:1]]
        regions: list[str] = []
        if (text := self.whole.text("constant/regionProperties")) is not None:
            for key in text.entries():
                if key == b"regions":
                    regions = re.findall(r"[^\s()./]+", text.raw())
        named = [name for name in dict.fromkeys(regions) if any(r.has_mesh(name) for r in roots)]
        if named or any(root.has_mesh() for root in roots):
            return named or [""]
        folders = [p.name for root in roots for p in listed(root.path / "constant")]
        named = [r for r in dict.fromkeys(folders) if any(root.has_mesh(r) for root in roots)]
        return named or [""]

    def mesh(self, index: int, arrays: list[str] | None) -> Mesh:
        """The mesh at times[index] with its fields, or only those that are named."""
        value, time, roots = self.times[index]
        parts = [self._region(region, value, time, roots, arrays) for region in self.regions]
        mesh = parts[0] if len(parts) == 1 else join(parts, self.regions)
        if np.isfinite(value):
            mesh.field_data["TimeValue"] = np.array([value])
        for name in arrays or ():
            if self.fields and name not in mesh.cell_data and name not in mesh.point_data:
                known = sorted({n for r in self.regions for n in _names(roots[0], time, r)})
                raise Fault(
                    f"time {time}", f"there is no field {name!r}",
                    f"one of {', '.join(known)}" if known else "read it without arrays=",
                )  # fmt: skip
        return mesh

    def _region(
        self, region: str, value: float, time: str, roots: list[Root], arrays: list[str] | None
    ) -> Mesh:
        kept = self._meshes(region, value, roots)
        if kept.addressing is None:
            sizes = [(mesh.n_cells, mesh.n_points) for mesh in kept.meshes]
        else:
            sizes = [(len(at.cells), len(at.points)) for at in kept.addressing]
        data = [_Data() for _ in roots]
        if self.fields:
            data = [
                read_fields(root, time, region, arrays, *size)
                for root, size in zip(roots, sizes, strict=True)
            ]
        if kept.addressing is not None:
            addressed = list(zip(kept.addressing, data, strict=True))
            data = data[:1]
            data[0].cell = scatter_data("cell", [(at.cells, d.cell) for at, d in addressed])
            data[0].point = scatter_data("point", [(at.points, d.point) for at, d in addressed])
        for root in roots[:1]:
            if root.shared is not None:
                root.shared.clear()
        return join([d.on(mesh) for mesh, d in zip(kept.meshes, data, strict=True)])

    def points(self, index: int) -> np.ndarray:
        """The points of `mesh(index)`."""
        value, _, roots = self.times[index]
        kept = [self._meshes(region, value, roots) for region in self.regions]
        return np.concatenate([mesh.points for each in kept for mesh in each.meshes])

    def places(self, index: int) -> list[tuple[Root, str, np.ndarray, np.ndarray, list[Patch]]]:
        """Each root and region: which cells and points of `mesh(index)` it has, its patches."""
        value, _, roots = self.times[index]
        out = []
        cells = points = 0
        for region in self.regions:
            kept = self._meshes(region, value, roots)
            for number, root in enumerate(roots):
                if root.shared is not None:
                    raise Fault(root.path.name, "collated pieces are not written", "reconstructPar")
                if kept.addressing is not None:
                    here = kept.addressing[number]
                    where = here.cells + cells, here.points + points
                else:
                    mesh = kept.meshes[number]
                    where = np.arange(mesh.n_cells) + cells, np.arange(mesh.n_points) + points
                    cells, points = cells + mesh.n_cells, points + mesh.n_points
                boundary = root.text(root.mesh_files(region, value)["boundary"])
                if boundary is not None:
                    out.append((root, region, *where, patch_list(boundary)))
            if kept.addressing is not None:
                cells, points = cells + kept.meshes[0].n_cells, points + kept.meshes[0].n_points
        return out

    def _meshes(self, region: str, value: float, roots: list[Root]) -> _Kept:
        """The meshes at a time, without data."""
        files = [root.mesh_files(region, value) for root in roots]
        key = (region, roots[0].path, *(tuple(names.values()) for names in files))
        if key not in self._kept:
            if len(self._kept) == len(self.regions):
                self._kept.clear()  # those of one time: they are large
            self._kept[key] = self._read_meshes(roots, files)
        return self._kept[key]

    def _read_meshes(self, roots: list[Root], files: list[dict[str, str]]) -> _Kept:
        def opener(root: Root, names: dict[str, str]) -> Callable[[str], FoamText | None]:
            return lambda name: root.text(names[name], SLACK) if name in names else None

        found = [opener(root, names) for root, names in zip(roots, files, strict=True)]
        polys = [read_poly(open_file) for open_file in found]
        if roots[0] is self.whole:
            return _Kept([to_mesh(polys[0])], None)
        addressing = [read_addressing(*pair) for pair in zip(found, polys, strict=True)]
        known = [at for at in addressing if at is not None]
        if len(known) < len(polys):
            return _Kept([to_mesh(poly) for poly in polys], None)
        return _Kept([to_mesh(assemble(list(zip(polys, known, strict=True))))], known)


def _names(root: Root, time: str, region: str) -> dict[str, tuple[str, str]]:
    """The fields of a time -> their paths and classes."""
    folder = inside(time, region, "")
    names = dict.fromkeys(p.name.removesuffix(".gz") for p in listed(root.path / folder))
    found = {}
    for name in names:
        path = f"{folder}/{name}"
        if not name.endswith(_BACKUPS) and (kind := root.kind(path)) in FIELDS:
            found[name] = path, kind
    return found


def read_fields(
    root: Root, time: str, region: str, arrays: list[str] | None, n_cells: int, n_points: int
) -> _Data:
    data = _Data()
    for name, (path, kind) in _names(root, time, region).items():
        if arrays is not None and name not in arrays:
            continue
        place, rank = FIELDS[kind]
        labels = RANKS[rank]
        count, into = (n_cells, data.cell) if place == "cell" else (n_points, data.point)
        text = root.text(path, SLACK + 32 * len(labels) * count)
        if text is None:
            continue
        try:
            values, dimensions = _field(text, rank, count)
        except NotExecuted as fault:
            if arrays is not None:
                raise
            what = f"{root.path}: {fault.where}: {fault.reason}"
            warnings.warn(f"{what}; the field is left out", MeshFileWarning, stacklevel=2)
            continue
        into[name] = values
        if dimensions:
            data.dimensions[DIMENSIONS + name] = np.array([dimensions])
        if text.note:
            data.dimensions[NOTE + name] = np.array([text.note])
        if rank != "Scalar":
            data.components[place, name] = labels
    return data


def _field(text: FoamText, rank: str, count: int) -> tuple[np.ndarray, str]:
    """The values inside, and the dimensions. What the boundary has is not read."""
    values, dimensions = None, ""
    for key in text.entries():
        if key in (b"internalField", b"value"):
            values = text.field(len(RANKS[rank]), rank != "Scalar", count)
        elif key == b"dimensions":
            dimensions = text.raw()[:200]
        if values is not None and dimensions:
            break
    if values is None:
        raise text.fault("it has no internalField", CUT)
    return values, dimensions


def field_dimensions(root: Root, time: str, region: str) -> dict[str, str]:
    """The dimensions of the fields of a time."""
    found = {}
    for name, (path, _) in _names(root, time, region).items():
        with contextlib.suppress(Fault):  # behind the dimensions it may well be cut off
            if (text := root.head(path)) is not None:
                units = (text.raw() for key in text.entries() if key == b"dimensions")
                found[name] = next(units, "")
    return found
