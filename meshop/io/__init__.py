"""Mesh files: one strict reader and writer a format, one error for whatever is wrong."""

from ._convert import Conversion, convert
from ._dispatch import check_target, format_of, read, read_series, suffix_of, write, write_series
from ._files import atomic_write
from ._format import Format, Series
from ._formats import FORMATS
from .cad import fill_surface, is_cad, mesh_cad
from .openfoam import find_case, write_fields

__all__ = [
    "FORMATS",
    "Conversion",
    "Format",
    "Series",
    "atomic_write",
    "check_target",
    "convert",
    "fill_surface",
    "find_case",
    "format_of",
    "is_cad",
    "mesh_cad",
    "read",
    "read_series",
    "suffix_of",
    "write",
    "write_fields",
    "write_series",
]
