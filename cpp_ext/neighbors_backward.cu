// Slopes 2 g (q - p + offset) of squared distances, summed at both ends of each edge. A row is summed
// front to back by one thread for each axis, and so is a point, over a stable transpose of the edges:
// the sums take the order of a loop over the edges, on every run.
#include <cub/device/device_radix_sort.cuh>

#include <algorithm>
#include <limits>
#include <tuple>

#include "cuda_common.h"

namespace meshop {
namespace {

template <typename T>
struct Edges {
  const T *grad, *points, *queries;
  const T* offset;  // (E, dim) or null
  const int64_t *rowptr, *index;
  int64_t rows, size, dim, count;

  __device__ T slope(int64_t row, int64_t e, int64_t d) const {
    const T gap = queries[row * dim + d] - points[index[e] * dim + d];
    return 2 * grad[e] * (offset ? gap + offset[e * dim + d] : gap);
  }
};

template <typename T>
__global__ void rows_kernel(Edges<T> edges, T* to_queries) {
  for (int64_t i = first_item(); i < edges.rows * edges.dim; i += item_stride()) {
    const int64_t row = i / edges.dim, d = i % edges.dim;
    T sum = 0;
    for (int64_t e = edges.rowptr[row]; e < edges.rowptr[row + 1]; ++e)
      sum += edges.slope(row, e, d);
    to_queries[i] = sum;
  }
}

__global__ void range_kernel(const int64_t* index, int64_t count, int64_t size, int64_t* bad) {
  for (int64_t e = first_item(); e < count; e += item_stride())
    if (index[e] < 0 || index[e] >= size) *bad = 1;
}

template <typename I>
__global__ void list_kernel(const int64_t* rowptr, const int64_t* index, int64_t rows, I* row_of,
                            I* keys, I* numbers) {
  for (int64_t row = first_item(); row < rows; row += item_stride())
    for (int64_t e = rowptr[row]; e < rowptr[row + 1]; ++e) {
      row_of[e] = static_cast<I>(row);
      keys[e] = static_cast<I>(index[e]);
      numbers[e] = static_cast<I>(e);
    }
}

// keys: the points in ascending order; numbers: their edges, ascending for each point.
template <typename T, typename I>
__global__ void points_kernel(Edges<T> edges, const I* keys, const I* numbers, const I* row_of,
                              T* to_points) {
  for (int64_t i = first_item(); i < edges.size * edges.dim; i += item_stride()) {
    const int64_t j = i / edges.dim, d = i % edges.dim;
    int64_t low = 0, high = edges.count;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (static_cast<int64_t>(keys[middle]) < j) low = middle + 1; else high = middle;
    }
    T sum = to_points[i];
    for (; low < edges.count && static_cast<int64_t>(keys[low]) == j; ++low) {
      const int64_t e = static_cast<int64_t>(numbers[low]);
      sum -= edges.slope(static_cast<int64_t>(row_of[e]), e, d);
    }
    to_points[i] = sum;
  }
}

// I holds every point's and every edge's number.
template <typename T, typename I>
void add_points(const Tensor& like, const Edges<T>& edges, T* to_points) {
  const cudaStream_t stream = current_stream(like);
  constexpr auto kDtype = sizeof(I) == 4 ? ScalarType::Int : ScalarType::Long;
  Tensor parts[5];
  I* part[5];  // the row of each edge; keys and numbers, twice each
  for (int i = 0; i < 5; ++i) {
    parts[i] = empty_of(like, {edges.count}, kDtype);
    part[i] = static_cast<I*>(parts[i].mutable_data_ptr());
  }
  list_kernel<<<blocks_for(edges.rows), kThreads, 0, stream>>>(edges.rowptr, edges.index,
                                                               edges.rows, part[0], part[1], part[3]);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  cub::DoubleBuffer<I> keys(part[1], part[2]), numbers(part[3], part[4]);
  int bits = 1;
  while (bits < 63 && (int64_t(1) << bits) < edges.size) ++bits;
  auto sort = [&](void* storage, size_t& bytes) {
    return cub::DeviceRadixSort::SortPairs(storage, bytes, keys, numbers, edges.count, 0, bits,
                                           stream);
  };
  size_t bytes = 0;
  STD_CUDA_CHECK(sort(nullptr, bytes));
  const Tensor storage =
      empty_of(like, {std::max<int64_t>(1, static_cast<int64_t>(bytes))}, ScalarType::Byte);
  STD_CUDA_CHECK(sort(storage.mutable_data_ptr(), bytes));
  points_kernel<<<blocks_for(edges.size * edges.dim), kThreads, 0, stream>>>(
      edges, keys.Current(), numbers.Current(), part[0], to_points);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
}

std::tuple<Tensor, Tensor> dist2_backward(Tensor grad, Tensor points,
                                          std::optional<Tensor> queries,
                                          std::optional<Tensor> offset, Tensor rowptr,
                                          Tensor index) {
  const torch::stable::accelerator::DeviceGuard guard(points.get_device_index());
  const Tensor p = torch::stable::contiguous(points);
  const Tensor q = queries ? torch::stable::contiguous(*queries) : p;
  const Tensor g = torch::stable::contiguous(grad);
  STD_TORCH_CHECK(p.dim() == 2 && q.dim() == 2 && p.size(1) == q.size(1),
                  "points and queries must have shapes (N, D) and (Q, D)");
  STD_TORCH_CHECK(g.scalar_type() == p.scalar_type() && q.scalar_type() == p.scalar_type(),
                  "grad, points and queries must share a dtype");
  check_indices(rowptr, "rowptr", 1);
  check_indices(index, "index", 1);
  STD_TORCH_CHECK(rowptr.numel() == q.size(0) + 1, "rowptr must have one entry more than queries");
  STD_TORCH_CHECK(g.dim() == 1 && g.numel() == index.numel(), "grad must have one value per edge");
  STD_TORCH_CHECK(!offset || (offset->scalar_type() == p.scalar_type() &&
                              offset->numel() == index.numel() * p.size(1)),
                  "offset must hold one vector per edge, of the points' dtype");
  const Tensor rows = torch::stable::contiguous(rowptr);
  const Tensor cols = torch::stable::contiguous(index);
  const int64_t count = cols.numel();
  check_rowptr_cuda(rows, q.size(0), count, "rowptr must rise from 0 to the number of edges");
  Tensor to_points = torch::stable::new_zeros(p, {p.size(0), p.size(1)}, p.scalar_type());
  // Without queries the points are both ends of every edge: one buffer takes both gradients.
  Tensor to_queries =
      torch::stable::new_zeros(p, {queries ? q.size(0) : 0, p.size(1)}, p.scalar_type());
  if (count == 0) return {to_points, to_queries};
  const cudaStream_t stream = current_stream(p);
  const Flag bad(p, stream);
  range_kernel<<<blocks_for(count), kThreads, 0, stream>>>(indices(cols), count, p.size(0),
                                                           bad.raised);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  bad.check("index must lie in the range of points");

  auto run = [&](auto zero) {
    using T = decltype(zero);
    const Tensor shift = offset ? torch::stable::contiguous(*offset) : p;
    const Edges<T> edges{static_cast<const T*>(g.const_data_ptr()),
                         static_cast<const T*>(p.const_data_ptr()),
                         static_cast<const T*>(q.const_data_ptr()),
                         offset ? static_cast<const T*>(shift.const_data_ptr()) : nullptr,
                         indices(rows),
                         indices(cols),
                         q.size(0),
                         p.size(0),
                         p.size(1),
                         count};
    T* const from_points = static_cast<T*>(to_points.mutable_data_ptr());
    T* const from_rows = queries ? static_cast<T*>(to_queries.mutable_data_ptr()) : from_points;
    rows_kernel<<<blocks_for(edges.rows * edges.dim), kThreads, 0, stream>>>(edges, from_rows);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
    if (std::max({count, edges.size, edges.rows}) <= std::numeric_limits<int32_t>::max())
      add_points<T, int32_t>(p, edges, from_points);
    else
      add_points<T, int64_t>(p, edges, from_points);
  };
  if (p.scalar_type() == ScalarType::Float) {
    run(float{});
  } else {
    STD_TORCH_CHECK(p.scalar_type() == ScalarType::Double, "points must be float32 or float64");
    run(double{});
  }
  return {to_points, to_queries};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) {
  m.impl("dist2_backward", TORCH_BOX(&dist2_backward));
}

}  // namespace meshop
