// Which vector instructions the machine has, chosen when the library runs.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>

// Vectors are passed between inlined functions only, never through a call.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

#define MESHOP_INLINE inline __attribute__((always_inline))
#define MESHOP_UNROLL _Pragma("GCC unroll 8")

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define MESHOP_X86 1
// A function of each_isa.h's kernels, for this machine: MESHOP_PICK(sum_rows<T>)(...).
#define MESHOP_PICK(...)                              \
  (::meshop::vector_bytes() == 64   ? v4::__VA_ARGS__ \
   : ::meshop::vector_bytes() == 32 ? v3::__VA_ARGS__ \
                                    : base::__VA_ARGS__)
#else
#define MESHOP_PICK(...) base::__VA_ARGS__
#endif

namespace meshop {

// The machine's vectors in bytes, or narrower ones where MESHOP_VECTOR_BYTES asks for them.
inline int vector_bytes() {
  static const int bytes = [] {
    int widest = 16;
#ifdef MESHOP_X86
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
    widest = v4 ? 64 : v3 ? 32 : 16;
#endif
    const char* asked = std::getenv("MESHOP_VECTOR_BYTES");
    const int most = asked ? std::atoi(asked) : widest;
    while (widest > 16 && widest > most) widest /= 2;
    return widest;
  }();
  return bytes;
}

}  // namespace meshop
