"""meshop validate FILE..."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._arguments import AsJson, Files, picture_of, title_of
from ._console import BAD_INPUT, going_on, guarded, paint, print_json, progress, say, table

if TYPE_CHECKING:
    from ..mesh import QualityReport

SHOWN = 6  # ids on the screen


@guarded
def validate(
    files: Files,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Points as close as this count as duplicates.")
    ] = 0.0,
    save: Annotated[
        str | None, typer.Option(metavar="PICTURE", help="Draw the mesh with its faults marked.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find every fault of meshes, with ids.

    Errors spoil a computation: inverted or degenerate cells, NaN in the data, ... Notes are meant
    in some meshes: open edges, unused points, ... The exit code is 1 where there is an error or a
    file that cannot be read. --json has every id. Self-intersections are not looked for.
    """
    from ..io import read

    many = len(files) > 1
    picture = picture_of(save, files)
    results: list[dict[str, Any]] = []
    rows = [["file", "cells", "errors", "notes", "what"]]
    with progress(len(files), many and not as_json) as step:
        for file in files:
            step(file)
            start = perf_counter()
            row = [file, "-", "-", "-", "cannot be read"]
            rows.append(row)
            with going_on(many, results, file=file):
                mesh = read(file)
                report = mesh.validate(tolerance)
                seconds = perf_counter() - start
                errors, notes = report.faults("error"), report.faults("note")
                results.append(
                    {"file": file, "ok": not errors, "points": mesh.n_points, "cells": mesh.n_cells}
                    | report.to_dict()
                    | {"seconds": seconds}
                )
                what = ", ".join(name.replace("_", " ") for name in errors or notes)
                row[1:] = (
                    f"{mesh.n_cells:,}",
                    str(len(errors)),
                    str(len(notes)),
                    what or "no faults",
                )
                if not as_json and not many:
                    print("\n".join(_lines(file, mesh.n_cells, report, seconds)))
                if picture is not None:
                    from ..viz import mesh_picture

                    marked = (report.bad_cells(), report.bad_points())
                    mesh_picture(mesh, picture, title=f"{title_of(file)}: faults", marked=marked)
                    say(f"wrote {picture}")
    good = all(entry["ok"] for entry in results)
    if as_json:
        print_json({"command": "validate", "ok": good, "results": results})
    elif many:
        print(table(rows))
    if not good:
        raise typer.Exit(BAD_INPUT)


def _lines(file: str, cells: int, report: QualityReport, seconds: float) -> list[str]:
    found = report.faults()
    words = {"error": paint("error", "red", sys.stdout), "note": "note "}
    errors, notes = (len(report.faults(severity)) for severity in ("error", "note"))
    verdict = "no faults"
    if found:
        verdict = " and ".join(
            f"{n or 'no'} {word if n == 1 else word + 's'}"
            for n, word in ((errors, "error"), (notes, "note"))
        )
    lines = [f"{file}: {verdict} in {cells:,} cells ({seconds:.2g} s)"]
    for name, ids in found.items():
        kind = report.kind(name)
        some = ", ".join(_id(item) for item in ids[:SHOWN]) + (", ..." if len(ids) > SHOWN else "")
        unit = kind.of if len(ids) == 1 else f"{kind.of}s"
        label = name.replace("_", " ")
        lines.append(f"{words[kind.severity]}  {label}: {len(ids):,} {unit} ({some})")
        lines.append(f"       {kind.meaning}")
    if len(report.parts) > 1:
        sizes = ", ".join(f"{n:,}" for n in report.parts[:SHOWN].tolist())
        more = ", ..." if len(report.parts) > SHOWN else ""
        lines.append(f"{len(report.parts):,} parts of {sizes}{more} cells")
    return lines


def _id(item: Any) -> str:
    """A cell or point as its number, an edge or facet as its nodes."""
    if getattr(item, "ndim", None):
        return "-".join(str(node) for node in item.tolist() if node >= 0)
    return str(item)
