"""Tensors in, tensors out: neighbours, segment reductions, mesh connectivity, location.

Each op is a compiled kernel where the library is built and plain torch (`reference`) elsewhere,
with the same results; ``ops.compiled`` says which. All are known to autograd and ``torch.compile``.
"""

from ._library import MeshopWarning, compiled
from .cells import cell_edges
from .location import Location, interpolate, locate
from .neighbors import Neighbors, RadiusNeighbors, knn, radius
from .reference import rows_of
from .segments import segment_reduce

__all__ = [
    "Location",
    "MeshopWarning",
    "Neighbors",
    "RadiusNeighbors",
    "cell_edges",
    "compiled",
    "interpolate",
    "knn",
    "locate",
    "radius",
    "rows_of",
    "segment_reduce",
]
