// Unique edges of mixed cells on the GPU: count, scan, fill, sort, keep the first of each.
#include <cub/cub.cuh>

#include "cell_input_cuda.h"

namespace meshop {
namespace {

// counts[m]: the edges of cell m that are not collapsed.
__global__ void count_edges_kernel(Cells cells, int64_t* counts) {
  for (int64_t m = first_item(); m < cells.count; m += item_stride()) {
    int64_t kept = 0;
    for_each_edge(kDeviceTable, cells, m, [&](int64_t x, int64_t y) { kept += x != y; });
    counts[m] = kept;
  }
}

// An edge is one key, smaller node first, where both fit; else two.
__global__ void fill_edges_kernel(Cells cells, const int64_t* start, int bits, uint64_t* low,
                                  uint64_t* high) {
  for (int64_t m = first_item(); m < cells.count; m += item_stride()) {
    int64_t at = start[m];
    for_each_edge(kDeviceTable, cells, m, [&](int64_t x, int64_t y) {
      if (x == y) return;
      const uint64_t a = x < y ? x : y, b = x < y ? y : x;
      if (high) {
        low[at] = a;
        high[at] = b;
      } else {
        low[at] = a << bits | b;
      }
      ++at;
    });
  }
}

__global__ void mark_first_kernel(const uint64_t* low, const uint64_t* high, int64_t count,
                                  int64_t* first) {
  for (int64_t i = first_item(); i <= count; i += item_stride())
    first[i] = i < count && (i == 0 || low[i] != low[i - 1] || (high && high[i] != high[i - 1]));
}

__global__ void write_edges_kernel(const uint64_t* low, const uint64_t* high, int64_t count,
                                   int bits, const int64_t* place, int64_t* out) {
  for (int64_t i = first_item(); i < count; i += item_stride()) {
    const int64_t p = place[i];
    if (place[i + 1] == p) continue;
    out[2 * p] = high ? low[i] : low[i] >> bits;
    out[2 * p + 1] = high ? high[i] : low[i] & ((uint64_t(1) << bits) - 1);
  }
}

uint64_t* keys(const Tensor& t) { return t.numel() ? mutable_data<uint64_t>(t) : nullptr; }

Tensor cell_edges(Tensor types, Tensor offsets, Tensor nodes, std::optional<Tensor> faces,
                  std::optional<Tensor> face_offsets) {
  const OnDevice guard(nodes, types, offsets, faces, face_offsets);
  const DeviceCells in = checked_device_cells(types, offsets, nodes, faces, face_offsets, true);
  const cudaStream_t stream = in.stream;
  const int64_t cells = in.cells.count;
  Tensor counts = torch::stable::new_zeros(nodes, {cells + 1}, ScalarType::Long);
  count_edges_kernel<<<blocks_for(cells + 1), kThreads, 0, stream>>>(in.cells,
                                                                     mutable_indices(counts));
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  int64_t count = 0, kept = 0;
  const Tensor start = running_sum(counts, stream, &count);
  if (count == 0) return empty_of(nodes, {0, 2}, ScalarType::Long);

  const int bits = in.node_bits();
  const bool packed = bits <= 32;
  Tensor low = new_indices(nodes, count), high = new_indices(nodes, packed ? 0 : count);
  Tensor low_sorted = new_indices(nodes, count),
         high_sorted = new_indices(nodes, packed ? 0 : count);
  fill_edges_kernel<<<blocks_for(cells), kThreads, 0, stream>>>(in.cells, indices(start), bits,
                                                                keys(low), keys(high));
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  if (packed) {
    with_storage(nodes, [&](void* storage, size_t& bytes) {
      return cub::DeviceRadixSort::SortKeys(storage, bytes, keys(low), keys(low_sorted), count, 0,
                                            2 * bits, stream);
    });
  } else {  // by the larger node, then, keeping that order, by the smaller one
    with_storage(nodes, [&](void* storage, size_t& bytes) {
      return cub::DeviceRadixSort::SortPairs(storage, bytes, keys(high), keys(high_sorted),
                                             keys(low), keys(low_sorted), count, 0, bits, stream);
    });
    std::swap(low, low_sorted);
    std::swap(high, high_sorted);
    with_storage(nodes, [&](void* storage, size_t& bytes) {
      return cub::DeviceRadixSort::SortPairs(storage, bytes, keys(low), keys(low_sorted),
                                             keys(high), keys(high_sorted), count, 0, bits, stream);
    });
  }
  Tensor first = new_indices(nodes, count + 1);
  mark_first_kernel<<<blocks_for(count + 1), kThreads, 0, stream>>>(
      keys(low_sorted), keys(high_sorted), count, mutable_indices(first));
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  const Tensor place = running_sum(first, stream, &kept);
  Tensor out = empty_of(nodes, {kept, 2}, ScalarType::Long);
  write_edges_kernel<<<blocks_for(count), kThreads, 0, stream>>>(
      keys(low_sorted), keys(high_sorted), count, bits, indices(place), mutable_indices(out));
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) { m.impl("cell_edges", TORCH_BOX(&cell_edges)); }

}  // namespace meshop
