"""Formats that VTK's readers know, each read in a child process."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...mesh import Mesh
from .._child import run
from .._files import Fault, folder_size, guarded, require_file
from .._format import Format, Series, warn_lost

_READ = "meshop.io.foreign._vtk:read"
_LONG = re.compile(rb"(?<![\d.])-?\d(?:\.?\d){8,}")  # a number of more digits than float32 has
Claims = Callable[[Path, bytes], bool]


def _format(
    name: str,
    suffixes: tuple[str, ...],
    claims: Claims = lambda path, start: False,
    *,
    beside: bool = False,
    regions: str = "-",
    time: str = "",
) -> Format:
    """A format that VTK reads; beside: more files of it lie in the same folder."""

    def read(path: Path, step: int | None = None) -> Mesh:
        with guarded(path, name):
            size = _size(path, beside)
            try:
                found = run(_READ, path, size=size, reader=name, step=step)
            except Fault:
                if name != "CGNS" or step is not None:
                    raise
                with contextlib.suppress(Fault):  # what meshio takes for CGNS lacks all labels
                    return run("meshop.io.foreign._meshio:load", path, names=["cgns"])
                raise
            if found["left_out"]:
                warn_lost(path, name, found["left_out"])
            if name == "Tecplot" and _LONG.search(path.read_bytes()):
                _restore(found["mesh"], path)
            return found["mesh"]

    def series(path: Path) -> Series:
        with guarded(path, name):
            size = _size(path, beside)
            times = run(_READ, path, size=size, reader=name, only_times=True)["times"]
        return Series(times or [0.0], lambda index: read(path, index if times else None))

    kinds = series if time else None
    return Format(name, suffixes, read, None, claims, kinds, regions=regions, time=time or "-")


def _restore(mesh: Mesh, path: Path) -> None:
    """Put in all digits of the text: VTK keeps seven, meshio all where it understands the file."""
    try:
        twin = run("meshop.io.foreign._meshio:load", path, names=["tecplot"])
        pairs = [(mesh.points, twin.points)]
        for mine, full in ((mesh.point_data, twin.point_data), (mesh.cell_data, twin.cell_data)):
            pairs += [(mine[key], full[key]) for key in mine]
        same = all(a.shape == b.shape and np.allclose(a, b, 1e-6, 1e-30) for a, b in pairs)
    except (Fault, KeyError):
        same = False
    if not same:
        warn_lost(path, "Tecplot", "numbers are rounded to 7 digits", "save it as CGNS or VTU")
        return
    mesh.points, mesh.storage["points"] = twin.points, "float64"
    mesh.point_data = {key: twin.point_data[key] for key in mesh.point_data}
    mesh.cell_data = {key: twin.cell_data[key] for key in mesh.cell_data}


def _size(path: Path, beside: bool) -> int:
    require_file(path)
    return folder_size(path) if beside else path.stat().st_size


# -- recognised by content ----------------------------------------------------------------------


def _starts(*patterns: bytes) -> Claims:
    known = re.compile(b"|".join(patterns))
    return lambda path, start: known.match(start) is not None


def _is_exodus(path: Path, start: bytes) -> bool:
    """NetCDF with the dimensions that every Exodus file has."""
    return start.startswith((b"CDF\x01", b"CDF\x02", b"CDF\x05")) and b"num_el_blk" in start


def _is_ucd(path: Path, start: bytes) -> bool:
    """Five counts in the first line that is no comment, then nodes; or the binary magic."""
    if path.suffix.lower() not in (".inp", ".avs", ".ucd"):
        return False
    text = re.sub(rb"(?m)^[ \t]*#.*\n?", b"", start)
    return start[:1] == b"\x07" or re.match(rb"\s*\d+(\s+\d+){4}\s*\n", text) is not None


def _is_tecplot(path: Path, start: bytes) -> bool:
    """Its words are ordinary ones, so that the suffix must not be another format's."""
    if path.suffix.lower() not in (".dat", ".tec", ".tp", ".plt", ".txt", ""):
        return False
    text = re.sub(rb"(?m)^\s*#.*\n?", b"", start)
    headed = re.match(rb"\s*(title\s*=|variables\s*=|filetype\s*=|zone\s)", text, re.I)
    return headed is not None and re.search(rb"(?im)^\s*zone\b", start) is not None


_ENSIGHT = rb"(?is)(\s*#[^\n]*\n)*\s*FORMAT\s+type:\s+ensight"
FORMATS = (
    _format("CGNS", (".cgns",), _starts(rb"....ADF Database"), regions="BCs, zones", time="yes"),
    _format(
        "Exodus", (".e", ".ex2", ".exo", ".exii", ".exoii", ".gen", ".e-s002"), _is_exodus,
        regions="blocks, side sets, node sets", time="yes",
    ),
    _format(
        "EnSight SOS", (".sos",), _starts(rb"(?is)\s*FORMAT\s+type:\s+master_server"),
        beside=True, regions="parts", time="yes",
    ),
    _format(
        "EnSight", (".case", ".encas"), _starts(_ENSIGHT), beside=True, regions="parts", time="yes",
    ),
    _format("Fluent CFF", (".cas.h5",), beside=True, regions="zones"),
    _format("Nek5000", (".nek5000",), beside=True, time="yes"),
    _format("AVS UCD", (".ucd", ".avs"), _is_ucd),
    _format("Tecplot", (".dat", ".tec", ".tp"), _is_tecplot, regions="zones"),
    _format("ProSTAR", (".cel", ".vrt"), beside=True),
    _format("MFIX", (".res",), beside=True, time="yes"),
    _format("BYU", (".g",)),
    _format("Facet", (".facet",), _starts(rb"(?i)FACET FILE")),
    _format("SLAC", (".ncdf",)),
    _format("UGRID NetCDF", (".nc",)),
)  # fmt: skip
