"""meshop convert IN OUT"""

from __future__ import annotations

import shlex
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

from ._arguments import AsJson, Quiet, Time
from ._console import (
    BAD_INPUT,
    going_on,
    guarded,
    mesh_warnings,
    print_json,
    progress,
    say,
    size_text,
    table,
    usage_error,
    viewer,
)


@guarded
def convert(
    files: Annotated[
        list[str], typer.Argument(metavar="IN OUT", help="The file and the new one; or -o.")
    ],
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="Folder for the results of all files.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="SUFFIX", help="Format of the files in -o: .vtu, ...")
    ] = None,
    time: Time = None,
    arrays: Annotated[str | None, typer.Option(help="Data to keep: U,p. All by default.")] = None,
    surface: Annotated[bool, typer.Option("--surface", help="Only the boundary.")] = False,
    ascii: Annotated[bool, typer.Option("--ascii", help="Text, where the format can.")] = False,
    compression: Annotated[
        str | None, typer.Option(help="zlib, lz4, lzma or none, where the format can.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Convert meshes between formats; the suffix chooses.

    Files with several times become series where the format has them. What the new format cannot
    hold is told in warnings; nothing is lost in silence.
    """
    from ..io import convert as run

    pairs = _pairs(files, out, to)
    many = len(pairs) > 1
    names = None if arrays is None else [n.strip() for n in arrays.split(",") if n.strip()]
    results: list[dict[str, Any]] = []
    rows = [["file", "size", "new size", "points", "cells", "times", "lost"]]
    with progress(len(pairs), many and not quiet and not as_json) as step:
        for source, name in pairs:
            step(source)
            target = Path(name)
            start = perf_counter()
            with going_on(many, results, input=source):
                if out is not None:
                    target.parent.mkdir(parents=True, exist_ok=True)
                with mesh_warnings() as lost:
                    done = run(
                        source, name, time=time, arrays=names, surface=surface, force=force,
                        ascii=ascii, compression=compression,
                    )  # fmt: skip
                sizes = _size(Path(source)), _size(target)
                entry = {
                    "input": source, "ok": True, "output": target, "formats": list(done[:2]),
                    "points": done.points, "cells": done.cells, "times": list(done.times),
                    "bytes": list(sizes), "warnings": list(lost), "seconds": perf_counter() - start,
                }  # fmt: skip
                results.append(entry)
                rows.append([
                    source, size_text(sizes[0]), size_text(sizes[1]), f"{done.points:,}",
                    f"{done.cells:,}", str(len(done.times) or "-"), str(len(lost) or "-"),
                ])  # fmt: skip
                if not (many or quiet or as_json):
                    _report(entry)
    failed = len(pairs) - len(rows) + 1
    if as_json:
        print_json({"command": "convert", "results": results, "failed": failed})
    elif many and not quiet:
        print(table(rows))
        say(f"\nwrote {len(pairs) - failed} of {len(pairs)} files to {out}")
    if failed:
        raise typer.Exit(BAD_INPUT)


def _report(done: dict[str, Any]) -> None:
    before, after = (size_text(size) for size in done["bytes"])
    source, target = done["formats"]
    say(f"{done['input']} ({source}, {before}) -> {done['output']} ({target}, {after})")
    kept = f", {len(done['times'])} times" if len(done["times"]) > 1 else ""
    seconds = f"{done['seconds']:.2g} s"
    say(f"{done['points']:,} points, {done['cells']:,} cells{kept} in {seconds}")
    shown = next(iter(sorted(done["output"].glob("*.foam"))), done["output"])
    say(f"open it: {viewer(shown)} {shlex.quote(str(shown))}")


def _pairs(files: list[str], out: str | None, to: str | None) -> list[tuple[str, str]]:
    """Each input with its output."""
    if out is None and to is None:
        if len(files) != 2:
            usage_error(
                "convert needs one file and the name of the new one",
                f"found {len(files)}: {', '.join(files)}",
                "meshop convert IN OUT, or meshop convert FILES... -o FOLDER --to .vtu",
            )
        return [(files[0], files[1])]
    if to is None:
        if len(files) == 1 and out is not None and Path(out).suffix:
            return [(files[0], out)]
        usage_error("which format?", "-o names a folder, so --to must name one", "--to .vtu")
    suffix = to if to.startswith(".") else f".{to}"
    folder = [Path(out)] * len(files) if out is not None else [Path(f).parent for f in files]
    pairs = [(f, str(d / (Path(f).stem + suffix))) for f, d in zip(files, folder, strict=True)]
    names = [target for _, target in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        usage_error("two files would get one name", twice[0], "convert them one at a time")
    return pairs


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    from ..io import find_case

    if (case := find_case(path)) is not None:
        path = case
    if path.is_dir():
        return sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
    return path.stat().st_size if path.exists() else 0
