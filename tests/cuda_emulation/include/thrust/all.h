#pragma once
#include <algorithm>
#include "../emulation/host.h"
namespace thrust {
namespace cuda {
struct Policy {
  Policy on(cudaStream_t stream) const {
    return ::emulation::require_stream(stream, "thrust"), *this;
  }
};
constexpr Policy par;
}  // namespace cuda
template <class P, class I, class O>
O inclusive_scan(P, I a, I b, O out) {
  ::emulation::Open o;
  auto s = *a;
  *out = s;
  while (++a != b) {
    s = s + *a;
    *++out = s;
  }
  return ++out;
}
template <class P, class I, class C>
void sort(P, I a, I b, C c) {
  ::emulation::Open o;
  std::sort(a, b, c);
}
template <class P, class I, class C>
I unique(P, I a, I b, C c) {
  ::emulation::Open o;
  return std::unique(a, b, c);
}
}  // namespace thrust
