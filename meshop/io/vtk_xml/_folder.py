"""Files that a list names: written into the folder `name/` beside `name.vtm` or `name.pvd`."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from .._files import Fault, atomic_write, together
from ._writer import attribute


@contextlib.contextmanager
def list_of_files(path: Path, kind: str) -> Iterator[Callable[..., Path]]:
    """Gives a function new(name) -> where to write the file `name`; writes the list at the end.

    new(name, **attributes) also adds a line to the list; without a name only that. Until the block
    has succeeded the files have other names, so that an older list and its files stay whole; others
    are left alone.
    """
    folder = path.with_suffix("")
    if folder.exists() and not folder.is_dir():
        raise Fault("the folder of its pieces", f"{folder} is a file", "choose another name")
    fresh = not folder.exists()
    mark = f".{secrets.token_hex(4)}."
    lines: list[str] = []
    written: dict[Path, Path] = {}

    def new(name: str, /, **attributes: object) -> Path:
        texts = {**attributes, "file": f"{folder.name}/{name}"} if name else attributes
        lines.append(
            "    <DataSet " + " ".join(f"{k}={attribute(str(v))}" for k, v in texts.items()) + "/>"
        )
        if not name:
            return folder
        folder.mkdir(exist_ok=True)
        beside = folder / f"{mark}{name}"
        written[beside] = folder / name
        return beside

    try:
        yield new
        text = "\n".join(
            [
                f'<?xml version="1.0"?>\n<VTKFile type="{kind}" version="1.0" '
                f'byte_order="LittleEndian">\n  <{kind}>',
                *lines,
                f"  </{kind}>\n</VTKFile>\n",
            ]
        )
        with together() as swap, atomic_write(path) as file:
            for beside, final in written.items():
                swap(beside, final)
            file.write(text.encode("utf-8"))
    finally:
        for beside in written:
            with contextlib.suppress(OSError):
                beside.unlink()
        if fresh:
            with contextlib.suppress(OSError):
                folder.rmdir()  # only where it stayed empty
