"""Tensors in, tensors out: neighbours, segments, attention, cells, sampling, location, and more.

Each op is a compiled kernel where the library is built and plain torch (`reference`) elsewhere,
with the same results; ``ops.compiled`` says which. All are known to autograd and ``torch.compile``.
"""

from ._library import MeshopWarning, compiled
from .aggregation import Aggregates, aggregate, front_depth
from .attention import edge_attention
from .cells import CellFacets, cell_edges, cell_facets
from .gather import CsrTranspose, csr_transpose, gather_reduce
from .location import Location, interpolate, locate
from .motion import NodeLeast, node_least, simplex_sign, simplex_width, step_limit
from .neighbors import Neighbors, RadiusNeighbors, knn, radius
from .reference import rows_of
from .sampling import FarthestPoints, Voxels, farthest_points, voxel_downsample
from .segments import segment_reduce, segment_softmax
from .sparse import Csr, csr_matmul

__all__ = [
    "Aggregates",
    "CellFacets",
    "Csr",
    "CsrTranspose",
    "FarthestPoints",
    "Location",
    "MeshopWarning",
    "Neighbors",
    "NodeLeast",
    "RadiusNeighbors",
    "Voxels",
    "aggregate",
    "cell_edges",
    "cell_facets",
    "compiled",
    "csr_matmul",
    "csr_transpose",
    "edge_attention",
    "farthest_points",
    "front_depth",
    "gather_reduce",
    "interpolate",
    "knn",
    "locate",
    "node_least",
    "radius",
    "rows_of",
    "segment_reduce",
    "segment_softmax",
    "simplex_sign",
    "simplex_width",
    "step_limit",
    "voxel_downsample",
]
