"""meshop info FILE"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ._console import guarded, print_json, table


@guarded
def info(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Any mesh that meshop reads.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Show what a mesh file holds.

    Counts by cell type, extent, arrays with their ranges, regions, field data, wall and far field,
    and quality.
    """
    from ..predict import info as find

    found = find(file)
    if as_json:
        print_json({"command": "info", **found})
        return
    for line in _lines(found):
        print(line)


def _lines(found: dict[str, Any]) -> list[str]:
    kinds = ", ".join(f"{count} {name}" for name, count in found["types"].items()) or "none"
    flat = ", in a plane" if found["planar"] else ""
    lines = [
        f"{found['file']}",
        f"points     {found['points']}",
        f"cells      {found['cells']} ({kinds}); dimension {found['dimension']}{flat}",
        "extent     " + ", ".join(
            f"{axis} {low:g} to {high:g}" for axis, (low, high) in found["extent"].items()
        ),
    ]  # fmt: skip
    edge = found["boundary"]
    lines.append(
        f"boundary   {edge['facets']} facets: {edge['wall']} wall, {edge['far_field']} far field"
        f" (by {edge['found_by']})"
    )
    if edge["wall_extent_x"]:
        lines.append(f"wall       {edge['wall_extent_x']:g} long in x")
    for name, region in found["regions"].items():
        lines.append(f"region     {name}: {region['size']} {region['kind']}s")
    for name, value in found["field_data"].items():
        text = f"{value:g}" if isinstance(value, float) else str(value)
        lines.append(f"field      {name} = {text if len(text) <= 100 else text[:97] + '...'}")
    faults = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in found["quality"].items())
    lines.append(f"quality    {faults or 'no faults'}")
    if found["arrays"]:
        rows = [["array", "on", "type", "components", "min", "max"]]
        for a in found["arrays"]:
            name = f"|{a['name']}|" if a["components"] > 1 else a["name"]
            ends = ["-" if a[k] is None else f"{a[k]:.5g}" for k in ("min", "max")]
            rows.append([name, a["location"], a["dtype"], str(a["components"]), *ends])
        lines += ["", table(rows)]
    return lines
