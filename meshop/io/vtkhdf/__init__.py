"""VTKHDF (.vtkhdf): VTK's HDF5 format, with all steps of a series in one file."""

from .._format import Format
from .._hdf5 import MAGIC
from ._read import read_vtkhdf, series_vtkhdf
from ._write import write_vtkhdf, write_vtkhdf_series

FORMAT = Format(
    "VTKHDF",
    (".vtkhdf", ".hdf"),  # ParaView before 5.12 knows the second only
    read_vtkhdf,
    write_vtkhdf,
    claims=lambda path, start: start.startswith(MAGIC) and b"VTKHDF" in start,
    series=series_vtkhdf,
    write_series=write_vtkhdf_series,
    selects=True,
    regions="blocks; as field data `meshop_region ...`",
    time="steps in one file, what does not change is stored once",
    lost="text on points and cells",
)

__all__ = ["FORMAT", "read_vtkhdf", "series_vtkhdf", "write_vtkhdf", "write_vtkhdf_series"]
