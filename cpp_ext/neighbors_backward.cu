// Slopes 2 g (q - p + offset) of squared distances, summed at both ends of each edge. A row is
// summed front to back by one thread for each axis, and so is a point, over a stable transpose of
// the edges: the sums take the order of a loop over the edges, on every run.
#include <tuple>

#include "csr_cuda.h"
#include "neighbors_input.h"

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
  const SlopeInput in(grad, points, queries, offset, rowptr, index);
  const int64_t rows = in.queries.size(0), size = in.points.size(0), dim = in.points.size(1);
  check_rowptr_cuda(in.rowptr, rows, in.index.numel(), "rowptr");
  check_range_cuda(in.index, 0, size, "index");
  if (in.index.numel() == 0) return {in.to_points, in.to_queries};
  const cudaStream_t stream = current_stream(in.points);
  const Transposed columns = transpose_cuda(in.rowptr, in.index, 0, size);
  auto run = [&](auto zero) {
    using T = decltype(zero);
    const Edges<T> edges{data<T>(in.grad),
                         data<T>(in.points),
                         data<T>(in.queries),
                         data<T>(in.offset),
                         indices(in.rowptr),
                         indices(in.index),
                         rows,
                         size,
                         dim};
    rows_kernel<<<blocks_for(rows * dim), kThreads, 0, stream>>>(edges,
                                                                 mutable_data<T>(in.to_rows));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
    points_kernel<<<blocks_for(size * dim), kThreads, 0, stream>>>(
        edges, indices(columns.rowptr), indices(columns.row), indices(columns.order),
        mutable_data<T>(in.to_points));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  };
  if (in.points.scalar_type() == ScalarType::Float)
    run(float{});
  else
    run(double{});
  return {in.to_points, in.to_queries};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) { m.impl("dist2_backward", TORCH_BOX(&dist2_backward)); }

}  // namespace meshop
