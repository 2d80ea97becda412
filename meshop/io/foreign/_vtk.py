"""In the child: what VTK's readers give, as meshes. Source: VTK 9 reader classes."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from ...mesh import Mesh, Region, join
from .._files import Fault
from .._labels import MIRRORED_WEDGE
from .._structured import structured_cells
from ._cgns import with_rest
from ._vtk_datasets import (
    dims_of,
    joined,
    leaf_cells,
    leaf_mesh,
    leaf_points,
    leaves_of,
    padded,
    stacked,
    without_cells,
)

# name: (module, class, how it is told the file)
_READERS = {
    "AVS UCD": ("vtkIOGeometry", "vtkAVSucdReader", "SetFileName"),
    "BYU": ("vtkIOGeometry", "vtkBYUReader", "SetGeometryFileName"),
    "CGNS": ("vtkIOCGNSReader", "vtkCGNSReader", "SetFileName"),
    "EnSight": ("vtkIOEnSight", "vtkGenericEnSightReader", "SetCaseFileName"),
    "EnSight SOS": ("vtkIOEnSight", "vtkEnSightSOSGoldReader", "SetCaseFileName"),
    "Exodus": ("vtkIOExodus", "vtkExodusIIReader", "SetFileName"),
    "Facet": ("vtkFiltersHybrid", "vtkFacetReader", "SetFileName"),
    "Fluent CFF": ("vtkIOFLUENTCFF", "vtkFLUENTCFFReader", "SetFileName"),
    "MFIX": ("vtkIOGeometry", "vtkMFIXReader", "SetFileName"),
    "Nek5000": ("vtkIOParallel", "vtkNek5000Reader", "SetFileName"),
    "ProSTAR": ("vtkIOGeometry", "vtkProStarReader", "SetFileName"),
    "SLAC": ("vtkIONetCDF", "vtkSLACReader", "SetMeshFileName"),
    "Tecplot": ("vtkIOGeometry", "vtkTecplotReader", "SetFileName"),
    "UGRID NetCDF": ("vtkIONetCDF", "vtkNetCDFUGRIDReader", "SetFileName"),
    "XDMF": ("vtkIOXdmf2", "vtkXdmfReader", "SetFileName"),
}
_PORT = {"SLAC": 1}  # the volume; the surface comes out of port 0
_CGNS_PARTS = ("Internal", "Patches", "Surfaces")
_MESSAGE = re.compile(
    r"(ERROR|Warning|Generic Warning): In [^\n]*\n(?:\w+ \([^)]*\): )?(.*?)\n\n", re.S
)


def prepare(reader: str, **_: Any) -> None:
    """Import what the task will need."""
    importlib.import_module("vtkmodules.vtkCommonCore")
    importlib.import_module("vtkmodules.vtkCommonExecutionModel")
    importlib.import_module("vtkmodules.util.numpy_support")
    importlib.import_module(f"vtkmodules.{_READERS[reader][0]}")
    if reader == "CGNS":
        importlib.import_module("h5py")


def read(path: Path, reader: str, step: int | None = None, only_times: bool = False) -> dict:
    """The times in the file, and its mesh at times[step] (the last by default). Raises Fault."""
    try:
        found = _attempt(path, reader, step, only_times)
    except Fault as fault:
        if reader != "Exodus" or " set " not in fault.reason:
            raise
        found = _attempt(path, reader, step, only_times, bare=True)
        found["left_out"] = f"its sets were left out: {fault.reason}"
    if reader == "CGNS" and not only_times:
        found["mesh"], whole = with_rest(path, found["mesh"])
        found["left_out"] = "" if whole else found["left_out"]
    mesh = found.get("mesh")
    if reader == "CGNS" and mesh is not None and mesh.dim == 3 and not mesh.regions:
        # Boundary sections without boundary conditions. VTK cannot load both at once.
        with contextlib.suppress(Fault):
            other = _attempt(path, reader, step, only_times, bare=True)
            found = other if other["mesh"].regions else found
    return found


def _attempt(
    path: Path, reader: str, step: int | None, only_times: bool, bare: bool = False
) -> dict:
    said = _listen()
    module, name, tell = _READERS[reader]
    source = getattr(importlib.import_module(f"vtkmodules.{module}"), name)()
    getattr(source, tell)(str(path))
    if reader in _SETUP:
        _SETUP[reader](source, bare)
    source.UpdateInformation()
    times = _times(source)
    if only_times:
        _complain(said, path, empty=False)
        return {"times": times}
    _SELECT.get(reader, _select_arrays)(source, bare)
    if times:
        source.UpdateTimeStep(times[-1 if step is None else step])
    else:
        source.Update(_PORT.get(reader, 0))
    data = source.GetOutputDataObject(_PORT.get(reader, 0))
    faces = []
    if reader == "Fluent CFF":
        _name_zones(path, data)
        faces = _drop_faces_of_fluent(data)
    found = _CONVERT.get(reader, joined)(data)
    left_out = _complain(said, path, empty=found is None or not found.n_points)
    if found is None or not found.n_points:
        raise Fault("content", f"no points found when read as {reader}")
    if faces and (lost := _faces_of_fluent(path, found, faces)):
        left_out = f"the zones of faces {', '.join(lost)} were left out"
    _turn_wedges(found)
    if times:
        found.field_data["TimeValue"] = np.array([times[-1 if step is None else step]])
    return {"times": times, "mesh": found, "left_out": left_out}


def _turn_wedges(mesh: Mesh) -> None:
    """Number wedges as VTK does: most of its readers leave them as files have them, mirrored."""
    at = mesh.cell_offsets[:-1][mesh.cell_types == 13][:, None] + np.arange(6)
    with np.errstate(all="ignore"):
        a, b, c, d = (mesh.points[mesh.cell_nodes[at[:, i]]] for i in range(4))
        inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a) > 0
    if len(at) and inward.mean() > 0.5:
        mesh.cell_nodes[at] = mesh.cell_nodes[at[:, MIRRORED_WEDGE]]


def _name_zones(path: Path, data: Any) -> None:
    """Give the blocks of a `.cas.h5` the names of the zones of cells, which VTK does not read."""
    try:
        import h5py

        with h5py.File(path) as file:
            found = file["meshes/1/cells/zoneTopology/name"][0]
            names = found.decode("utf-8", "replace").split(";")
    except (ImportError, OSError, KeyError, ValueError, IndexError, AttributeError):
        return
    if len(names) == data.GetNumberOfBlocks():
        for index, name in enumerate(names):
            if not data.HasMetaData(index) or not data.GetMetaData(index).Has(data.NAME()):
                data.GetMetaData(index).Set(data.NAME(), name)


def _drop_faces_of_fluent(data: Any) -> list[str]:
    """Take out the zones of faces: VTK 9.7 has for each of their faces the whole cell beside it."""
    faces = []
    for index in range(data.GetNumberOfBlocks()):
        name = data.GetMetaData(index).Get(data.NAME()) if data.HasMetaData(index) else ""
        label, _, kind = (name or "").partition(":")
        if kind in ("", "fluid", "solid"):
            data.GetMetaData(index).Set(data.NAME(), label)
        else:
            faces += [label] if kind != "interior" else []
            data.SetBlock(index, None)
    return faces


_HEX = rb"\s*([0-9a-fA-F]{1,15})"
_FACES = re.compile(rb"\(\s*13\s*\(" + 5 * _HEX + rb"\s*\)\s*\(([^()]*)\)")
_ZONE = re.compile(rb"\(\s*(?:39|45)\s*\(\s*(\d{1,15})\s+[\w-]+\s+([^\s()]+)")


def _faces_of_fluent(path: Path, mesh: Mesh, wanted: list[str]) -> list[str]:
    """Add those zones of faces that are text as regions; return the names of the others."""
    data = path.read_bytes()
    names = {int(zone): name.decode("utf-8", "replace") for zone, name in _ZONE.findall(data)}
    for match in _FACES.finditer(data):
        zone, kind = int(match[1], 16), int(match[5], 16)
        if (name := names.get(zone, "")) not in wanted:
            continue
        try:
            rows = [[int(w, 16) - 1 for w in line.split()] for line in match[6].splitlines()]
        except ValueError:
            continue
        faces = [r[1 : r[0] + 2] if kind in (0, 5) else r[:kind] for r in rows if r]
        flat = [node for face in faces for node in face]
        if flat and min(flat) >= 0 and max(flat) < mesh.n_points:
            offsets = np.cumsum([0, *map(len, faces)])
            mesh.regions[name] = Region("facet", padded(offsets, np.array(flat)))
    return [name for name in wanted if name not in mesh.regions]


def _listen() -> Any:
    """Collect VTK's messages, which it prints otherwise and raises never."""
    from vtkmodules.vtkCommonCore import vtkOutputWindow, vtkStringOutputWindow

    window = vtkStringOutputWindow()
    vtkOutputWindow.SetInstance(window)
    return window


def _complain(said: Any, path: Path, empty: bool) -> str:
    """Raise the first error of VTK as a Fault; return what its warnings say was left out."""
    text = said.GetOutput() + "\n\n"
    messages = _MESSAGE.findall(text)
    errors = [what for kind, what in messages if kind == "ERROR"]
    if errors or (empty and messages):
        what = " ".join((errors or [messages[0][1]])[0].replace(f"{path}: ", "").split())
        what = what.replace(f"{path.parent}{os.sep}", "")
        raise Fault("content", what[:300] or "VTK reports an error")
    skipped = [
        what.split("type", 1)[-1] for _, what in messages if what.startswith("Skipping BC_t")
    ]
    kinds = ", ".join(dict.fromkeys(re.findall(r"'(\w+)'", " ".join(skipped))))
    return f"{len(skipped)} boundary conditions ({kinds}) were left out" if skipped else ""


def _times(source: Any) -> list[float]:
    from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline as Pipeline

    information = source.GetOutputInformation(0)
    key = Pipeline.TIME_STEPS()
    return list(information.Get(key)) if information.Has(key) else []


# -- what each reader is told -----------------------------------------------------------------


def _set_tecplot(source: Any, bare: bool) -> None:
    source.UpdateInformation()
    for index in range(source.GetNumberOfDataArrays()):
        source.SetDataArrayStatus(source.GetDataArrayName(index), 1)


def _set_cgns(source: Any, bare: bool) -> None:
    source.UpdateInformation()
    for what in ("Bases", "Families", "PointArrays", "CellArrays", "FaceArrays"):
        getattr(source, f"EnableAll{what}", lambda: None)()
    source.SetLoadBndPatch(not bare)
    source.SetLoadSurfacePatch(bare)


def _select_arrays(source: Any, bare: bool) -> None:
    for kind in ("Point", "Cell"):
        if hasattr(source, f"GetNumberOf{kind}Arrays"):
            for index in range(getattr(source, f"GetNumberOf{kind}Arrays")()):
                name = getattr(source, f"Get{kind}ArrayName")(index)
                getattr(source, f"Set{kind}ArrayStatus")(name, 1)


def _select_exodus(source: Any, bare: bool) -> None:
    """Every block, set and variable, with the points of the file in all of them."""
    source.SetSqueezePoints(0)
    source.SetApplyDisplacements(0)
    source.SetGenerateObjectIdCellArray(0)
    for name in ("ELEM_BLOCK", "NODAL", *(() if bare else ("SIDE_SET", "NODE_SET"))):
        kind = getattr(source, name)
        for index in range(source.GetNumberOfObjects(kind)):
            source.SetObjectStatus(kind, index, 1)
        for index in range(source.GetNumberOfObjectArrays(kind)):
            source.SetObjectArrayStatus(kind, source.GetObjectArrayName(kind, index), 1)


def _set_slac(source: Any, bare: bool) -> None:
    source.ReadInternalVolumeOn()
    source.ReadExternalSurfaceOn()


_SETUP = {"Tecplot": _set_tecplot, "CGNS": _set_cgns, "SLAC": _set_slac}
_SELECT = {"Exodus": _select_exodus}


# -- Exodus and CGNS -----


def _exodus(data: Any) -> Mesh | None:
    """The blocks with the file's points once; side sets as facets, node sets as points."""
    blocks: list[tuple[str, Any]] = []
    sides: list[tuple[str, Any]] = []
    sets: list[tuple[str, Any]] = []
    for names, leaf in leaves_of(data):
        if len(names) != 2:
            continue
        into, word = {"Element Blocks": (blocks, "block"), "Side Sets": (sides, "side set"),
                      "Node Sets": (sets, "node set")}.get(names[0], ([], ""))  # fmt: skip
        unnamed = re.fullmatch(r"Unnamed (?:block|set) ID: (\d+).*", names[1])
        into.append((f"{word} {unnamed[1]}" if unnamed else names[1], leaf))
    if not blocks:
        return None
    mesh = without_cells(blocks[0][1])
    mesh.field_data.pop("ElementBlockIds", None)
    mesh = stacked(blocks, mesh)
    for name, leaf in sides:
        mesh.regions[_free(name, mesh)] = Region("facet", padded(*leaf_cells(leaf)[1:3]))
    for name, leaf in sets:
        mesh.regions[_free(name, mesh)] = Region("point", leaf_cells(leaf)[2])
    mesh.check()
    return mesh


def _free(name: str, mesh: Mesh) -> str:
    while name in mesh.regions:
        name += " set"
    return name


def _cgns(data: Any) -> Mesh | None:
    """The zones joined; the patches of their boundary conditions as regions."""
    zones: dict[tuple[str, ...], list[tuple[str, Any]]] = {}
    for names, leaf in leaves_of(data):
        inner = names[2:] and names[2] in _CGNS_PARTS
        zone = names[:2] if inner else names
        zones.setdefault(zone, []).append(
            (names[-1] if names[2:3] in (("Patches",), ("Surfaces",)) else "", leaf)
        )
    meshes, labels = [], []
    for place, leaves in zones.items():
        mesh = leaf_mesh(leaves[0][1])
        for noise in ("Base/Zone", "ispatch", "issurface"):
            mesh.field_data.pop(noise, None)
        patches = [(name, leaf) for name, leaf in leaves[1:] if leaf.GetNumberOfCells()]
        same = [row for row in patches if row[1].GetNumberOfPoints() == mesh.n_points]
        if leaves[0][1].IsA("vtkUnstructuredGrid"):
            mesh = stacked(same, mesh)
        else:
            for name, leaf in patches:
                mesh.regions[name] = Region(
                    "facet", _on_grid(leaves[0][1], mesh.points, leaf, name)
                )
        meshes.append(mesh)
        labels.append(place[-1] if place else "")
    if len(meshes) == 1:
        return meshes[0]
    return join(meshes, labels) if meshes else None


def _on_grid(grid: Any, points: np.ndarray, patch: Any, name: str) -> np.ndarray:
    """The quads of a patch as nodes of its grid: the box of nodes that has its coordinates."""
    own, dims = leaf_points(patch)[0], dims_of(grid)
    box = dims_of(patch)
    strides = (1, dims[0], dims[0] * dims[1])
    ids = np.zeros(1, np.int64)
    for axis in (2, 1, 0):
        ids = (ids[:, None] + np.arange(box[axis]) * strides[axis]).ravel()
    for start in np.flatnonzero((points == own[0]).all(axis=1)).tolist():
        at = (start // strides[0] % dims[0], start // strides[1] % dims[1], start // strides[2])
        inside = all(first + n <= end for first, n, end in zip(at, box, dims, strict=True))
        if inside and np.array_equal(points[ids + start], own):
            _, offsets, nodes = structured_cells(box, boxes=False)
            return padded(offsets, ids[nodes] + start)
    raise Fault(f"boundary condition {name!r}", "its points are not on the grid of its zone")


_CONVERT: dict[str, Any] = {"Exodus": _exodus, "CGNS": _cgns}
