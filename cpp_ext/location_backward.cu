// The gradients of weights and distance2, and the interpolation ops, on the GPU. What several
// queries add to one node is sorted by node first and summed in order, so sums are deterministic.
#include <tuple>

#include "csr_cuda.h"
#include "interpolate.h"
#include "location_slopes.h"

namespace meshop {
namespace {

// The entries of each node, in order; absent ones (-1) stand before the first.
Transposed entries_of(const Tensor& nodes, int64_t count) {
  check_range_cuda(nodes, -1, count, "nodes");
  return transpose_cuda(std::nullopt, nodes, -1, count + 1);
}

template <typename T>
__global__ void slopes_kernel(Points<T> points, Points<T> queries, const int64_t* nodes,
                              int64_t rows, int64_t width, const T* grad_weights,
                              const T* grad_distance2, T* to_queries, T* shares) {
  const int64_t dim = points.dim;
  for (int64_t q = first_item(); q < rows; q += item_stride())
    slopes(points, queries(q), nodes + q * width, width, grad_weights + q * width,
           grad_distance2[q], to_queries + q * dim, shares ? shares + q * width * dim : nullptr);
}

// out[n, c] = sum over the entries of n, in order, of scale times row. With `weight` null the rows
// are the entries' own; else entry e scales row e / width.
template <typename T, typename A>
__global__ void sum_kernel(const int64_t* start, const int64_t* entry, const T* rows,
                           const A* weight, int64_t width, int64_t channels, int64_t total,
                           T* out) {
  for (int64_t i = first_item(); i < total * channels; i += item_stride()) {
    const int64_t n = i / channels, c = i % channels;
    A sum = 0;
    for (int64_t at = start[n]; at < start[n + 1]; ++at) {
      const int64_t e = entry[at];
      sum += weight ? weight[e] * static_cast<A>(rows[e / width * channels + c])
                    : static_cast<A>(rows[e * channels + c]);
    }
    out[i] = static_cast<T>(sum);
  }
}

template <typename T>
std::tuple<Tensor, Tensor> backward(const Tensor& grad_weights, const Tensor& grad_distance2,
                                    const Tensor& points, const Tensor& queries,
                                    const Tensor& nodes, bool with_points) {
  const int64_t rows = queries.size(0), width = nodes.size(1), dim = points.size(1);
  const int64_t count = points.size(0);
  const cudaStream_t stream = current_stream(points);
  const auto dtype = points.scalar_type();
  Tensor to_queries = empty_of(points, {rows, dim}, dtype);
  Tensor to_points = empty_of(points, {with_points ? count : 0, dim}, dtype);
  Tensor shares = empty_of(points, {with_points ? rows * width * dim : 0}, dtype);
  const Transposed entries = entries_of(nodes, count);
  if (rows > 0) {
    const Points<T> at{data<T>(points), dim};
    const Points<T> of{data<T>(queries), dim};
    slopes_kernel<T><<<blocks_for(rows), kThreads, 0, stream>>>(
        at, of, indices(nodes), rows, width, data<T>(grad_weights), data<T>(grad_distance2),
        mutable_data<T>(to_queries), with_points ? mutable_data<T>(shares) : nullptr);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  }
  if (with_points && count > 0) {
    sum_kernel<T, T><<<blocks_for(count * dim), kThreads, 0, stream>>>(
        indices(entries.rowptr) + 1, indices(entries.order), data<T>(shares), nullptr, width, dim,
        count, mutable_data<T>(to_points));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  }
  return {to_points, to_queries};
}

std::tuple<Tensor, Tensor> locate_backward(Tensor grad_weights, Tensor grad_distance2,
                                           Tensor points, Tensor queries, Tensor nodes,
                                           bool with_points) {
  const OnDevice guard(points, grad_weights, grad_distance2, queries, nodes);
  check_slopes(grad_weights, grad_distance2, points, queries, nodes);
  const Tensor w = torch::stable::contiguous(grad_weights);
  const Tensor h = torch::stable::contiguous(grad_distance2);
  const Tensor p = torch::stable::contiguous(points), q = torch::stable::contiguous(queries);
  const Tensor k = torch::stable::contiguous(nodes);
  return p.scalar_type() == ScalarType::Float ? backward<float>(w, h, p, q, k, with_points)
                                              : backward<double>(w, h, p, q, k, with_points);
}

template <typename T, typename A>
__global__ void interpolate_kernel(const T* values, const A* weights, const int64_t* nodes,
                                   int64_t rows, int64_t width, int64_t channels, T* out) {
  for (int64_t i = first_item(); i < rows * channels; i += item_stride()) {
    const int64_t q = i / channels, c = i % channels;
    A sum = 0;
    for (int64_t j = q * width; j < (q + 1) * width; ++j)
      if (nodes[j] >= 0) sum += weights[j] * static_cast<A>(values[nodes[j] * channels + c]);
    out[i] = static_cast<T>(sum);
  }
}

// Eight partial sums in a fixed order, as on the CPU.
template <typename T, typename A>
__global__ void dot_kernel(const T* grad, const T* values, const int64_t* nodes, int64_t rows,
                           int64_t width, int64_t channels, A* out) {
  for (int64_t j = first_item(); j < rows * width; j += item_stride()) {
    A part[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    const T* a = grad + j / width * channels;
    const T* b = values + (nodes[j] < 0 ? 0 : nodes[j]) * channels;
    for (int64_t c = 0; nodes[j] >= 0 && c < channels; ++c)
      part[c % 8] += static_cast<A>(a[c]) * static_cast<A>(b[c]);
    out[j] =
        ((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7]));
  }
}

Tensor interpolate(Tensor values, Tensor weights, Tensor nodes) {
  const OnDevice guard(values, weights, nodes);
  check_gather(values, weights, nodes);
  const Tensor v = torch::stable::contiguous(values), w = torch::stable::contiguous(weights);
  const Tensor k = torch::stable::contiguous(nodes);
  const int64_t rows = k.size(0), width = k.size(1), channels = trailing(v);
  check_range_cuda(k, -1, v.size(0), "nodes");
  Tensor out = empty_of(v, shape_with(v, rows), v.scalar_type());
  if (out.numel() == 0) return out;
  const cudaStream_t stream = current_stream(v);
  with_floating(v.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    using A = Wide<T>;
    interpolate_kernel<T, A><<<blocks_for(rows * channels), kThreads, 0, stream>>>(
        data<T>(v), data<A>(w), indices(k), rows, width, channels, mutable_data<T>(out));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  });
  return out;
}

Tensor interpolate_transpose(Tensor grad, Tensor weights, Tensor nodes, int64_t num_nodes) {
  const OnDevice guard(grad, weights, nodes);
  check_gather(grad, weights, nodes);
  STD_TORCH_CHECK(grad.size(0) == nodes.size(0), "grad must have one row a query");
  STD_TORCH_CHECK(num_nodes >= 0, "num_nodes must not be negative");
  const Tensor g = torch::stable::contiguous(grad), w = torch::stable::contiguous(weights);
  const Tensor k = torch::stable::contiguous(nodes);
  const int64_t width = k.size(1), channels = trailing(g);
  const Transposed entries = entries_of(k, num_nodes);
  Tensor out = empty_of(g, shape_with(g, num_nodes), g.scalar_type());
  if (out.numel() == 0) return out;
  const cudaStream_t stream = current_stream(g);
  with_floating(g.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    using A = Wide<T>;
    sum_kernel<T, A><<<blocks_for(num_nodes * channels), kThreads, 0, stream>>>(
        indices(entries.rowptr) + 1, indices(entries.order), data<T>(g), data<A>(w), width,
        channels, num_nodes, mutable_data<T>(out));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  });
  return out;
}

Tensor interpolate_dot(Tensor grad, Tensor values, Tensor nodes) {
  const OnDevice guard(values, grad, nodes);
  check_dot(grad, values, nodes);
  const Tensor g = torch::stable::contiguous(grad), v = torch::stable::contiguous(values);
  const Tensor k = torch::stable::contiguous(nodes);
  const int64_t rows = k.size(0), width = k.size(1), channels = trailing(v);
  check_range_cuda(k, -1, v.size(0), "nodes");
  Tensor out = empty_of(v, {rows, width}, wide_type(v.scalar_type()));
  if (out.numel() == 0) return out;
  const cudaStream_t stream = current_stream(v);
  with_floating(v.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    using A = Wide<T>;
    dot_kernel<T, A><<<blocks_for(rows * width), kThreads, 0, stream>>>(
        data<T>(g), data<T>(v), indices(k), rows, width, channels, mutable_data<A>(out));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  });
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) {
  m.impl("locate_backward", TORCH_BOX(&locate_backward));
  m.impl("interpolate", TORCH_BOX(&interpolate));
  m.impl("interpolate_transpose", TORCH_BOX(&interpolate_transpose));
  m.impl("interpolate_dot", TORCH_BOX(&interpolate_dot));
}

}  // namespace meshop
