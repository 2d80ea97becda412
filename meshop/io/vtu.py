"""VTU: VTK's XML unstructured grid. A strict reader, and a writer that gives the same mesh back."""

from ._vtu_read import read_vtu
from ._vtu_write import write_vtu

__all__ = ["read_vtu", "write_vtu"]
