// Softmax attention over the edges of a CSR on the GPU, forward: a warp walks the edges of a
// receiver with a running maximum and sum.
#include <tuple>

#include "attention_cuda.h"

namespace meshop {
namespace {

template <typename T>
__global__ void attend_kernel(AttentionInputs<T> in, T* out, Wide<T>* out_coords, Wide<T>* lse) {
  using W = Wide<T>;
  const HeadGroups groups = in.groups;
  const int64_t heads = in.shape.heads, width = in.shape.width, space = in.shape.space;
  const W infinity = std::numeric_limits<W>::infinity();
  for (int64_t task = first_warp(); task < in.shape.receivers * groups.parts;
       task += warp_stride()) {
    const int64_t i = groups.node(task), h = groups.head(task);
    const bool mine = h < heads;
    int64_t from = 0;
    do {  // once, or more often where there are more channels than lanes can hold
      W sum[kHeld] = {}, peak = -infinity, total = 0;
      for (int64_t e = in.rowptr[i]; e < in.rowptr[i + 1]; ++e) {
        const int64_t j = in.index[e];
        const W logit = in.logit(i, j, e, h);
        const W higher = logit > peak ? logit : peak;
        const W safe = higher == -infinity ? 0 : higher;  // all -inf: weights are 0, not NaN
        const W shrink = exp(peak - safe), weight = exp(logit - safe);
        peak = higher;
        total = total * shrink + weight;
#pragma unroll
        for (int r = 0; r < kHeld; ++r) {
          const int64_t c = from + r * groups.lanes + groups.lane();
          if (mine && c < in.carried())
            sum[r] = sum[r] * shrink + weight * in.carried_at(i, j, h, c);
        }
      }
      const W inverse = total == 0 ? 0 : 1 / total;
#pragma unroll
      for (int r = 0; r < kHeld; ++r) {
        const int64_t c = from + r * groups.lanes + groups.lane();
        if (!mine || c >= in.carried()) continue;
        if (c < width)
          out[(i * heads + h) * width + c] = static_cast<T>(sum[r] * inverse);
        else
          out_coords[(i * heads + h) * space + c - width] = sum[r] * inverse;
      }
      if (mine && from == 0 && groups.lane() == 0) lse[i * heads + h] = peak + log(total);
      from += kHeld * groups.lanes;
    } while (from < in.carried());
  }
}

std::tuple<Tensor, Tensor, Tensor> edge_attention(Tensor query, Tensor key, Tensor value,
                                                  Tensor index, Tensor rowptr, MaybeTensor bias,
                                                  MaybeTensor coords, MaybeTensor centers,
                                                  double scale) {
  const AttentionShape s(query, key, value, index, rowptr, bias, coords, centers);
  const OnDevice guard(query, key, value, index, rowptr, bias, coords, centers);
  const ScalarType dtype = query.scalar_type(), wide = wide_type(dtype);
  query = packed(query), key = packed(key), value = packed(value);
  index = packed(index), rowptr = packed(rowptr);
  bias = packed(bias), coords = packed(coords), centers = packed(centers);
  check_rowptr_cuda(rowptr, s.receivers, s.edges, "rowptr");
  check_range_cuda(index, 0, s.senders, "index");

  Tensor out = empty_of(query, {s.receivers, s.heads, s.width}, dtype);
  Tensor out_coords =
      coords ? empty_of(query, {s.receivers, s.heads, s.space}, wide) : empty_of(query, {0}, wide);
  Tensor lse = empty_of(query, {s.receivers, s.heads}, wide);
  if (s.receivers == 0) return {out, out_coords, lse};
  const cudaStream_t stream = current_stream(query);
  with_attention_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    const AttentionInputs<T> in{s,
                                HeadGroups(s),
                                static_cast<W>(scale),
                                data<T>(query),
                                data<T>(key),
                                data<T>(value),
                                data<T>(bias),
                                data<W>(coords),
                                data<W>(centers),
                                indices(index),
                                indices(rowptr)};
    attend_kernel<T><<<blocks_for(in.groups.threads(s.receivers)), kThreads, 0, stream>>>(
        in, mutable_data<T>(out), mutable_data<W>(out_coords), mutable_data<W>(lse));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  });
  return {out, out_coords, lse};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) { m.impl("edge_attention", TORCH_BOX(&edge_attention)); }

}  // namespace meshop
