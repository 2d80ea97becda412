// exp and log of lanes, to within two units in the last place. Written out, because the C library's
// may round differently on another machine; nothing here does.
//
// After lanes_impl.h; no include guard, as there.

namespace meshop {
namespace MESHOP_ISA {

template <typename W>
struct Constants;

template <>
struct Constants<float> {
  static constexpr float kRound = 0x1.8p23f;  // added and taken away: the nearest integer
  static constexpr float kLowest = -104.0f, kHighest = 89.0f;  // exp is 0 below, inf above
  static constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  static constexpr int kTerms = 7;
  static constexpr int kMantissa = 23, kBias = 127;
  static constexpr float kSmallest = 0x1p-126f, kScale = 0x1p23f;
};

template <>
struct Constants<double> {
  static constexpr double kRound = 0x1.8p52;
  static constexpr double kLowest = -746.0, kHighest = 710.0;
  static constexpr double kLn2High = 6.93145751953125e-1, kLn2Low = 1.42860682030941723212e-6;
  static constexpr int kTerms = 13;
  static constexpr int kMantissa = 52, kBias = 1023;
  static constexpr double kSmallest = 0x1p-1022, kScale = 0x1p52;
};

constexpr double kInverseFactorial[] = {1.0,
                                        1.0,
                                        1.0 / 2,
                                        1.0 / 6,
                                        1.0 / 24,
                                        1.0 / 120,
                                        1.0 / 720,
                                        1.0 / 5040,
                                        1.0 / 40320,
                                        1.0 / 362880,
                                        1.0 / 3628800,
                                        1.0 / 39916800,
                                        1.0 / 479001600,
                                        1.0 / 6227020800};

// exp(x) = 2^n exp(r), |r| <= ln(2) / 2, and Taylor's series of exp(r), whose rest is below half a
// unit. 2^n in two factors, so that it reaches the subnormal numbers. exp(-inf) = 0; NaN stays.
template <typename W, int N>
MESHOP_INLINE Lanes<W, N> exp_lanes(const Lanes<W, N>& value) {
  using C = Constants<W>;
  using V = Lanes<W, N>;
  using I = Lanes<Int<W>, N>;
  V x = value < (V{} + C::kLowest) ? V{} + C::kLowest : value;
  x = x > (V{} + C::kHighest) ? V{} + C::kHighest : x;
  const V shifted = x * static_cast<W>(1.4426950408889634074) + C::kRound;
  const I n = bits_as<I>(shifted) - bits_as<I>(V{} + C::kRound);
  const V whole = shifted - C::kRound;
  const V r = (x - whole * C::kLn2High) - whole * C::kLn2Low;
  V p = V{} + static_cast<W>(kInverseFactorial[C::kTerms]);
  _Pragma("GCC unroll 16") for (int i = C::kTerms - 1; i >= 0; --i) p =
      p * r + static_cast<W>(kInverseFactorial[i]);
  const I half = n >> 1;
  const V one = bits_as<V>((half + C::kBias) << C::kMantissa);
  const V two = bits_as<V>((n - half + C::kBias) << C::kMantissa);
  return p * one * two;
}

// The polynomial of fdlibm's e_log.c (double) and e_logf.c (float): R(z) of log((1 + s) / (1 - s)).
template <typename V>
MESHOP_INLINE V log_rest(const V& z, float) {
  return z * (z * (z * (z * 0.24279078841f + 0.28498786688f) + 0.40000972152f) + 0.66666662693f);
}
template <typename V>
MESHOP_INLINE V log_rest(const V& z, double) {
  V p = z * 1.479819860511658591e-01 + 1.531383769920937332e-01;
  p = p * z + 1.818357216161805012e-01;
  p = p * z + 2.222219843214978396e-01;
  p = p * z + 2.857142874366239149e-01;
  p = p * z + 3.999999999940941908e-01;
  return z * (p * z + 6.666666666666735130e-01);
}

// log(x) for x >= 0, log(0) = -inf; NaN stays.
template <typename W, int N>
MESHOP_INLINE Lanes<W, N> log_lanes(const Lanes<W, N>& x) {
  using C = Constants<W>;
  using V = Lanes<W, N>;
  using I = Lanes<Int<W>, N>;
  const V infinity = V{} + static_cast<W>(__builtin_inf());
  const auto tiny = x < (V{} + C::kSmallest);
  const V y = tiny ? x * C::kScale : x;
  // y = 2^k (1 + f) with 1 + f from sqrt(1/2) to sqrt(2).
  const I root = bits_as<I>(V{} + static_cast<W>(0.70710678118654752440));
  const I above = bits_as<I>(y) - root;
  const I power = above >> C::kMantissa;
  const V f = bits_as<V>(bits_as<I>(y) - (power << C::kMantissa)) - W(1);
  const V k = convert<V>(power) - (tiny ? V{} + W(C::kMantissa) : V{});
  const V s = f / (f + W(2)), half = f * f * W(0.5);
  const V rest = log_rest(s * s, W{});
  const V value = k * C::kLn2High - ((half - (s * (half + rest) + k * C::kLn2Low)) - f);
  return (x != x) | (x == infinity) ? x : (x == V{} ? -infinity : value);
}

}  // namespace MESHOP_ISA
}  // namespace meshop
