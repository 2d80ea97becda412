"""From files to a learning problem: which arrays are targets, which scalars inputs or outputs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import ConditionError, MeshError
from ..graph import (
    GraphSpec,
    Location,
    find_boundary,
    off_boundary,
    surface_facets,
    wall_facets,
)
from ..io import Series, find_case, read, read_series
from ..mesh import Mesh

DIRECTIONS = ("aoa_deg", "aoa", "alpha_deg", "alpha", "angle_of_attack", "incidence")
SCALAR_NAME = re.compile(r"c_?[ldmxyz](_.*)?|(lift|drag|moment|torque|force)(_.*)?", re.IGNORECASE)
NOT_PHYSICAL = re.compile(
    r"iter|resid|time|cycle|seed|index|(^|_)id$|count|converged|version|_pred$|_integrated$|"
    r"in_training_range",
    re.IGNORECASE,
)
NOT_TARGET = re.compile(r"_(pred|error|std)$|normal|coord|^vtk|^(gmsh|su2|medit|cell_tags)", re.I)
LEAST_STRATUM = 4  # walls: a family of fewer is no family
SAME_STEP = 1e-3  # of a time step: times in files are rounded
LOOKS = 4  # at each series, before all of it is read
SERIES_SUFFIXES = {".pvd", ".vtkhdf", ".series"}
SUFFIXES = {".vtu", ".su2", ".msh", ".vtk", ".cgns", ".med", ".xdmf", ".inp", ".bdf", ".exo", ".e"}


@dataclass
class Case:
    """One solved case: its file, conditions, scalars, family (file name less its number), and
    group: cases with the same wall share it, so that a split never has one wall on both sides.
    mesh: where it is in memory rather than in a file."""

    path: Path
    name: str
    family: str
    group: str
    conditions: dict[str, float]
    scalars: dict[str, float]
    mesh: Mesh | None = None

    def load(self) -> Mesh:
        """The mesh with its arrays: at hand, or read."""
        return read(self.path) if self.mesh is None else self.mesh

    def series(self) -> Series:
        """Its meshes over time."""
        return read_series(self.path)


@dataclass
class Problem:
    """What is learned: graph spec, targets with their number of components, scalars, cases.

    constants: per target and component, the one value it has everywhere, None where it varies. dt:
    where the cases are series to be advanced in time, their time step; the targets are then the
    first of the spec's inputs.
    """

    spec: GraphSpec
    targets: dict[str, int]
    constants: dict[str, list[float | None]]
    scalars: list[str]
    cases: list[Case]
    extent: tuple[float, float]
    thickness: tuple[float, float]
    notes: list[str] = field(default_factory=list)
    dt: float | None = None


def expand(paths: Iterable[str | Path], series: bool = False) -> list[Path]:
    """Files from files, folders (their mesh files) and glob patterns; sorted, each once.

    series: of folders, the files that hold several times; OpenFOAM cases, and folders of them.
    """
    found: list[Path] = []
    wanted = SERIES_SUFFIXES if series else SUFFIXES
    for item in paths:
        path = Path(item)
        if series and path.is_dir() and find_case(path) is not None:
            found.append(path)
        elif path.is_dir():
            inside = sorted(
                p
                for p in path.iterdir()
                if p.suffix.lower() in wanted or (series and p.is_dir() and find_case(p))
            )
            found += [p for p in inside if ".pred" not in p.suffixes]
        elif path.is_file():
            found.append(path)
        elif any(c in str(item) for c in "*?["):
            root = Path(path.anchor) if path.is_absolute() else Path()
            found += sorted(root.glob(str(path.relative_to(path.anchor))))
        else:
            raise ConditionError(f"no file or folder {str(item)!r}", "", "give solved cases")
    return list(dict.fromkeys(found))


def find_problem(
    paths: Sequence[Path],
    *,
    targets: Sequence[str] | None = None,
    scalars: Sequence[str] | None = None,
    conditions: Sequence[str] | None = None,
    inputs: Sequence[str] = (),
    wall_inputs: Sequence[str] = (),
    potential: bool = True,
    external: bool | None = None,
    edges: bool = False,
    meshes: Sequence[Mesh] | None = None,
    series: bool = False,
) -> Problem:
    """Read all cases once and decide what is learned from what.

    Targets: the floating-point arrays that every case has, on cells if any, else on points.
    Conditions and scalars: numbers in the field data of every case that vary; those named like
    coefficients or forces are scalars. Names given by the user replace what was found. inputs:
    arrays known at the nodes; wall_inputs: arrays known on the boundary; what is in both, and zero
    off the boundary in every case, is known there alone (`GraphSpec.extended`). potential: add the
    potential flow to what nodes know, where it exists (a plane external flow at an angle).
    external: whether a wall lies inside a far field (default: found). meshes: the cases themselves,
    where they are in memory; paths then only name them. series: the cases are series of one mesh
    over time, and the targets a state that is to be advanced.
    Raises ConditionError where nothing fits or a named array is missing; file errors pass through.
    """
    if len(paths) < 4:
        raise ConditionError(
            f"{len(paths)} cases are too few to train on",
            "at least 4 are needed: some to learn from, some to check",
            "meshop train FOLDER_OF_SOLVED_CASES",
        )
    shared = [] if series else [name for name in inputs if name in wall_inputs]
    scan = _Scan(shared)
    for i, path in enumerate(paths):
        try:
            if series:
                scan.add_series(path, read_series(path))
            else:
                scan.add(path, read(path) if meshes is None else meshes[i])
        except MeshError as error:
            raise MeshError(f"{path}: {error.what}", error.why, error.hint) from error
    if external is not None:
        scan.external = external
    problem = scan.problem(
        targets, scalars, conditions, (tuple(inputs), tuple(wall_inputs)), potential, edges
    )
    for case, mesh in zip(problem.cases, meshes or (), strict=False):
        case.mesh = mesh
    return problem


class _Scan:
    """What the cases have in common."""

    def __init__(self, shared: Sequence[str] = ()) -> None:
        self.shared = shared  # known at the nodes and on the boundary
        self.inner: set[tuple[str, str]] = set()  # of these, what is known off the boundary too
        self.rows: list[tuple[Path, dict[str, float], str]] = []
        self.arrays: dict[str, dict[str, int]] = {}
        self.numbers: set[str] | None = None
        self.dims: set[int] = set()
        self.planar: set[bool] = set()
        self.external = True
        self.walls: list[tuple[float, float]] = []
        self.ranges: dict[tuple[str, str], np.ndarray] = {}
        self.dt: float | None = None

    def add_series(self, path: Path, series: Series) -> None:
        """A case over time, seen at a few of its times. Raises ConditionError for uneven steps."""
        times = np.array(series.times)
        steps = np.diff(times)
        dt = float(np.median(steps)) if len(steps) else 0.0
        if len(times) < 2 or np.abs(steps - dt).max() > SAME_STEP * dt:
            raise ConditionError(
                f"{path}: no series of equal time steps",
                f"{len(times)} times"
                + (f", {steps.min():g} to {steps.max():g} apart" if len(steps) else ""),
                "one file or case for each series, at least two times a constant step apart",
            )
        self.dt = dt if self.dt is None else self.dt
        if abs(dt - self.dt) > SAME_STEP * self.dt:
            raise ConditionError(
                f"{path}: its time step is {dt:g}",
                f"that of {self.rows[0][0]} is {self.dt:g}",
                "one model is trained on one time step",
            )
        self.add(path, series[0])
        for i in sorted({*np.linspace(0, len(times) - 1, LOOKS).astype(int)} - {0}):
            self._add_arrays(series[int(i)])

    def add(self, path: Path, mesh: Mesh) -> None:
        numbers = {
            k: float(v.ravel()[0])
            for k, v in mesh.field_data.items()
            if v.size == 1 and v.dtype.kind in "fiu" and np.isfinite(v.ravel()[0])
        }
        self.numbers = set(numbers) if self.numbers is None else self.numbers & set(numbers)
        self._add_arrays(mesh)
        self.dims.add(mesh.dim)
        surface = mesh.dim == 2 and not mesh.is_planar
        self.planar.add(not surface)
        found = find_boundary(mesh)
        self.external &= bool(found.far.any() and found.wall.any())
        wall = surface_facets(mesh) if surface else wall_facets(mesh, found=found)
        corners = mesh.points[wall.nodes[wall.nodes >= 0]]
        sides = np.ptp(corners[:, : 3 if surface else max(mesh.dim, 1)], axis=0)
        for place, data in (("cell", mesh.cell_data), ("point", mesh.point_data)):
            if self.shared:
                inside = off_boundary(mesh, place, found.facets)
                mine = [name for name in self.shared if name in data]
                self.inner |= {(place, name) for name in mine if data[name][inside].any()}
        self.walls.append((float(sides.max()), float(sides.min() / max(sides.max(), 1e-300))))
        shape = np.sort(np.round((wall.centre - corners.min(0)) / sides.max(), 4), axis=0)
        self.rows.append((path, numbers, hashlib.blake2b(shape.tobytes()).hexdigest()))

    def _add_arrays(self, mesh: Mesh) -> None:
        for place, data in (("cell", mesh.cell_data), ("point", mesh.point_data)):
            mine = {
                name: int(np.prod(a.shape[1:], dtype=int))
                for name, a in data.items()
                if a.dtype.kind == "f" and not NOT_TARGET.search(name)
            }
            for name in mine:
                columns = data[name].reshape(len(data[name]), -1)
                span = np.stack([columns.min(0), columns.max(0)]) if len(columns) else None
                before = self.ranges.get((place, name), span)
                if span is not None and before is not None and before.shape == span.shape:
                    span = np.stack([np.fmin(span[0], before[0]), np.fmax(span[1], before[1])])
                    self.ranges[place, name] = span
            seen = self.arrays.setdefault(place, mine)
            self.arrays[place] = {k: n for k, n in seen.items() if mine.get(k) == n}

    def problem(
        self,
        targets: Sequence[str] | None,
        scalars: Sequence[str] | None,
        conditions: Sequence[str] | None,
        known: tuple[tuple[str, ...], tuple[str, ...]],
        potential: bool,
        edges: bool,
    ) -> Problem:
        for data in self.arrays.values():
            for name in (*known[0], *known[1]):
                if name not in (targets or ()):
                    data.pop(name, None)
        if len(self.planar) > 1:
            raise ConditionError(
                "some cases are plane meshes, others surfaces in space",
                "one surrogate is trained on one kind",
                "train one model for each",
            )
        if len(self.dims) > 1 or not self.dims <= {2, 3}:
            raise ConditionError(
                f"the cases have cells of dimension {sorted(self.dims)}",
                "one surrogate is trained on 2-D or on 3-D meshes, not on both",
                "train one model for each",
            )
        location: Location = "cell" if self._pick("cell", targets) else "point"
        chosen = self._pick(location, targets)
        if (targets and (missing := [t for t in targets if t not in chosen])) or not chosen:
            raise ConditionError(
                f"no target {', '.join(missing)}" if chosen or targets else "no target array",
                f"arrays that every case has: cells {sorted(self.arrays['cell'])}, "
                f"points {sorted(self.arrays['point'])}",
                "--targets NAME,NAME",
            )
        constants: dict[str, list[float | None]] = {
            name: [float(a) if a == b else None for a, b in self.ranges[location, name].T]
            for name in chosen
        }
        if all(value is not None for row in constants.values() for value in row):
            raise ConditionError(
                f"nothing to learn in {', '.join(chosen)}",
                "every component has one value in all cases",
                "--targets NAME,NAME",
            )
        common = sorted(self.numbers or ())
        varying = [n for n in common if np.ptp([row[1][n] for row in self.rows]) > 0]
        for wanted in (*(scalars or ()), *(conditions or ())):
            if wanted not in common:
                raise ConditionError(
                    f"no number {wanted!r} in every case's field data",
                    f"found {', '.join(common) or 'none'}",
                    "check the spelling",
                )
        physical = [n for n in varying if not NOT_PHYSICAL.search(n)]
        given = set(conditions or ())
        if scalars is None:
            scalars = [n for n in physical if SCALAR_NAME.fullmatch(n) and n not in given]
        if conditions is None:
            conditions = [n for n in physical if n not in scalars and not SCALAR_NAME.fullmatch(n)]
        direction = next((n for n in DIRECTIONS if n in conditions), None)
        if self.dt is not None:  # states of a flow are no deviation from the potential flow
            potential, scalars = False, []
            known = ((*chosen, *(n for n in known[0] if n not in chosen)), known[1])
        dim: Literal[2, 3] = 2 if self.dims == {2} else 3
        potential = potential and dim == 2 and self.external and direction is not None
        extents = [w[0] for w in self.walls]
        surface = self.planar == {False}
        extended = tuple(name for name in self.shared if (location, name) not in self.inner)
        spec = GraphSpec(
            location=location,
            dim=dim,
            conditions=tuple(conditions),
            direction=direction,
            external=self.external,
            potential=potential,
            length=float(np.median(extents)),
            edges=edges,
            inputs=known[0],
            wall_inputs=known[1],
            extended=() if surface else extended,
            surface=surface,
        )
        cases = [
            Case(
                path,
                path.stem,
                re.sub(r"[\d_\-]+$", "", path.stem) or "cases",
                group,
                {n: numbers[n] for n in conditions},
                {n: numbers[n] for n in scalars},
            )
            for path, numbers, group in self.rows
        ]
        ignored = sorted(set(common) - set(conditions) - set(scalars))
        notes = [f"not used: {', '.join(ignored)}"] if ignored else []
        thick = [w[1] for w in self.walls]
        return Problem(
            spec,
            chosen,
            constants,
            list(scalars),
            cases,
            (min(extents), max(extents)),
            (min(thick), max(thick)),
            notes,
            self.dt,
        )

    def _pick(self, location: str, targets: Sequence[str] | None) -> dict[str, int]:
        have = self.arrays.get(location, {})
        return dict(have) if targets is None else {t: have[t] for t in targets if t in have}


def split(cases: Sequence[Case], fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Train and validation indices: whole groups (walls), the same fraction of each family.

    Where all cases share one wall, single cases are held out. Families of fewer than four groups
    are taken together. Raises ConditionError where nothing can be held out.
    """
    if fraction <= 0:
        return list(range(len(cases))), []
    groups: dict[str, list[int]] = {}
    for i, case in enumerate(cases):
        groups.setdefault(case.group, []).append(i)
    sets = list(groups.values()) if len(groups) > 1 else [[i] for i in range(len(cases))]
    strata: dict[str, list[list[int]]] = {}
    for ids in sets:
        strata.setdefault(cases[ids[0]].family, []).append(ids)
    small = [name for name, inside in strata.items() if len(inside) < LEAST_STRATUM]
    rest = [ids for name in small for ids in strata.pop(name)]
    strata = dict(sorted(strata.items()))
    if rest:
        strata["the rest"] = rest
    random = np.random.default_rng(seed)
    held: list[int] = []
    for inside in strata.values():
        total = sum(map(len, inside))
        want = max(1, round(fraction * total))
        mine: list[int] = []
        for j in random.permutation(len(inside)):
            if len(mine) < want and len(mine) + len(inside[j]) < total:
                mine += inside[j]
        held += mine
    if not held:
        raise ConditionError(
            f"no case can be held out of {len(cases)}",
            "a check needs cases of at least two walls, or two cases",
            "more cases, or --validation 0",
        )
    out = set(held)
    return [i for i in range(len(cases)) if i not in out], sorted(held)
