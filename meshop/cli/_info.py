"""meshop info FILE..."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from ._arguments import AsJson, Files, picture_of, title_of
from ._console import (
    BAD_INPUT,
    going_on,
    guarded,
    paint,
    print_json,
    progress,
    say,
    size_text,
    table,
)


@guarded
def info(
    files: Files,
    save: Annotated[
        str | None, typer.Option(metavar="PICTURE", help="Also draw the mesh into a PNG.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what mesh files hold.

    Format and times, counts by cell type, extent, regions, field data, arrays with their ranges,
    wall and far field, faults and quality, and the size of a graph made of the mesh.
    """
    from ..predict import info as find

    many = len(files) > 1
    picture = picture_of(save, files)
    results: list[dict[str, Any]] = []
    with progress(len(files), many and not as_json) as step:
        for file in files:
            step(file)
            with going_on(many, results, file=file):
                results.append(find(file))
                if not as_json:
                    print("\n".join([*([""] if len(results) > 1 else []), *_lines(results[-1])]))
    if picture is not None:
        from ..io import read
        from ..viz import default_array, mesh_picture

        mesh = read(files[0])
        mesh_picture(mesh, picture, array=default_array(mesh), title=title_of(files[0]))
        say(f"wrote {picture}")
    if as_json:
        print_json({"command": "info"} | ({"results": results} if many else results[0]))
    if any("error" in entry for entry in results):
        raise typer.Exit(BAD_INPUT)


def _lines(found: dict[str, Any]) -> list[str]:
    kinds = ", ".join(f"{count:,} {name}" for name, count in found["types"].items()) or "none"
    flat = ", in a plane" if found["planar"] else ""
    size = f", {size_text(found['bytes'])}" if found["bytes"] else ""
    lines = [
        paint(f"{found['file']}", "bold", sys.stdout),
        f"format     {found['format']}{size}, read in {found['read_seconds']:.2g} s",
        f"points     {found['points']:,}",
        f"cells      {found['cells']:,} ({kinds}); dimension {found['dimension']}{flat}",
        "extent     " + ", ".join(
            f"{axis} {low:g} to {high:g}" for axis, (low, high) in found["extent"].items()
        ),
    ]  # fmt: skip
    if len(times := found["times"]) > 1:
        shown = ", ".join(f"{t:g}" for t in times[:4]) + (", ..." if len(times) > 5 else "")
        last = f", {times[-1]:g}" if len(times) > 4 else ""
        lines.append(f"times      {len(times)}: {shown}{last}; what follows is the last")
    edge = found["boundary"]
    if edge["facets"]:
        lines.append(
            f"boundary   {edge['facets']:,} facets: {edge['wall']:,} wall, "
            f"{edge['far_field']:,} far field (by {edge['found_by']})"
        )
    if edge["wall_extent_x"]:
        lines.append(f"wall       {edge['wall_extent_x']:g} long in x")
    if found["parts"] > 1:
        lines.append(f"parts      {found['parts']:,}, not connected")
    for name, region in found["regions"].items():
        lines.append(
            f"region     {name}: {region['size']:,} {region['kind']}{'s' * (region['size'] != 1)}"
        )
    for name, value in found["field_data"].items():
        text = f"{value:g}" if isinstance(value, float) else str(value)
        lines.append(f"field      {name} = {text if len(text) <= 100 else text[:97] + '...'}")
    for what, graph in found["graphs"].items():
        if graph["edges"]:
            lines.append(
                f"graph      on {what}: {graph['nodes']:,} nodes, {graph['edges']:,} edges, "
                f"{size_text(graph['bytes'])}"
            )
    faults = ", ".join(
        paint(f"{n:,} {name.replace('_', ' ')}", "red" if name in found["errors"] else "dim",
              sys.stdout)
        for name, n in found["quality"].items()
    )  # fmt: skip
    lines.append(f"quality    {faults or 'no faults'}")
    if metric := found["metric"]:
        lines += _bars(metric)
    if found["arrays"]:
        rows = [["array", "on", "type", "components", "min", "max"]]
        for a in found["arrays"]:
            name = f"|{a['name']}|" if a["components"] > 1 else a["name"]
            ends = ["-" if a[k] is None else f"{a[k]:.5g}" for k in ("min", "max")]
            rows.append([name, a["location"], a["dtype"], str(a["components"]), *ends])
        lines += ["", table(rows)]
    return lines


def _bars(metric: dict[str, Any], width: int = 40) -> list[str]:
    """A histogram of text; bins beyond the worst cell and the best are left out."""
    counts, bounds = metric["counts"], metric["bounds"]
    full = [i for i, count in enumerate(counts) if count]
    lines = [
        f"{metric['name'].replace('_', ' ')}: worst {metric['worst']:.3g}, mean "
        f"{metric['mean']:.3g}, {metric['beyond']:,} beyond {metric['typical']:g}"
    ]
    lines[0] = f"           {lines[0]}"
    try:
        "█".encode(sys.stdout.encoding or "ascii")
        mark, half = "█", "▌"
    except (UnicodeEncodeError, LookupError):
        mark, half = "#", ""
    for i in range(full[0], full[-1] + 1) if full else ():
        share = width * counts[i] / max(counts)
        bar = mark * int(share) + (half if share % 1 >= 0.5 or 0 < share < 0.5 else "")
        low, high = bounds[i], bounds[i + 1]
        lines.append(f"           {low:>6.4g} to {high:<6.4g} {bar} {counts[i]:,}")
    return lines
