// Softmax attention over the edges of a CSR on the GPU, backward: as attention_backward.cpp, first
// over receivers, then over senders, whose edges a stable radix sort brings together.
#include <cub/cub.cuh>

#include <limits>
#include <tuple>

#include "attention_cuda.h"

namespace meshop {
namespace {

template <typename T>
struct BackwardInputs : AttentionInputs<T> {
  using W = Wide<T>;
  const T* grad;
  const W *grad_coords, *grad_lse, *lse;
  const int64_t *row_t, *order_t, *rowptr_t;
  W* rows;  // (receivers, 2, heads): logsumexp, sum of p g

  // The slope of what carried_at gives.
  __device__ W grad_at(int64_t i, int64_t h, int64_t c) const {
    const int64_t at = i * this->shape.heads + h, width = this->shape.width;
    return c < width ? static_cast<W>(grad[at * width + c])
                     : grad_coords[at * this->shape.space + c - width];
  }
  // Of edge e from j to i: its weight p, and g = d loss / d p, in every lane of the group.
  __device__ void edge(int64_t i, int64_t j, int64_t e, int64_t h, W usable, W* p, W* g) const {
    *p = exp(this->logit(i, j, e, h) - usable);
    W sum = 0;
    if (h < this->shape.heads)
      for (int64_t c = this->groups.lane(); c < this->carried(); c += this->groups.lanes)
        sum += grad_at(i, h, c) * this->carried_at(i, j, h, c);
    *g = this->groups.sum(sum);
  }
};

// grad_query, grad_bias, rows, and for each head its part of the slope of centers.
template <typename T>
__global__ void receivers_kernel(BackwardInputs<T> in, T* to_query, T* to_bias,
                                 Wide<T>* to_centers) {
  using W = Wide<T>;
  const HeadGroups groups = in.groups;
  const int64_t heads = in.shape.heads, depth = in.shape.depth, space = in.shape.space;
  const W infinity = std::numeric_limits<W>::infinity();
  for (int64_t task = first_warp(); task < in.shape.receivers * groups.parts;
       task += warp_stride()) {
    const int64_t i = groups.node(task), h = groups.head(task);
    const bool mine = h < heads;
    // A row without a finite logit has lse -inf; its weights are 0.
    const W lse = mine ? in.lse[i * heads + h] : infinity;
    const W usable = lse == -infinity ? infinity : lse;
    W mean = 0, whole = 0, p, g;
    for (int64_t e = in.rowptr[i]; e < in.rowptr[i + 1]; ++e) {
      in.edge(i, in.index[e], e, h, usable, &p, &g);
      mean += p * g;
      whole += p;
    }
    if (mine) {
      mean -= in.grad_lse[i * heads + h];
      if (groups.lane() == 0) {
        in.rows[i * 2 * heads + h] = usable;
        in.rows[(i * 2 + 1) * heads + h] = mean;
      }
      for (int64_t c = groups.lane(); c < space; c += groups.lanes)
        to_centers[(i * heads + h) * space + c] =
            -whole * in.grad_coords[(i * heads + h) * space + c];
    }
    int64_t from = 0;
    do {
      W sum[kHeld] = {};
      for (int64_t e = in.rowptr[i]; e < in.rowptr[i + 1]; ++e) {
        const int64_t j = in.index[e];
        in.edge(i, j, e, h, usable, &p, &g);
        const W slope = p * (g - mean);
#pragma unroll
        for (int r = 0; r < kHeld; ++r) {
          const int64_t c = from + r * groups.lanes + groups.lane();
          if (mine && c < depth) sum[r] += slope * in.key_at(j, h, c);
        }
        if (to_bias && mine && from == 0 && groups.lane() == 0)
          to_bias[e * heads + h] = static_cast<T>(slope);
      }
#pragma unroll
      for (int r = 0; r < kHeld; ++r) {
        const int64_t c = from + r * groups.lanes + groups.lane();
        if (mine && c < depth)
          to_query[(i * heads + h) * depth + c] = static_cast<T>(sum[r] * in.scale);
      }
      from += kHeld * groups.lanes;
    } while (from < depth);
  }
}

// grad_key, grad_value, and for each head its part of the slope of coords: one list of channels.
template <typename T>
__global__ void senders_kernel(BackwardInputs<T> in, T* to_key, T* to_value, Wide<T>* to_coords) {
  using W = Wide<T>;
  const HeadGroups groups = in.groups;
  const int64_t heads = in.shape.heads, depth = in.shape.depth, width = in.shape.width;
  const int64_t space = in.shape.space, channels = depth + width + space;
  for (int64_t task = first_warp(); task < in.shape.senders * groups.parts; task += warp_stride()) {
    const int64_t j = groups.node(task), h = groups.head(task);
    const bool mine = h < heads;
    for (int64_t from = 0; from < channels; from += kHeld * groups.lanes) {
      W sum[kHeld] = {};
      for (int64_t t = in.rowptr_t[j]; t < in.rowptr_t[j + 1]; ++t) {
        const int64_t i = in.row_t[t];
        const W usable = mine ? in.rows[i * 2 * heads + h] : 0;
        const W mean = mine ? in.rows[(i * 2 + 1) * heads + h] : 0;
        W p, g;
        in.edge(i, j, in.order_t[t], h, usable, &p, &g);
        const W slope = p * (g - mean);
#pragma unroll
        for (int r = 0; r < kHeld; ++r) {
          const int64_t c = from + r * groups.lanes + groups.lane();
          if (mine && c < channels)
            sum[r] += c < depth ? slope * in.query_at(i, h, c) : p * in.grad_at(i, h, c - depth);
        }
      }
#pragma unroll
      for (int r = 0; r < kHeld; ++r) {
        const int64_t c = from + r * groups.lanes + groups.lane(), at = j * heads + h;
        if (!mine || c >= channels) continue;
        if (c < depth)
          to_key[at * depth + c] = static_cast<T>(sum[r] * in.scale);
        else if (c < depth + width)
          to_value[at * width + c - depth] = static_cast<T>(sum[r]);
        else
          to_coords[at * space + c - depth - width] = sum[r];
      }
    }
  }
}

// out[i] = the sum over heads of parts[i, h].
template <typename W>
__global__ void add_heads_kernel(const W* parts, int64_t nodes, int64_t heads, int64_t space,
                                 W* out) {
  for (int64_t k = first_item(); k < nodes * space; k += item_stride()) {
    W sum = 0;
    for (int64_t h = 0; h < heads; ++h) sum += parts[(k / space * heads + h) * space + k % space];
    out[k] = sum;
  }
}

using Gradients = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor>;

Gradients edge_attention_backward(Tensor grad, Tensor grad_coords, Tensor grad_lse, Tensor query,
                                  Tensor key, Tensor value, Tensor index, Tensor rowptr,
                                  MaybeTensor bias, MaybeTensor coords, MaybeTensor centers,
                                  Tensor lse, double scale) {
  const AttentionShape s(query, key, value, index, rowptr, bias, coords, centers);
  const OnDevice guard(query, grad, grad_coords, grad_lse, key, value, index, rowptr, bias, coords,
                       centers, lse);
  const ScalarType dtype = query.scalar_type(), wide = wide_type(dtype);
  check_slopes(s, dtype, grad, grad_coords, grad_lse, lse, coords.has_value());
  grad = packed(grad), grad_coords = packed(grad_coords), grad_lse = packed(grad_lse);
  query = packed(query), key = packed(key), value = packed(value), lse = packed(lse);
  index = packed(index), rowptr = packed(rowptr);
  bias = packed(bias), coords = packed(coords), centers = packed(centers);
  check_rowptr_cuda(rowptr, s.receivers, s.edges, "rowptr");
  check_range_cuda(index, 0, s.senders, "index");

  const auto empty = [&](std::vector<int64_t> sizes, ScalarType type, bool wanted) {
    return empty_of(query, wanted ? sizes : std::vector<int64_t>{0}, type);
  };
  const bool in_space = coords.has_value();
  const Tensor to_query = empty({s.receivers, s.heads, s.depth}, dtype, true);
  const Tensor to_key = empty({s.senders, s.heads, s.depth}, dtype, true);
  const Tensor to_value = empty({s.senders, s.heads, s.width}, dtype, true);
  const Tensor to_bias = empty({s.edges, s.heads}, dtype, bias.has_value());
  const Tensor to_coords = empty({s.senders, s.space}, wide, in_space);
  const Tensor to_centers = empty({s.receivers, s.space}, wide, in_space);
  const Tensor coords_parts = empty({s.senders, s.heads, s.space}, wide, in_space);
  const Tensor centers_parts = empty({s.receivers, s.heads, s.space}, wide, in_space);
  const Tensor rows = empty({s.receivers, 2, s.heads}, wide, true);
  const Transposed t = transpose_cuda(rowptr, index, 0, s.senders);
  const cudaStream_t stream = current_stream(query);
  with_attention_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    const BackwardInputs<T> in{
        {s, HeadGroups(s), static_cast<W>(scale), data<T>(query), data<T>(key), data<T>(value),
         data<T>(bias), data<W>(coords), data<W>(centers), indices(index), indices(rowptr)},
        data<T>(grad),
        data<W>(grad_coords),
        data<W>(grad_lse),
        data<W>(lse),
        indices(t.row),
        indices(t.order),
        indices(t.rowptr),
        mutable_data<W>(rows)};
    const auto add_heads = [&](const Tensor& parts, int64_t nodes, const Tensor& out) {
      if (nodes * s.space == 0) return;
      add_heads_kernel<W><<<blocks_for(nodes * s.space), kThreads, 0, stream>>>(
          data<W>(parts), nodes, s.heads, s.space, mutable_data<W>(out));
      STD_CUDA_KERNEL_LAUNCH_CHECK();
    };
    if (s.receivers > 0) {
      receivers_kernel<T><<<blocks_for(in.groups.threads(s.receivers)), kThreads, 0, stream>>>(
          in, mutable_data<T>(to_query), bias ? mutable_data<T>(to_bias) : nullptr,
          mutable_data<W>(centers_parts));
      STD_CUDA_KERNEL_LAUNCH_CHECK();
      add_heads(centers_parts, s.receivers, to_centers);
    }
    if (s.senders > 0) {
      senders_kernel<T><<<blocks_for(in.groups.threads(s.senders)), kThreads, 0, stream>>>(
          in, mutable_data<T>(to_key), mutable_data<T>(to_value), mutable_data<W>(coords_parts));
      STD_CUDA_KERNEL_LAUNCH_CHECK();
      add_heads(coords_parts, s.senders, to_coords);
    }
  });
  return {to_query, to_key, to_value, to_bias, to_coords, to_centers};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) {
  m.impl("edge_attention_backward", TORCH_BOX(&edge_attention_backward));
}

}  // namespace meshop
