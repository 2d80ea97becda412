// Kernels over CSR rows that take exponentials: logsumexp, softmax, and softmax's gradient.
// No include guard; see lanes_impl.h.
#include "lanes_impl.h"
// After lanes_impl.h.
#include "lane_math_impl.h"
#include "sums_impl.h"

namespace meshop {
namespace MESHOP_ISA {

// A row's largest value and the sum of exp(value - shift), with shift_of(largest).
template <typename W, int N, int K, int M>
struct Exponents {
  Block<W, N, K, M> top, sum;

  // The largest itself; where all are -inf, 0, which leaves a sum of 0 instead of NaN.
  static MESHOP_INLINE Lanes<W, N> shift_of(const Lanes<W, N>& top) {
    using V = Lanes<W, N>;
    return top == V{} - static_cast<W>(__builtin_inf()) ? V{} : top;
  }

  MESHOP_INLINE void raise(const Block<W, N, K, M>& value) {
    MESHOP_UNROLL
    for (int k = 0; k < K; ++k) {
      const auto v = value.v[k], old = top.v[k];
      top.v[k] = (v > old) | (v != v) ? v : old;
    }
  }

  template <typename T>
  MESHOP_INLINE void of_entries(const T* x, int64_t first, int64_t last, int64_t channels) {
    Block<W, N, K, M> value;
    top.fill(-static_cast<W>(__builtin_inf()));
    for (int64_t e = first; e < last; ++e) {
      value.load(x + e * channels);
      raise(value);
    }
    sum.fill(0);
    for (int64_t e = first; e < last; ++e) {
      value.load(x + e * channels);
      MESHOP_UNROLL
      for (int k = 0; k < K; ++k) sum.v[k] += exp_lanes<W, N>(value.v[k] - shift_of(top.v[k]));
    }
  }

  MESHOP_INLINE void of_pieces(const W* tops, const W* sums, int64_t first, int64_t last,
                               int64_t channels) {
    Block<W, N, K, M> value, part;
    top.fill(-static_cast<W>(__builtin_inf()));
    for (int64_t p = first; p < last; ++p) {
      value.load(tops + p * channels);
      raise(value);
    }
    sum.fill(0);
    for (int64_t p = first; p < last; ++p) {
      value.load(tops + p * channels);
      part.load(sums + p * channels);
      MESHOP_UNROLL
      for (int k = 0; k < K; ++k)
        sum.v[k] += part.v[k] * exp_lanes<W, N>(value.v[k] - shift_of(top.v[k]));
    }
  }

  template <typename T>
  MESHOP_INLINE void store_log(T* out) const {
    using V = Lanes<W, N>;
    const V infinity = V{} + static_cast<W>(__builtin_inf());
    Block<W, N, K, M> value;
    MESHOP_UNROLL
    for (int k = 0; k < K; ++k) {
      const V total = shift_of(top.v[k]) + log_lanes<W, N>(sum.v[k]);
      value.v[k] = top.v[k] == infinity ? infinity : total;
    }
    value.store(out);
  }

  // exp(x) / sum * scale for the row's entries.
  template <typename T>
  MESHOP_INLINE void store_shares(const T* x, int64_t first, int64_t last, int64_t channels,
                                  const T* scale, T* out) const {
    using V = Lanes<W, N>;
    Block<W, N, K, M> value, factor;
    factor.fill(1);
    if (scale) factor.load(scale);
    for (int64_t e = first; e < last; ++e) {
      value.load(x + e * channels);
      MESHOP_UNROLL
      for (int k = 0; k < K; ++k) {
        const V whole = sum.v[k] == V{} ? V{} + W(1) : sum.v[k];
        value.v[k] = exp_lanes<W, N>(value.v[k] - shift_of(top.v[k])) / whole;
        if (scale) value.v[k] *= factor.v[k];
      }
      value.store(out + e * channels);
    }
  }
};

template <typename T>
struct LogSumExpRows {
  using Carried = Wide<T>;
  static constexpr int kVectors = 4;
  const T* x;
  Rows rows;
  int64_t channels;
  T* out;

  template <int N, int K, int M>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    for (int64_t i = begin; i < end; ++i) {
      if (rows.end[i] - rows.begin[i] > rows.longest) continue;
      Exponents<Carried, N, K, M> row;
      row.of_entries(x + c, rows.begin[i], rows.end[i], channels);
      row.store_log(out + i * channels + c);
    }
  }
};

// `scale` (rows, channels), where given, multiplies a row's shares.
template <typename T>
struct SoftmaxRows {
  using Carried = Wide<T>;
  static constexpr int kVectors = 4;
  const T* x;
  Rows rows;
  int64_t channels;
  const T* scale;
  T* out;

  template <int N, int K, int M>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = rows.begin[i], last = rows.end[i];
      if (last - first > rows.longest) continue;
      Exponents<Carried, N, K, M> row;
      row.of_entries(x + c, first, last, channels);
      row.store_shares(x + c, first, last, channels, scale ? scale + i * channels + c : nullptr,
                       out + c);
    }
  }
};

// Long rows, in three steps: what each piece holds,
template <typename T>
struct ExponentsOfPieces {
  using Carried = Wide<T>;
  static constexpr int kVectors = 4;
  const T* x;
  Rows pieces;
  int64_t channels;
  Carried *tops, *sums;

  template <int N, int K, int M>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    for (int64_t p = begin; p < end; ++p) {
      Exponents<Carried, N, K, M> piece;
      piece.of_entries(x + c, pieces.begin[p], pieces.end[p], channels);
      piece.top.store(tops + p * channels + c);
      piece.sum.store(sums + p * channels + c);
    }
  }
};

// what they hold together,
template <typename W>
struct ExponentsOfRows {
  using Carried = W;
  static constexpr int kVectors = 4;
  const W *piece_tops, *piece_sums;
  Rows rows;
  int64_t channels;
  W *tops, *sums, *logs;

  template <int N, int K, int M>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    for (int64_t i = begin; i < end; ++i) {
      Exponents<W, N, K, M> row;
      row.of_pieces(piece_tops + c, piece_sums + c, rows.begin[i], rows.end[i], channels);
      row.top.store(tops + i * channels + c);
      row.sum.store(sums + i * channels + c);
      row.store_log(logs + i * channels + c);
    }
  }
};

// and each piece's shares.
template <typename T>
struct SoftmaxOfPieces {
  using Carried = Wide<T>;
  static constexpr int kVectors = 4;
  const T* x;
  const LongRows* tall;
  int64_t channels;
  const Carried *tops, *sums;
  const T* scale;
  T* out;

  template <int N, int K, int M>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t k = tall->owner(p);
      Exponents<Carried, N, K, M> row;
      row.top.load(tops + k * channels + c);
      row.sum.load(sums + k * channels + c);
      row.store_shares(x + c, tall->begin[p], tall->end[p], channels,
                       scale ? scale + tall->row[k] * channels + c : nullptr, out + c);
    }
  }
};

// Largest values, sums and logsumexp of the long rows.
template <typename T>
struct LongExponents {
  std::vector<Wide<T>> tops, sums, logs;

  LongExponents(const T* x, const LongRows& tall, int64_t channels)
      : tops(tall.count() * channels), sums(tops.size()), logs(tops.size()) {
    std::vector<Wide<T>> piece_tops(tall.pieces() * channels), piece_sums(piece_tops.size());
    for_pieces(
        ExponentsOfPieces<T>{x, tall.of_entries(), channels, piece_tops.data(), piece_sums.data()},
        tall.pieces(), channels);
    for_pieces(ExponentsOfRows<Wide<T>>{piece_tops.data(), piece_sums.data(), tall.of_pieces(),
                                        channels, tops.data(), sums.data(), logs.data()},
               tall.count(), channels);
  }
};

template <typename T>
void logsumexp_rows(const T* x, const int64_t* rowptr, int64_t rows, int64_t channels, T* out) {
  for_rows(LogSumExpRows<T>{x, short_rows(rowptr), channels, out}, rowptr, rows, channels);
  const LongRows tall(rowptr, rows);
  if (tall.count() == 0) return;
  const LongExponents<T> parts(x, tall, channels);
  for (int64_t k = 0; k < tall.count(); ++k)
    for (int64_t c = 0; c < channels; ++c)
      out[tall.row[k] * channels + c] = static_cast<T>(parts.logs[k * channels + c]);
}

// Shares of the whole rows; `scale` as above.
template <typename T>
void softmax_rows(const T* x, const int64_t* rowptr, int64_t rows, int64_t channels, const T* scale,
                  T* out) {
  for_rows(SoftmaxRows<T>{x, short_rows(rowptr), channels, scale, out}, rowptr, rows, channels);
  const LongRows tall(rowptr, rows);
  if (tall.count() == 0) return;
  const LongExponents<T> parts(x, tall, channels);
  for_pieces(
      SoftmaxOfPieces<T>{x, &tall, channels, parts.tops.data(), parts.sums.data(), scale, out},
      tall.pieces(), channels);
}

// share * (grad - sum over the row of share * grad)
template <typename T>
struct SoftmaxGradRows {
  using Carried = Wide<T>;
  static constexpr int kVectors = 4;
  const T *grad, *share;
  Rows rows;
  int64_t channels;
  T* out;

  template <int N, int K, int M>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = rows.begin[i], last = rows.end[i];
      if (last - first > rows.longest) continue;
      Block<Carried, N, K, M> dot;
      add(first, last, c, dot);
      apply(first, last, c, dot);
    }
  }

  template <int N, int K, int M>
  MESHOP_INLINE void add(int64_t first, int64_t last, int64_t c,
                         Block<Carried, N, K, M>& dot) const {
    Block<Carried, N, K, M> g, p;
    dot.fill(0);
    for (int64_t e = first; e < last; ++e) {
      g.load(grad + e * channels + c);
      p.load(share + e * channels + c);
      MESHOP_UNROLL
      for (int k = 0; k < K; ++k) dot.v[k] += g.v[k] * p.v[k];
    }
  }

  template <int N, int K, int M>
  MESHOP_INLINE void apply(int64_t first, int64_t last, int64_t c,
                           const Block<Carried, N, K, M>& dot) const {
    Block<Carried, N, K, M> g, p;
    for (int64_t e = first; e < last; ++e) {
      g.load(grad + e * channels + c);
      p.load(share + e * channels + c);
      MESHOP_UNROLL
      for (int k = 0; k < K; ++k) p.v[k] *= g.v[k] - dot.v[k];
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

  template <int N, int K, int M>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    for (int64_t p = begin; p < end; ++p) {
      Block<Carried, N, K, M> dot;
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

template <typename T>
void softmax_grad_rows(const T* grad, const T* share, const int64_t* rowptr, int64_t rows,
                       int64_t channels, T* out) {
  using W = Wide<T>;
  const SoftmaxGradRows<T> kernel{grad, share, short_rows(rowptr), channels, out};
  for_rows(kernel, rowptr, rows, channels);
  const LongRows tall(rowptr, rows);
  if (tall.count() == 0) return;
  std::vector<W> dots(tall.pieces() * channels), sums(tall.count() * channels);
  for_pieces(SoftmaxGradPieces<T, true>{kernel, &tall, dots.data()}, tall.pieces(), channels);
  for_pieces(SumRows<W, W>{dots.data(), tall.of_pieces(), channels, false, sums.data()},
             tall.count(), channels);
  for_pieces(SoftmaxGradPieces<T, false>{kernel, &tall, sums.data()}, tall.pieces(), channels);
}

}  // namespace MESHOP_ISA
}  // namespace meshop
