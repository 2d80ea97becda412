// out[q] = sum_j weights[q, j] values[nodes[q, j]] and the two transposes that are its derivatives.
// A node of -1 carries nothing. Sums run in a fixed order, so no result depends on the threads.
#include "interpolate.h"

#include <algorithm>

#include "csr.h"

namespace meshop {
namespace {

// Rows that move at least some 32k values.
int64_t grain(int64_t per_row) {
  return std::max<int64_t>(16, 32768 / std::max<int64_t>(1, per_row));
}

Tensor interpolate(Tensor values, Tensor weights, Tensor nodes) {
  check_gather(values, weights, nodes);
  const Tensor v = torch::stable::contiguous(values), w = torch::stable::contiguous(weights);
  const Tensor k = torch::stable::contiguous(nodes);
  const int64_t rows = k.size(0), width = k.size(1), channels = trailing(v);
  check_range(indices(k), rows * width, -1, v.size(0), "nodes");
  Tensor out = empty_of(v, shape_with(v, rows), v.scalar_type());
  with_floating(v.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    using A = Wide<T>;
    const T* from = data<T>(v);
    const A* weight = data<A>(w);
    const int64_t* node = indices(k);
    T* to = mutable_data<T>(out);
    const int64_t step = grain(width * channels);
    torch::stable::parallel_for(0, rows, step, [=](int64_t begin, int64_t end) {
      std::vector<A> sum(channels);
      for (int64_t q = begin; q < end; ++q) {
        if (channels == 1) {
          A one = 0;
          for (int64_t j = q * width; j < (q + 1) * width; ++j)
            if (node[j] >= 0) one += weight[j] * static_cast<A>(from[node[j]]);
          to[q] = static_cast<T>(one);
          continue;
        }
        std::fill(sum.begin(), sum.end(), A(0));
        for (int64_t j = q * width; j < (q + 1) * width; ++j) {
          if (node[j] < 0) continue;
          const T* x = from + node[j] * channels;
          const A scale = weight[j];
          for (int64_t c = 0; c < channels; ++c) sum[c] += scale * static_cast<A>(x[c]);
        }
        for (int64_t c = 0; c < channels; ++c) to[q * channels + c] = static_cast<T>(sum[c]);
      }
    });
  });
  return out;
}

// The gradient for values: out[n] = sum over the entries that point at n of weight times grad.
Tensor interpolate_transpose(Tensor grad, Tensor weights, Tensor nodes, int64_t num_nodes) {
  check_gather(grad, weights, nodes);
  STD_TORCH_CHECK(grad.size(0) == nodes.size(0), "grad must have one row a query");
  STD_TORCH_CHECK(num_nodes >= 0, "num_nodes must not be negative");
  const Tensor g = torch::stable::contiguous(grad), w = torch::stable::contiguous(weights);
  const Tensor k = torch::stable::contiguous(nodes);
  const int64_t width = k.size(1), channels = trailing(g);
  check_range(indices(k), k.numel(), -1, num_nodes, "nodes");
  const Groups groups(indices(k), k.numel(), num_nodes);
  Tensor out = empty_of(g, shape_with(g, num_nodes), g.scalar_type());
  with_floating(g.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    using A = Wide<T>;
    const T* from = data<T>(g);
    const A* weight = data<A>(w);
    T* to = mutable_data<T>(out);
    const int64_t mean = k.numel() / std::max<int64_t>(1, num_nodes) + 1;
    torch::stable::parallel_for(
        0, num_nodes, grain(mean * channels), [&](int64_t begin, int64_t end) {
          std::vector<A> sum(channels);
          for (int64_t n = begin; n < end; ++n) {
            std::fill(sum.begin(), sum.end(), A(0));
            for (int64_t i = groups.start[n]; i < groups.start[n + 1]; ++i) {
              const int64_t e = groups.entry[i];
              const T* x = from + e / width * channels;
              const A scale = weight[e];
              for (int64_t c = 0; c < channels; ++c) sum[c] += scale * static_cast<A>(x[c]);
            }
            for (int64_t c = 0; c < channels; ++c) to[n * channels + c] = static_cast<T>(sum[c]);
          }
        });
  });
  return out;
}

// Eight partial sums in a fixed order: the same on every machine, and the compiler may use vectors.
template <typename T>
Wide<T> inner(const T* a, const T* b, int64_t count) {
  using A = Wide<T>;
  A part[8] = {};
  int64_t c = 0;
  for (; c + 8 <= count; c += 8)
    for (int l = 0; l < 8; ++l) part[l] += static_cast<A>(a[c + l]) * static_cast<A>(b[c + l]);
  for (int l = 0; c < count; ++c, ++l) part[l] += static_cast<A>(a[c]) * static_cast<A>(b[c]);
  return ((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7]));
}

// The gradient for weights: out[q, j] = grad[q] . values[nodes[q, j]].
Tensor interpolate_dot(Tensor grad, Tensor values, Tensor nodes) {
  check_dot(grad, values, nodes);
  const Tensor g = torch::stable::contiguous(grad), v = torch::stable::contiguous(values);
  const Tensor k = torch::stable::contiguous(nodes);
  const int64_t rows = k.size(0), width = k.size(1), channels = trailing(v);
  check_range(indices(k), rows * width, -1, v.size(0), "nodes");
  Tensor out = empty_of(v, {rows, width}, wide_type(v.scalar_type()));
  with_floating(v.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    using A = Wide<T>;
    const T* slope = data<T>(g);
    const T* from = data<T>(v);
    const int64_t* node = indices(k);
    A* to = mutable_data<A>(out);
    torch::stable::parallel_for(0, rows, grain(width * channels), [=](int64_t begin, int64_t end) {
      for (int64_t q = begin; q < end; ++q)
        for (int64_t j = q * width; j < (q + 1) * width; ++j)
          to[j] = node[j] < 0 ? A(0)
                              : inner<T>(slope + q * channels, from + node[j] * channels, channels);
    });
  });
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("interpolate", TORCH_BOX(&interpolate));
  m.impl("interpolate_transpose", TORCH_BOX(&interpolate_transpose));
  m.impl("interpolate_dot", TORCH_BOX(&interpolate_dot));
}

}  // namespace meshop
