// Reductions of gathered rows, and dots with them: sums over the neighbours of a CSR graph without
// an (E, C) tensor. Each channel of a row is summed front to back (rows of more than kPiece entries
// by pieces), so results depend neither on the thread count nor on the machine.
#include <optional>
#include <string>

#include "gather.h"
#include "row_tasks.h"

namespace meshop {
namespace {

constexpr int64_t kAhead = 12;  // entries between asking memory for a gathered row and using it

template <int64_t Bytes>
MESHOP_INLINE void prefetch(const void* from) {
  const char* at = static_cast<const char*>(from);
  for (int64_t b = 0; b < Bytes; b += 64) __builtin_prefetch(at + b);
}

// out[i] = sum or mean over the row of weight[order[e]] * x[index[e]]
template <typename T, typename Out>
struct GatherRows {
  using Carried = Wide<T>;
  static constexpr int kVectors = 8;
  const T* x;
  const T* weight;       // (E, heads), or null
  const int64_t* order;  // into weight, or null
  const int64_t* index;
  Rows rows;
  int64_t entries, channels, heads;
  bool mean;
  Out* out;

  template <int N, int K>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    const T* from = x + c;
    const T* factor = weight ? weight + c / (channels / heads) : nullptr;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = rows.begin[i], last = rows.end[i];
      if (last - first > rows.longest) continue;
      Block<Carried, N, K> sum, value;
      sum.fill(0);
      for (int64_t e = first; e < last; ++e) {
        prefetch<N * K * sizeof(T)>(from + index[std::min(e + kAhead, entries - 1)] * channels);
        value.load(from + index[e] * channels);
        if (factor) {
          const auto w = static_cast<Carried>(factor[(order ? order[e] : e) * heads]);
          MESHOP_UNROLL for (int k = 0; k < K; ++k) value.v[k] *= w;
        }
        MESHOP_UNROLL for (int k = 0; k < K; ++k) sum.v[k] += value.v[k];
      }
      if (mean) {
        const auto count = static_cast<Carried>(std::max<int64_t>(1, last - first));
        MESHOP_UNROLL for (int k = 0; k < K; ++k) sum.v[k] /= count;
      }
      sum.store(out + i * channels + c);
    }
  }
};

// out[e] = dot of a[row of e] and b[index[e]] in each head. Channel c of a head is added to lane
// c % kLanes and the lanes are then added in pairs: an order that no vector width changes.
template <typename T>
struct DotJob {
  using Carried = Wide<T>;
  static constexpr int kLanes = 64 / sizeof(Carried);
  const T *a, *b;
  const int64_t *rowptr, *index;
  int64_t rows, begin, end, entries, channels, heads;
  T* out;

  template <int Bytes>
  MESHOP_INLINE void at() const {
    constexpr int n = Bytes / sizeof(Carried), vectors = kLanes / n;
    const int64_t width = channels / heads, whole = width / kLanes * kLanes;
    int64_t i = row_at(rowptr, rows, begin);
    for (int64_t e = begin; e < end; ++i) {
      const T* left = a + i * channels;
      for (const int64_t stop = std::min(end, rowptr[i + 1]); e < stop; ++e) {
        const T* ahead = b + index[std::min(e + kAhead, entries - 1)] * channels;
        for (int64_t c = 0; c < channels; c += 64 / static_cast<int64_t>(sizeof(T)))
          __builtin_prefetch(ahead + c);
        const T* right = b + index[e] * channels;
        for (int64_t h = 0; h < heads; ++h) {
          const int64_t from = h * width;
          Block<Carried, n, vectors> sum, one, other;
          sum.fill(0);
          for (int64_t c = from; c < from + whole; c += kLanes) {
            one.load(left + c);
            other.load(right + c);
            MESHOP_UNROLL for (int k = 0; k < vectors; ++k) sum.v[k] += one.v[k] * other.v[k];
          }
          Carried lanes[kLanes];
          sum.store(lanes);
          for (int64_t c = from + whole; c < from + width; ++c)
            lanes[c - from - whole] +=
                static_cast<Carried>(left[c]) * static_cast<Carried>(right[c]);
          for (int step = kLanes / 2; step > 0; step /= 2)
            for (int k = 0; k < step; ++k) lanes[k] += lanes[k + step];
          out[e * heads + h] = static_cast<T>(lanes[0]);
        }
      }
    }
  }
};

Tensor gather_reduce(Tensor x, std::optional<Tensor> weight, Tensor rowptr, Tensor index,
                     std::optional<Tensor> order, std::optional<Tensor> rowptr_t,
                     std::optional<Tensor> /*index_t*/, std::optional<Tensor> /*order_t*/,
                     std::string reduce) {
  const GatherInput in(x, weight, rowptr, index, order, rowptr_t.has_value(), reduce);
  const int64_t* at = indices(in.rowptr);
  check_rowptr(at, in.rows, in.entries, "rowptr");
  check_range(indices(in.index), in.entries, in.x.size(0), "index must be in [0, rows of x)");
  if (order) check_range(indices(in.order), in.entries, in.entries, "order must be in [0, E)");

  Tensor out = large_empty(in.x, shape_with(in.x, in.rows), in.x.scalar_type());
  with_floating(in.x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    const T* factor = weight ? data<T>(in.weight) : nullptr;
    const int64_t* place = order ? indices(in.order) : nullptr;
    T* to = mutable_data<T>(out);
    const GatherRows<T, T> kernel{
        data<T>(in.x), factor,      place,    indices(in.index), short_rows(at),
        in.entries,    in.channels, in.heads, in.mean,           to};
    for_rows(kernel, at, in.rows, in.channels, in.heads);
    const LongRows tall(at, in.rows);
    if (tall.count() == 0) return;
    std::vector<W> sums(tall.pieces() * in.channels);
    const GatherRows<T, W> pieces{
        kernel.x,   factor,      place,    kernel.index, tall.of_entries(),
        in.entries, in.channels, in.heads, false,        sums.data()};
    for_pieces(pieces, tall.pieces(), in.channels, in.heads);
    add_pieces(tall, at, sums.data(), in.channels, in.mean, to);
  });
  return out;
}

Tensor gather_dot(Tensor a, Tensor b, int64_t heads, Tensor rowptr, Tensor index,
                  std::optional<Tensor> /*rowptr_t*/, std::optional<Tensor> /*index_t*/,
                  std::optional<Tensor> /*order_t*/) {
  const DotInput in(a, b, heads, rowptr, index);
  const int64_t* at = indices(in.rowptr);
  check_rowptr(at, in.rows, in.entries, "rowptr");
  check_range(indices(in.index), in.entries, in.b.size(0), "index must be in [0, rows of b)");

  Tensor out = large_empty(in.a, {in.entries, heads}, in.a.scalar_type());
  if (out.numel() == 0) return out;
  with_floating(in.a.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t grain = std::max<int64_t>(1, kTaskValues / std::max<int64_t>(1, in.channels));
    torch::stable::parallel_for(0, in.entries, grain, [&](int64_t begin, int64_t end) {
      dispatch(DotJob<T>{data<T>(in.a), data<T>(in.b), at, indices(in.index), in.rows, begin, end,
                         in.entries, in.channels, heads, mutable_data<T>(out)});
    });
  });
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("gather_reduce", TORCH_BOX(&gather_reduce));
  m.impl("gather_dot", TORCH_BOX(&gather_dot));
}

}  // namespace meshop
