"""MED, the format of Salome and Code_Aster: HDF5 with meshes, groups, and fields at several times.

Source: MED-fichier 4 manual and its C headers. In the local order of its nodes a cell is the mirror
image of VTK's.
"""

from .._format import Format
from .._hdf5 import MAGIC
from ._read import read_med, series_med
from ._write import write_med

FORMAT = Format(
    "MED", (".med", ".rmed", ".mmed"), read_med, write_med,
    claims=lambda path, start: start.startswith(MAGIC) and b"ENS_MAA" in start,
    series=series_med, regions="groups of cells and nodes", time="yes",
    lost="order of cells: type by type; facet regions",
)  # fmt: skip
