"""Which reader each kind of VTK XML file has; any of them may stand in a list of pieces."""

from __future__ import annotations

from ._grids import image_data, rectilinear_grid, structured_grid
from ._lists import multi_block, parallel_cells, parallel_grid
from ._open import Build
from ._vtp_read import poly_data
from ._vtu_read import unstructured_grid

SINGLE: dict[str, Build] = {
    "UnstructuredGrid": unstructured_grid,
    "PolyData": poly_data,
    "StructuredGrid": structured_grid,
    "RectilinearGrid": rectilinear_grid,
    "ImageData": image_data,
}
PARALLEL: dict[str, Build] = {
    "PUnstructuredGrid": parallel_cells,
    "PPolyData": parallel_cells,
    "PStructuredGrid": parallel_grid,
    "PRectilinearGrid": parallel_grid,
    "PImageData": parallel_grid,
}
BLOCKS: dict[str, Build] = {
    "vtkMultiBlockDataSet": multi_block,
    "vtkPartitionedDataSet": multi_block,
    "vtkPartitionedDataSetCollection": multi_block,
}
KINDS = {**SINGLE, **PARALLEL, **BLOCKS}
