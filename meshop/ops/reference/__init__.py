"""Every op of meshop in plain torch: the oracle of the tests, and what runs without the library.

The signatures are those of ``torch.ops.meshop.*``. Clarity and exactness come before speed:
neighbours are found by comparing all pairs, a block at a time, with squared distances summed in the
kernels' own order, so that the two agree to the last bit.
"""

from ._common import rows_of
from .aggregation import aggregate, front_depth
from .attention import edge_attention, edge_attention_backward
from .cells import cell_edges, cell_facets
from .gather import csr_transpose, gather_dot, gather_reduce
from .location import interpolate, interpolate_dot, interpolate_transpose, locate, locate_backward
from .motion import node_least, simplex_sign, simplex_width, step_limit
from .neighbors import dist2_backward, knn, radius
from .sampling import farthest_points, voxel_groups, voxel_mean, voxel_mean_backward
from .segments import (
    segment_logsumexp_backward,
    segment_reduce,
    segment_reduce_backward,
    segment_softmax,
    segment_softmax_backward,
)
from .sparse import chebyshev, csr_apply, csr_diagonal, csr_matmul

__all__ = [
    "aggregate",
    "cell_edges",
    "cell_facets",
    "chebyshev",
    "csr_apply",
    "csr_diagonal",
    "csr_matmul",
    "csr_transpose",
    "dist2_backward",
    "edge_attention",
    "edge_attention_backward",
    "farthest_points",
    "front_depth",
    "gather_dot",
    "gather_reduce",
    "interpolate",
    "interpolate_dot",
    "interpolate_transpose",
    "knn",
    "locate",
    "locate_backward",
    "node_least",
    "radius",
    "rows_of",
    "segment_logsumexp_backward",
    "segment_reduce",
    "segment_reduce_backward",
    "segment_softmax",
    "segment_softmax_backward",
    "simplex_sign",
    "simplex_width",
    "step_limit",
    "voxel_groups",
    "voxel_mean",
    "voxel_mean_backward",
]
