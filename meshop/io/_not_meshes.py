"""Files that lie beside meshes and are none, or none that is read here: what to say of them."""

from __future__ import annotations

_BESIDE = "give the mesh file that it belongs to"
_AS_VTU = "open it in the program that wrote it and save it as VTU"
_TECPLOT = ("this is a binary file of Tecplot", "save it as text (.dat), or as CGNS or VTU")
_LIBMESH = ("this is a mesh in libMesh's own format", "save it as Exodus (.e) in libMesh")
_ENSIGHT = ("this is one of the files of an EnSight case", "give its .case file")
_MATLAB = ("this is a MATLAB data file", "save points and cells as VTU, or as .npy")
_MEDIT = ("this is a solution or metric of Medit", "give the .mesh or .meshb beside it")

# By suffix: what it is, and what to try.
_SUFFIXES = {
    ".bxt": ("this is a Bezier extraction of splines", _AS_VTU),
    ".csm": ("this is a script of OpenCSM, not a mesh", "mesh it first"),
    ".egads": ("this is CAD geometry of EGADS, not a mesh", "mesh it first, or save it as STEP"),
    ".fms": ("this is a mesh in MFEM's FMS format", "save it in MFEM as .mesh or VTU"),
    ".geo": (
        "this is a script of Gmsh, or the geometry of an EnSight case",
        "gmsh -3 FILE.geo -o FILE.msh, or give the .case file",
    ),
    ".json": ("this is a JSON file, not a mesh", _BESIDE),
    ".m": ("this is a MATLAB script, not a mesh", _BESIDE),
    ".mapbc": ("this is FUN3D's list of boundary conditions, not a mesh", _BESIDE),
    ".mat": _MATLAB,
    ".md": ("this is a text, not a mesh", _BESIDE),
    ".nmf": ("this is a neutral map file of boundary conditions, not a mesh", _BESIDE),
    ".plt": _TECPLOT,
    ".sol": _MEDIT,
    ".solb": _MEDIT,
    ".szplt": _TECPLOT,
    ".xda": _LIBMESH,
    ".xdr": _LIBMESH,
    ".yaml": ("this is a YAML file, not a mesh", _BESIDE),
    ".yml": ("this is a YAML file, not a mesh", _BESIDE),
}
_STARTS = (
    (b"libMesh-", _LIBMESH),
    (b"#!TDV", _TECPLOT),
    (b"MATLAB 5.0 MAT-file", _MATLAB),
    (b"C Binary", _ENSIGHT),
    (b"Fortran Binary", _ENSIGHT),
    (
        b"\x89HDF\r\n\x1a\n",
        ("this is an HDF5 file of no known kind", "give its .xdmf, if it has one"),
    ),
    (b"\x1f\x8b", ("this is a gzip archive", "gunzip -k FILE, then the file that comes out")),
)


def not_a_mesh(suffix: str, start: bytes) -> tuple[str, str] | None:
    """(what a file is whose suffix no format has, what to try), or None where that is not known."""
    if b"FoamFile" in start:
        return "this is one of the files of an OpenFOAM case", "give the folder of the case"
    for magic, what in _STARTS:
        if start.startswith(magic):
            return what
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if b"\0" in start:
        return "these are numbers without a header that says what they are", _AS_VTU
    return None
