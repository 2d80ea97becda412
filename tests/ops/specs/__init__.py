"""The OpSpecs of meshop's own ops, a family a file: ordinary inputs and the edge cases."""

from . import attention, neighbors, segments
from . import cells as _cells
from . import neighbors, sampling, segments
from ._inputs import beside, boxes, cells, cloud, graded, lattice, polyhedra, ptr

SPECS = neighbors.SPECS | segments.SPECS | _cells.SPECS | sampling.SPECS
from . import gather, neighbors, segments
from ._inputs import boxes, cells, cloud, graded, lattice, ptr

SPECS = neighbors.SPECS | segments.SPECS | gather.SPECS | _cells.SPECS
from ._inputs import boxes, cells, cloud, graded, lattice, ptr
from . import location, neighbors, segments
from ._inputs import boxes, cells, cloud, graded, lattice, ptr

SPECS = neighbors.SPECS | segments.SPECS | _cells.SPECS | location.SPECS

SPECS = neighbors.SPECS | segments.SPECS | _cells.SPECS | attention.SPECS

__all__ = [
    "SPECS",
    "beside",
    "boxes",
    "cells",
    "cloud",
    "graded",
    "lattice",
    "polyhedra",
    "ptr",
]
