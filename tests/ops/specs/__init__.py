"""The OpSpecs of meshop's own ops, a family a file: ordinary inputs and the edge cases."""

from . import cells as _cells
from . import location, neighbors, segments
from ._inputs import boxes, cells, cloud, graded, lattice, ptr

SPECS = neighbors.SPECS | segments.SPECS | _cells.SPECS | location.SPECS

__all__ = ["SPECS", "boxes", "cells", "cloud", "graded", "lattice", "ptr"]
