// Reductions over CSR segments on the GPU: sum, mean, min and max, and what their gradients are.
// How rows are shared out stands in rows_cuda.h.
#include <string>
#include <tuple>

#include "rows_cuda.h"
#include "softmax.h"

namespace meshop {
namespace {

// `arg` is the first extreme of a piece, or `none` where it is empty. NaN wins, as in torch. Where
// the values are those of pieces, `through` says which of the entries each was.
template <typename T>
__global__ void extreme_kernel(const T* x, const int64_t* through, Pieces pieces, int64_t channels,
                               bool least, int64_t none, T* out, int64_t* arg) {
  for (int64_t i = first_item(); i < pieces.count * channels; i += item_stride()) {
    const int64_t p = i / channels, c = i % channels;
    int64_t begin, end;
    pieces.bounds(p, pieces.row(p), begin, end);
    int64_t at = none;
    Wide<T> best = 0;
#pragma unroll 4
    for (int64_t e = begin; e < end; ++e) {
      const Wide<T> v = static_cast<Wide<T>>(x[e * channels + c]);
      if (e == begin || (least ? v < best : v > best) || (v != v && best == best)) {
        best = v;
        at = e;
      }
    }
    out[i] = static_cast<T>(best);
    arg[i] = through && begin < end ? through[at * channels + c] : at;
  }
}

template <typename T, int V>
__global__ void spread_kernel(const T* grad, Pieces pieces, int64_t channels, bool mean, T* out) {
  const int64_t packs = channels / V;
  for (int64_t i = first_item(); i < pieces.count * packs; i += item_stride()) {
    const int64_t p = i / packs, c = i % packs * V, row = pieces.row(p);
    int64_t begin, end;
    pieces.bounds(p, row, begin, end);
    Wide<T> share[V];
    load_pack<T, V>(grad + row * channels + c, share);
    if (mean) {
      const auto count = static_cast<Wide<T>>(pieces.rowptr[row + 1] - pieces.rowptr[row]);
      for (int k = 0; k < V; ++k) share[k] /= count;
    }
    for (int64_t e = begin; e < end; ++e) store_pack(share, out + e * channels + c);
  }
}

// Each entry is written once: the row's gradient where it was the extreme, else 0.
template <typename T>
__global__ void winner_kernel(const T* grad, Pieces pieces, const int64_t* arg, int64_t channels,
                              T* out, int64_t* bad) {
  for (int64_t i = first_item(); i < pieces.count * channels; i += item_stride()) {
    const int64_t p = i / channels, c = i % channels, row = pieces.row(p);
    int64_t begin, end;
    pieces.bounds(p, row, begin, end);
    if (begin == end) continue;
    const int64_t winner = arg[row * channels + c];
    if (winner < pieces.rowptr[row] || winner >= pieces.rowptr[row + 1]) *bad = 1;
    const T g = grad[row * channels + c];
    for (int64_t e = begin; e < end; ++e) out[e * channels + c] = e == winner ? g : T(0);
  }
}

template <typename T>
void sum_rows(const Tensor& x, const RowPieces& rows, int64_t channels, bool mean, T* out) {
  const cudaStream_t stream = current_stream(x);
  const T* from = data<T>(x);
  const int64_t* counts = mean ? rows.pieces.rowptr : nullptr;
  Tensor sums = rows.cut() ? wide_empty(x, rows.pieces.count, channels) : Tensor();
  with_pack<T>(channels, {from, out}, [&](auto v) {
    constexpr int V = decltype(v)::value;
    const int grid = blocks_for(rows.pieces.count * (channels / V));
    if (rows.cut())
      sum_kernel<T, Wide<T>, V><<<grid, kThreads, 0, stream>>>(from, rows.pieces, channels, nullptr,
                                                               mutable_data<Wide<T>>(sums));
    else
      sum_kernel<T, T, V><<<grid, kThreads, 0, stream>>>(from, rows.pieces, channels, counts, out);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  });
  if (rows.cut()) add_pieces_cuda<Wide<T>>(rows, sums, channels, counts, out);
}

template <typename T>
void extreme_rows(const Tensor& x, const RowPieces& rows, int64_t channels, bool least, T* out,
                  int64_t* arg) {
  const cudaStream_t stream = current_stream(x);
  const int64_t none = x.size(0);
  const int grid = blocks_for(rows.pieces.count * channels);
  if (!rows.cut()) {
    extreme_kernel<T><<<grid, kThreads, 0, stream>>>(data<T>(x), nullptr, rows.pieces, channels,
                                                     least, none, out, arg);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
    return;
  }
  Tensor best = empty_of(x, {rows.pieces.count, channels}, x.scalar_type());
  Tensor at = empty_of(x, {rows.pieces.count, channels}, ScalarType::Long);
  extreme_kernel<T><<<grid, kThreads, 0, stream>>>(data<T>(x), nullptr, rows.pieces, channels,
                                                   least, none, mutable_data<T>(best),
                                                   mutable_indices(at));
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  extreme_kernel<T><<<blocks_for(rows.pieces.rows * channels), kThreads, 0, stream>>>(
      data<T>(best), indices(at), rows.of_pieces(), channels, least, none, out, arg);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
}

std::tuple<Tensor, Tensor> segment_reduce(Tensor values, Tensor rowptr, std::string reduce) {
  const Reduce kind = parse_reduce(reduce);
  const OnDevice guard(values, rowptr);
  STD_TORCH_CHECK(values.dim() >= 1, "values must have shape (E, ...)");
  check_indices(rowptr, "rowptr", 1);
  STD_TORCH_CHECK(rowptr.numel() >= 1, "rowptr must have at least one entry");
  const Tensor x = torch::stable::contiguous(values);
  const Tensor ptr = torch::stable::contiguous(rowptr);
  const int64_t rows = ptr.numel() - 1, channels = trailing(x);
  const RowPieces shares(ptr, rows, x.size(0));
  Tensor out = empty_of(x, shape_with(x, rows), x.scalar_type());
  const bool extreme = kind == Reduce::Min || kind == Reduce::Max;
  Tensor arg = extreme ? empty_of(x, shape_with(x, rows), ScalarType::Long)
                       : empty_of(x, {0}, ScalarType::Long);
  if (rows * channels == 0) return {out, arg};
  if (kind == Reduce::LogSumExp) {
    logsumexp_cuda(x, shares, out);
    return {out, arg};
  }
  with_floating(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    T* to = mutable_data<T>(out);
    if (extreme)
      extreme_rows(x, shares, channels, kind == Reduce::Min, to, mutable_indices(arg));
    else
      sum_rows(x, shares, channels, kind == Reduce::Mean, to);
  });
  return {out, arg};
}

Tensor segment_reduce_backward(Tensor grad, Tensor rowptr, Tensor arg, int64_t num_values,
                               std::string reduce) {
  const Reduce kind = parse_reduce(reduce);
  const OnDevice guard(grad, rowptr, arg);
  STD_TORCH_CHECK(kind != Reduce::LogSumExp, "logsumexp has a backward of its own");
  check_indices(rowptr, "rowptr", 1);
  STD_TORCH_CHECK(grad.dim() >= 1 && rowptr.numel() == grad.size(0) + 1,
                  "grad must have one row per segment");
  const Tensor g = torch::stable::contiguous(grad);
  const Tensor ptr = torch::stable::contiguous(rowptr);
  const int64_t rows = g.size(0), channels = trailing(g);
  const RowPieces shares(ptr, rows, num_values);
  const Pieces pieces = shares.pieces;
  const bool extreme = kind == Reduce::Min || kind == Reduce::Max;
  Tensor winners;
  if (extreme) {
    STD_TORCH_CHECK(arg.scalar_type() == ScalarType::Long && arg.numel() == g.numel(),
                    "arg must be int64 and shaped as grad");
    winners = torch::stable::contiguous(arg);
  }
  Tensor out = empty_of(g, shape_with(g, num_values), g.scalar_type());
  if (out.numel() == 0) return out;
  const cudaStream_t stream = current_stream(g);
  const Flag bad(g, stream);
  with_floating(g.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = data<T>(g);
    T* to = mutable_data<T>(out);
    if (extreme) {
      winner_kernel<T><<<blocks_for(pieces.count * channels), kThreads, 0, stream>>>(
          from, pieces, indices(winners), channels, to, bad.raised);
    } else {
      with_pack<T>(channels, {from, to}, [&](auto v) {
        constexpr int V = decltype(v)::value;
        spread_kernel<T, V><<<blocks_for(pieces.count * (channels / V)), kThreads, 0, stream>>>(
            from, pieces, channels, kind == Reduce::Mean, to);
      });
    }
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  });
  if (extreme) bad.check("arg must point into its own segment");
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) {
  m.impl("segment_reduce", TORCH_BOX(&segment_reduce));
  m.impl("segment_reduce_backward", TORCH_BOX(&segment_reduce_backward));
}

}  // namespace meshop
