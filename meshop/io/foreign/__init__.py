"""Formats read through VTK, meshio and gmsh, in a child process with limits on memory and time."""

from __future__ import annotations

from .._format import Format
from . import _gmsh, _meshio, _vtk_formats, xdmf

FORMATS: tuple[Format, ...] = (xdmf.FORMAT, *_vtk_formats.FORMATS, *_meshio.FORMATS, *_gmsh.FORMATS)
