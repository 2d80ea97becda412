// Compressed rows on the GPU: checked, and turned around.
#pragma once

#include "cuda_common.h"

namespace meshop {

// The row of a CSR, or the piece, that entry e belongs to: the last that begins at or before it.
__device__ inline int64_t row_of(const int64_t* ptr, int64_t rows, int64_t e) {
  int64_t low = 0, high = rows;
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    if (ptr[middle] <= e)
      low = middle;
    else
      high = middle;
  }
  return low;
}

// Raises unless low <= index < high everywhere.
void check_range_cuda(const Tensor& index, int64_t low, int64_t high, const char* name);

// Columns begin at rowptr (columns + 1,) among the entries, which are named by their number
// (`order`) in rising order in each column; `row` is the row of each.
struct Transposed {
  Tensor rowptr, row, order;
};

// The CSR (rowptr, index) turned around, with columns counted from `low`; without a rowptr there
// are no rows. Indices must have been checked.
Transposed transpose_cuda(const std::optional<Tensor>& rowptr, const Tensor& index, int64_t low,
                          int64_t columns);

}  // namespace meshop
