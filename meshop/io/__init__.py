"""Mesh files: one strict reader and writer a format, one error for whatever is wrong."""

from ._dispatch import read, read_series, write, write_series
from ._files import atomic_write
from ._fill import fill_surface
from ._format import Format, Series
from ._formats import FORMATS
from .cad import is_cad, mesh_cad

__all__ = [
    "FORMATS",
    "Format",
    "Series",
    "atomic_write",
    "fill_surface",
    "is_cad",
    "mesh_cad",
    "read",
    "read_series",
    "write",
    "write_series",
]
