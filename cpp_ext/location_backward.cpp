// The gradients of weights and distance2 for the queries and for the mesh's points.
#include <tuple>

#include "location_slopes.h"
#include "transpose.h"

namespace meshop {
namespace {

struct Inputs {
  Tensor grad_weights, grad_distance2, points, queries, nodes;
};

template <typename T>
std::tuple<Tensor, Tensor> backward(const Inputs& in, bool with_points) {
  const int64_t rows = in.queries.size(0), width = in.nodes.size(1), dim = in.points.size(1);
  const int64_t count = in.points.size(0);
  const auto dtype = in.points.scalar_type();
  const Points<T> points{static_cast<const T*>(in.points.const_data_ptr()), dim};
  const Points<T> queries{static_cast<const T*>(in.queries.const_data_ptr()), dim};
  const T* to_weights = static_cast<const T*>(in.grad_weights.const_data_ptr());
  const T* to_distance2 = static_cast<const T*>(in.grad_distance2.const_data_ptr());
  const int64_t* nodes = indices(in.nodes);
  check_carriers(nodes, rows * width, count, "nodes");

  Tensor grad_queries = empty_of(in.points, {rows, dim}, dtype);
  T* to_queries = static_cast<T*>(grad_queries.mutable_data_ptr());
  std::vector<T> shares(with_points ? rows * width * dim : 0);
  T* share = with_points ? shares.data() : nullptr;
  torch::stable::parallel_for(0, rows, 1024, [=](int64_t begin, int64_t end) {
    for (int64_t q = begin; q < end; ++q)
      slopes(points, queries(q), nodes + q * width, width, to_weights + q * width, to_distance2[q],
             to_queries + q * dim, share ? share + q * width * dim : nullptr);
  });
  Tensor grad_points = empty_of(in.points, {with_points ? count : 0, dim}, dtype);
  if (with_points) {
    const Grouped groups = group_entries(nodes, rows * width, count, "nodes");
    T* to_points = static_cast<T*>(grad_points.mutable_data_ptr());
    torch::stable::parallel_for(0, count, 1024, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n)
        for (int64_t d = 0; d < dim; ++d) {
          T sum = 0;
          for (int64_t i = groups.start[n]; i < groups.start[n + 1]; ++i)
            sum += shares[groups.entry[i] * dim + d];
          to_points[n * dim + d] = sum;
        }
    });
  }
  return {grad_points, grad_queries};
}

std::tuple<Tensor, Tensor> locate_backward(Tensor grad_weights, Tensor grad_distance2,
                                           Tensor points, Tensor queries, Tensor nodes,
                                           bool with_points) {
  check_slopes(grad_weights, grad_distance2, points, queries, nodes);
  const Inputs in{torch::stable::contiguous(grad_weights),
                  torch::stable::contiguous(grad_distance2), torch::stable::contiguous(points),
                  torch::stable::contiguous(queries), torch::stable::contiguous(nodes)};
  if (points.scalar_type() == ScalarType::Float) return backward<float>(in, with_points);
  return backward<double>(in, with_points);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("locate_backward", TORCH_BOX(&locate_backward));
}

}  // namespace meshop
