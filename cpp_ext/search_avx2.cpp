// The searches for AVX2.
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "search.h"

// From here on only: what stands above may be shared with code for lesser machines.
#pragma GCC push_options
#pragma GCC target("avx2")
#define MESHOP_ISA avx2
#define MESHOP_VECTORS 256
#include "simd.h"
// After simd.h.
#include "search_impl.h"
#pragma GCC pop_options

namespace meshop {
const Searches avx2_searches = {"avx2", avx2::nearest<float>, avx2::nearest<double>,
                                  avx2::within<float>, avx2::within<double>};
}  // namespace meshop
#endif
