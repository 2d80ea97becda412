// The language of device code: qualifiers, vector types, intrinsics, warp operations, atomics.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "core.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __constant__ static
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))

#define threadIdx (::emulation::thread_index)
#define blockIdx (::emulation::block_index)
#define blockDim (::emulation::launched.block)
#define gridDim (::emulation::launched.grid)
constexpr int warpSize = 32;

// --- vector types -------------------------------------------------------------------------------

#define EMULATION_VECTORS(T, name, at2, at4)                         \
  struct name##1 { T x; };                                           \
  struct __align__(at2) name##2 { T x, y; };                         \
  struct name##3 { T x, y, z; };                                     \
  struct __align__(at4) name##4 { T x, y, z, w; };                   \
  inline name##1 make_##name##1(T x) { return {x}; }                 \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }         \
  inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; } \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
EMULATION_VECTORS(signed char, char, 2, 4)
EMULATION_VECTORS(unsigned char, uchar, 2, 4)
EMULATION_VECTORS(short, short, 4, 8)
EMULATION_VECTORS(unsigned short, ushort, 4, 8)
EMULATION_VECTORS(int, int, 8, 16)
EMULATION_VECTORS(unsigned, uint, 8, 16)
EMULATION_VECTORS(long long, longlong, 16, 16)
EMULATION_VECTORS(unsigned long long, ulonglong, 16, 16)
EMULATION_VECTORS(float, float, 8, 16)
EMULATION_VECTORS(double, double, 16, 16)
#undef EMULATION_VECTORS

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

// --- arithmetic ---------------------------------------------------------------------------------

using std::isfinite;
using std::isinf;
using std::isnan;

template <typename A, typename B,
          typename = std::enable_if_t<std::is_arithmetic_v<A> && std::is_arithmetic_v<B>>>
constexpr std::common_type_t<A, B> min(A a, B b) {
  using T = std::common_type_t<A, B>;
  if constexpr (std::is_floating_point_v<T>) return std::fmin(static_cast<T>(a), static_cast<T>(b));
  return static_cast<T>(b) < static_cast<T>(a) ? static_cast<T>(b) : static_cast<T>(a);
}
template <typename A, typename B,
          typename = std::enable_if_t<std::is_arithmetic_v<A> && std::is_arithmetic_v<B>>>
constexpr std::common_type_t<A, B> max(A a, B b) {
  using T = std::common_type_t<A, B>;
  if constexpr (std::is_floating_point_v<T>) return std::fmax(static_cast<T>(a), static_cast<T>(b));
  return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(b) : static_cast<T>(a);
}

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float rsqrt(float x) { return rsqrtf(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline double __dsqrt_rn(double a) { return std::sqrt(a); }

namespace emulation {
template <typename To, typename From>
To bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}
}  // namespace emulation
inline int __float_as_int(float x) { return emulation::bits<int>(x); }
inline unsigned __float_as_uint(float x) { return emulation::bits<unsigned>(x); }
inline float __int_as_float(int x) { return emulation::bits<float>(x); }
inline float __uint_as_float(unsigned x) { return emulation::bits<float>(x); }
inline long long __double_as_longlong(double x) { return emulation::bits<long long>(x); }
inline double __longlong_as_double(long long x) { return emulation::bits<double>(x); }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }
inline int __clzll(long long x) {
  return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64;
}
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
  unsigned out = 0;
  for (int i = 0; i < 32; ++i) out |= (x >> i & 1u) << (31 - i);
  return out;
}
inline unsigned long long __brevll(unsigned long long x) {
  return static_cast<unsigned long long>(__brev(static_cast<unsigned>(x))) << 32 |
         __brev(static_cast<unsigned>(x >> 32));
}
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}

template <typename T>
T __ldg(const T* at) {
  return *at;
}
template <typename T>
T __ldcs(const T* at) {
  return *at;
}
template <typename T>
T __ldcg(const T* at) {
  return *at;
}
template <typename T>
void __stcs(T* at, T value) {
  *at = value;
}
template <typename T>
void __stcg(T* at, T value) {
  *at = value;
}

// --- atomics: threads run one at a time, so plain code is atomic
// ----------------------------------

#define EMULATION_ATOMIC(name, expression)                                          \
  template <typename T, typename = std::enable_if_t<std::is_integral_v<T>>>         \
  T name(T* at, std::common_type_t<T> value) {                                      \
    static_assert(sizeof(T) >= 4, "CUDA has no such atomic for small integers");    \
    const T old = *at;                                                              \
    *at = static_cast<T>(expression);                                               \
    return old;                                                                     \
  }                                                                                 \
  /* Sums of rounded numbers depend on the order, and the order on the hardware. */ \
  float name(float*, float) = delete;                                               \
  double name(double*, double) = delete;
EMULATION_ATOMIC(atomicAdd, static_cast<std::make_unsigned_t<T>>(old) +
                                static_cast<std::make_unsigned_t<T>>(value))
EMULATION_ATOMIC(atomicSub, static_cast<std::make_unsigned_t<T>>(old) -
                                static_cast<std::make_unsigned_t<T>>(value))
EMULATION_ATOMIC(atomicMin, value < old ? value : old)
EMULATION_ATOMIC(atomicMax, old < value ? value : old)
EMULATION_ATOMIC(atomicAnd, old& value)
EMULATION_ATOMIC(atomicOr, old | value)
EMULATION_ATOMIC(atomicXor, old ^ value)
EMULATION_ATOMIC(atomicExch, value)
#undef EMULATION_ATOMIC
template <typename T, typename = std::enable_if_t<std::is_integral_v<T>>>
T atomicCAS(T* at, std::common_type_t<T> compare, std::common_type_t<T> value) {
  const T old = *at;
  if (old == compare) *at = value;
  return old;
}

inline void __threadfence() {}
inline void __threadfence_block() {}
[[noreturn]] inline void __trap() { emulation::fail("__trap()"); }

// --- barriers and warps -------------------------------------------------------------------------

#define __syncthreads() (void)::emulation::block_barrier(0, __FILE__, __LINE__)
#define __syncthreads_count(p) (::emulation::block_barrier((p) != 0, __FILE__, __LINE__).count)
#define __syncthreads_and(p) (::emulation::block_barrier((p) != 0, __FILE__, __LINE__).all)
#define __syncthreads_or(p) (::emulation::block_barrier((p) != 0, __FILE__, __LINE__).any)

inline void __syncwarp(unsigned mask = 0xffffffffu) {
  emulation::warp_barrier(mask, "__syncwarp", nullptr, 0);
}

namespace emulation {

template <typename T>
const Lanes& exchange(unsigned mask, const char* operation, const T& value) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= kLaneBytes);
  return warp_barrier(mask, operation, &value, sizeof(T));
}

// `source` is relative to the subsection of `width` lanes; outside of it a lane keeps its own.
template <typename T>
T shuffle(unsigned mask, const char* operation, T value, int width, int (*source)(int, int, int),
          int by) {
  static_assert(std::is_arithmetic_v<T> && sizeof(T) >= 4, "CUDA shuffles 4 and 8 byte numbers");
  const Lanes& lanes = exchange(mask, operation, value);
  const int lane = lane_index(), first = lane & ~(width - 1);
  const int from = source(lane - first, by, width);
  return lanes.of<T>(from < 0 || from >= width ? lane : first + from);
}

template <typename T, typename F>
T reduce(unsigned mask, const char* operation, T value, F&& f) {
  const Lanes& lanes = exchange(mask, operation, value);
  T out = value;
  bool first = true;
  for (int i = 0; i < kWarp; ++i)
    if (lanes.arrived >> i & 1) {
      out = first ? lanes.of<T>(i) : f(out, lanes.of<T>(i));
      first = false;
    }
  return out;
}

}  // namespace emulation

template <typename T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32) {
  return emulation::shuffle(
      mask, "__shfl_sync", value, width, [](int, int by, int w) { return by & (w - 1); }, lane);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
  return emulation::shuffle(
      mask, "__shfl_up_sync", value, width, [](int at, int d, int) { return at - d; },
      static_cast<int>(by));
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
  return emulation::shuffle(
      mask, "__shfl_down_sync", value, width, [](int at, int d, int) { return at + d; },
      static_cast<int>(by));
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int by, int width = 32) {
  return emulation::shuffle(
      mask, "__shfl_xor_sync", value, width, [](int at, int x, int) { return at ^ x; }, by);
}
inline unsigned __ballot_sync(unsigned mask, int vote) {
  const emulation::Lanes& lanes = emulation::exchange(mask, "__ballot_sync", vote);
  unsigned out = 0;
  for (int i = 0; i < emulation::kWarp; ++i)
    if (lanes.arrived >> i & 1) out |= static_cast<unsigned>(lanes.of<int>(i) != 0) << i;
  return out;
}
inline int __any_sync(unsigned mask, int vote) {
  return emulation::reduce(mask, "__any_sync", static_cast<int>(vote != 0),
                           [](int a, int b) { return a | b; });
}
inline int __all_sync(unsigned mask, int vote) {
  return emulation::reduce(mask, "__all_sync", static_cast<int>(vote != 0),
                           [](int a, int b) { return a & b; });
}
template <typename T>
unsigned __match_any_sync(unsigned mask, T value) {
  const emulation::Lanes& lanes = emulation::exchange(mask, "__match_any_sync", value);
  unsigned out = 0;
  for (int i = 0; i < emulation::kWarp; ++i)
    if (lanes.arrived >> i & 1) out |= static_cast<unsigned>(lanes.of<T>(i) == value) << i;
  return out;
}
#define EMULATION_REDUCE(name, expression)                                                 \
  inline unsigned name(unsigned mask, unsigned value) {                                    \
    return emulation::reduce(mask, #name, value,                                           \
                             [](unsigned a, unsigned b) { return expression; });           \
  }                                                                                        \
  inline int name(unsigned mask, int value) {                                              \
    return emulation::reduce(mask, #name, value, [](int a, int b) { return expression; }); \
  }
EMULATION_REDUCE(__reduce_add_sync, a + b)
EMULATION_REDUCE(__reduce_min_sync, a < b ? a : b)
EMULATION_REDUCE(__reduce_max_sync, a < b ? b : a)
EMULATION_REDUCE(__reduce_and_sync, a& b)
EMULATION_REDUCE(__reduce_or_sync, a | b)
EMULATION_REDUCE(__reduce_xor_sync, a ^ b)
#undef EMULATION_REDUCE
