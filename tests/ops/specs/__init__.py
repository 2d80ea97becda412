"""The OpSpecs of meshop's own ops, a family a file: ordinary inputs and the edge cases."""

from . import (
    aggregation,
    attention,
    gather,
    location,
    motion,
    neighbors,
    sampling,
    segments,
    sparse,
)
from . import cells as _cells
from ._inputs import beside, boxes, cells, cloud, graded, lattice, polyhedra, ptr

# Work of the host, done once a mesh: on a GPU the reference runs.
HOST_SPECS = aggregation.SPECS | sparse.SPECS | motion.SPECS

SPECS = (
    HOST_SPECS
    | neighbors.SPECS
    | segments.SPECS
    | gather.SPECS
    | attention.SPECS
    | _cells.SPECS
    | sampling.SPECS
    | location.SPECS
)

__all__ = [
    "HOST_SPECS",
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
