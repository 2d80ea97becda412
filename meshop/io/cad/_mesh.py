"""Meshes of CAD files: names of faces and solids, units, sizes, and what to do where gmsh fails."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import MeshFileWarning
from ...mesh import Mesh, Region
from .._files import Fault, guarded, read_bytes, require_file
from ._gmsh import Progress, run_gmsh
from ._step_names import step_face_names
from ._text import UNITS, check_complete, declared_faces, kind_of, unit_of

# What programs write where nobody gave a name.
_NO_NAME = re.compile(
    r"(face|shell|solid|compound|compsolid|none|null|open cascade.*|\s*|=>\[.*\])$", re.I
)
_TRIANGLE, _TETRA = {1: "triangle", 2: "quadratic_triangle"}, {1: "tetra", 2: "quadratic_tetra"}


def mesh_cad(
    path: str | os.PathLike,
    size: float | None = None,
    *,
    sizes: Mapping[str, float] | None = None,
    volume: bool = False,
    order: int = 1,
    min_size: float | None = None,
    curvature: float = 12.0,
    unit: str | None = None,
    conformal: bool = False,
    repair: bool | None = None,
    time_limit: float = 3600.0,
    memory: float | None = None,
    progress: Progress | None = None,
) -> Mesh:
    """Mesh a STEP, IGES or BREP file: its surface in triangles, or its solids in tetrahedra.

    size: the largest cell edge, a 30th of the bounding box's diagonal by default; edges are shorter
    where it bends (curvature: cells on a full turn) down to min_size (size / 20). sizes: smaller
    ones for faces or solids, {"inlet": 0.1}. order 2 puts nodes on the exact surface between the
    corners. Coordinates are the numbers of the file; unit ("m", "mm", "inch", ...) converts them.
    conformal: parts that touch share their faces. repair: sew and heal always (True), never
    (False), or where meshing fails (None).

    Cells are tetrahedra, then triangles; cell data `cad_entity` numbers their solid or face, and
    each is a cell region with its CAD name, or "face 7". Of a surface, the regions of solids hold
    their triangles, whose normals point outward. Field data: `cad_unit`, `cad_size`.

    time_limit in seconds, memory in bytes (half the machine's), progress(part of a stage, what).
    Warns (MeshFileWarning) of faces that cannot be meshed. Raises MeshFileError.
    """
    path = Path(path)
    with guarded(path, "CAD"):
        _positive(size=size, min_size=min_size, time_limit=time_limit, memory=memory)
        _positive(**{f"size of {name!r}:": local for name, local in (sizes or {}).items()})
        if not 0 <= curvature < 1e6:
            raise Fault("options", f"curvature {curvature:g}", "0 to ignore it, or about 12")
        if order not in (1, 2):
            raise Fault("options", f"order {order}", "order 1 or 2")
        require_file(path)
        content = read_bytes(path)
    kind = kind_of(content)
    with guarded(path, kind.upper() if kind else "CAD"):
        check_complete(kind, content)
        own = unit_of(kind, content)
        wanted = _wanted(unit, own, kind)
        job: dict[str, Any] = {
            "format": kind, "size": size, "volume": volume, "order": order, "min_size": min_size,
            "curvature": curvature, "conformal": conformal, "repair": bool(repair),
            "unit": UNITS.get(wanted, 1.0), "look": False, "local": [],
        }  # fmt: skip
        scale = UNITS[own] / UNITS[wanted] if own and wanted else 1.0

        def run(repair: bool) -> _Result:
            given = job | {"repair": repair}
            limits: dict[str, Any] = {"seconds": time_limit, "memory": memory}
            if sizes:  # names find their faces only when the shapes are there
                found, _ = run_gmsh("from_cad", given | {"look": True}, path, **limits)
                given["local"] = _local(sizes, *_names(found, content, scale))
            answer, arrays = run_gmsh("from_cad", given, path, **limits, progress=progress)
            return answer, arrays, *_names(answer, content, scale)

        answer, arrays, faces, solids = _attempts(run, repair)
        mesh = _mesh(answer, arrays, order, faces, solids)
        mesh.field_data["cad_unit"] = np.array([wanted.lower() or "unknown"])
        mesh.field_data["cad_size"] = np.array([float(answer["size"])])
    declared = 0 if conformal else declared_faces(kind, content)
    if len(answer["faces"]) < declared:
        warnings.warn(
            f"{path} (STEP): {len(answer['faces'])} of its {declared} faces could be read; the "
            "file may be damaged: export it again",
            MeshFileWarning,
            stacklevel=2,
        )
    if answer["failed"]:
        which = ", ".join(repr(faces[tag]) for tag in answer["failed"][:8] if tag in faces)
        why = answer["message"] or "no reason given"
        warnings.warn(
            f"{path} ({kind.upper()}): {len(answer['failed'])} of {len(faces)} faces could not be "
            f"meshed: {which} ({why}); a smaller size may help",
            MeshFileWarning,
            stacklevel=2,
        )
    return mesh


# gmsh's answer and arrays, names of faces and of solids by their tags
_Result = tuple[dict[str, Any], dict[str, np.ndarray], dict[int, str], dict[int, str]]


def _attempts(run: Callable[[bool], _Result], repair: bool | None) -> _Result:
    """As the file is; where that fails, healed. What failed first is what the user hears."""
    if repair is not None:
        return run(repair)
    try:
        result = run(False)
    except Fault as fault:
        if fault.where not in ("faces", "solids", "content"):
            raise
        try:
            return run(True)
        except Fault as again:
            raise (again if fault.where == again.where else fault) from None
    if failed := result[0]["failed"]:
        with contextlib.suppress(Fault):
            healed = run(True)
            return healed if len(healed[0]["failed"]) < len(failed) else result
    return result


def _names(
    answer: Mapping[str, Any], content: bytes, scale: float
) -> tuple[dict[int, str], dict[int, str]]:
    """Names of faces and of solids by tag; those of one name are one region."""
    solids = {tag: _name(raw) or f"solid {i}" for i, (tag, raw) in enumerate(answer["solids"], 1)}
    corners = answer["corners"]
    named = step_face_names(content, scale, corners) if corners else {}
    faces = {}
    for i, (tag, raw, _) in enumerate(answer["faces"]):
        name = _name(raw) or _name(named.get(i, "")) or f"face {tag}"
        faces[tag] = f"{name} (face)" if name in solids.values() else name
    return faces, solids


def _local(
    sizes: Mapping[str, float], faces: Mapping[int, str], solids: Mapping[int, str]
) -> list[tuple[float, list[int], list[int]]]:
    """For each size the tags of its faces and of its solids."""
    found = []
    for name, size in sizes.items():
        those, parts = (
            [tag for tag, other in known.items() if other == name] for known in (faces, solids)
        )
        if not (those or parts):
            every = [*solids.values(), *faces.values()]
            near = difflib.get_close_matches(name, every, 5, 0.4) or every[:5]
            raise Fault("sizes", f"no face or solid {name!r}", f"one of {', '.join(near)}, ...")
        found.append((float(size), those, parts))
    return found


def _mesh(
    answer: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    order: int,
    faces: Mapping[int, str],
    solids: Mapping[int, str],
) -> Mesh:
    triangles, face = arrays["triangles"], arrays["triangle_face"]
    blocks, entity = [(_TRIANGLE[order], triangles)], [face]
    solid = arrays.get("tetrahedron_solid", np.empty(0, np.int32))
    if "tetrahedra" in arrays:
        blocks.insert(0, (_TETRA[order], arrays["tetrahedra"]))
        entity.insert(0, solid)
    members: dict[str, list[np.ndarray]] = {}
    of_face = _by_tag(face, len(solid))
    of_solid = _by_tag(solid, 0)
    for tag, name in solids.items():
        around = [of_face[f] for f, _, ups in answer["faces"] if tag in ups and f in of_face]
        mine = [of_solid[tag]] if tag in of_solid else around
        if mine:
            members.setdefault(name, []).extend(mine)
    for tag, name in faces.items():
        if tag in of_face:
            members.setdefault(name, []).append(of_face[tag])
    regions = {n: Region("cell", np.unique(np.concatenate(ids))) for n, ids in members.items()}
    data = {"cad_entity": np.concatenate(entity)}
    return Mesh.from_blocks(arrays["points"], blocks, cell_data=data, regions=regions)


def _by_tag(tags: np.ndarray, first: int) -> dict[int, np.ndarray]:
    """Cell ids of each tag, the first of them being `first`."""
    order = np.argsort(tags, kind="stable")
    found, start = np.unique(tags[order], return_index=True)
    parts = np.split(first + order, start[1:]) if len(found) else []
    return dict(zip(found.tolist(), parts, strict=True))


def _name(label: str) -> str:
    """The CAD name in gmsh's label "Shapes/assembly/part & & layer"; "" where it means nothing."""
    label = re.sub(r"\s*&[^&]*&[^&/]*$", "", label).removeprefix("Shapes/")
    return "" if _NO_NAME.match(label.rpartition("/")[2]) else label.strip()


# -- options ------------------------------------------------------------------------------------


def _wanted(unit: str | None, own: str, kind: str) -> str:
    """The unit to convert to: the file's own unless another is asked for."""
    if unit is None:
        # Files of no or several units arrive in OpenCASCADE's millimetres.
        return own or ("" if kind == "brep" else "MM")
    name = {"IN": "INCH", "METRE": "M", "METER": "M", "µM": "UM"}.get(unit.upper(), unit.upper())
    if name not in UNITS:
        raise Fault("options", f"unit {unit!r}", "one of " + ", ".join(UNITS).lower())
    if kind == "brep":
        raise Fault("options", "a BREP file has no unit to convert from", "without unit")
    return name


def _positive(**options: float | None) -> None:
    for name, value in options.items():
        if value is not None and not (0 < value < float("inf")):
            raise Fault("options", f"{name} {value:g}", f"a positive number as {name}")
