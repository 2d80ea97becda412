// The gradients of weights and distance2 for the queries and for the mesh's points.
#include <tuple>

#include "csr.h"
#include "location_slopes.h"

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
  const Points<T> points{data<T>(in.points), dim};
  const Points<T> queries{data<T>(in.queries), dim};
  const T* to_weights = data<T>(in.grad_weights);
  const T* to_distance2 = data<T>(in.grad_distance2);
  const int64_t* nodes = indices(in.nodes);
  check_range(nodes, rows * width, -1, count, "nodes");

  Tensor grad_queries = empty_of(in.points, {rows, dim}, dtype);
  T* to_queries = mutable_data<T>(grad_queries);
  std::vector<T> shares(with_points ? rows * width * dim : 0);
  T* share = with_points ? shares.data() : nullptr;
  torch::stable::parallel_for(0, rows, 1024, [=](int64_t begin, int64_t end) {
    for (int64_t q = begin; q < end; ++q)
      slopes(points, queries(q), nodes + q * width, width, to_weights + q * width, to_distance2[q],
             to_queries + q * dim, share ? share + q * width * dim : nullptr);
  });
  Tensor grad_points = empty_of(in.points, {with_points ? count : 0, dim}, dtype);
  if (with_points) {
    const Groups groups(nodes, rows * width, count);
    T* to_points = mutable_data<T>(grad_points);
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
