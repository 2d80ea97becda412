"""The OpSpecs of meshop's own ops, a family a file: ordinary inputs and the edge cases."""

from . import attention, gather, location, neighbors, sampling, segments
from . import cells as _cells
from ._inputs import beside, boxes, cells, cloud, graded, lattice, polyhedra, ptr

SPECS = (
    neighbors.SPECS
    | segments.SPECS
    | gather.SPECS
    | attention.SPECS
    | _cells.SPECS
    | sampling.SPECS
    | location.SPECS
)

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
