// Kernels of gather_reduce and gather_dot. No include guard; see lanes_impl.h.
#include "lanes_impl.h"
// After lanes_impl.h.
#include "sums_impl.h"

namespace meshop {
namespace MESHOP_ISA {

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

  template <int N, int K, int M>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    const T* from = x + c;
    const T* factor = weight ? weight + c / (channels / heads) : nullptr;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = rows.begin[i], last = rows.end[i];
      if (last - first > rows.longest) continue;
      Block<Carried, N, K, M> sum, value;
      sum.fill(0);
      for (int64_t e = first; e < last; ++e) {
        prefetch<M * sizeof(T)>(from + index[std::min(e + kAhead, entries - 1)] * channels);
        value.load(from + index[e] * channels);
        if (factor) {
          const auto w = static_cast<Carried>(factor[(order ? order[e] : e) * heads]);
          MESHOP_UNROLL
          for (int k = 0; k < K; ++k) value.v[k] *= w;
        }
        MESHOP_UNROLL
        for (int k = 0; k < K; ++k) sum.v[k] += value.v[k];
      }
      if (mean) {
        const auto count = static_cast<Carried>(std::max<int64_t>(1, last - first));
        MESHOP_UNROLL
        for (int k = 0; k < K; ++k) sum.v[k] /= count;
      }
      sum.store(out + i * channels + c);
    }
  }
};

// The sum of an array's vectors, and of a vector's lanes, by adding halves.
template <typename W, int N, int K>
MESHOP_INLINE W fold(const Lanes<W, N> (&v)[K]) {
  if constexpr (K > 1) {
    Lanes<W, N> half[K / 2];
    MESHOP_UNROLL
    for (int k = 0; k < K / 2; ++k) half[k] = v[k] + v[k + K / 2];
    return fold<W, N, K / 2>(half);
  } else if constexpr (N > 1) {
    Lanes<W, N / 2> half[2];
    std::memcpy(half, v, sizeof(half));
    return fold<W, N / 2, 2>(half);
  } else {
    return v[0];
  }
}

// out[e] = dot of a[row of e] and b[index[e]] in each head. Channel c of a head is added to lane
// c % L, and the lanes are then folded: an order that no vector width changes.
template <typename T, int L>
struct DotRows {
  using Carried = Wide<T>;
  const T *a, *b;
  const int64_t *rowptr, *index;
  int64_t rows, entries, channels, heads;
  T* out;

  static MESHOP_INLINE Carried dot(const T* left, const T* right, int64_t width) {
    constexpr int most = kBytes / sizeof(Carried), n = most < L ? most : L, vectors = L / n;
    Block<Carried, n, vectors, L> sum, one, other;
    sum.fill(0);
    int64_t c = 0;
    for (; c + L <= width; c += L) {
      one.load(left + c);
      other.load(right + c);
      MESHOP_UNROLL
      for (int k = 0; k < vectors; ++k) sum.v[k] += one.v[k] * other.v[k];
    }
    if (c < width) {
      T first[L] = {}, second[L] = {};
      std::copy(left + c, left + width, first);
      std::copy(right + c, right + width, second);
      one.load(first);
      other.load(second);
      MESHOP_UNROLL
      for (int k = 0; k < vectors; ++k) sum.v[k] += one.v[k] * other.v[k];
    }
    return fold<Carried, n, vectors>(sum.v);
  }

  void run(int64_t begin, int64_t end) const {
    const int64_t width = channels / heads;
    int64_t i = row_at(rowptr, rows, begin);
    for (int64_t e = begin; e < end; ++i) {
      const T* left = a + i * channels;
      for (const int64_t stop = std::min(end, rowptr[i + 1]); e < stop; ++e) {
        const T* ahead = b + index[std::min(e + kAhead, entries - 1)] * channels;
        for (int64_t c = 0; c < channels; c += 64 / static_cast<int64_t>(sizeof(T)))
          __builtin_prefetch(ahead + c);
        const T* right = b + index[e] * channels;
        for (int64_t h = 0; h < heads; ++h)
          out[e * heads + h] = static_cast<T>(dot(left + h * width, right + h * width, width));
      }
    }
  }
};

template <typename T>
void gather_rows(const GatherInput& in, T* out) {
  using W = Wide<T>;
  const int64_t* rowptr = indices(in.rowptr);
  const T* weight = in.weighted ? data<T>(in.weight) : nullptr;
  const int64_t* order = in.ordered ? indices(in.order) : nullptr;
  const GatherRows<T, T> kernel{
      data<T>(in.x), weight,      order,    indices(in.index), short_rows(rowptr),
      in.entries,    in.channels, in.heads, in.mean,           out};
  for_rows(kernel, rowptr, in.rows, in.channels, in.heads);
  const LongRows tall(rowptr, in.rows);
  if (tall.count() == 0) return;
  std::vector<W> sums(tall.pieces() * in.channels);
  const GatherRows<T, W> pieces{kernel.x,   weight,      order,    kernel.index, tall.of_entries(),
                                in.entries, in.channels, in.heads, false,        sums.data()};
  for_pieces(pieces, tall.pieces(), in.channels, in.heads);
  add_pieces(tall, rowptr, sums.data(), in.channels, in.mean, out);
}

template <typename T, int L>
void dot_rows_by(const DotInput& in, int64_t begin, int64_t end, T* out) {
  DotRows<T, L>{data<T>(in.a),     data<T>(in.b), indices(in.rowptr),
                indices(in.index), in.rows,       in.entries,
                in.channels,       in.heads,      out}
      .run(begin, end);
}

template <typename T>
void dot_rows(const DotInput& in, int64_t begin, int64_t end, T* out) {
  const int64_t width = in.channels / in.heads;
  if (width > 8 && sizeof(Wide<T>) == 4) return dot_rows_by<T, 16>(in, begin, end, out);
  if (width > 4) return dot_rows_by<T, 8>(in, begin, end, out);
  if (width > 1) return dot_rows_by<T, 4>(in, begin, end, out);
  dot_rows_by<T, 1>(in, begin, end, out);
}

}  // namespace MESHOP_ISA
}  // namespace meshop
