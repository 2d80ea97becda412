"""VTU: VTK's XML unstructured grid. A strict reader, and a writer that gives the same mesh back."""

from pathlib import Path

from ._format import Format
from ._vtu_read import read_vtu
from ._vtu_write import write_vtu


def _claims(path: Path, start: bytes) -> bool:
    return b"<VTKFile" in start and b"UnstructuredGrid" in start


FORMAT = Format(
    "VTU", (".vtu",), read_vtu, write_vtu, _claims,
    regions="as field data `meshop_region ...`",
)  # fmt: skip

__all__ = ["FORMAT", "read_vtu", "write_vtu"]
