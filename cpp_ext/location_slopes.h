// The derivative of weights and squared distance. Shared by CPU and CUDA.
//
// With the carrying vertices v_0..v_k, duals d_i, residual r and c_i = g_i - g_0 (g: the gradient
// of the weights, h: that of distance2), the optimality condition (v_i - v_0) . r = 0 gives
//   to the query   u = sum_i c_i d_i + 2 h r
//   to vertex j    s_j r - w_j u,  s_i = d_i . sum_l c_l d_l,  s_0 = -sum_i s_i.
#pragma once

#include "common.h"
#include "location_geometry.h"

namespace meshop {

// The number of vertices that carry a query: entries before the first -1.
MESHOP_HD inline int carriers(const int64_t* nodes, int64_t width) {
  int count = 0;
  while (count < width && nodes[count] >= 0) ++count;
  return count;
}

// to_vertices may be null; else it takes (width, dim) values. All in double until the end.
template <typename T>
MESHOP_HD void slopes(const Points<T>& points, const Vec& q, const int64_t* nodes, int64_t width,
                      const T* grad_weights, T grad_distance2, T* to_query, T* to_vertices) {
  const int64_t dim = points.dim;
  for (int64_t d = 0; d < dim; ++d) to_query[d] = 0;
  for (int64_t i = 0; to_vertices && i < width * dim; ++i) to_vertices[i] = 0;
  const int count = carriers(nodes, width);
  if (count == 0) return;
  Vec v[4];
  for (int i = 0; i < count; ++i) v[i] = points(nodes[i]);
  const Frame frame(v, count - 1);
  if (!frame.valid) return;
  double w[4], s[4] = {0, 0, 0, 0};
  Vec r = frame.coordinates(q, w);
  r = frame.refine(r, w);
  if (frame.k >= dim) r = {0, 0, 0};
  Vec t = {0, 0, 0};
  for (int i = 1; i < count; ++i) {
    const double c = static_cast<double>(grad_weights[i]) - static_cast<double>(grad_weights[0]);
    t = t + c * frame.dual[i - 1];
  }
  for (int i = 1; i < count; ++i) {
    s[i] = dot(frame.dual[i - 1], t);
    s[0] -= s[i];
  }
  const Vec u = t + (2 * static_cast<double>(grad_distance2)) * r;
  const double to[3] = {u.x, u.y, u.z};
  for (int64_t d = 0; d < dim; ++d) to_query[d] = static_cast<T>(to[d]);
  for (int i = 0; to_vertices && i < count; ++i) {
    const Vec g = s[i] * r - w[i] * u;
    const double give[3] = {g.x, g.y, g.z};
    for (int64_t d = 0; d < dim; ++d) to_vertices[i * dim + d] = static_cast<T>(give[d]);
  }
}

inline void check_slopes(const Tensor& grad_weights, const Tensor& grad_distance2,
                         const Tensor& points, const Tensor& queries, const Tensor& nodes) {
  const auto dtype = points.scalar_type();
  STD_TORCH_CHECK(points.dim() == 2 && points.size(1) >= 1 && points.size(1) <= 3,
                  "points must have shape (N, 1), (N, 2) or (N, 3)");
  STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::Double,
                  "points must be float32 or float64");
  STD_TORCH_CHECK(queries.dim() == 2 && queries.size(1) == points.size(1),
                  "queries must have shape (Q, ", points.size(1), ")");
  check_indices(nodes, "nodes", 2);
  STD_TORCH_CHECK(nodes.size(0) == queries.size(0) && nodes.size(1) == points.size(1) + 1,
                  "nodes must have shape (Q, ", points.size(1) + 1, ")");
  STD_TORCH_CHECK(grad_weights.dim() == 2 && grad_weights.size(0) == nodes.size(0) &&
                      grad_weights.size(1) == nodes.size(1) && grad_distance2.dim() == 1 &&
                      grad_distance2.size(0) == nodes.size(0),
                  "grad_weights and grad_distance2 must have shapes (Q, D + 1) and (Q,)");
  STD_TORCH_CHECK(queries.scalar_type() == dtype && grad_weights.scalar_type() == dtype &&
                      grad_distance2.scalar_type() == dtype,
                  "gradients, points and queries must share a dtype");
}

}  // namespace meshop
