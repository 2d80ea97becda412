// Softmax over CSR segments, its gradient, and the gradient of logsumexp, which is a softmax too.
#include "softmax.h"

namespace meshop {
namespace {

// share * (grad - sum over the row of share * grad)
template <typename T>
struct SoftmaxGradRows {
  using Carried = Wide<T>;
  static constexpr int kVectors = 4;
  const T *grad, *share;
  Rows rows;
  int64_t channels;
  T* out;

  template <int N, int K>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = rows.begin[i], last = rows.end[i];
      if (last - first > rows.longest) continue;
      Block<Carried, N, K> dot;
      add(first, last, c, dot);
      apply(first, last, c, dot);
    }
  }

  template <int N, int K>
  MESHOP_INLINE void add(int64_t first, int64_t last, int64_t c, Block<Carried, N, K>& dot) const {
    Block<Carried, N, K> g, p;
    dot.fill(0);
    for (int64_t e = first; e < last; ++e) {
      g.load(grad + e * channels + c);
      p.load(share + e * channels + c);
      MESHOP_UNROLL for (int k = 0; k < K; ++k) dot.v[k] += g.v[k] * p.v[k];
    }
  }

  template <int N, int K>
  MESHOP_INLINE void apply(int64_t first, int64_t last, int64_t c,
                           const Block<Carried, N, K>& dot) const {
    Block<Carried, N, K> g, p;
    for (int64_t e = first; e < last; ++e) {
      g.load(grad + e * channels + c);
      p.load(share + e * channels + c);
      MESHOP_UNROLL for (int k = 0; k < K; ++k) p.v[k] *= g.v[k] - dot.v[k];
      p.store(out + e * channels + c);
    }
  }
};

// Long rows: the pieces' dots, then, from the rows' dots, the pieces' gradients.
template <typename T, bool Dots>
struct SoftmaxGradPieces {
  using Carried = Wide<T>;
  static constexpr int kVectors = 4;
  SoftmaxGradRows<T> whole;
  const LongRows* tall;
  Carried* dots;  // (pieces, channels) written, or (rows, channels) read

  template <int N, int K>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    for (int64_t p = begin; p < end; ++p) {
      Block<Carried, N, K> dot;
      if constexpr (Dots) {
        whole.add(tall->begin[p], tall->end[p], c, dot);
        dot.store(dots + p * whole.channels + c);
      } else {
        dot.load(dots + tall->owner(p) * whole.channels + c);
        whole.apply(tall->begin[p], tall->end[p], c, dot);
      }
    }
  }
};

struct Segments {
  Tensor values, rowptr;
  int64_t rows, channels;

  Segments(const Tensor& v, const Tensor& p)
      : values(torch::stable::contiguous(v)), rowptr(torch::stable::contiguous(p)) {
    STD_TORCH_CHECK(v.dim() >= 1, "values must have shape (E, ...)");
    check_indices(p, "rowptr", 1);
    STD_TORCH_CHECK(p.numel() >= 1, "rowptr must have at least one entry");
    rows = p.numel() - 1;
    channels = trailing(v);
    check_rowptr(indices(rowptr), rows, v.size(0), "rowptr");
  }
};

Tensor scaled_softmax(const Segments& s, const Tensor* scale) {
  Tensor out = large_empty(s.values, shape_with(s.values, s.values.size(0)),
                           s.values.scalar_type());
  const int64_t* at = indices(s.rowptr);
  const LongRows tall(at, s.rows);
  with_floating(s.values.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T* x = data<T>(s.values);
    const T* factor = scale ? data<T>(*scale) : nullptr;
    T* to = mutable_data<T>(out);
    for_rows(SoftmaxRows<T>{x, short_rows(at), s.channels, factor, to}, at, s.rows, s.channels);
    if (tall.count() == 0) return;
    const LongExponents<T> parts(x, tall, s.channels);
    for_pieces(SoftmaxOfPieces<T>{x, &tall, s.channels, parts.tops.data(), parts.sums.data(),
                                  factor, to},
               tall.pieces(), s.channels);
  });
  return out;
}

Tensor segment_softmax(Tensor values, Tensor rowptr) {
  return scaled_softmax(Segments(values, rowptr), nullptr);
}

Tensor segment_logsumexp_backward(Tensor grad, Tensor values, Tensor rowptr) {
  const Segments s(values, rowptr);
  STD_TORCH_CHECK(grad.scalar_type() == values.scalar_type() && grad.dim() == values.dim() &&
                      grad.size(0) == s.rows && trailing(grad) == s.channels,
                  "grad must have one row per segment, shaped as values");
  const Tensor g = torch::stable::contiguous(grad);
  return scaled_softmax(s, &g);
}

Tensor segment_softmax_backward(Tensor grad, Tensor out, Tensor rowptr) {
  const Segments s(out, rowptr);
  STD_TORCH_CHECK(grad.scalar_type() == out.scalar_type() && grad.dim() == out.dim() &&
                      grad.size(0) == out.size(0) && trailing(grad) == s.channels,
                  "grad must be shaped as out");
  const Tensor g = torch::stable::contiguous(grad);
  Tensor result = large_empty(g, shape_with(g, g.size(0)), g.scalar_type());
  const int64_t* at = indices(s.rowptr);
  const LongRows tall(at, s.rows);
  with_floating(g.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    const SoftmaxGradRows<T> kernel{data<T>(g), data<T>(s.values), short_rows(at), s.channels,
                                    mutable_data<T>(result)};
    for_rows(kernel, at, s.rows, s.channels);
    if (tall.count() == 0) return;
    std::vector<W> dots(tall.pieces() * s.channels), sums(tall.count() * s.channels);
    for_pieces(SoftmaxGradPieces<T, true>{kernel, &tall, dots.data()}, tall.pieces(), s.channels);
    for_pieces(SumRows<W, W>{dots.data(), tall.of_pieces(), s.channels, false, sums.data()},
               tall.count(), s.channels);
    for_pieces(SoftmaxGradPieces<T, false>{kernel, &tall, sums.data()}, tall.pieces(), s.channels);
  });
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("segment_softmax", TORCH_BOX(&segment_softmax));
  m.impl("segment_softmax_backward", TORCH_BOX(&segment_softmax_backward));
  m.impl("segment_logsumexp_backward", TORCH_BOX(&segment_logsumexp_backward));
}

}  // namespace meshop
