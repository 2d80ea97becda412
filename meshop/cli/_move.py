"""meshop move MESH: points to where a field asks for them."""

from __future__ import annotations

import math
import os
import shlex
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConditionError
from ._arguments import AsJson, Quiet, Time, title_of
from ._console import guarded, print_json, say, table, usage_error, viewer, warn, working

if TYPE_CHECKING:
    from ..mesh import Mesh
    from ..movers import AdaptReport, NamedMonitor

_METHODS = {
    "ma": "Monge-Ampère", "elastic": "elastic", "spring": "springs", "laplacian": "Laplacian",
    "um2n": "learned", "dmm": "learned potential",
}  # fmt: skip
_FLAT = 1.0  # degrees: worth a warning where it was more before


@guarded
def move(
    file: Annotated[str, typer.Argument(metavar="MESH", help="Any mesh that meshop reads.")],
    monitor: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="error:NAME, grad:NAME, hessian:NAME, ring:RADIUS[,WIDTH][@X,Y[,Z]], array:NAME, "
            "or FILE[:NAME]; by default the error of the main field.",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="ma, elastic, spring, laplacian, um2n or dmm; by default ma in convex domains, "
            "else elastic.",
        ),
    ] = None,
    strength: Annotated[
        float | None, typer.Option(help="How much finer: 10 (grad, ring), 5 (hessian), 1 (error).")
    ] = None,
    smooth: Annotated[
        float, typer.Option(help="Cells that the monitor is spread over; 0 for none.")
    ] = 1.0,
    conservative: Annotated[
        bool, typer.Option("--conservative", help="Keep the integrals of fields.")
    ] = False,
    iterations: Annotated[
        int | None, typer.Option(min=1, help="At most; 1000 for ma, 50 for others.")
    ] = None,
    time: Time = None,
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="By default wing.moved.vtu beside wing.cgns.")
    ] = None,
    picture: Annotated[
        bool, typer.Option("--picture/--no-picture", help="A PNG of before and after.")
    ] = True,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Move a mesh's points to where a field needs them; carry its fields along.

    The same cells: those shrink where the monitor is large, and no cell is ever inverted. error:p
    evens out the error of interpolating p; grad:p and hessian:p follow its slope and curvature; a
    ring is a place; array:m and FILE are monitors that you made (a FILE's mesh may be another one).

    \b
    ma         Monge-Ampère: the most even in convex domains (a square, a box)
    elastic    a body whose cells shrink: holes, corners, boundary layers
    spring     edges as stiff as the monitor
    laplacian  points to the means of their neighbours, so weighted; without --monitor it smooths
    um2n       learned, for hessian:NAME: the least error, the monitor less even
    dmm        learned, any monitor: nearly the map of ma, in 0.6 of its time

    Boundary points slide along straight and plane parts; corners and curved parts stay, but with
    um2n and dmm. Point data are interpolated, cell data come from the cell around the new centre;
    with --conservative cell data come from all that a cell overlaps, and the integrals of both
    stay. Integers and names stay with their points and cells.
    """
    from ..io import check_target, read, write
    from ..movers import adapt

    start = perf_counter()
    output = Path(out) if out else _beside(file)
    check_target(file, out or output)
    seconds: dict[str, float] = {}
    with working(not quiet and not as_json) as tell:

        def step(name: str, since: float) -> float:
            now = perf_counter()
            seconds[name] = now - since
            return now

        tell("reading")
        mesh = read(file, time=time)
        at = step("read", start)
        tell("monitor")
        wanted = _monitor(mesh, file, monitor, method, strength, smooth)
        at = step("monitor", at)
        moved, report = adapt(
            mesh,
            None if wanted is None else wanted.value,
            method=method,
            field=None if wanted is None else wanted.field,
            conservative=conservative,
            max_iterations=iterations,
            progress=lambda count, rest: tell(f"iteration {count}, {rest:.1e}"),
        )
        at = step("move", at)
        _check_moved(mesh, moved, report, wanted)
        output.parent.mkdir(parents=True, exist_ok=True)
        tell("writing")
        write(moved, output)
        at = step("write", at)
        drawn = None
        if picture:
            from ..viz import pair_picture

            tell("picture")
            drawn = output.with_suffix(".png")
            followed = wanted is not None and wanted.field is not None
            pair_picture(
                mesh, moved, drawn, array=wanted.name if wanted and followed else None,
                title=title_of(file), note=_how(report, wanted),
            )  # fmt: skip
            step("picture", at)
    seconds["total"] = perf_counter() - start
    warnings = _doubts(report, wanted)
    for text in warnings:
        warn(text)
    if as_json:
        print_json(_json(file, output, drawn, moved, report, wanted, warnings, seconds))
    elif not quiet:
        say(f"{title_of(file)}: {mesh.n_points:,} points, {mesh.n_cells:,} cells")
        say(_how(report, wanted))
        print(table(_rows(report, wanted)))
        took = ", ".join(f"{k} {v:.2f}" for k, v in seconds.items() if k != "total")
        say(f"\nwrote {output}" + (f" and {drawn}" if drawn else ""))
        say(f"in {seconds['total']:.2f} s ({took})")
        say(f"open it: {viewer(output)} {shlex.quote(str(output))}")


def _monitor(
    mesh: Mesh,
    file: str,
    text: str | None,
    method: str | None,
    strength: float | None,
    smooth: float,
) -> NamedMonitor | None:
    """What is asked for; by default the error of the main field, or nothing for what smooths."""
    import numpy as np

    from ..movers import METHODS, named_monitor
    from ..viz import default_array

    if method is not None and method not in METHODS:
        why = f"there are {', '.join(METHODS)}"
        usage_error(f"--method {method}", why, "--method elastic, or leave it out")
    if text is None:
        if method == "laplacian":
            if strength is not None:
                usage_error(
                    "--strength without --monitor",
                    "there is nothing to strengthen",
                    "--monitor grad:p",
                )
            return None
        name = default_array(mesh)
        if name is None:
            size = sorted(np.ptp(mesh.points, axis=0))[-2] / 4 if mesh.n_points else 0.3
            raise ConditionError(
                f"{file} holds no field to follow",
                "expected an array of floating numbers that vary, or --monitor",
                f"--monitor ring:{size:.2g}, or --method laplacian",
            )
        text = f"error:{name}"
    path, name = _file_of(text)
    if path is None:
        return named_monitor(mesh, text, strength=strength, smooth=smooth)
    if strength is not None:
        usage_error("--strength does not apply to a file", "it is the monitor itself", "without it")
    return _read_monitor(mesh, path, name, smooth)


def _file_of(text: str) -> tuple[str | None, str | None]:
    """FILE or FILE:NAME, where there is such a file or it looks like one; else neither."""
    from ..movers import MONITORS

    for path, name in ((text, None), (text.rpartition(":")[0], text.rpartition(":")[2])):
        if path and os.path.exists(path):
            return path, name
    named = text.partition(":")[0] in MONITORS
    if named or not (Path(text.partition(":")[0]).suffix or os.sep in text):
        return None, None
    return (text, None) if ":" not in text else (text.rpartition(":")[0], text.rpartition(":")[2])


def _read_monitor(mesh: Mesh, path: str, name: str | None, smooth: float) -> NamedMonitor:
    """The monitor that stands in a file: in its array of that name, in `monitor`, or in its only
    one. On another mesh it is a piecewise linear field."""
    from ..io import read
    from ..movers import NamedMonitor, function_of, named_monitor

    other = read(path)
    known = [n for d in (other.point_data, other.cell_data) for n, v in d.items()
             if v.dtype.kind in "fiu" and v.ndim == 1]  # fmt: skip
    if name is None:
        name = "monitor" if "monitor" in known else known[0] if len(known) == 1 else None
    if name is None:
        raise ConditionError(
            f"monitor {path}",
            f"found {len(known)} arrays of one number a point or cell, none called monitor",
            f"{path}:{known[0]}" if known else "a file with such an array",
        )
    if other.dim != mesh.dim:
        raise ConditionError(
            f"monitor {path}",
            f"it is on a mesh of dimension {other.dim}, expected {mesh.dim} like the mesh",
            "the monitor on this mesh, or error:NAME",
        )
    found = named_monitor(other, f"array:{name}", smooth=smooth)
    label = f"{path}:{name}"
    return NamedMonitor(function_of(other, found.value), None, label, label)


def _check_moved(mesh: Mesh, moved: Mesh, report: AdaptReport, wanted: NamedMonitor | None) -> None:
    """A mesh that is as it was is no result."""
    import numpy as np

    far = np.abs(moved.points - mesh.points).max(initial=0.0)
    if far > 1e-9 * np.ptp(mesh.points, axis=0).max(initial=0.0):
        return
    if wanted is None:
        why, hint = "every point is at the mean of its neighbours already", "--monitor grad:p"
    elif report.method == "ma":
        why = f"the monitor is even to {report.move.residual:.1g} over the domain's area"
        hint = "--method elastic, which looks at cells; or a larger --strength"
    else:
        other = "elastic" if report.method != "elastic" else "spring"
        why = "no mesh on the way was more even than the first"
        hint = f"--method {other}, or a larger --strength"
    raise ConditionError("no point moved", why, hint)


def _how(report: AdaptReport, wanted: NamedMonitor | None) -> str:
    words = [_METHODS[report.method], "smoothing" if wanted is None else f"by {wanted.label}"]
    count = report.move.iterations
    words.append(f"{count} iteration" + "s" * (count != 1))
    if report.move.proposed:
        words.append(f"limited to {100 * report.move.done:.3g} % of the way")
    return ", ".join(words)


def _rows(report: AdaptReport, wanted: NamedMonitor | None) -> list[list[str]]:
    before, after = report.before, report.after
    rows = [
        ["", "before", "after"],
        ["inverted cells", f"{before.inverted}", f"{after.inverted}"],
        ["least angle", f"{before.min_angle:.2f}°", f"{after.min_angle:.2f}°"],
    ]
    numbers = [
        ("monitor mass a cell, CoV", before.spread, after.spread),
        ("  over the cell's first size", before.stretch, after.stretch),
        (f"error of {wanted.name if wanted else ''} (estimate)", before.error, after.error),
    ]
    rows += [
        [name, f"{was:.3g}", f"{now:.3g}"]
        for name, was, now in numbers
        if not (math.isnan(was) or math.isnan(now))
    ]
    return rows


def _doubts(report: AdaptReport, wanted: NamedMonitor | None) -> list[str]:
    """What may not be what was wanted."""
    before, after = report.before, report.after
    found = []
    other = "elastic" if report.method != "elastic" else "spring"
    if after.stretch > before.stretch:
        found.append(f"the monitor is less even than before; try --method {other}")
    elif after.error > before.error:
        by_error = wanted is not None and wanted.label.startswith("error:")
        hint = f"--method {other}" if by_error else "--monitor error:NAME"
        found.append(f"the estimated error is larger than before; try {hint}")
    if after.min_angle < min(_FLAT, before.min_angle / 4):
        hint = f"try --method {other}, or less --strength"
        if math.isnan(after.stretch):
            hint = "the means of neighbours do not suit this mesh"
        found.append(f"the least angle fell to {after.min_angle:.2g}°; {hint}")
    return found


def _json(
    file: str,
    output: Path,
    drawn: Path | None,
    mesh: Mesh,
    report: AdaptReport,
    wanted: NamedMonitor | None,
    warnings: list[str],
    seconds: dict[str, float],
) -> dict[str, Any]:
    move = report.move
    return {
        "command": "move", "input": file, "output": output, "picture": drawn,
        "points": mesh.n_points, "cells": mesh.n_cells, "method": report.method,
        "monitor": None if wanted is None else wanted.label,
        "before": vars(report.before), "after": vars(report.after),
        "proposed": move.proposed, "done": move.done, "iterations": move.iterations,
        "residual": move.residual, "warnings": warnings, "seconds": seconds,
    }  # fmt: skip


def _beside(file: str) -> Path:
    """wing.moved.vtu beside wing.cgns, and case.moved.vtu beside the folder case."""
    path = Path(file)
    if path.is_dir():
        path = path.absolute().resolve()
        return path.with_name(f"{path.name}.moved.vtu")
    return path.with_name(f"{path.stem}.moved.vtu")
