// Slopes 2 g (q - p + offset) of squared distances, summed at both ends of each edge. A row is
// summed front to back by one thread for each axis, and so is a point, over a stable transpose of
// the edges: the sums take the order of a loop over the edges, on every run.
#include <tuple>

#include "csr_cuda.h"

namespace meshop {
namespace {

template <typename T>
struct Edges {
  const T *grad, *points, *queries;
  const T* offset;  // (E, dim) or null
  const int64_t *rowptr, *index;
  int64_t rows, size, dim;

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

template <typename T>
__global__ void points_kernel(Edges<T> edges, const int64_t* start, const int64_t* row,
                              const int64_t* edge, T* to_points) {
  for (int64_t i = first_item(); i < edges.size * edges.dim; i += item_stride()) {
    const int64_t j = i / edges.dim, d = i % edges.dim;
    T sum = to_points[i];
    for (int64_t at = start[j]; at < start[j + 1]; ++at) sum -= edges.slope(row[at], edge[at], d);
    to_points[i] = sum;
  }
}

std::tuple<Tensor, Tensor> dist2_backward(Tensor grad, Tensor points, std::optional<Tensor> queries,
                                          std::optional<Tensor> offset, Tensor rowptr,
                                          Tensor index) {
  const OnDevice guard(points, grad, queries, offset, rowptr, index);
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
  check_rowptr_cuda(rows, q.size(0), count, "rowptr");
  Tensor to_points = torch::stable::new_zeros(p, {p.size(0), p.size(1)}, p.scalar_type());
  // Without queries the points are both ends of every edge: one buffer takes both gradients.
  Tensor to_queries =
      torch::stable::new_zeros(p, {queries ? q.size(0) : 0, p.size(1)}, p.scalar_type());
  if (count == 0) return {to_points, to_queries};
  check_range_cuda(cols, 0, p.size(0), "index");
  const cudaStream_t stream = current_stream(p);
  const Transposed columns = transpose_cuda(rows, cols, 0, p.size(0));
  auto run = [&](auto zero) {
    using T = decltype(zero);
    const Tensor shift = offset ? torch::stable::contiguous(*offset) : p;
    const Edges<T> edges{
        data<T>(g),    data<T>(p),    data<T>(q), offset ? data<T>(shift) : nullptr,
        indices(rows), indices(cols), q.size(0),  p.size(0),
        p.size(1)};
    T* const from_points = mutable_data<T>(to_points);
    T* const from_rows = queries ? mutable_data<T>(to_queries) : from_points;
    rows_kernel<<<blocks_for(edges.rows * edges.dim), kThreads, 0, stream>>>(edges, from_rows);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
    points_kernel<<<blocks_for(edges.size * edges.dim), kThreads, 0, stream>>>(
        edges, indices(columns.rowptr), indices(columns.row), indices(columns.order), from_points);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
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

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) { m.impl("dist2_backward", TORCH_BOX(&dist2_backward)); }

}  // namespace meshop
