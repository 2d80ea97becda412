"""Cases written: a new mesh with its fields, or fields into the time folder of a case."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ...mesh import Mesh
from .._files import Fault, Swap, atomic_write, guarded, together
from .._format import warn_lost
from ._case import Case
from ._faces import poly_of
from ._fields import (
    NAME,
    Target,
    case_folder,
    fields_of,
    header,
    numbers,
    time_name,
    time_of,
    warn_field_data,
    write_fields,
)
from ._mesh import PolyMesh
from ._root import Root

_ENTRY = re.compile(r"[^;{}#$\\\"\n]+")
_TYPE = re.compile(r"\w+")
_CONTROL = """application     simpleFoam;
startFrom       latestTime;
startTime       0;
stopAt          endTime;
endTime         1000;
deltaT          1;
writeControl    timeStep;
writeInterval   100;
writeFormat     {format};
writePrecision  16;
timePrecision   12;
"""
_SCHEMES = """ddtSchemes { default steadyState; }
gradSchemes { default Gauss linear; }
divSchemes { default none; }
laplacianSchemes { default Gauss linear corrected; }
interpolationSchemes { default linear; }
snGradSchemes { default corrected; }
"""


def write_foam(
    mesh: Mesh,
    path: str | os.PathLike,
    *,
    binary: bool = True,
    overwrite: bool = False,
) -> None:
    """Write a case: constant/polyMesh and the data at `TimeValue` (or 0); system/ where absent.

    path: the case folder, or a .foam file in it. Facet regions, and regions of surface cells,
    become patches; what is left of the boundary is `defaultFaces`. In a case that has this mesh
    already only the fields are written, see `write_fields`. Raises MeshFileError.
    """
    with guarded(path, NAME):
        mesh.check()
        folder, stub = case_folder(path)
        if Case.is_one(folder):
            write_fields(mesh, folder, binary=binary, overwrite=overwrite)
            return
        if not folder.parent.is_dir():
            raise Fault("opening the folder", f"{folder.parent} does not exist",
                        f"mkdir -p {folder.parent}")  # fmt: skip
        foreign = not any((folder / name).is_dir() for name in ("system", "constant"))
        if not stub and foreign and folder.is_dir() and any(folder.iterdir()):
            raise Fault("opening the folder", "it holds other files, and no OpenFOAM case",
                            f"write to {folder / 'case.foam'}")  # fmt: skip
        poly, cells = poly_of(mesh, folder)
        if len(cells) < mesh.n_cells:
            named = [r.ids for r in mesh.regions.values() if r.kind == "cell"]
            lost = np.setdiff1d(np.arange(mesh.n_cells), np.concatenate([cells, *named]))
            if len(lost):
                warn_lost(folder, NAME, f"{len(lost)} cells that are no volumes and in no region")
            if mesh.cell_data and (faces := mesh.n_cells - len(cells) - len(lost)):
                warn_lost(folder, NAME, f"the data of {faces} cells that become faces are left out")
        fields = fields_of(mesh, folder, None, {})
        warn_field_data(mesh, folder)
        time = time_name(time_of(mesh) or 0.0)
        form = "binary" if binary else "ascii"
        target = Target(Root(folder), "", cells, np.arange(mesh.n_points), poly.patches)
        there = [i.name for i in fields if Root(folder / time).find(i.name)]
        if there and not overwrite:
            raise Fault(f"{time}/{there[0]}", "this field is there already",
                        "overwrite=True, or rename the array")  # fmt: skip
        base = folder if folder.is_dir() else folder.parent
        beside = base / f".{folder.name[:80]}.{secrets.token_hex(4)}"
        try:
            _write_poly(poly, beside / "constant/polyMesh", binary)
            if time != "0":  # a case without fields has this time all the same
                (beside / time).mkdir(parents=True)
            for item in fields:
                with _new_file(beside / time / item.name) as file:
                    file.writelines(item.lines(target, time, binary))
            for name, text in (
                ("controlDict", _CONTROL.format(format=form)),
                ("fvSchemes", _SCHEMES),
                ("fvSolution", "solvers {}\n"),
            ):
                if not (folder / "system" / name).exists():
                    with _new_file(beside / "system" / name) as file:
                        file.write(header("dictionary", "system", name, False) + text.encode())
            with _new_file(beside / (stub or f"{folder.name or 'case'}.foam")):
                pass
            with together() as swap:
                _move(beside, folder, swap)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def write_foam_series(
    path: str | os.PathLike, steps: Iterable[tuple[float, Mesh]], *, binary: bool = True
) -> None:
    """Write (time, mesh) pairs into one case: the mesh once, its points again where they move."""
    with guarded(path, NAME):
        first: Mesh | None = None
        points = np.empty((0, 3))  # as the case has them at the time before
        folder, _ = case_folder(path)
        for time, step in steps:
            mesh = step.copy()
            mesh.field_data["TimeValue"] = np.array([float(time)])
            if first is None:
                first, points = mesh, mesh.points
                write_foam(mesh, path, binary=binary)
                continue
            if not np.array_equal(mesh.cell_nodes, first.cell_nodes):
                raise Fault(f"time {time:g}", "its cells are not those of the first time",
                            "write a case for each")  # fmt: skip
            if not np.array_equal(mesh.points, points):
                points = mesh.points
                moved = folder / time_name(float(time)) / "polyMesh"
                moved.mkdir(parents=True, exist_ok=True)
                with atomic_write(moved / "points") as file:
                    file.write(
                        header("vectorField", f"{moved.parent.name}/polyMesh", "points", binary)
                    )
                    file.writelines(numbers(mesh.points, binary))
            write_fields(mesh, folder, time=float(time), binary=binary)


# -- files --------------------------------------------------------------------------------------


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _move(source: Path, folder: Path, swap: Swap) -> None:
    """Everything in `source` to its place in `folder`, one rename each."""
    if not folder.exists():
        swap(source, folder)
        return
    for path in sorted(source.iterdir()):
        target = folder / path.name
        if path.is_dir() and target.is_dir():
            _move(path, target, swap)
        else:
            swap(path, target)


def _write_poly(poly: PolyMesh, folder: Path, binary: bool) -> None:
    where = "constant/polyMesh"
    note = (
        f"nPoints:{len(poly.points)}  nCells:{poly.n_cells}  nFaces:{poly.n_faces}  "
        f"nInternalFaces:{len(poly.neighbour)}"
    )
    if max(len(poly.points), len(poly.face_nodes)) >= 1 << 31:
        raise Fault("faces", "more than 32-bit labels can count", "split the mesh")
    with _new_file(folder / "points") as file:
        file.write(header("vectorField", where, "points", binary))
        file.writelines(numbers(poly.points, binary))
    with _new_file(folder / "faces") as file:
        file.write(header("faceCompactList" if binary else "faceList", where, "faces", binary))
        if binary:
            file.writelines(numbers(poly.offsets, True))
            file.write(b"\n")
            file.writelines(numbers(poly.face_nodes, True))
        else:
            file.write(f"{poly.n_faces}\n(\n".encode())
            ends, nodes = poly.offsets.tolist(), poly.face_nodes.tolist()
            for a, b in itertools.pairwise(ends):
                file.write(f"{b - a}({' '.join(map(str, nodes[a:b]))})\n".encode())
            file.write(b")")
    for name, labels in (("owner", poly.owner), ("neighbour", poly.neighbour)):
        with _new_file(folder / name) as file:
            file.write(header("labelList", where, name, binary, note))
            file.writelines(numbers(labels, binary))
    with _new_file(folder / "boundary") as file:
        file.write(header("polyBoundaryMesh", where, "boundary", False))
        file.write(f"{len(poly.patches)}\n(\n".encode())
        for patch in poly.patches:
            file.write(f"    {patch.name}\n    {{\n".encode())
            kind, *others = patch.entries or ["patch"]
            entries = [f"type {kind if _TYPE.fullmatch(kind) else 'patch'}"]
            entries += [text for text in others if _ENTRY.fullmatch(text)]
            for text in (*entries, f"nFaces {patch.size}", f"startFace {patch.start}"):
                key, _, value = text.partition(" ")
                file.write(f"        {key:<16}{value};\n".encode())
            file.write(b"    }\n")
        file.write(b")\n")
    for name, one, key, kind in (
        ("cellZones", "cellZone", "cellLabels", "cell"),
        ("faceZones", "faceZone", "faceLabels", "facet"),
        ("pointZones", "pointZone", "pointLabels", "point"),
    ):
        zones = [(zone, ids) for other, zone, ids in poly.zones if other == kind]
        if not zones:
            continue
        with _new_file(folder / name) as file:
            file.write(header("regIOobject", where, name, binary))
            file.write(f"{len(zones)}\n(\n".encode())
            for zone, ids in zones:
                file.write(f"{zone}\n{{\n    type {one};\n{key} List<label> ".encode())
                file.writelines(numbers(ids, binary))
                if kind == "facet":
                    flips = b"0" * len(ids) if not binary else bytes(len(ids))
                    flips = b" ".join([b"0"] * len(ids)) if not binary else flips
                    file.write(f";\nflipMap List<bool> {len(ids)}\n(".encode() + flips + b")")
                file.write(b";\n}\n")
            file.write(b")\n")
