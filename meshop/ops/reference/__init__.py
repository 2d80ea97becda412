"""Every op of meshop in plain torch: the oracle of the tests, and what runs without the library.

The signatures are those of ``torch.ops.meshop.*``. Clarity and exactness come before speed:
neighbours are found by comparing all pairs, a block at a time, with squared distances summed in the
kernels' own order, so that the two agree to the last bit.
"""

from ._common import rows_of
from .cells import cell_edges
from .location import (
    interpolate,
    interpolate_dot,
    interpolate_transpose,
    locate,
    locate_backward,
)
from .neighbors import dist2_backward, knn, radius
from .segments import segment_reduce, segment_reduce_backward

__all__ = [
    "cell_edges",
    "dist2_backward",
    "interpolate",
    "interpolate_dot",
    "interpolate_transpose",
    "knn",
    "locate",
    "locate_backward",
    "radius",
    "rows_of",
    "segment_reduce",
    "segment_reduce_backward",
]
