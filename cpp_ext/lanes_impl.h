// Blocks of channels in vector registers, for the instruction set that the including file is being
// compiled for; see each_isa.h. No include guard: that is the point.
//
// A kernel is a struct whose run<N, K, M>(begin, end, c) works on channels c to c + M, in K vectors
// of N lanes; `run_lanes` calls it for all channels with vectors of kBytes. A channel is a lane,
// and its sum goes front to back, so the width of the vectors does not show in the result.

namespace meshop {
namespace MESHOP_ISA {

template <typename W, int N>
struct LanesOf {
  typedef W type __attribute__((vector_size(N * sizeof(W))));
};
template <typename W>
struct LanesOf<W, 1> {
  using type = W;
};
// N values of W side by side; one is the plain type.
template <typename W, int N>
using Lanes = typename LanesOf<W, N>::type;

// The integer as wide as W: what comparisons give, and where bits are looked at.
template <typename W>
using Int = std::conditional_t<sizeof(W) == 8, int64_t, int32_t>;

template <typename To, typename From>
MESHOP_INLINE To bits_as(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

template <typename To, typename From>
MESHOP_INLINE To convert(const From& from) {
  if constexpr (std::is_arithmetic_v<From>)
    return static_cast<To>(from);
  else
    return __builtin_convertvector(from, To);
}

template <int N>
MESHOP_INLINE void load_lanes(Lanes<float, N>& v, const float* from) {
  std::memcpy(&v, from, sizeof(v));
}
template <int N>
MESHOP_INLINE void load_lanes(Lanes<double, N>& v, const double* from) {
  std::memcpy(&v, from, sizeof(v));
}
template <int N>
MESHOP_INLINE void store_lanes(const Lanes<float, N>& v, float* to) {
  std::memcpy(to, &v, sizeof(v));
}
template <int N>
MESHOP_INLINE void store_lanes(const Lanes<double, N>& v, double* to) {
  std::memcpy(to, &v, sizeof(v));
}

template <int N>
MESHOP_INLINE Lanes<uint32_t, N> load_half_bits(const void* from) {
  Lanes<uint16_t, N> half;
  std::memcpy(&half, from, sizeof(half));
  return convert<Lanes<uint32_t, N>>(half);
}

template <int N>
MESHOP_INLINE void store_half_bits(const Lanes<uint32_t, N>& bits, void* to) {
  const Lanes<uint16_t, N> half = convert<Lanes<uint16_t, N>>(bits);
  std::memcpy(to, &half, sizeof(half));
}

template <int N>
MESHOP_INLINE void load_lanes(Lanes<float, N>& v, const BFloat16* from) {
  v = bits_as<Lanes<float, N>>(load_half_bits<N>(from) << 16);
}

// To the nearest, ties to even, as torch rounds.
template <int N>
MESHOP_INLINE void store_lanes(const Lanes<float, N>& v, BFloat16* to) {
  using U = Lanes<uint32_t, N>;
  const U bits = bits_as<U>(v);
  const U rounded = (bits + ((bits >> 16) & 1u) + 0x7FFFu) >> 16;
  store_half_bits<N>(v != v ? U{} + 0x7FC0u : rounded, to);
}

// The arithmetic of torch/headeronly/util/Half.h, a lane each.
template <int N>
MESHOP_INLINE void load_lanes(Lanes<float, N>& v, const Half* from) {
  using U = Lanes<uint32_t, N>;
  using F = Lanes<float, N>;
  const U word = load_half_bits<N>(from) << 16;
  const U sign = word & 0x80000000u, twice = word + word;
  const F normal = bits_as<F>((twice >> 4) + (0xE0u << 23)) * 0x1.0p-112f;
  const F tiny = bits_as<F>((twice >> 17) | (126u << 23)) - 0.5f;
  v = bits_as<F>(sign | (twice < (U{} + (1u << 27)) ? bits_as<U>(tiny) : bits_as<U>(normal)));
}

template <int N>
MESHOP_INLINE void store_lanes(const Lanes<float, N>& v, Half* to) {
  using U = Lanes<uint32_t, N>;
  using F = Lanes<float, N>;
  const U word = bits_as<U>(v), twice = word + word, sign = word & 0x80000000u;
  const F base = (bits_as<F>(word & 0x7FFFFFFFu) * 0x1.0p+112f) * 0x1.0p-110f;
  const U exponent = twice & 0xFF000000u, least = U{} + 0x71000000u;
  const U bias = exponent < least ? least : exponent;
  const U bits = bits_as<U>(bits_as<F>((bias >> 1) + 0x07800000u) + base);
  const U finite = ((bits >> 13) & 0x7C00u) + (bits & 0xFFFu);
  store_half_bits<N>((sign >> 16) | (twice > (U{} + 0xFF000000u) ? U{} + 0x7E00u : finite), to);
}

// M channels in K vectors of N lanes, of what sums are carried in. Only a single vector may have
// lanes to spare; they hold 0 when loaded.
template <typename W, int N, int K, int M>
struct Block {
  using V = Lanes<W, N>;
  V v[K];

  MESHOP_INLINE void fill(W value) {
    MESHOP_UNROLL
    for (int k = 0; k < K; ++k) v[k] = V{} + value;
  }
  template <typename T>
  MESHOP_INLINE void load(const T* from) {
    if constexpr (M == N * K) {
      MESHOP_UNROLL
      for (int k = 0; k < K; ++k) load_lanes<N>(v[k], from + k * N);
    } else {
      v[0] = V{};
      MESHOP_UNROLL
      for (int m = 0; m < M; ++m) {
        W one;
        load_lanes<1>(one, from + m);
        v[0][m] = one;
      }
    }
  }
  template <typename T>
  MESHOP_INLINE void store(T* to) const {
    if constexpr (M == N * K) {
      MESHOP_UNROLL
      for (int k = 0; k < K; ++k) store_lanes<N>(v[k], to + k * N);
    } else {
      MESHOP_UNROLL
      for (int m = 0; m < M; ++m) {
        const W one = v[0][m];
        store_lanes<1>(one, to + m);
      }
    }
  }
};

// All channels from `from` to `to`: whole blocks first, then ever narrower ones.
template <int Bytes, typename Kernel>
MESHOP_INLINE void walk_lanes(const Kernel& kernel, int64_t begin, int64_t end, int64_t from,
                              int64_t to) {
  constexpr int n = Bytes / sizeof(typename Kernel::Carried);
  constexpr int most = Kernel::kVectors;
  int64_t c = from;
  for (; c + most * n <= to; c += most * n) kernel.template run<n, most, most * n>(begin, end, c);
  if constexpr (most > 4)
    if (c + 4 * n <= to) kernel.template run<n, 4, 4 * n>(begin, end, c), c += 4 * n;
  if constexpr (most > 2)
    if (c + 2 * n <= to) kernel.template run<n, 2, 2 * n>(begin, end, c), c += 2 * n;
  if (c + n <= to) kernel.template run<n, 1, n>(begin, end, c), c += n;
  if (c == to) return;
  if constexpr (Bytes > 16) {
    walk_lanes<Bytes / 2>(kernel, begin, end, c, to);
  } else {
    if constexpr (n > 2) {
      if (to - c == 3) kernel.template run<n, 1, 3>(begin, end, c);
      if (to - c == 2) kernel.template run<n, 1, 2>(begin, end, c);
    }
    if (to - c == 1) kernel.template run<n, 1, 1>(begin, end, c);
  }
}

// The channels in `groups` equal parts; no block of channels lies across two.
template <typename Kernel>
void run_lanes(const Kernel& kernel, int64_t begin, int64_t end, int64_t channels, int64_t groups) {
  const int64_t width = channels / groups;
  for (int64_t g = 0; g < groups; ++g)
    walk_lanes<kBytes>(kernel, begin, end, g * width, (g + 1) * width);
}

}  // namespace MESHOP_ISA
}  // namespace meshop
