"""meshop mesh FILE: CAD to mesh, surface to volume, repair, points on a surface."""

from __future__ import annotations

import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import MeshFileWarning
from ._arguments import AsJson, Quiet, title_of
from ._console import guarded, print_json, say, table, usage_error, warn

if TYPE_CHECKING:
    from ..mesh import Mesh

_ROWS = 20  # of regions that are printed


@guarded
def mesh(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="CAD (.step, .iges, .brep), or a surface (.stl, ...)."),
    ],
    size: Annotated[
        float | None,
        typer.Option(help="Largest cell edge; for CAD a 30th of the diagonal by default."),
    ] = None,
    size_of: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=SIZE", help="CAD: smaller cells on a face or solid."),
    ] = None,
    volume: Annotated[bool, typer.Option("--volume", help="Fill it with tetrahedra.")] = False,
    order: Annotated[
        int, typer.Option(min=1, max=2, help="2: nodes on the exact surface between corners.")
    ] = 1,
    min_size: Annotated[
        float | None, typer.Option(help="Smallest cell edge where CAD is curved: size / 20.")
    ] = None,
    curvature: Annotated[float, typer.Option(help="CAD: cells on a full turn.")] = 12.0,
    unit: Annotated[
        str | None, typer.Option(help="CAD: convert to m, mm, inch, ...; else as the file has it.")
    ] = None,
    conformal: Annotated[
        bool, typer.Option("--conformal", help="CAD: parts that touch share their faces.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Sew and heal CAD; merge, wind and close a surface."),
    ] = False,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Write that many points on the surface, with normals.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of --sample.")] = 0,
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="By default part.mesh.vtu beside part.step.")
    ] = None,
    time_limit: Annotated[float, typer.Option(help="Seconds that gmsh may take.")] = 3600.0,
    no_picture: Annotated[bool, typer.Option("--no-picture", help="Write no PNG.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Mesh CAD; fill, repair or sample a surface.

    CAD names of solids and faces become regions. Writes the mesh, and a picture of it.
    """
    from ..io import check_target, fill_surface, is_cad, mesh_cad, read, write
    from ..mesh import repair_surface, sample_surface

    start = perf_counter()
    report = None
    output = Path(out) if out else _beside(file, "points" if sample is not None else "mesh")
    check_target(file, out or output)
    talk = not quiet and not as_json
    with warnings.catch_warnings(record=True) as heard, _progress(talk) as progress:
        warnings.simplefilter("always", MeshFileWarning)
        limits = {"time_limit": time_limit, "progress": progress}
        if is_cad(file):
            result = mesh_cad(
                file, size, sizes=_sizes(size_of or []), volume=volume, order=order,
                min_size=min_size, curvature=curvature, unit=unit, conformal=conformal,
                repair=repair or None, **limits,
            )  # fmt: skip
        else:
            result = read(file)
            _check_options(file, size, volume, order, repair, sample, unit)
            if repair:
                result, report = repair_surface(result)
            if volume:
                result = fill_surface(result, size, **limits)
        if sample is not None:
            result = sample_surface(result, sample, seed)
        output.parent.mkdir(parents=True, exist_ok=True)
        write(result, output)
        picture = None
        if not no_picture and result.n_cells:
            from ..viz import mesh_picture

            picture = output.with_suffix(".png")
            mesh_picture(result, picture, title=title_of(file))
    told = [str(one.message) for one in heard if issubclass(one.category, MeshFileWarning)]
    for text in told:
        warn(text)
    seconds = perf_counter() - start
    entry = {"command": "mesh", "input": file, "output": output, "picture": picture}
    entry |= _summary(result) | {"warnings": told, "seconds": seconds}
    if report is not None:
        entry["repair"] = vars(report) | {"closed": report.closed}
    if as_json:
        print_json(entry)
    elif not quiet:
        if report is not None:
            say(f"repair: {report}")
        _print(entry)
        say(f"\nwrote {output}" + (f" and {picture}" if picture else "") + f" in {seconds:.2f} s")
        say(f"open it: paraview {shlex.quote(str(output))}")


def _sizes(given: list[str]) -> dict[str, float]:
    """NAME=SIZE as a dictionary."""
    found = {}
    for text in given:
        name, _, value = text.rpartition("=")
        try:
            found[name] = float(value)
        except ValueError:
            name = ""
        if not name:
            usage_error(f"--size-of {text}", "expected NAME=SIZE", '--size-of "inlet=0.1"')
    return found


def _check_options(
    file: str,
    size: float | None,
    volume: bool,
    order: int,
    repair: bool,
    sample: int | None,
    unit: str | None,
) -> None:
    """A surface is kept as it is: what only CAD can do is a mistake here."""
    name = shlex.quote(file)
    if order != 1 or unit is not None or (size is not None and not volume):
        what = "--order" if order != 1 else "--unit" if unit is not None else "--size"
        why = "a surface mesh keeps its triangles; only CAD can be meshed anew"
        usage_error(f"{what} does not apply to {file}", why, f"meshop mesh {name} --volume")
    if not (volume or repair or sample):
        why = "it is a mesh already, not CAD"
        usage_error(f"nothing to do with {file}", why, f"meshop mesh {name} --volume")


def _beside(file: str, what: str) -> Path:
    return Path(file).with_name(f"{Path(file).stem}.{what}.vtu")


def _summary(mesh: Mesh) -> dict[str, Any]:
    import numpy as np

    from ..mesh import CELL_TYPES, DIM

    counts = np.bincount(mesh.cell_types, minlength=256)
    measure, dim = mesh.cell_measures(), DIM[mesh.cell_types]
    points = mesh.points if mesh.n_points else np.zeros((1, 3))
    unit = mesh.field_data.get("cad_unit")
    report = mesh.validate()
    faults = {name: len(ids) for name, ids in report.faults().items()}
    faults.pop("islands", None)  # several parts are no fault of an assembly
    return {
        "points": mesh.n_points,
        "cells": mesh.n_cells,
        "types": {CELL_TYPES[int(c)].name: int(counts[c]) for c in np.flatnonzero(counts)},
        "extent": np.stack([points.min(axis=0), points.max(axis=0)], axis=1).tolist(),
        "unit": None if unit is None else str(unit[0]),
        "area": float(measure[dim == 2].sum()) or None,
        "volume": float(measure[dim == 3].sum()) or None,
        "regions": {
            name: {"kind": region.kind, "size": len(region.ids)}
            for name, region in mesh.regions.items()
        },
        "parts": len(report.parts),
        "quality": faults,
    }


def _print(found: dict[str, Any]) -> None:
    kinds = ", ".join(f"{count} {name}" for name, count in found["types"].items()) or "none"
    print(f"points   {found['points']}")
    print(f"cells    {found['cells']} ({kinds})")
    unit = f" {found['unit']}" if found["unit"] not in (None, "unknown") else ""
    print("extent   " + " x ".join(f"{b - a:.5g}" for a, b in found["extent"]) + unit)
    for name, power in (("area", 2), ("volume", 3)):
        if found[name]:
            print(f"{name:8} {found[name]:.6g}" + (f"{unit}^{power}" if unit else ""))
    if found["parts"] > 1:
        print(f"parts    {found['parts']}, not connected")
    faults = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in found["quality"].items())
    print(f"quality  {faults or 'no faults'}")
    if regions := found["regions"]:
        rows = [["region", "of", "size"]]
        rows += [[name, f"{r['kind']}s", str(r["size"])] for name, r in regions.items()][:_ROWS]
        print(f"\n{table(rows)}")
        if len(regions) > _ROWS:
            print(f"... and {len(regions) - _ROWS} more")


@contextmanager
def _progress(wanted: bool) -> Iterator[Any]:
    """A bar on standard error if that is a terminal; yields what gmsh's progress is told to."""
    if not wanted:
        yield None
        return

    def announce(part: float, what: str) -> None:
        if what.startswith("about ") and what.endswith(" cells"):
            say(f"this means {what}: minutes, and much memory; Ctrl-C stops, a larger --size helps")

    if not sys.stderr.isatty():
        yield announce
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=1.0)

        def step(part: float, what: str) -> None:
            announce(part, what)
            progress.update(task, completed=part, description=what)

        yield step
