"""Fields written into the times of a case: complete or not at all, nothing else touched."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...mesh import DIM, Mesh
from .._files import Fault, guarded, new_name, together
from .._format import warn_lost
from ._case import DIMENSIONS, NOTE, RANKS, Case, field_dimensions, read_fields
from ._faces import word
from ._mesh import PATCH, Patch
from ._root import Root, inside

_STUBS = (".foam", ".openfoam")
NAME = "OpenFOAM"
# Types of patches that ask fields to be of the same type; on others a field has no gradient.
_CONSTRAINTS = (
    "cyclic", "cyclicACMI", "cyclicAMI", "cyclicPeriodicAMI", "cyclicSlip", "empty",
    "nonConformalCyclic", "nonConformalError", "nonConformalProcessorCyclic",
    "nonuniformTransformCyclic", "overset", "processor", "processorCyclic", "symmetry",
    "symmetryPlane", "wedge",
)  # fmt: skip
_RANK = {len(labels): rank for rank, labels in RANKS.items() if rank != "SphericalTensor"}
_VTK_SYMMETRIC = ("XX", "YY", "ZZ", "XY", "YZ", "XZ")
_SET = re.compile(r"\[[^][;{}#$\\\"\n]*\]")
_PAIRED = re.compile(r"[^()]*(\([^()]*\)[^()]*)*")
_NOT_IN_NOTES = re.compile(r"[^ -~]|[\"\\$#{}]")
_NO_DIMENSIONS = "[0 0 0 0 0 0 0]"
_CHUNK = 1 << 16
_RULE = "// " + "* " * 37 + "//\n"


def write_fields(
    mesh: Mesh,
    case: str | os.PathLike,
    *,
    time: float | None = None,
    arrays: Iterable[str] | None = None,
    binary: bool = True,
    overwrite: bool = False,
) -> None:
    """Write data of a mesh, read from this case, as fields into one of its times.

    time: by default the mesh's `TimeValue`, or else the last of the case. arrays: names of cell
    and point data; by default all. Cells are in the case's order, as `read` gives them. A field
    that is there already is left alone where it has these values; other values are an error
    unless `overwrite`. `U_pred` takes the dimensions of `U`, unless field data `dimensions U_pred`
    has others; `note U_pred` becomes the note in its header. On patches the gradient is zero,
    unless their type decides. Nothing else in the case is touched, and either all fields appear
    or none. Pieces of a decomposed case, and regions, are written where they belong. Raises
    MeshFileError.
    """
    with guarded(case, NAME):
        mesh.check()
        folder, _ = case_folder(case)
        layout = Case(folder)
        wanted = time_of(mesh) if time is None else float(time)
        index = len(layout.times) - 1
        if wanted is not None:
            index = max(
                i for i, t in enumerate(layout.times) if i == 0 or t[0] <= wanted + _close(wanted)
            )
        value, name, _ = layout.times[index]
        if wanted is not None and abs(wanted - value) > _close(wanted):
            value, name = wanted, time_name(wanted)
        elif name == "constant":
            name = "0"
        targets = [Target(*place) for place in layout.places(index)]
        inner = np.flatnonzero(DIM[mesh.cell_types] == 3)
        _same_mesh(mesh, len(inner), layout.points(index), targets)
        for target in targets:
            target.cells = inner[target.cells]
        known: dict[str, str] = {}
        for target in targets:
            known |= field_dimensions(target.root, name, target.region)
        fields = fields_of(mesh, folder, arrays, known)
        if arrays is None:
            warn_field_data(mesh, folder)
        jobs = [
            (target, item, target.root.path / inside(name, target.region, item.name))
            for target in targets
            for item in fields
            if len(targets) == 1 or not item.is_absent(target)
        ]
        jobs = [job for job in jobs if not _is_there(*job, name, overwrite)]
        made = [p for p in dict.fromkeys(path.parent for _, _, path in jobs) if not p.exists()]
        try:
            with together() as swap, contextlib.ExitStack() as stack:
                for target, item, path in jobs:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with open(stack.enter_context(new_name(path, swap)), "xb") as file:
                        file.writelines(item.lines(target, name, binary))
                        file.flush()
                        os.fsync(file.fileno())
        finally:
            for parent in made:
                with contextlib.suppress(OSError):
                    parent.rmdir()  # only where nothing came into it
        for _, _, path in jobs:
            with contextlib.suppress(OSError):  # OpenFOAM takes the plain file, others may not
                path.with_name(f"{path.name}.gz").unlink()


# -- what goes where ----------------------------------------------------------------------------


@dataclass
class Target:
    """A folder of times, and which cells and points of the mesh are those of its files."""

    root: Root
    region: str
    cells: np.ndarray
    points: np.ndarray
    patches: list[Patch]


@dataclass
class _Field:
    """One array as a field."""

    name: str
    place: str  # "vol" or "point"
    rank: str
    values: np.ndarray
    dimensions: str
    note: str

    def of(self, target: Target) -> np.ndarray:
        return self.values[target.cells if self.place == "vol" else target.points]

    def is_absent(self, target: Target) -> bool:
        """True where joining regions has filled the array up."""
        values = self.of(target)
        return bool(values.size and np.isnan(values).all())

    def lines(self, target: Target, time: str, binary: bool) -> Iterator[bytes]:
        kind = f"{self.place}{self.rank}Field"
        location = "/".join(part for part in (time, target.region) if part)
        yield header(kind, location, self.name, binary, self.note)
        yield f"dimensions      {self.dimensions};\n\ninternalField   nonuniform List<".encode()
        yield self.rank[0].lower().encode() + self.rank[1:].encode() + b"> "
        yield from numbers(self.of(target), binary, self.rank != "Scalar")
        yield b";\n\nboundaryField\n{\n"
        for patch in target.patches:
            kind = patch.entries[0]
            if kind not in _CONSTRAINTS:
                kind = "zeroGradient" if self.place == "vol" else "calculated"
            value = ""
            if kind.startswith("processor") and self.place == "vol":
                zero = (
                    "0" if self.rank == "Scalar" else f"({' '.join('0' * len(RANKS[self.rank]))})"
                )
                value = f"        value           uniform {zero};\n"
            entry = f"    {patch.name}\n    {{\n        type            {kind};\n{value}    }}\n"
            yield entry.encode()
        yield b"}\n"


def fields_of(
    mesh: Mesh, path: Path | str, arrays: Iterable[str] | None, dimensions: dict[str, str]
) -> list[_Field]:
    """The arrays as fields; what OpenFOAM has no field for is a warning."""
    names = None if arrays is None else list(arrays)
    for name in names or ():
        if name not in mesh.cell_data and name not in mesh.point_data:
            known = ", ".join([*mesh.cell_data, *mesh.point_data])
            raise Fault("arrays", f"the mesh has no {name!r}", f"one of {known}" if known else "")
    out: list[_Field] = []
    taken: set[str] = set()
    renamed, lost, integers, reshaped, labelled = [], [], [], [], []
    for place, where, data in (
        ("vol", "cell", mesh.cell_data),
        ("point", "point", mesh.point_data),
    ):
        for name, values in data.items():
            if names is not None and name not in names:
                continue
            flat = values.reshape(len(values), int(np.prod(values.shape[1:])))
            if values.dtype.kind not in "fiub" or flat.shape[1] not in _RANK:
                lost.append(name)
                continue
            rank = _RANK[flat.shape[1]]
            labels = mesh.components.get((where, name))
            if rank == "Scalar" and labels == RANKS["SphericalTensor"]:
                rank = "SphericalTensor"
            if labels == _VTK_SYMMETRIC:
                flat = flat[:, [_VTK_SYMMETRIC.index(label) for label in RANKS["SymmTensor"]]]
            if labels and labels not in (*RANKS.values(), _VTK_SYMMETRIC):
                labelled.append(name)
            if values.dtype.kind != "f":
                integers.append(name)
            if values.ndim > 2 or values.shape[1:] == (1,):
                reshaped.append(name)
            paired = _PAIRED.fullmatch(name) is not None  # mag(U), as OpenFOAM's own programs say
            if (new := word(name, taken, "()" if paired else "")) != name:
                renamed.append(f"{name!r} as {new}")
            unit, note = _unit(mesh, name, dimensions), _note(mesh, name)
            out.append(_Field(new, place, rank, flat.astype(np.float64), unit, note))
    if renamed:
        warn_lost(path, NAME, f"names it cannot have: {', '.join(renamed)}")
    if integers:
        warn_lost(path, NAME, f"integers become floating: {', '.join(map(repr, integers))}")
    if labelled:
        warn_lost(path, NAME, f"components have its own names: {', '.join(map(repr, labelled))}")
    if reshaped:
        warn_lost(path, NAME, f"the shape of rows is lost: {', '.join(map(repr, reshaped))}")
    if lost:
        warn_lost(path, NAME, "it has no fields of that kind (text, or not 1, 3, 6 or 9 "
                  f"components): {', '.join(map(repr, lost))}")  # fmt: skip
    return out


def _unit(mesh: Mesh, name: str, known: dict[str, str]) -> str:
    """The dimensions of an array, or of the one that it was made of: U_pred, U_pred_error."""
    while True:
        found = mesh.field_data.get(DIMENSIONS + name)
        text = known.get(name, "") if found is None else str(found[0])
        if _SET.fullmatch(text):
            return text
        name, _, tail = name.rpartition("_")
        if not name or not tail:
            return _NO_DIMENSIONS


def _note(mesh: Mesh, name: str) -> str:
    text = str(mesh.field_data.get(NOTE + name, [""])[0])
    return _NOT_IN_NOTES.sub(" ", text)


def warn_field_data(mesh: Mesh, path: Path | str) -> None:
    kept = (DIMENSIONS, NOTE, PATCH, "TimeValue")
    if lost := [name for name in mesh.field_data if not name.startswith(kept)]:
        warn_lost(path, NAME, f"it holds no field data: {', '.join(map(repr, lost))}")


def _same_mesh(mesh: Mesh, n_volumes: int, points: np.ndarray, targets: list[Target]) -> None:
    n_cells = max((int(t.cells.max()) + 1 for t in targets if len(t.cells)), default=0)
    hint = "name a folder that does not exist yet, or the case that the mesh was read from"
    if n_volumes != n_cells or mesh.n_points != len(points):
        raise Fault(
            "constant/polyMesh",
            f"the case has another mesh: {n_cells} cells and {len(points)} points, not "
            f"{n_volumes} and {mesh.n_points}", hint,
        )  # fmt: skip
    size = np.ptp(points, axis=0).max(initial=0.0) if len(points) else 0.0
    far = np.abs(points - mesh.points).max(initial=0.0)
    if far > 1e-6 * size:  # points may have gone through 32 bits
        raise Fault(
            "constant/polyMesh", f"the case has another mesh: points differ by {far:g}", hint
        )


def _is_there(target: Target, item: _Field, path: Path, time: str, overwrite: bool) -> bool:
    """True where the field exists and has these values."""
    if target.root.find(path.relative_to(target.root.path).as_posix()) is None:
        if path.exists():
            raise Fault(item.name, f"{path} is no file", "rename the array")
        return False
    if overwrite:
        return False
    with contextlib.suppress(Fault):
        sizes = len(target.cells), len(target.points)
        data = read_fields(target.root, time, target.region, [item.name], *sizes)
        found = (data.cell if item.place == "vol" else data.point).get(item.name)
        if found is not None:
            there = found.reshape(len(found), -1)
            if there.shape == item.of(target).shape and np.array_equal(
                there, item.of(target), equal_nan=True
            ):
                return True
    raise Fault(f"{time}/{item.name}", "this field is there already, with other values",
                "overwrite=True, or rename the array")  # fmt: skip


# -- files --------------------------------------------------------------------------------------


def case_folder(path: str | os.PathLike) -> tuple[Path, str]:
    """The case folder, and the name of the .foam file where that was given."""
    place = Path(os.path.abspath(path))
    if place.suffix.lower() in _STUBS and not place.is_dir():
        return place.parent, place.name
    return place, ""


def time_of(mesh: Mesh) -> float | None:
    values = mesh.field_data.get("TimeValue")
    if values is None or values.size == 0 or values.dtype.kind not in "fiu":
        return None
    return float(values.ravel()[0]) if np.isfinite(values.ravel()[0]) else None


def _close(time: float) -> float:
    return 1e-6 * max(abs(time), 1e-300)


def time_name(time: float) -> str:
    return str(int(time)) if time.is_integer() and abs(time) < 1e15 else repr(time)


def header(kind: str, location: str, name: str, binary: bool, note: str = "") -> bytes:
    form = "binary" if binary else "ascii"
    text = f"FoamFile\n{{\n    version     2.0;\n    format      {form};\n"
    text += '    arch        "LSB;label=32;scalar=64";\n' if binary else ""
    text += f"    class       {kind};\n" + (f'    note        "{note}";\n' if note else "")
    text += f'    location    "{location}";\n    object      {name};\n}}\n{_RULE}\n'
    return text.encode()


def numbers(values: np.ndarray, binary: bool, tuples: bool = True) -> Iterator[bytes]:
    """A list with its count; rows of a table in parentheses of their own."""
    yield f"{len(values)}\n(".encode()
    if binary:
        dtype = "<f8" if values.dtype.kind == "f" else "<i4"
        for start in range(0, len(values), _CHUNK):
            yield values[start : start + _CHUNK].astype(dtype).tobytes()
    else:
        tuples = tuples and values.ndim == 2
        for start in range(0, len(values), _CHUNK):
            rows = (
                values[start : start + _CHUNK]
                .reshape(len(values[start : start + _CHUNK]), -1)
                .tolist()
            )
            if tuples:
                yield "".join(f"\n({' '.join(map(repr, row))})" for row in rows).encode()
            else:
                yield "".join(f"\n{row[0]!r}" for row in rows).encode()
        yield b"\n"
    yield b")"
