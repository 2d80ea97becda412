"""meshop view FILE"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from ._arguments import AsJson, Time, picture_of, title_of
from ._console import guarded, print_json, say, usage_error


@guarded
def view(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Any mesh that meshop reads.")],
    save: Annotated[
        str | None, typer.Option(metavar="PICTURE", help="By default FILE.png beside it.")
    ] = None,
    array: Annotated[
        str | None, typer.Option(help="Colour by these values; velocity or another field.")
    ] = None,
    regions: Annotated[bool, typer.Option("--regions", help="Colour by region instead.")] = False,
    seen_from: Annotated[
        str | None, typer.Option("--from", metavar="VIEW", help="x, -x, y, -y, z, -z or iso.")
    ] = None,
    time: Time = None,
    clip: Annotated[bool, typer.Option("--clip", help="Cut a volume open.")] = False,
    no_edges: Annotated[bool, typer.Option("--no-edges", help="Without the cells' edges.")] = False,
    window: Annotated[bool, typer.Option("--window", help="In a window instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw a mesh into a PNG: an array, or regions, in colours. Needs no display.

    Meshes in a plane, and cases of one layer of cells, are seen face-on.
    """
    from ..io import read
    from ..viz import default_array, mesh_picture, mesh_window

    picture = picture_of(save or str(_beside(file)))
    mesh = read(file, time=time)
    title = title_of(file)
    if array is None and not regions:
        array = default_array(mesh)
    how: dict[str, Any] = {
        "array": array,
        "title": title,
        "edges": not no_edges,
        "clip": clip,
        "view": seen_from,
    }
    if window:
        if not mesh_window(mesh, **how):
            usage_error("no window can be opened", "there is no display", "without --window")
        return
    assert picture is not None
    mesh_picture(mesh, picture, **how)
    if as_json:
        print_json({"command": "view", "file": file, "picture": picture, "array": array})
    else:
        say(f"wrote {picture}" + (f", coloured by {array}" if array else ""))
        say(f"open it: xdg-open {shlex.quote(str(picture))}")


def _beside(file: str) -> Path:
    """beam.png beside beam.vtu, and case.png beside the folder case."""
    if os.path.isdir(file):
        folder = Path(os.path.normpath(file) if Path(file).name else os.path.abspath(file))
        return folder.with_name(f"{folder.name}.png")
    return Path(file).with_suffix(".png")
