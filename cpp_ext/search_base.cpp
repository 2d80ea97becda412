// The searches for any machine.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "search.h"

#define MESHOP_ISA base
#define MESHOP_VECTORS 0
#include "simd.h"
// After simd.h.
#include "search_impl.h"

namespace meshop {
const Searches base_searches = {"base", base::nearest<float>, base::nearest<double>,
                                base::within<float>, base::within<double>};
}  // namespace meshop
