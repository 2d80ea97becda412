// What the kernels of edge attention are made of: dot products of one node with its neighbours,
// weighted sums of neighbours, and head-wise folds. No include guard; see lanes_impl.h.
//
// Scores of a tile of edges lie as (edges, head stride), the stride a power of two or a multiple of
// a vector's lanes: then a lane always belongs to the same head, and the softmax of all heads runs
// on whole vectors. Vectors have 32 bytes on every machine, so the order of sums, and with it every
// bit of the result, is the same on all of them.
#include "lanes_impl.h"
// After lanes_impl.h.
#include "lane_math_impl.h"

namespace meshop {
namespace MESHOP_ISA {

template <typename W>
constexpr int kLanes = 32 / sizeof(W);
template <typename W>
using Vec = Lanes<W, kLanes<W>>;

template <typename W>
MESHOP_INLINE Vec<W> splat(W x) {
  return Vec<W>{} + x;
}

template <typename T>
MESHOP_INLINE Vec<Wide<T>> load_vec(const T* from) {
  Vec<Wide<T>> v;
  load_lanes<kLanes<Wide<T>>>(v, from);
  return v;
}
template <typename W, typename T>
MESHOP_INLINE void store_vec(const Vec<W>& v, T* to) {
  store_lanes<kLanes<W>>(v, to);
}

// The first `count` lanes, fewer than all; zeros after them.
template <typename T>
MESHOP_INLINE Vec<Wide<T>> load_part(const T* from, int64_t count) {
  T part[kLanes<Wide<T>>] = {};
  int64_t at = 0;
  if (kLanes<Wide<T>> > 4 && (count & 4)) std::memcpy(part, from, 4 * sizeof(T)), at = 4;
  if (count & 2) std::memcpy(part + at, from + at, 2 * sizeof(T)), at += 2;
  if (count & 1) std::memcpy(part + at, from + at, sizeof(T));
  return load_vec(part);
}
template <typename W, typename T>
MESHOP_INLINE void store_part(const Vec<W>& v, T* to, int64_t count) {
  T part[kLanes<W>];
  store_vec<W>(v, part);
  for (int64_t c = 0; c < count; ++c) to[c] = part[c];
}

template <typename W>
inline int64_t padded(int64_t count) {
  return (count + kLanes<W> - 1) / kLanes<W> * kLanes<W>;
}

template <typename W>
inline int64_t head_stride(int64_t heads) {
  if (heads > kLanes<W> / 2) return padded<W>(heads);
  int64_t stride = 1;
  while (stride < heads) stride *= 2;
  return stride;
}

template <typename T>
MESHOP_INLINE void fetch(const T* from, int64_t count) {
  const char* at = reinterpret_cast<const char*>(from);
  for (int64_t byte = 0; byte < count * static_cast<int64_t>(sizeof(T)); byte += 64)
    __builtin_prefetch(at + byte);
}

// One node's features times `factor`, each head padded with zeros to whole vectors.
template <typename T>
MESHOP_INLINE void spread(const Features<T>& from, int64_t node, Wide<T> factor, Wide<T>* to) {
  using W = Wide<T>;
  const T* x = from.row(node);
  for (int64_t h = 0; h < from.heads; ++h, to += padded<W>(from.width), x += from.width) {
    int64_t c = 0;
    for (; c + kLanes<W> <= from.width; c += kLanes<W>)
      store_vec<W>(load_vec(x + c) * factor, to + c);
    if (c < from.width) store_vec<W>(load_part(x + c, from.width - c) * factor, to + c);
  }
}

// The inverse: padded heads, each times its factor, to a node's row.
template <typename W, typename T>
MESHOP_INLINE void gather_heads(const W* from, const W* factor, int64_t heads, int64_t width,
                                T* to) {
  for (int64_t h = 0; h < heads; ++h, from += padded<W>(width), to += width) {
    int64_t c = 0;
    for (; c + kLanes<W> <= width; c += kLanes<W>)
      store_vec<W>(load_vec(from + c) * factor[h], to + c);
    if (c < width) store_part<W>(load_vec(from + c) * factor[h], to + c, width - c);
  }
}

template <typename T>
MESHOP_INLINE Vec<Wide<T>> product(const Wide<T>* x, const T* y, int64_t width) {
  using W = Wide<T>;
  Vec<W> sum{};
  int64_t c = 0;
  for (; c + kLanes<W> <= width; c += kLanes<W>) sum += load_vec(x + c) * load_vec(y + c);
  if (c < width) sum += load_vec(x + c) * load_part(y + c, width - c);
  return sum;
}

// The sums of all lanes of four vectors, each in the same order.
MESHOP_INLINE Lanes<float, 4> lane_sums(const Lanes<float, 4>& a, const Lanes<float, 4>& b,
                                        const Lanes<float, 4>& c, const Lanes<float, 4>& d) {
  const auto x =
      __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
  const auto y =
      __builtin_shufflevector(c, d, 0, 1, 4, 5) + __builtin_shufflevector(c, d, 2, 3, 6, 7);
  return __builtin_shufflevector(x, y, 0, 2, 4, 6) + __builtin_shufflevector(x, y, 1, 3, 5, 7);
}
MESHOP_INLINE Lanes<double, 4> lane_sums(const Lanes<double, 4>& a, const Lanes<double, 4>& b,
                                         const Lanes<double, 4>& c, const Lanes<double, 4>& d) {
  const auto x =
      __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
  const auto y =
      __builtin_shufflevector(c, d, 0, 1, 4, 5) + __builtin_shufflevector(c, d, 2, 3, 6, 7);
  return __builtin_shufflevector(x, y, 0, 2, 4, 6) + __builtin_shufflevector(x, y, 1, 3, 5, 7);
}
MESHOP_INLINE Lanes<float, 4> halves(const Lanes<float, 8>& v) {
  return __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
}
MESHOP_INLINE Lanes<double, 4> halves(const Lanes<double, 4>& v) { return v; }

// out[e * stride + h] = x[h] . y[at[e], h] for a tile of edges; x is spread.
template <typename T>
MESHOP_INLINE void scores(const Wide<T>* x, const Features<T>& y, const int64_t* at, int64_t edges,
                          int64_t stride, Wide<T>* out) {
  using W = Wide<T>;
  const int64_t width = y.width, step = padded<W>(width), by_four = y.heads / 4 * 4;
  for (int64_t e = 0; e < edges; ++e) {
    const T* row = y.row(at[e]);
    for (int64_t h = 0; h < by_four; h += 4) {
      Lanes<W, 4> part[4];
      MESHOP_UNROLL
      for (int k = 0; k < 4; ++k)
        part[k] = halves(product(x + (h + k) * step, row + (h + k) * width, width));
      store_lanes<4>(lane_sums(part[0], part[1], part[2], part[3]), out + e * stride + h);
    }
  }
  // The last heads, four edges at a time; sums of lanes keep the same order.
  for (int64_t h = by_four; h < y.heads; ++h)
    for (int64_t e = 0; e < edges; e += 4) {
      const int64_t count = std::min<int64_t>(4, edges - e);
      Lanes<W, 4> part[4];
      MESHOP_UNROLL
      for (int k = 0; k < 4; ++k) {
        const int64_t edge = k < count ? e + k : e;
        part[k] = halves(product(x + h * step, y.row(at[edge]) + h * width, width));
      }
      W sums[4];
      store_lanes<4>(lane_sums(part[0], part[1], part[2], part[3]), sums);
      for (int64_t k = 0; k < count; ++k) out[(e + k) * stride + h] = sums[k];
    }
}

// sum[h] += weight[e * stride + h] * y[at[e], h] over a tile of edges, K vectors of channels from
// vector `first`, all in whole vectors.
template <int K, typename T>
MESHOP_INLINE void add_block(const Features<T>& y, const int64_t* at, int64_t edges,
                             const Wide<T>* weight, int64_t stride, int64_t first, Wide<T>* sum) {
  using W = Wide<T>;
  const int64_t each = y.width / kLanes<W>, c = first * kLanes<W>;
  Vec<W> total[K];
  const W* weight_of[K];
  MESHOP_UNROLL
  for (int k = 0; k < K; ++k) {
    total[k] = load_vec(sum + c + k * kLanes<W>);
    weight_of[k] = weight + (first + k) / each;
  }
  for (int64_t e = 0; e < edges; ++e) {
    const T* row = y.row(at[e]) + c;
    MESHOP_UNROLL
    for (int k = 0; k < K; ++k)
      total[k] += load_vec(row + k * kLanes<W>) * weight_of[k][e * stride];
  }
  MESHOP_UNROLL
  for (int k = 0; k < K; ++k) store_vec<W>(total[k], sum + c + k * kLanes<W>);
}

// sum[h] += weight[e * stride + h] * y[at[e], h] over a tile of edges; sum is spread.
template <typename T>
MESHOP_INLINE void add_weighted(const Features<T>& y, const int64_t* at, int64_t edges,
                                const Wide<T>* weight, int64_t stride, Wide<T>* sum) {
  using W = Wide<T>;
  const int64_t step = padded<W>(y.width);
  if (step == y.width) {
    const int64_t vectors = y.heads * y.width / kLanes<W>;
    int64_t v = 0;
    for (; v + 8 <= vectors; v += 8) add_block<8>(y, at, edges, weight, stride, v, sum);
    for (; v < vectors; ++v) add_block<1>(y, at, edges, weight, stride, v, sum);
    return;
  }
  for (int64_t h = 0; h < y.heads; ++h)
    for (int64_t c = 0; c < y.width; c += kLanes<W>) {
      const int64_t count = y.width - c;
      Vec<W> total = load_vec(sum + h * step + c);
      for (int64_t e = 0; e < edges; ++e) {
        const T* from = y.row(at[e]) + h * y.width + c;
        total +=
            (count < kLanes<W> ? load_part(from, count) : load_vec(from)) * weight[e * stride + h];
      }
      store_vec<W>(total, sum + h * step + c);
    }
}

template <int Step, typename V, size_t... L>
MESHOP_INLINE V exchanged(const V& v, std::index_sequence<L...>) {
  return __builtin_shufflevector(v, v, (L ^ Step)...);
}
struct Larger {
  template <typename V>
  MESHOP_INLINE V operator()(const V& a, const V& b) const {
    return a > b ? a : b;
  }
};
struct Plus {
  template <typename V>
  MESHOP_INLINE V operator()(const V& a, const V& b) const {
    return a + b;
  }
};
// Combines the lanes of each head where a vector holds several edges; all of them get the result.
template <typename W, typename Combine>
MESHOP_INLINE Vec<W> fold(const Vec<W>& of, int64_t stride, const Combine& combine) {
  constexpr auto lanes = std::make_index_sequence<kLanes<W>>{};
  Vec<W> v = of;
  if constexpr (kLanes<W> == 8)
    if (stride <= 4) v = combine(v, exchanged<4>(v, lanes));
  if (stride <= 2) v = combine(v, exchanged<2>(v, lanes));
  if (stride <= 1) v = combine(v, exchanged<1>(v, lanes));
  return v;
}

// Calls f with the dimension of space, known to the compiler where it is 2 or 3.
template <typename F>
MESHOP_INLINE void with_space(int64_t space, const F& f) {
  if (space == 3)
    f(std::integral_constant<int64_t, 3>{});
  else if (space == 2)
    f(std::integral_constant<int64_t, 2>{});
  else
    f(space);
}

// Calls kernel.run(begin, end) for all rows on torch's threads.
template <typename Kernel>
void run_rows(const Kernel& kernel, const int64_t* rowptr, int64_t rows) {
  for_even_rows(rowptr, rows, kEdgeGrain,
                [&](int64_t begin, int64_t end) { kernel.run(begin, end); });
}

}  // namespace MESHOP_ISA
}  // namespace meshop
