"""Tensors in, tensors out: neighbours, sampling, segment reductions and mesh connectivity.
"""Tensors in, tensors out: neighbours, segment reductions, mesh connectivity, location.

Each op is a compiled kernel where the library is built and plain torch (`reference`) elsewhere,
with the same results; ``ops.compiled`` says which. All are known to autograd and ``torch.compile``.
"""

from ._library import MeshopWarning, compiled
from .cells import CellFacets, cell_edges, cell_facets
from .attention import edge_attention
from .cells import cell_edges
from .location import Location, interpolate, locate
from .neighbors import Neighbors, RadiusNeighbors, knn, radius
from .reference import rows_of
from .sampling import FarthestPoints, Voxels, farthest_points, voxel_downsample
from .segments import segment_reduce

__all__ = [
    "CellFacets",
    "FarthestPoints",
from .cells import cell_edges
from .gather import CsrTranspose, csr_transpose, gather_reduce
from .neighbors import Neighbors, RadiusNeighbors, knn, radius
from .reference import rows_of
from .segments import segment_reduce, segment_softmax

__all__ = [
    "CsrTranspose",
    "Location",
    "MeshopWarning",
    "Neighbors",
    "RadiusNeighbors",
    "Voxels",
    "cell_edges",
    "cell_facets",
    "compiled",
    "farthest_points",
    "csr_transpose",
    "gather_reduce",
    "edge_attention",
    "interpolate",
    "knn",
    "locate",
    "radius",
    "rows_of",
    "segment_reduce",
    "voxel_downsample",
    "segment_softmax",
]
