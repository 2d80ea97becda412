"""meshop view FILE"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ._console import guarded, print_json, say, usage_error


@guarded
def view(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Any mesh that meshop reads.")],
    save: Annotated[
        str | None, typer.Option(metavar="PICTURE", help="By default FILE.png beside it.")
    ] = None,
    array: Annotated[str | None, typer.Option(help="Colour by these values.")] = None,
    time: Annotated[float | None, typer.Option(help="One of several times; the last.")] = None,
    clip: Annotated[bool, typer.Option("--clip", help="Cut a volume open.")] = False,
    no_edges: Annotated[bool, typer.Option("--no-edges", help="Without the cells' edges.")] = False,
    window: Annotated[bool, typer.Option("--window", help="In a window instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Draw a mesh into a PNG: regions in colours, or an array. Needs no display."""
    from ..io import read
    from ..viz import mesh_picture, mesh_window

    if save is not None and Path(save).suffix.lower() != ".png":
        usage_error(
            f"--save {save}", "pictures are PNG", f"--save {Path(save).with_suffix('.png')}"
        )
    mesh = read(file, time=time)
    title = Path(file).name + (f": {array}" if array else "")
    if window:
        if not mesh_window(mesh, array=array, title=title, edges=not no_edges, clip=clip):
            usage_error("no window can be opened", "there is no display", "without --window")
        return
    picture = Path(save) if save is not None else Path(file.rstrip("/")).with_suffix(".png")
    mesh_picture(mesh, picture, array=array, title=title, edges=not no_edges, clip=clip)
    if as_json:
        print_json({"command": "view", "file": file, "picture": picture})
    else:
        say(f"wrote {picture}")
        say(f"open it: xdg-open {shlex.quote(str(picture))}")
