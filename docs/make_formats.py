"""Writes docs/formats.md from the table of formats: `python docs/make_formats.py`."""

from __future__ import annotations

from pathlib import Path

from meshop.io import FORMATS, Format
from meshop.io.foreign import FORMATS as FOREIGN

TARGET = Path(__file__).with_name("formats.md")

HEAD = """\
# Mesh formats

Made by `python docs/make_formats.py` from `meshop.io.FORMATS`; a test compares the two. The content
of a file decides what it is, and the suffix only where the content does not tell. `meshop convert
IN OUT` goes from any format that is read to any that is written, `meshop info FILE` shows what a
file holds.

What a format cannot hold is told in a warning when it is written; where points or cells themselves
cannot be held, nothing is written and the error names the cell.
"""

TAIL = """\
## What the columns mean

- **read**: "own" readers are meshop's; others belong to VTK and meshio, and run in a child process
  with limits on memory and time, since some files crash or hang them.
- **regions**: what becomes named sets of points, cells or facets (`mesh.regions`), and what these
  are written as.
- **time**: how a file or folder holds several times (`meshop.read_series`, `meshop.write_series`);
  "-" where it holds one mesh.
- **lost when written**: what a written file does not hold. Points and cells, their order and their
  types are kept where neither this column nor a warning says otherwise. What VTK has no type or
  shape for (booleans, half precision, rows of 3 x 3) stands in its formats as bytes, float32 and
  components; field data `meshop_array ...` says what it was, and it comes back as that.

## What is refused, and why

"""


REFUSED = (
    ("images, archives, programs", "they are no meshes; the error says what they are"),
    ("points with NaN or infinite coordinates", "every sum over such a mesh would be NaN"),
    (
        "indices beyond the points, decreasing offsets, counts beyond the file's bytes",
        "memory safety",
    ),
    ("cells of unknown types, or with a wrong number of nodes", "their shape is not known"),
    ("polyhedra without faces", "they are only defined through their faces"),
    (
        "lists (`.pvtu`, `.vtm`, `.pvd`, EnSight, Exodus parts) whose files are not there",
        "the error names the file",
    ),
    (
        "CAD (STEP, IGES, BREP, EGADS)",
        "exact surfaces are no mesh: `meshop mesh FILE` makes one (not of EGADS)",
    ),
    ("Gmsh's `.geo` scripts", "they can run programs: mesh them with gmsh, then give the `.msh`"),
    (
        "binary Tecplot (`.plt`, `.szplt`), libMesh's XDA and XDR, FMS",
        "no maintained library reads them",
    ),
    ("NURBS meshes and discontinuous (periodic) nodes of MFEM", "their cells have no equal in VTK"),
    (
        "VTKHDF and VTK XML of adaptive (AMR) and hyper-tree grids",
        "their cells overlap, or are implicit",
    ),
    (
        "HDF5 with external links, external storage or virtual data sets",
        "they read other files of the machine",
    ),
    (
        "OpenFOAM fields that need `#include`, `#calc` or `#codeStream`",
        "nothing in a case is executed; the field is left out with a warning",
    ),
    ("SU2 cells of Lagrange types", "a line does not say where such a cell ends"),
)


def cell(text: str) -> str:
    """Text for a table: one line, bars escaped."""
    return " ".join(text.split()).replace("|", "\\|") or "-"


def row(format: Format) -> str:
    names = ("a case's folder" if suffix == "/" else f"`{suffix}`" for suffix in format.suffixes)
    suffixes = ", ".join(names) or "by its content"
    entries = (
        format.name,
        suffixes,
        ("child process" if format in FOREIGN else "own") if format.read or format.series else "-",
        "yes" if format.write or format.write_series else "-",
        format.regions,
        format.time,
        format.lost if format.write or format.write_series else "-",
    )
    return f"| {' | '.join(map(cell, entries))} |"


def text() -> str:
    """The whole document."""
    head = "| format | suffixes | read | write | regions | time | lost when written |"
    rows = "\n".join(row(format) for format in sorted(FORMATS, key=lambda f: f.name.lower()))
    refused = "".join(f"| {what} | {why} |\n" for what, why in REFUSED)
    reasons = f"| file | reason |\n|---|---|\n{refused}"
    return f"{HEAD}\n{head}\n|---|---|---|---|---|---|---|\n{rows}\n\n{TAIL}{reasons}"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
    print(f"wrote {TARGET}: {len(FORMATS)} formats")
