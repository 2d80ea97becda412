// Blocks of channels in vector registers, and a choice of instruction set when the library runs.
//
// A kernel is a struct whose run<N, K>(begin, end, c) works on channels c to c + N * K, K vectors of
// N lanes; `run_lanes` calls it for all channels with the widest vectors of the machine. A channel is
// a lane, and its sum goes front to back, so the width of the vectors does not show in the result.
#pragma once

#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>

// Every function here is inlined: no vector ever crosses a call.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

#define MESHOP_INLINE inline __attribute__((always_inline))
#define MESHOP_UNROLL _Pragma("GCC unroll 8")

namespace meshop {

using torch::headeronly::BFloat16;
using torch::headeronly::Half;

// What sums of T are carried in.
template <typename T>
using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;

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
MESHOP_INLINE void load(Lanes<float, N>& v, const float* from) {
  std::memcpy(&v, from, sizeof(v));
}
template <int N>
MESHOP_INLINE void load(Lanes<double, N>& v, const double* from) {
  std::memcpy(&v, from, sizeof(v));
}
template <int N>
MESHOP_INLINE void store(const Lanes<float, N>& v, float* to) {
  std::memcpy(to, &v, sizeof(v));
}
template <int N>
MESHOP_INLINE void store(const Lanes<double, N>& v, double* to) {
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
MESHOP_INLINE void load(Lanes<float, N>& v, const BFloat16* from) {
  v = bits_as<Lanes<float, N>>(load_half_bits<N>(from) << 16);
}

// To the nearest, ties to even, as torch rounds.
template <int N>
MESHOP_INLINE void store(const Lanes<float, N>& v, BFloat16* to) {
  using U = Lanes<uint32_t, N>;
  const U bits = bits_as<U>(v);
  const U rounded = (bits + ((bits >> 16) & 1u) + 0x7FFFu) >> 16;
  store_half_bits<N>(v != v ? U{} + 0x7FC0u : rounded, to);
}

// The arithmetic of torch/headeronly/util/Half.h, a lane each.
template <int N>
MESHOP_INLINE void load(Lanes<float, N>& v, const Half* from) {
  using U = Lanes<uint32_t, N>;
  using F = Lanes<float, N>;
  const U word = load_half_bits<N>(from) << 16;
  const U sign = word & 0x80000000u, twice = word + word;
  const F normal = bits_as<F>((twice >> 4) + (0xE0u << 23)) * 0x1.0p-112f;
  const F tiny = bits_as<F>((twice >> 17) | (126u << 23)) - 0.5f;
  v = bits_as<F>(sign | (twice < (U{} + (1u << 27)) ? bits_as<U>(tiny) : bits_as<U>(normal)));
}

template <int N>
MESHOP_INLINE void store(const Lanes<float, N>& v, Half* to) {
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

// K vectors of N lanes, of what sums of T are carried in.
template <typename W, int N, int K>
struct Block {
  using V = Lanes<W, N>;
  V v[K];

  MESHOP_INLINE void fill(W value) {
    MESHOP_UNROLL for (int k = 0; k < K; ++k) v[k] = V{} + value;
  }
  template <typename T>
  MESHOP_INLINE void load(const T* from) {
    MESHOP_UNROLL for (int k = 0; k < K; ++k) meshop::load<N>(v[k], from + k * N);
  }
  template <typename T>
  MESHOP_INLINE void store(T* to) const {
    MESHOP_UNROLL for (int k = 0; k < K; ++k) meshop::store<N>(v[k], to + k * N);
  }
};

// All channels from `from` to `to`: whole blocks first, then ever narrower ones.
template <int Bytes, typename Kernel>
MESHOP_INLINE void walk_lanes(const Kernel& kernel, int64_t begin, int64_t end, int64_t from,
                              int64_t to) {
  constexpr int n = Bytes / sizeof(typename Kernel::Carried);
  constexpr int most = Kernel::kVectors;
  int64_t c = from;
  for (; c + most * n <= to; c += most * n) kernel.template run<n, most>(begin, end, c);
  if constexpr (most > 4)
    if (c + 4 * n <= to) kernel.template run<n, 4>(begin, end, c), c += 4 * n;
  if constexpr (most > 2)
    if (c + 2 * n <= to) kernel.template run<n, 2>(begin, end, c), c += 2 * n;
  if (c + n <= to) kernel.template run<n, 1>(begin, end, c), c += n;
  if (c == to) return;
  if constexpr (Bytes > 16) {
    walk_lanes<Bytes / 2>(kernel, begin, end, c, to);
  } else {
    if (to - c == 3) kernel.template run<1, 3>(begin, end, c);
    if (to - c == 2) kernel.template run<1, 2>(begin, end, c);
    if (to - c == 1) kernel.template run<1, 1>(begin, end, c);
  }
}

// A job's at<Bytes>() runs with vectors of that many bytes: the machine's widest.
#if defined(__x86_64__) && defined(__GNUC__)
#define MESHOP_X86 1
template <typename Job>
__attribute__((target("arch=x86-64-v4"))) void at_v4(const Job& job) {
  job.template at<64>();
}
template <typename Job>
__attribute__((target("arch=x86-64-v3"))) void at_v3(const Job& job) {
  job.template at<32>();
}
#endif

// The machine's vectors in bytes, or narrower ones where MESHOP_VECTOR_BYTES asks for them.
inline int vector_bytes() {
  static const int bytes = [] {
    int widest = 16;
#ifdef MESHOP_X86
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi2"))
      widest = 32;
    if (widest == 32 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
      widest = 64;
#endif
    const char* asked = std::getenv("MESHOP_VECTOR_BYTES");
    const int most = asked ? std::atoi(asked) : widest;
    while (widest > 16 && widest > most) widest /= 2;
    return widest;
  }();
  return bytes;
}

template <typename Job>
void dispatch(const Job& job) {
#ifdef MESHOP_X86
  if (vector_bytes() == 64) return at_v4(job);
  if (vector_bytes() == 32) return at_v3(job);
#endif
  job.template at<16>();
}

// The channels in `groups` equal parts; no block of channels lies across two.
template <typename Kernel>
struct ChannelJob {
  const Kernel* kernel;
  int64_t begin, end, channels, groups;

  template <int Bytes>
  MESHOP_INLINE void at() const {
    const int64_t width = channels / groups;
    for (int64_t g = 0; g < groups; ++g)
      walk_lanes<Bytes>(*kernel, begin, end, g * width, (g + 1) * width);
  }
};

template <typename Kernel>
void run_lanes(const Kernel& kernel, int64_t begin, int64_t end, int64_t channels,
               int64_t groups = 1) {
  dispatch(ChannelJob<Kernel>{&kernel, begin, end, channels, groups});
}

}  // namespace meshop
