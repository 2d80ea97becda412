// Unique edges of mixed cells on the GPU: count, scan, fill, sort, unique.
#include "cells.h"

#include <thrust/device_ptr.h>
#include <thrust/execution_policy.h>
#include <thrust/scan.h>
#include <thrust/sort.h>
#include <thrust/unique.h>

#include <algorithm>

#include "cuda_common.h"

namespace meshop {
namespace {

struct Edge {
  int64_t a, b;
};

struct Less {
  __host__ __device__ bool operator()(const Edge& x, const Edge& y) const {
    return x.a < y.a || (x.a == y.a && x.b < y.b);
  }
};

struct Equal {
  __host__ __device__ bool operator()(const Edge& x, const Edge& y) const {
    return x.a == y.a && x.b == y.b;
  }
};

__global__ void check_nodes_kernel(const int64_t* nodes, int64_t total, int64_t* bad) {
  for (int64_t i = first_item(); i < total; i += item_stride())
    if (nodes[i] < 0) *bad = 1;
}

// counts[m + 1] is the number of edges of cell m that are not collapsed.
__global__ void count_kernel(const uint8_t* types, const int64_t* offsets, const int64_t* nodes,
                             int64_t cells, int64_t* counts, int64_t* bad) {
  for (int64_t m = first_item(); m < cells; m += item_stride()) {
    const int64_t size = offsets[m + 1] - offsets[m];
    const int expected = cell_shape(types[m]).nodes;
    int64_t kept = 0;
    if (expected == -2 || (expected >= 0 && size != expected)) {
      *bad = 1;
    } else {
      for (int64_t j = 0; j < edge_count(types[m], size); ++j) {
        int64_t a, b;
        edge_nodes(types[m], size, j, &a, &b);
        kept += nodes[offsets[m] + a] != nodes[offsets[m] + b];
      }
    }
    counts[m + 1] = kept;
  }
}

__global__ void fill_kernel(const uint8_t* types, const int64_t* offsets, const int64_t* nodes,
                            int64_t cells, const int64_t* start, Edge* edges) {
  for (int64_t m = first_item(); m < cells; m += item_stride()) {
    const int64_t size = offsets[m + 1] - offsets[m];
    Edge* to = edges + start[m];
    for (int64_t j = 0; j < edge_count(types[m], size); ++j) {
      int64_t a, b;
      edge_nodes(types[m], size, j, &a, &b);
      const int64_t x = nodes[offsets[m] + a], y = nodes[offsets[m] + b];
      if (x != y) *to++ = x < y ? Edge{x, y} : Edge{y, x};
    }
  }
}

Tensor cell_edges(Tensor cell_types, Tensor cell_offsets, Tensor cell_nodes) {
  const torch::stable::accelerator::DeviceGuard guard(cell_nodes.get_device_index());
  STD_TORCH_CHECK(cell_types.scalar_type() == ScalarType::Byte && cell_types.dim() == 1,
                  "cell_types must be 1-D uint8");
  check_indices(cell_offsets, "cell_offsets", 1);
  check_indices(cell_nodes, "cell_nodes", 1);
  const int64_t cells = cell_types.numel(), total = cell_nodes.numel();
  STD_TORCH_CHECK(cell_offsets.numel() == cells + 1, "cell_offsets must have cells + 1 entries");
  const Tensor t = torch::stable::contiguous(cell_types);
  const Tensor o = torch::stable::contiguous(cell_offsets);
  const Tensor k = torch::stable::contiguous(cell_nodes);
  check_rowptr_cuda(o, cells, total, "cell_offsets must rise from 0 to the number of cell_nodes");
  if (cells == 0) return empty_of(k, {0, 2}, ScalarType::Long);

  const cudaStream_t stream = current_stream(k);
  const auto policy = thrust::cuda::par.on(stream);
  const uint8_t* types = static_cast<const uint8_t*>(t.const_data_ptr());
  const Flag bad(k, stream);
  Tensor start = torch::stable::new_zeros(k, {cells + 1}, ScalarType::Long);
  check_nodes_kernel<<<blocks_for(total + 1), kThreads, 0, stream>>>(indices(k), total, bad.raised);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  bad.check("cell_nodes must not be negative");
  count_kernel<<<blocks_for(cells), kThreads, 0, stream>>>(types, indices(o), indices(k), cells,
                                                           mutable_indices(start), bad.raised);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  bad.check("a cell has a type without known edges, or not its type's number of nodes");
  thrust::inclusive_scan(policy, mutable_indices(start), mutable_indices(start) + cells + 1,
                         mutable_indices(start));
  const int64_t count = read_back(indices(start) + cells, stream);
  Tensor all = empty_of(k, {count, 2}, ScalarType::Long);
  if (count == 0) return all;
  Edge* edges = static_cast<Edge*>(all.mutable_data_ptr());
  fill_kernel<<<blocks_for(cells), kThreads, 0, stream>>>(types, indices(o), indices(k), cells,
                                                          indices(start), edges);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  thrust::sort(policy, edges, edges + count, Less());
  const int64_t kept = thrust::unique(policy, edges, edges + count, Equal()) - edges;
  // A view would be an alias of a larger buffer; edges are kept for long.
  return torch::stable::clone(torch::stable::narrow(all, 0, 0, kept));
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) { m.impl("cell_edges", TORCH_BOX(&cell_edges)); }

}  // namespace meshop
