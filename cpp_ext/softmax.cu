// Softmax and logsumexp over CSR segments on the GPU, and their gradients.
// How rows are shared out stands in rows_cuda.h.
#include "rows_cuda.h"
#include "softmax.h"
#include "softmax_input.h"

namespace meshop {
namespace {

constexpr double kInfinity = __builtin_inf();

// A maximum that NaN wins.
template <typename W>
__device__ W raised(W top, W value) {
  return value > top || value != value ? value : top;
}

// What to subtract from values: where all are -inf, 0, which leaves a sum of 0 instead of NaN.
template <typename W>
__device__ W shift_of(W top) {
  return top == static_cast<W>(-kInfinity) ? W(0) : top;
}

// A piece's largest value and its sum of exp(value - shift).
template <typename T>
__global__ void exponents_kernel(const T* x, Pieces pieces, int64_t channels, Wide<T>* tops,
                                 Wide<T>* sums) {
  using W = Wide<T>;
  for (int64_t i = first_item(); i < pieces.count * channels; i += item_stride()) {
    const int64_t p = i / channels, c = i % channels;
    int64_t begin, end;
    pieces.bounds(p, pieces.row(p), begin, end);
    W top = static_cast<W>(-kInfinity), sum = 0;
    for (int64_t e = begin; e < end; ++e) top = raised(top, static_cast<W>(x[e * channels + c]));
    for (int64_t e = begin; e < end; ++e)
      sum += exp(static_cast<W>(x[e * channels + c]) - shift_of(top));
    tops[i] = top;
    sums[i] = sum;
  }
}

// The same of rows, from those of their pieces.
template <typename W>
__global__ void join_exponents_kernel(const W* piece_tops, const W* piece_sums, Pieces rows,
                                      int64_t channels, W* tops, W* sums) {
  for (int64_t i = first_item(); i < rows.count * channels; i += item_stride()) {
    const int64_t c = i % channels;
    int64_t begin, end;
    rows.bounds(i / channels, i / channels, begin, end);
    W top = static_cast<W>(-kInfinity), sum = 0;
    for (int64_t p = begin; p < end; ++p) top = raised(top, piece_tops[p * channels + c]);
    for (int64_t p = begin; p < end; ++p)
      sum += piece_sums[p * channels + c] * exp(piece_tops[p * channels + c] - shift_of(top));
    tops[i] = top;
    sums[i] = sum;
  }
}

template <typename T>
__global__ void log_kernel(const Wide<T>* tops, const Wide<T>* sums, int64_t count, T* out) {
  using W = Wide<T>;
  for (int64_t i = first_item(); i < count; i += item_stride()) {
    const W top = tops[i];
    out[i] = static_cast<T>(top == static_cast<W>(kInfinity) ? top : shift_of(top) + log(sums[i]));
  }
}

// `scale` (rows, channels), where given, multiplies a row's shares.
template <typename T>
__global__ void shares_kernel(const T* x, Pieces pieces, int64_t channels, const Wide<T>* tops,
                              const Wide<T>* sums, const T* scale, T* out) {
  using W = Wide<T>;
  for (int64_t i = first_item(); i < pieces.count * channels; i += item_stride()) {
    const int64_t p = i / channels, c = i % channels, row = pieces.row(p), at = row * channels + c;
    int64_t begin, end;
    pieces.bounds(p, row, begin, end);
    const W shift = shift_of(tops[at]), whole = sums[at] == 0 ? W(1) : sums[at];
    const W factor = scale ? static_cast<W>(scale[at]) : W(1);
    for (int64_t e = begin; e < end; ++e) {
      const W share = exp(static_cast<W>(x[e * channels + c]) - shift) / whole;
      out[e * channels + c] = static_cast<T>(share * factor);
    }
  }
}

template <typename T>
__global__ void dot_kernel(const T* grad, const T* share, Pieces pieces, int64_t channels,
                           Wide<T>* dots) {
  using W = Wide<T>;
  for (int64_t i = first_item(); i < pieces.count * channels; i += item_stride()) {
    const int64_t p = i / channels, c = i % channels;
    int64_t begin, end;
    pieces.bounds(p, pieces.row(p), begin, end);
    W dot = 0;
    for (int64_t e = begin; e < end; ++e)
      dot += static_cast<W>(grad[e * channels + c]) * static_cast<W>(share[e * channels + c]);
    dots[i] = dot;
  }
}

template <typename T>
__global__ void softmax_grad_kernel(const T* grad, const T* share, Pieces pieces, int64_t channels,
                                    const Wide<T>* dots, T* out) {
  using W = Wide<T>;
  for (int64_t i = first_item(); i < pieces.count * channels; i += item_stride()) {
    const int64_t p = i / channels, c = i % channels, row = pieces.row(p);
    int64_t begin, end;
    pieces.bounds(p, row, begin, end);
    const W dot = dots[row * channels + c];
    for (int64_t e = begin; e < end; ++e) {
      const int64_t at = e * channels + c;
      out[at] = static_cast<T>(static_cast<W>(share[at]) * (static_cast<W>(grad[at]) - dot));
    }
  }
}

// Largest values and sums of all rows.
template <typename T>
struct Exponents {
  using W = Wide<T>;
  Tensor tops, sums;

  Exponents(const Tensor& x, const RowPieces& rows, int64_t channels) {
    const cudaStream_t stream = current_stream(x);
    const int64_t count = rows.pieces.count;
    tops = wide_empty(x, count, channels);
    sums = wide_empty(x, count, channels);
    exponents_kernel<T><<<blocks_for(count * channels), kThreads, 0, stream>>>(
        data<T>(x), rows.pieces, channels, mutable_data<W>(tops), mutable_data<W>(sums));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
    if (!rows.cut()) return;
    Tensor row_tops = wide_empty(x, rows.pieces.rows, channels);
    Tensor row_sums = wide_empty(x, rows.pieces.rows, channels);
    join_exponents_kernel<W><<<blocks_for(rows.pieces.rows * channels), kThreads, 0, stream>>>(
        data<W>(tops), data<W>(sums), rows.of_pieces(), channels, mutable_data<W>(row_tops),
        mutable_data<W>(row_sums));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
    tops = row_tops;
    sums = row_sums;
  }
};

Tensor scaled_softmax(const SoftmaxInput& in, const Tensor* scale) {
  const OnDevice guard(in.values, in.rowptr, scale ? *scale : in.values);
  const RowPieces rows(in.rowptr, in.rows, in.values.size(0));
  Tensor out =
      empty_of(in.values, shape_with(in.values, in.values.size(0)), in.values.scalar_type());
  if (out.numel() == 0) return out;
  const cudaStream_t stream = current_stream(out);
  with_floating(out.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const Exponents<T> parts(in.values, rows, in.channels);
    shares_kernel<T><<<blocks_for(rows.pieces.count * in.channels), kThreads, 0, stream>>>(
        data<T>(in.values), rows.pieces, in.channels, data<Wide<T>>(parts.tops),
        data<Wide<T>>(parts.sums), scale ? data<T>(*scale) : nullptr, mutable_data<T>(out));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  });
  return out;
}

Tensor segment_softmax(Tensor values, Tensor rowptr) {
  return scaled_softmax(SoftmaxInput(values, rowptr), nullptr);
}

Tensor segment_logsumexp_backward(Tensor grad, Tensor values, Tensor rowptr) {
  const SoftmaxInput in(values, rowptr);
  const Tensor g = in.matching(grad, in.rows);
  return scaled_softmax(in, &g);
}

Tensor segment_softmax_backward(Tensor grad, Tensor out, Tensor rowptr) {
  const SoftmaxInput in(out, rowptr);
  const Tensor g = in.matching(grad, out.size(0));
  const OnDevice guard(out, grad, rowptr);
  const RowPieces rows(in.rowptr, in.rows, out.size(0));
  Tensor result = empty_of(g, shape_with(g, g.size(0)), g.scalar_type());
  if (result.numel() == 0) return result;
  const cudaStream_t stream = current_stream(result);
  with_floating(g.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    const int grid = blocks_for(rows.pieces.count * in.channels);
    Tensor dots = wide_empty(g, rows.pieces.count, in.channels);
    dot_kernel<T><<<grid, kThreads, 0, stream>>>(data<T>(g), data<T>(in.values), rows.pieces,
                                                 in.channels, mutable_data<W>(dots));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
    if (rows.cut()) {
      Tensor sums = wide_empty(g, in.rows, in.channels);
      add_pieces_cuda<W>(rows, dots, in.channels, nullptr, mutable_data<W>(sums));
      dots = sums;
    }
    softmax_grad_kernel<T><<<grid, kThreads, 0, stream>>>(data<T>(g), data<T>(in.values),
                                                          rows.pieces, in.channels, data<W>(dots),
                                                          mutable_data<T>(result));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  });
  return result;
}

}  // namespace

void logsumexp_cuda(const Tensor& values, const RowPieces& rows, Tensor& out) {
  const int64_t channels = trailing(values);
  const cudaStream_t stream = current_stream(values);
  with_floating(values.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const Exponents<T> parts(values, rows, channels);
    log_kernel<T><<<blocks_for(out.numel()), kThreads, 0, stream>>>(
        data<Wide<T>>(parts.tops), data<Wide<T>>(parts.sums), out.numel(), mutable_data<T>(out));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  });
}

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) {
  m.impl("segment_softmax", TORCH_BOX(&segment_softmax));
  m.impl("segment_softmax_backward", TORCH_BOX(&segment_softmax_backward));
  m.impl("segment_logsumexp_backward", TORCH_BOX(&segment_logsumexp_backward));
}

}  // namespace meshop
