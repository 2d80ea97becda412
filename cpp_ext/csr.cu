// The transpose of a CSR on the GPU: a stable radix sort of the entries by column.
#include "csr_cuda.h"

#include <cub/device/device_radix_sort.cuh>
#include <tuple>

namespace meshop {
namespace {

__global__ void range_kernel(const int64_t* index, int64_t count, int64_t low, int64_t high,
                             int64_t* bad) {
  for (int64_t e = first_item(); e < count; e += item_stride())
    if (index[e] < low || index[e] >= high) *bad = 1;
}

__global__ void columns_kernel(const int64_t* index, int64_t count, int64_t low, int64_t* column,
                               int64_t* entry) {
  for (int64_t e = first_item(); e < count; e += item_stride()) {
    column[e] = index[e] - low;
    entry[e] = e;
  }
}

// The first entry whose column is at least c, for each c.
__global__ void column_starts_kernel(const int64_t* column, int64_t entries, int64_t columns,
                                     int64_t* rowptr_t) {
  for (int64_t c = first_item(); c <= columns; c += item_stride()) {
    int64_t low = 0, high = entries;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (column[middle] < c)
        low = middle + 1;
      else
        high = middle;
    }
    rowptr_t[c] = low;
  }
}

__global__ void entry_rows_kernel(const int64_t* rowptr, int64_t rows, const int64_t* order,
                                  int64_t entries, int64_t* row_t) {
  for (int64_t e = first_item(); e < entries; e += item_stride())
    row_t[e] = row_of(rowptr, rows, order[e]);
}

std::tuple<Tensor, Tensor, Tensor> csr_transpose(Tensor rowptr, Tensor index, int64_t num_columns) {
  const OnDevice guard(rowptr, index);
  check_indices(rowptr, "rowptr", 1);
  check_indices(index, "index", 1);
  STD_TORCH_CHECK(rowptr.numel() >= 1, "rowptr must have at least one entry");
  STD_TORCH_CHECK(num_columns >= 0, "num_columns must not be negative");
  const Tensor ptr = torch::stable::contiguous(rowptr), to = torch::stable::contiguous(index);
  check_rowptr_cuda(ptr, ptr.numel() - 1, to.numel(), "rowptr");
  check_range_cuda(to, 0, num_columns, "index");
  const Transposed out = transpose_cuda(ptr, to, 0, num_columns);
  return {out.rowptr, out.row, out.order};
}

}  // namespace

void check_range_cuda(const Tensor& index, int64_t low, int64_t high, const char* name) {
  if (index.numel() == 0) return;
  const cudaStream_t stream = current_stream(index);
  const Flag bad(index, stream);
  range_kernel<<<blocks_for(index.numel()), kThreads, 0, stream>>>(indices(index), index.numel(),
                                                                   low, high, bad.raised);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  STD_TORCH_CHECK(!read_back(bad.raised, stream), name, " must lie in [", low, ", ", high, ")");
}

Transposed transpose_cuda(const std::optional<Tensor>& rowptr, const Tensor& index, int64_t low,
                          int64_t columns) {
  const int64_t entries = index.numel();
  const cudaStream_t stream = current_stream(index);
  Transposed out{new_indices(index, columns + 1), new_indices(index, rowptr ? entries : 0),
                 new_indices(index, entries)};
  const Tensor sorted = new_indices(index, entries);
  if (entries > 0) {
    const Tensor column = new_indices(index, entries), entry = new_indices(index, entries);
    columns_kernel<<<blocks_for(entries), kThreads, 0, stream>>>(
        indices(index), entries, low, mutable_indices(column), mutable_indices(entry));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
    int bits = 1;
    while (columns >> bits) ++bits;
    with_storage(index, [&](void* storage, size_t& bytes) {
      return cub::DeviceRadixSort::SortPairs(storage, bytes, indices(column),
                                             mutable_indices(sorted), indices(entry),
                                             mutable_indices(out.order), entries, 0, bits, stream);
    });
    if (rowptr) {
      entry_rows_kernel<<<blocks_for(entries), kThreads, 0, stream>>>(
          indices(*rowptr), rowptr->numel() - 1, indices(out.order), entries,
          mutable_indices(out.row));
      STD_CUDA_KERNEL_LAUNCH_CHECK();
    }
  }
  column_starts_kernel<<<blocks_for(columns + 1), kThreads, 0, stream>>>(
      indices(sorted), entries, columns, mutable_indices(out.rowptr));
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) { m.impl("csr_transpose", TORCH_BOX(&csr_transpose)); }

}  // namespace meshop
