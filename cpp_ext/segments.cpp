// Reductions over CSR segments: sum, mean, min and max, and what their gradients are.
// Each channel of a row is summed front to back (rows of more than kPiece entries by pieces), so
// results depend neither on the thread count nor on the machine.
#include <atomic>
#include <string>
#include <tuple>

#include "row_tasks.h"
#include "softmax.h"

namespace meshop {
namespace {

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

  template <int N, int K>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    using I = Lanes<Int<Carried>, N>;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = rows.begin[i], last = rows.end[i];
      if (last - first > rows.longest) continue;
      int64_t* to = arg + i * channels + c;
      Block<Carried, N, K> best, value;
      if (first == last) {
        best.fill(0);
        best.store(out + i * channels + c);
        for (int j = 0; j < N * K; ++j) to[j] = none;
        continue;
      }
      I at[K];  // from the first entry; a row here is at most kPiece long
      best.load(x + first * channels + c);
      MESHOP_UNROLL for (int k = 0; k < K; ++k) at[k] = I{};
      for (int64_t e = first + 1; e < last; ++e) {
        const auto step = static_cast<Int<Carried>>(e - first);
        value.load(x + e * channels + c);
        MESHOP_UNROLL for (int k = 0; k < K; ++k) {
          const auto v = value.v[k], old = best.v[k];
          const auto better = (Least ? v < old : v > old) | ((v != v) & (old == old));
          best.v[k] = better ? v : old;
          at[k] = better ? I{} + step : at[k];
        }
      }
      best.store(out + i * channels + c);
      Int<Carried> steps[N * K];
      std::memcpy(steps, at, sizeof(steps));
      for (int j = 0; j < N * K; ++j) to[j] = first + steps[j];
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

  template <int N, int K>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    int64_t i = row_at(rowptr, rows, begin);
    for (int64_t e = begin; e < end; ++i) {
      const int64_t stop = std::min(end, rowptr[i + 1]);
      if (e == stop) continue;
      Block<Carried, N, K> share;
      share.load(grad + i * channels + c);
      if (mean) {
        const auto count = static_cast<Carried>(rowptr[i + 1] - rowptr[i]);
        MESHOP_UNROLL for (int k = 0; k < K; ++k) share.v[k] /= count;
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

  template <int N, int K>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    using I = Lanes<Int<Carried>, N>;
    int64_t i = row_at(rowptr, rows, begin);
    for (int64_t e = begin; e < end; ++i) {
      const int64_t start = e, stop = std::min(end, rowptr[i + 1]);
      if (e == stop) continue;
      const int64_t* winner = arg + i * channels + c;
      Int<Carried> steps[N * K];
      bool outside = false;
      for (int j = 0; j < N * K; ++j) {
        const int64_t at = winner[j];
        outside |= at < rowptr[i] || at >= rowptr[i + 1];
        // Entries [start, stop) are at most a tile, so the step fits.
        steps[j] = at >= start && at < stop ? static_cast<Int<Carried>>(at - start) : -1;
      }
      if (outside) bad->store(true, std::memory_order_relaxed);
      I at[K];
      std::memcpy(at, steps, sizeof(steps));
      Block<Carried, N, K> g, share;
      g.load(grad + i * channels + c);
      for (; e < stop; ++e) {
        const auto step = static_cast<Int<Carried>>(e - start);
        MESHOP_UNROLL for (int k = 0; k < K; ++k)
          share.v[k] = at[k] == step ? g.v[k] : Lanes<Carried, N>{};
        share.store(out + e * channels + c);
      }
    }
  }
};

template <typename T>
void sum_rows(const T* x, const int64_t* rowptr, int64_t rows, int64_t channels, bool mean, T* out) {
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
  for_pieces(Kernel{x, tall.of_entries(), channels, none, best.data(), at.data()}, pieces, channels);
  for_pieces(Kernel{best.data(), tall.of_pieces(), channels, none, top.data(), piece.data()}, count,
             channels);
  for (int64_t k = 0; k < count; ++k)
    for (int64_t c = 0; c < channels; ++c) {
      out[tall.row[k] * channels + c] = top[k * channels + c];
      arg[tall.row[k] * channels + c] = at[piece[k * channels + c] * channels + c];
    }
}

std::tuple<Tensor, Tensor> segment_reduce(Tensor values, Tensor rowptr, std::string reduce) {
  const Reduce kind = parse_reduce(reduce);
  STD_TORCH_CHECK(values.dim() >= 1, "values must have shape (E, ...)");
  check_indices(rowptr, "rowptr", 1);
  STD_TORCH_CHECK(rowptr.numel() >= 1, "rowptr must have at least one entry");
  const Tensor x = torch::stable::contiguous(values);
  const Tensor ptr = torch::stable::contiguous(rowptr);
  const int64_t rows = ptr.numel() - 1, channels = trailing(x);
  const int64_t* at = indices(ptr);
  check_rowptr(at, rows, x.size(0), "rowptr");

  Tensor out = large_empty(x, shape_with(x, rows), x.scalar_type());
  const bool extreme = kind == Reduce::Min || kind == Reduce::Max;
  Tensor arg = extreme ? large_empty(x, shape_with(x, rows), ScalarType::Long)
                       : empty_of(x, {0}, ScalarType::Long);
  with_floating(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = data<T>(x);
    T* to = mutable_data<T>(out);
    if (kind == Reduce::LogSumExp)
      logsumexp_rows(from, at, rows, channels, to);
    else if (kind == Reduce::Min)
      extreme_rows<T, true>(from, at, rows, channels, x.size(0), to, mutable_indices(arg));
    else if (kind == Reduce::Max)
      extreme_rows<T, false>(from, at, rows, channels, x.size(0), to, mutable_indices(arg));
    else
      sum_rows(from, at, rows, channels, kind == Reduce::Mean, to);
  });
  return {out, arg};
}

Tensor segment_reduce_backward(Tensor grad, Tensor rowptr, Tensor arg, int64_t num_values,
                               std::string reduce) {
  const Reduce kind = parse_reduce(reduce);
  STD_TORCH_CHECK(kind != Reduce::LogSumExp, "logsumexp has a backward of its own");
  check_indices(rowptr, "rowptr", 1);
  STD_TORCH_CHECK(grad.dim() >= 1 && rowptr.numel() == grad.size(0) + 1,
                  "grad must have one row per segment");
  const Tensor g = torch::stable::contiguous(grad);
  const Tensor ptr = torch::stable::contiguous(rowptr);
  const int64_t rows = g.size(0), channels = trailing(g);
  const int64_t* at = indices(ptr);
  check_rowptr(at, rows, num_values, "rowptr");
  const bool extreme = kind == Reduce::Min || kind == Reduce::Max;
  Tensor winners;
  if (extreme) {
    STD_TORCH_CHECK(arg.scalar_type() == ScalarType::Long && arg.numel() == g.numel(),
                    "arg must be int64 and shaped as grad");
    winners = torch::stable::contiguous(arg);
  }

  Tensor out = large_empty(g, shape_with(g, num_values), g.scalar_type());
  std::atomic<bool> bad{false};
  with_floating(g.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = data<T>(g);
    T* to = mutable_data<T>(out);
    if (extreme)
      for_entries(WinnerRows<T>{from, at, indices(winners), rows, channels, to, &bad}, num_values,
                  channels);
    else
      for_entries(SpreadRows<T>{from, at, rows, channels, kind == Reduce::Mean, to}, num_values,
                  channels);
  });
  STD_TORCH_CHECK(!bad, "arg must point into its own segment");
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("segment_reduce", TORCH_BOX(&segment_reduce));
  m.impl("segment_reduce_backward", TORCH_BOX(&segment_reduce_backward));
}

}  // namespace meshop
