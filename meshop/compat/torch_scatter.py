"""The functions of torch_scatter 2.1 on meshop's kernels: deterministic, no compiler needed.

Names, arguments, shapes and the treatment of empty groups are torch_scatter's: `index` may be
1-D along `dim` or broadcast against `src`; `out` is reduced into, in place; without it, `dim_size`
or the largest index gives the size. Every function is differentiable, twice (`scatter_mul`
only where no output has two zeros), in `src` and `out`.
What differs, everywhere:

- Results do not depend on the number of threads, on the GPU neither: rows are sorted by index
  (stable, once a call; not at all where they are sorted already) and summed in order. Single
  numbers on the CPU, integers, and `scatter_mul` (see there) take torch's own scatter.
- Half precision is summed in float32. int32 indices are welcome.
- NaN is the min and max of any group that holds one, and an infinity is an extreme like others;
  torch_scatter skips NaN and gives 0 for a group whose values are all infinite.
- Indices outside the output raise IndexError, and shapes that do not fit ValueError.
- The functions cannot be compiled by TorchScript.
"""

from ._scatter import broadcast as broadcast
from ._scatter import (
    scatter,
    scatter_add,
    scatter_log_softmax,
    scatter_logsumexp,
    scatter_max,
    scatter_mean,
    scatter_min,
    scatter_mul,
    scatter_softmax,
    scatter_std,
    scatter_sum,
)
from ._segments import (
    gather_coo,
    gather_csr,
    segment_add_coo,
    segment_add_csr,
    segment_coo,
    segment_csr,
    segment_max_coo,
    segment_max_csr,
    segment_mean_coo,
    segment_mean_csr,
    segment_min_coo,
    segment_min_csr,
    segment_sum_coo,
    segment_sum_csr,
)

__all__ = [
    "gather_coo",
    "gather_csr",
    "scatter",
    "scatter_add",
    "scatter_log_softmax",
    "scatter_logsumexp",
    "scatter_max",
    "scatter_mean",
    "scatter_min",
    "scatter_mul",
    "scatter_softmax",
    "scatter_std",
    "scatter_sum",
    "segment_add_coo",
    "segment_add_csr",
    "segment_coo",
    "segment_csr",
    "segment_max_coo",
    "segment_max_csr",
    "segment_mean_coo",
    "segment_mean_csr",
    "segment_min_coo",
    "segment_min_csr",
    "segment_sum_coo",
    "segment_sum_csr",
]

__version__ = "2.1.2"  # of the interface
