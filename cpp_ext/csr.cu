// The transpose of a CSR on the GPU: a stable radix sort of the entries by column.
#include <cub/device/device_radix_sort.cuh>
#include <tuple>

#include "rows_cuda.h"

namespace meshop {
namespace {

__global__ void count_up_kernel(int64_t count, int64_t* out) {
  for (int64_t i = first_item(); i < count; i += item_stride()) out[i] = i;
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
  const torch::stable::accelerator::DeviceGuard guard(rowptr.get_device_index());
  check_indices(rowptr, "rowptr", 1);
  check_indices(index, "index", 1);
  STD_TORCH_CHECK(rowptr.numel() >= 1, "rowptr must have at least one entry");
  STD_TORCH_CHECK(num_columns >= 0, "num_columns must not be negative");
  const Tensor ptr = torch::stable::contiguous(rowptr), to = torch::stable::contiguous(index);
  const int64_t rows = ptr.numel() - 1, entries = to.numel();
  check_rowptr_cuda(ptr, rows, entries, "rowptr must rise from 0 to the number of entries");
  check_range_cuda(to, num_columns, "index must be in [0, num_columns)");

  const cudaStream_t stream = current_stream(ptr);
  Tensor rowptr_t = empty_of(ptr, {num_columns + 1}, ScalarType::Long);
  Tensor row_t = empty_of(ptr, {entries}, ScalarType::Long);
  Tensor order_t = empty_of(ptr, {entries}, ScalarType::Long);
  Tensor column = empty_of(ptr, {entries}, ScalarType::Long);
  if (entries > 0) {
    int bits = 1;
    while (num_columns >> bits) ++bits;
    Tensor entry = empty_of(ptr, {entries}, ScalarType::Long);
    count_up_kernel<<<blocks_for(entries), kThreads, 0, stream>>>(entries, mutable_indices(entry));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
    size_t bytes = 0;
    STD_CUDA_CHECK(cub::DeviceRadixSort::SortPairs(nullptr, bytes, indices(to),
                                                   mutable_indices(column), indices(entry),
                                                   mutable_indices(order_t), entries, 0, bits,
                                                   stream));
    Tensor scratch = empty_of(ptr, {static_cast<int64_t>(bytes)}, ScalarType::Byte);
    STD_CUDA_CHECK(cub::DeviceRadixSort::SortPairs(scratch.mutable_data_ptr(), bytes, indices(to),
                                                   mutable_indices(column), indices(entry),
                                                   mutable_indices(order_t), entries, 0, bits,
                                                   stream));
    entry_rows_kernel<<<blocks_for(entries), kThreads, 0, stream>>>(
        indices(ptr), rows, indices(order_t), entries, mutable_indices(row_t));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  }
  column_starts_kernel<<<blocks_for(num_columns + 1), kThreads, 0, stream>>>(
      indices(column), entries, num_columns, mutable_indices(rowptr_t));
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  return {rowptr_t, row_t, order_t};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) { m.impl("csr_transpose", TORCH_BOX(&csr_transpose)); }

}  // namespace meshop
