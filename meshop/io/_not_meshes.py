"""Files that lie beside meshes and are none: what they are, for a clear error."""

from __future__ import annotations

NOT_MESHES_HINT = "give the mesh file that it belongs to, or save it as VTU"
_BY_SUFFIX = {
    ".bxt": "a Bezier extraction of splines",
    ".csm": "a script of OpenCSM",
    ".egads": "CAD geometry of EGADS",
    ".fms": "a mesh in MFEM's FMS format, which is not read here",
    ".frm": "a table of LS-DYNA",
    ".m": "a MATLAB script",
    ".mapbc": "FUN3D's list of boundary conditions",
    ".mat": "a MATLAB data file",
    ".nmf": "a neutral map file of boundary conditions",
    ".sol": "a solution or metric of Medit",
    ".solb": "a solution or metric of Medit",
    ".plt": "binary Tecplot data, which is not read here",
    ".szplt": "binary Tecplot data, which is not read here",
    ".xda": "a mesh in libMesh's own format, which is not read here",
    ".xdr": "a mesh in libMesh's own format, which is not read here",
    ".json": "a JSON file",
    ".yaml": "a YAML file",
    ".yml": "a YAML file",
    ".md": "a text",
}
_BY_START = (
    (b"libMesh-", _BY_SUFFIX[".xda"]),
    (b"#!TDV", _BY_SUFFIX[".plt"]),
    (b"MATLAB 5.0 MAT-file", _BY_SUFFIX[".mat"]),
)


def not_a_mesh(suffix: str, start: bytes) -> str:
    """What a file is whose suffix no format has; empty where that is not known."""
    for magic, what in _BY_START:
        if start.startswith(magic):
            return what
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    return "numbers without a header that says what they are" if b"\0" in start else ""
