// Vectors of one register's width, for the searches. Every instruction set gives the same bits:
// lanes are never added to one another. No include guard; see each_isa.h.

namespace meshop {
namespace MESHOP_ISA {

#if MESHOP_BYTES == 64

struct Floats {
  static constexpr int kLanes = 16;
  __m512 v;
  static Floats all(float x) { return {_mm512_set1_ps(x)}; }
  static Floats load(const float* p) { return {_mm512_loadu_ps(p)}; }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
};
inline Floats operator+(Floats a, Floats b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Floats operator-(Floats a, Floats b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Floats operator*(Floats a, Floats b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Floats min(Floats a, Floats b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Floats max(Floats a, Floats b) { return {_mm512_max_ps(a.v, b.v)}; }
// Bit i: a[i] <= b[i]; NaN is not.
inline uint32_t at_most(Floats a, Floats b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ); }

struct Doubles {
  static constexpr int kLanes = 8;
  __m512d v;
  static Doubles all(double x) { return {_mm512_set1_pd(x)}; }
  static Doubles load(const double* p) { return {_mm512_loadu_pd(p)}; }
  void store(double* p) const { _mm512_storeu_pd(p, v); }
};
inline Doubles operator+(Doubles a, Doubles b) { return {_mm512_add_pd(a.v, b.v)}; }
inline Doubles operator-(Doubles a, Doubles b) { return {_mm512_sub_pd(a.v, b.v)}; }
inline Doubles operator*(Doubles a, Doubles b) { return {_mm512_mul_pd(a.v, b.v)}; }
inline Doubles min(Doubles a, Doubles b) { return {_mm512_min_pd(a.v, b.v)}; }
inline Doubles max(Doubles a, Doubles b) { return {_mm512_max_pd(a.v, b.v)}; }
// Bit i: a[i] <= b[i]; NaN is not.
inline uint32_t at_most(Doubles a, Doubles b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_LE_OQ); }

#elif MESHOP_BYTES == 32

struct Floats {
  static constexpr int kLanes = 8;
  __m256 v;
  static Floats all(float x) { return {_mm256_set1_ps(x)}; }
  static Floats load(const float* p) { return {_mm256_loadu_ps(p)}; }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
};
inline Floats operator+(Floats a, Floats b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Floats operator-(Floats a, Floats b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline Floats operator*(Floats a, Floats b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Floats min(Floats a, Floats b) { return {_mm256_min_ps(a.v, b.v)}; }
inline Floats max(Floats a, Floats b) { return {_mm256_max_ps(a.v, b.v)}; }
// Bit i: a[i] <= b[i]; NaN is not.
inline uint32_t at_most(Floats a, Floats b) {
  return _mm256_movemask_ps(_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ));
}

struct Doubles {
  static constexpr int kLanes = 4;
  __m256d v;
  static Doubles all(double x) { return {_mm256_set1_pd(x)}; }
  static Doubles load(const double* p) { return {_mm256_loadu_pd(p)}; }
  void store(double* p) const { _mm256_storeu_pd(p, v); }
};
inline Doubles operator+(Doubles a, Doubles b) { return {_mm256_add_pd(a.v, b.v)}; }
inline Doubles operator-(Doubles a, Doubles b) { return {_mm256_sub_pd(a.v, b.v)}; }
inline Doubles operator*(Doubles a, Doubles b) { return {_mm256_mul_pd(a.v, b.v)}; }
inline Doubles min(Doubles a, Doubles b) { return {_mm256_min_pd(a.v, b.v)}; }
inline Doubles max(Doubles a, Doubles b) { return {_mm256_max_pd(a.v, b.v)}; }
// Bit i: a[i] <= b[i]; NaN is not.
inline uint32_t at_most(Doubles a, Doubles b) {
  return _mm256_movemask_pd(_mm256_cmp_pd(a.v, b.v, _CMP_LE_OQ));
}

#else  // eight lanes in plain C++: any compiler makes of it what its machine has

template <typename T>
struct Eight {
  static constexpr int kLanes = 8;
  T v[kLanes];
  template <typename F>
  static Eight each(F&& f) {
    Eight out;
    for (int i = 0; i < kLanes; ++i) out.v[i] = f(i);
    return out;
  }
  static Eight all(T x) {
    return each([=](int) { return x; });
  }
  static Eight load(const T* p) {
    return each([=](int i) { return p[i]; });
  }
  void store(T* p) const {
    for (int i = 0; i < kLanes; ++i) p[i] = v[i];
  }
  friend Eight operator+(Eight a, Eight b) {
    return each([&](int i) { return a.v[i] + b.v[i]; });
  }
  friend Eight operator-(Eight a, Eight b) {
    return each([&](int i) { return a.v[i] - b.v[i]; });
  }
  friend Eight operator*(Eight a, Eight b) {
    return each([&](int i) { return a.v[i] * b.v[i]; });
  }
  friend Eight min(Eight a, Eight b) {
    return each([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
  }
  friend Eight max(Eight a, Eight b) {
    return each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
  }
  friend uint32_t at_most(Eight a, Eight b) {
    uint32_t mask = 0;
    for (int i = 0; i < kLanes; ++i) mask |= static_cast<uint32_t>(a.v[i] <= b.v[i]) << i;
    return mask;
  }
};
using Floats = Eight<float>;
using Doubles = Eight<double>;

#endif

template <typename T>
struct VectorOf;
template <>
struct VectorOf<float> {
  using type = Floats;
};
template <>
struct VectorOf<double> {
  using type = Doubles;
};
template <typename T>
using Vector = typename VectorOf<T>::type;

}  // namespace MESHOP_ISA
}  // namespace meshop
