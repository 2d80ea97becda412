// Kernels of segment_reduce but logsumexp, and of their gradients.
// No include guard; see lanes_impl.h.
#include "lanes_impl.h"
// After lanes_impl.h.
#include "sums_impl.h"

namespace meshop {
namespace MESHOP_ISA {

// `arg` is the first extreme of a row, or `none` where the row is empty. NaN wins, as in torch.
template <typename T, bool Least>
struct ExtremeRows {
  using Carried = Wide<T>;
  static constexpr int kVectors = 4;
  const T* x;
  Rows rows;
  int64_t channels, none;
  T* out;
  int64_t* arg;

  template <int N, int K, int M>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    using I = Lanes<Int<Carried>, N>;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = rows.begin[i], last = rows.end[i];
      if (last - first > rows.longest) continue;
      int64_t* to = arg + i * channels + c;
      Block<Carried, N, K, M> best, value;
      if (first == last) {
        best.fill(0);
        best.store(out + i * channels + c);
        for (int j = 0; j < M; ++j) to[j] = none;
        continue;
      }
      I at[K];  // from the first entry; a row here is at most kPiece long
      best.load(x + first * channels + c);
      MESHOP_UNROLL
      for (int k = 0; k < K; ++k) at[k] = I{};
      for (int64_t e = first + 1; e < last; ++e) {
        const auto step = static_cast<Int<Carried>>(e - first);
        value.load(x + e * channels + c);
        MESHOP_UNROLL
        for (int k = 0; k < K; ++k) {
          const auto v = value.v[k], old = best.v[k];
          const auto better = (Least ? v < old : v > old) | ((v != v) & (old == old));
          best.v[k] = better ? v : old;
          at[k] = better ? I{} + step : at[k];
        }
      }
      best.store(out + i * channels + c);
      Int<Carried> steps[N * K];
      std::memcpy(steps, at, sizeof(steps));
      for (int j = 0; j < M; ++j) to[j] = first + steps[j];
    }
  }
};

// Every entry's gradient is its row's, or its share of it.
template <typename T>
struct SpreadRows {
  using Carried = Wide<T>;
  static constexpr int kVectors = 8;
  const T* grad;
  const int64_t* rowptr;
  int64_t rows, channels;
  bool mean;
  T* out;

  template <int N, int K, int M>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    int64_t i = row_at(rowptr, rows, begin);
    for (int64_t e = begin; e < end; ++i) {
      const int64_t stop = std::min(end, rowptr[i + 1]);
      if (e == stop) continue;
      Block<Carried, N, K, M> share;
      share.load(grad + i * channels + c);
      if (mean) {
        const auto count = static_cast<Carried>(rowptr[i + 1] - rowptr[i]);
        MESHOP_UNROLL
        for (int k = 0; k < K; ++k) share.v[k] /= count;
      }
      for (; e < stop; ++e) share.store(out + e * channels + c);
    }
  }
};

// The row's gradient goes to its extreme, and 0 to the others: each entry is written once.
template <typename T>
struct WinnerRows {
  using Carried = Wide<T>;
  static constexpr int kVectors = 4;
  const T* grad;
  const int64_t *rowptr, *arg;
  int64_t rows, channels;
  T* out;
  std::atomic<bool>* bad;

  template <int N, int K, int M>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    using I = Lanes<Int<Carried>, N>;
    int64_t i = row_at(rowptr, rows, begin);
    for (int64_t e = begin; e < end; ++i) {
      const int64_t start = e, stop = std::min(end, rowptr[i + 1]);
      if (e == stop) continue;
      const int64_t* winner = arg + i * channels + c;
      Int<Carried> steps[N * K] = {};
      bool outside = false;
      for (int j = 0; j < M; ++j) {
        const int64_t at = winner[j];
        outside |= at < rowptr[i] || at >= rowptr[i + 1];
        // Entries [start, stop) are at most a tile, so the step fits.
        steps[j] = at >= start && at < stop ? static_cast<Int<Carried>>(at - start) : -1;
      }
      if (outside) bad->store(true, std::memory_order_relaxed);
      I at[K];
      std::memcpy(at, steps, sizeof(steps));
      Block<Carried, N, K, M> g, share;
      g.load(grad + i * channels + c);
      for (; e < stop; ++e) {
        const auto step = static_cast<Int<Carried>>(e - start);
        MESHOP_UNROLL
        for (int k = 0; k < K; ++k) share.v[k] = at[k] == step ? g.v[k] : Lanes<Carried, N>{};
        share.store(out + e * channels + c);
      }
    }
  }
};

template <typename T>
void sum_rows(const T* x, const int64_t* rowptr, int64_t rows, int64_t channels, bool mean,
              T* out) {
  for_rows(SumRows<T, T>{x, short_rows(rowptr), channels, mean, out}, rowptr, rows, channels);
  const LongRows tall(rowptr, rows);
  if (tall.count() == 0) return;
  std::vector<Wide<T>> sums(tall.pieces() * channels);
  for_pieces(SumRows<T, Wide<T>>{x, tall.of_entries(), channels, false, sums.data()}, tall.pieces(),
             channels);
  add_pieces(tall, rowptr, sums.data(), channels, mean, out);
}

template <typename T, bool Least>
void extreme_rows(const T* x, const int64_t* rowptr, int64_t rows, int64_t channels, int64_t none,
                  T* out, int64_t* arg) {
  using Kernel = ExtremeRows<T, Least>;
  for_rows(Kernel{x, short_rows(rowptr), channels, none, out, arg}, rowptr, rows, channels);
  const LongRows tall(rowptr, rows);
  const int64_t pieces = tall.pieces(), count = tall.count();
  if (count == 0) return;
  std::vector<T> best(pieces * channels), top(count * channels);
  std::vector<int64_t> at(pieces * channels), piece(count * channels);
  for_pieces(Kernel{x, tall.of_entries(), channels, none, best.data(), at.data()}, pieces,
             channels);
  for_pieces(Kernel{best.data(), tall.of_pieces(), channels, none, top.data(), piece.data()}, count,
             channels);
  for (int64_t k = 0; k < count; ++k)
    for (int64_t c = 0; c < channels; ++c) {
      out[tall.row[k] * channels + c] = top[k * channels + c];
      arg[tall.row[k] * channels + c] = at[piece[k * channels + c] * channels + c];
    }
}

template <typename T>
void spread_rows(const T* grad, const int64_t* rowptr, int64_t rows, int64_t channels, bool mean,
                 T* out) {
  for_entries(SpreadRows<T>{grad, rowptr, rows, channels, mean, out}, rowptr[rows], channels);
}

template <typename T>
void winner_rows(const T* grad, const int64_t* rowptr, const int64_t* arg, int64_t rows,
                 int64_t channels, T* out, std::atomic<bool>* bad) {
  for_entries(WinnerRows<T>{grad, rowptr, arg, rows, channels, out, bad}, rowptr[rows], channels);
}

}  // namespace MESHOP_ISA
}  // namespace meshop
