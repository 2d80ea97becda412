// The searches for AVX-512.
#if defined(__x86_64__) && defined(__GNUC__)
// The intrinsics of gcc 12 set off both.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "search.h"

// From here on only: what stands above may be shared with code for lesser machines.
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")
#define MESHOP_ISA avx512
#define MESHOP_VECTORS 512
#include "simd.h"
// After simd.h.
#include "search_impl.h"
#pragma GCC pop_options

namespace meshop {
const Searches avx512_searches = {"avx512", avx512::nearest<float>, avx512::nearest<double>,
                                  avx512::within<float>, avx512::within<double>};
}  // namespace meshop
#endif
