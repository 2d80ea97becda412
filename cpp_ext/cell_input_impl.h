// The lowest and highest of many node numbers. No include guard; see each_isa.h.

namespace meshop {
namespace MESHOP_ISA {

// The least and the greatest of the values, and 0 and -1.
inline void extremes(const int64_t* values, int64_t count, int64_t* low, int64_t* high) {
  int64_t lo = 0, hi = -1;
  for (int64_t i = 0; i < count; ++i) {
    lo = values[i] < lo ? values[i] : lo;
    hi = values[i] > hi ? values[i] : hi;
  }
  *low = lo;
  *high = hi;
}

}  // namespace MESHOP_ISA
}  // namespace meshop
