// The searches of each instruction set.
#include "search.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "isa.h"

#if defined(MESHOP_X86)
// The AVX-512 intrinsics of gcc 12 set off both.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#endif

#define MESHOP_KERNELS "search_impl.h"
#include "each_isa.h"

namespace meshop {

template <typename T>
void nearest(const Search<T>& ask, int64_t k, int64_t begin, int64_t end, const int64_t* rowptr,
             T* dist2, int64_t* index, int64_t* count, Found<T>* found) {
  MESHOP_PICK(nearest<T>)(ask, k, begin, end, rowptr, dist2, index, count, found);
}

template <typename T>
void within(const Search<T>& ask, int64_t cap, int64_t begin, int64_t end, int64_t* count,
            int64_t* dropped, Found<T>* found) {
  MESHOP_PICK(within<T>)(ask, cap, begin, end, count, dropped, found);
}

#define MESHOP_SEARCHES(T)                                                                         \
  template void nearest(const Search<T>&, int64_t, int64_t, int64_t, const int64_t*, T*, int64_t*, \
                        int64_t*, Found<T>*);                                                      \
  template void within(const Search<T>&, int64_t, int64_t, int64_t, int64_t*, int64_t*, Found<T>*);
MESHOP_SEARCHES(float)
MESHOP_SEARCHES(double)

}  // namespace meshop
