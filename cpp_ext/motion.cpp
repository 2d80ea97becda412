// Simplices that move: how far until one collapses, how far each node may go alone, and the exact
// sign of a volume. Every result is that of one simplex or a minimum, so threads change nothing.
#include <cmath>
#include <cstring>
#include <limits>
#include <tuple>

#include "buffer.h"
#include "csr.h"

namespace meshop {
namespace {

constexpr int64_t kGrain = 4096;  // simplices worth a thread
constexpr double kUnit = 0x1p-53;
// Of the bound on a determinant's terms: what rounding may make of it, and of what follows from it.
constexpr double kMargin = 64 * kUnit;
constexpr int kSteps = 60;         // of Newton's method, which takes some six
constexpr double kNear = 0x1p-50;  // how near to a root is near enough

template <int D>
using Rows = double[D][D];

// Differences from the first node of a simplex.
template <int D>
inline void edges(const double* x, const int64_t* node, Rows<D>& e) {
  const double* first = x + node[0] * D;
  for (int i = 0; i < D; ++i)
    for (int c = 0; c < D; ++c) e[i][c] = x[node[i + 1] * D + c] - first[c];
}

inline double wedge(const double* a, const double* b) { return a[0] * b[1] - a[1] * b[0]; }

inline void cross(const double* a, const double* b, double* out) {
  out[0] = a[1] * b[2] - a[2] * b[1];
  out[1] = a[2] * b[0] - a[0] * b[2];
  out[2] = a[0] * b[1] - a[1] * b[0];
}

inline double dot(const double* a, const double* b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

template <int D>
inline double extent(const double* a) {
  double sum = std::abs(a[0]) + std::abs(a[1]);
  if constexpr (D == 3) sum = sum + std::abs(a[2]);
  return sum;
}

// det(E + t D) as coefficients of t, and bounds on the terms of each, none below its coefficient.
inline void expand(const Rows<2>& e, const Rows<2>& d, double* c, double* m) {
  c[0] = wedge(e[0], e[1]);
  c[1] = wedge(d[0], e[1]) + wedge(e[0], d[1]);
  c[2] = wedge(d[0], d[1]);
  const double s[2] = {extent<2>(e[0]), extent<2>(e[1])};
  const double z[2] = {extent<2>(d[0]), extent<2>(d[1])};
  m[0] = s[0] * s[1];
  m[1] = z[0] * s[1] + s[0] * z[1];
  m[2] = z[0] * z[1];
  c[3] = m[3] = 0;
}

inline void expand(const Rows<3>& e, const Rows<3>& d, double* c, double* m) {
  double a[3][3], b[3][3];
  for (int i = 0; i < 3; ++i) {
    cross(e[(i + 1) % 3], e[(i + 2) % 3], a[i]);
    cross(d[(i + 1) % 3], d[(i + 2) % 3], b[i]);
  }
  c[0] = dot(e[0], a[0]);
  c[1] = (dot(d[0], a[0]) + dot(d[1], a[1])) + dot(d[2], a[2]);
  c[2] = (dot(e[0], b[0]) + dot(e[1], b[1])) + dot(e[2], b[2]);
  c[3] = dot(d[0], b[0]);
  double s[3], z[3];
  for (int i = 0; i < 3; ++i) s[i] = extent<3>(e[i]), z[i] = extent<3>(d[i]);
  m[0] = s[0] * s[1] * s[2];
  m[1] = (z[0] * s[1] * s[2] + s[0] * z[1] * s[2]) + s[0] * s[1] * z[2];
  m[2] = (s[0] * z[1] * z[2] + z[0] * s[1] * z[2]) + z[0] * z[1] * s[2];
  m[3] = z[0] * z[1] * z[2];
}

inline double value(const double* q, double t) { return ((q[3] * t + q[2]) * t + q[1]) * t + q[0]; }

// The root of a cubic between good, where it is above zero, and bad, where it is not, it falling
// from one to the other: from below, and hardly below it. Newton's method, halving where it leads
// out; then back from the root to where the cubic is positive.
inline double falling_root(const double* q, double good, double bad) {
  double x = 0.5 * (good + bad);
  for (int k = 0; k < kSteps; ++k) {
    const double v = value(q, x);
    (v > 0 ? good : bad) = x;
    double next = x - v / ((3 * q[3] * x + 2 * q[2]) * x + q[1]);
    if (!(next > good && next < bad)) next = 0.5 * (good + bad);
    const bool near = std::abs(next - x) <= kNear || bad - good <= kNear;
    x = next;
    if (near) break;
  }
  for (double back = kNear; x - back > good; back *= 8)
    if (value(q, x - back) > 0) return x - back;
  return good;
}

// A t in [0, 1] up to which det(E + t D) > least for sure, and hardly below the first at which it
// is not; 1 where there is none. What rounding may do is taken off the coefficients, t being
// positive, so that the polynomial lies below the true one.
template <int D>
double limit(const Rows<D>& e, const Rows<D>& d, double least) {
  double q[4], m[4];
  expand(e, d, q, m);
  if (m[0] > 0 && m[1] == 0) return 1;  // nothing moves but all of it together
  q[0] = (q[0] - least) - kMargin * m[0];
  double scale = std::abs(q[0]);
  for (int k = 1; k < 4; ++k) {
    q[k] = q[k] - kMargin * m[k];
    scale = std::max(scale, std::abs(q[k]));
  }
  if (!(q[0] > 0 && scale <= std::numeric_limits<double>::max())) return 0;
  for (double& one : q) one = one / scale;
  // The polynomial lies within the hull of its Bernstein coefficients.
  if (!(q[1] == q[1] && q[2] == q[2] && q[3] == q[3])) return 0;
  const double b1 = q[0] + q[1] / 3, b2 = q[0] + (2 * q[1] + q[2]) / 3, b3 = value(q, 1);
  if (b1 > 0 && b2 > 0 && b3 > 0) return 1;
  // Between extrema it is monotone: to the first at which it is not positive.
  const double root = std::sqrt(q[2] * q[2] - 3 * q[1] * q[3]);
  const double far = -(q[2] + std::copysign(root, q[2]));
  double low = far / (3 * q[3]), high = q[1] / far;
  low = low > 0 && low < 1 ? low : 0;  // NaN, too
  high = high > 0 && high < 1 ? high : 0;
  if (low > high) std::swap(low, high);
  double good = 0, bad = 1;
  if (value(q, low) <= 0) {
    bad = low;
  } else if (value(q, high) <= 0) {
    good = low, bad = high;
  } else if (b3 <= 0) {
    good = high;
  } else {
    return 1;
  }
  return falling_root(q, good, bad);
}

// The least distance of two parallel planes between which a simplex fits, from below; 0 where it is
// flat or inverted. In 2-D its least altitude, in 3-D that or the least distance of opposite edges.
inline double width(const Rows<2>& e) {
  const double last[2] = {e[1][0] - e[0][0], e[1][1] - e[0][1]};
  const double det = wedge(e[0], e[1]) - kMargin * (extent<2>(e[0]) * extent<2>(e[1]));
  double most =
      std::max(e[0][0] * e[0][0] + e[0][1] * e[0][1], e[1][0] * e[1][0] + e[1][1] * e[1][1]);
  most = std::max(most, last[0] * last[0] + last[1] * last[1]);
  return det > 0 ? det / std::sqrt(most) : 0;
}

inline double width(const Rows<3>& e) {
  double f[3][3], n[7][3];  // f: the edges of the face away from the first node
  for (int i = 0; i < 3; ++i)
    for (int c = 0; c < 3; ++c) f[i][c] = e[(i + 2) % 3][c] - e[(i + 1) % 3][c];
  for (int i = 0; i < 3; ++i) {
    cross(e[(i + 1) % 3], e[(i + 2) % 3], n[i]);
    cross(e[i], f[i], n[3 + i]);
  }
  cross(f[0], f[1], n[6]);
  const double det =
      dot(e[0], n[0]) - kMargin * (extent<3>(e[0]) * extent<3>(e[1]) * extent<3>(e[2]));
  double most = dot(n[0], n[0]);
  for (int i = 1; i < 7; ++i) most = std::max(most, dot(n[i], n[i]));
  return det > 0 ? det / std::sqrt(most) : 0;
}

// A sum of numbers without error: components that do not overlap, the largest last (Shewchuk,
// Adaptive precision floating-point arithmetic and fast robust geometric predicates, 1997).
struct Exact {
  double part[256];
  int count = 0;

  void add(double b) {  // grow-expansion, without zeros
    int kept = 0;
    for (int i = 0; i < count; ++i) {
      const double a = part[i], sum = a + b, virtual_b = sum - a;
      const double error = (a - (sum - virtual_b)) + (b - virtual_b);
      if (error != 0) part[kept++] = error;
      b = sum;
    }
    if (b != 0) part[kept++] = b;
    count = kept;
  }
  void add_product(double a, double b) {
    const double product = a * b;
    add(std::fma(a, b, -product));
    add(product);
  }
  void add_product(const Exact& a, const Exact& b, double sign) {
    for (int i = 0; i < a.count; ++i)
      for (int j = 0; j < b.count; ++j) add_product(sign * a.part[i], b.part[j]);
  }
  int sign() const { return count == 0 ? 0 : part[count - 1] > 0 ? 1 : -1; }
};

template <int D>
int exact_sign(const double* x, const int64_t* node) {
  double most = 0;
  for (int i = 0; i <= D; ++i)
    for (int c = 0; c < D; ++c) {
      const double size = std::abs(x[node[i] * D + c]);
      if (!(size <= std::numeric_limits<double>::max())) return 0;
      most = std::max(most, size);
    }
  if (most == 0) return 0;
  const int power = -std::ilogb(most);  // so that products stay in range
  Exact e[D][D];
  for (int i = 0; i < D; ++i)
    for (int c = 0; c < D; ++c) {
      e[i][c].add(-std::scalbn(x[node[0] * D + c], power));
      e[i][c].add(std::scalbn(x[node[i + 1] * D + c], power));
    }
  Exact total;
  if constexpr (D == 2) {
    total.add_product(e[0][0], e[1][1], 1);
    total.add_product(e[0][1], e[1][0], -1);
  } else {
    for (int c = 0; c < 3; ++c) {
      Exact minor;
      minor.add_product(e[1][(c + 1) % 3], e[2][(c + 2) % 3], 1);
      minor.add_product(e[1][(c + 2) % 3], e[2][(c + 1) % 3], -1);
      total.add_product(e[0][c], minor, 1);
    }
  }
  return total.sign();
}

template <int D>
int sign(const double* x, const int64_t* node) {
  Rows<D> e;
  edges<D>(x, node, e);
  double det, bound;
  if constexpr (D == 2) {
    det = wedge(e[0], e[1]);
    bound = extent<2>(e[0]) * extent<2>(e[1]);
  } else {
    double n[3];
    cross(e[1], e[2], n);
    det = dot(e[0], n);
    bound = extent<3>(e[0]) * extent<3>(e[1]) * extent<3>(e[2]);
  }
  // Below the least normal number products lose more than their last digit.
  if (std::abs(det) > 16 * kUnit * bound && std::abs(det) > 1e-290) return det > 0 ? 1 : -1;
  return exact_sign<D>(x, node);
}

void check(const Tensor& points, const Tensor& simplices) {
  STD_TORCH_CHECK(points.scalar_type() == ScalarType::Double && points.dim() == 2,
                  "points must be 2-D float64");
  const int64_t dim = points.size(1);
  STD_TORCH_CHECK(dim == 2 || dim == 3, "points must have 2 or 3 coordinates");
  check_indices(simplices, "simplices", 2);
  STD_TORCH_CHECK(simplices.size(1) == dim + 1, "simplices must have ", dim + 1, " nodes");
}

// visit(its number, its nodes), for all simplices on torch's threads.
template <typename F>
void for_simplices(const Tensor& nodes, int64_t points, const F& visit) {
  const int64_t* node = indices(nodes);
  check_range(node, nodes.numel(), 0, points, "simplices");
  torch::stable::parallel_for(0, nodes.size(0), kGrain, [&](int64_t begin, int64_t end) {
    const int64_t width = nodes.size(1);
    for (int64_t s = begin; s < end; ++s) visit(s, node + s * width);
  });
}

Tensor step_limit(Tensor points, Tensor displacement, Tensor simplices,
                  std::optional<Tensor> least) {
  check(points, simplices);
  STD_TORCH_CHECK(displacement.scalar_type() == ScalarType::Double && displacement.dim() == 2 &&
                      displacement.size(0) == points.size(0) &&
                      displacement.size(1) == points.size(1),
                  "displacement must be like points");
  const Tensor p = torch::stable::contiguous(points), v = torch::stable::contiguous(displacement);
  const Tensor k = torch::stable::contiguous(simplices);
  STD_TORCH_CHECK(!least || (least->scalar_type() == ScalarType::Double && least->dim() == 1 &&
                             least->size(0) == k.size(0)),
                  "least must be float64, one a simplex");
  std::optional<Tensor> bound;
  if (least) bound = torch::stable::contiguous(*least);
  Tensor out = large_empty(p, {k.size(0)}, ScalarType::Double);
  const double *x = data<double>(p), *d = data<double>(v), *low = data<double>(bound);
  double* to = mutable_data<double>(out);
  const auto run = [&](auto dim) {
    constexpr int D = decltype(dim)::value;
    for_simplices(k, p.size(0), [=](int64_t s, const int64_t* node) {
      Rows<D> e, step;
      edges<D>(x, node, e);
      edges<D>(d, node, step);
      to[s] = limit<D>(e, step, low ? low[s] : 0);
    });
  };
  p.size(1) == 2 ? run(std::integral_constant<int, 2>()) : run(std::integral_constant<int, 3>());
  return out;
}

Tensor simplex_sign(Tensor points, Tensor simplices) {
  check(points, simplices);
  const Tensor p = torch::stable::contiguous(points), k = torch::stable::contiguous(simplices);
  Tensor out = empty_of(p, {k.size(0)}, ScalarType::Char);
  const double* x = data<double>(p);
  int8_t* to = mutable_data<int8_t>(out);
  const auto run = [&](auto dim) {
    constexpr int D = decltype(dim)::value;
    for_simplices(k, p.size(0), [=](int64_t s, const int64_t* node) {
      to[s] = static_cast<int8_t>(sign<D>(x, node));
    });
  };
  p.size(1) == 2 ? run(std::integral_constant<int, 2>()) : run(std::integral_constant<int, 3>());
  return out;
}

// Makes *at the smaller of itself and value.
inline void lower(int64_t* at, int64_t value) {
  int64_t seen = __atomic_load_n(at, __ATOMIC_RELAXED);
  while (value < seen &&
         !__atomic_compare_exchange_n(at, &seen, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

// Numbers that are not negative are ordered as their bits are; those that are count as zero.
inline int64_t bits(double value) {
  int64_t out;
  value = value > 0 ? value : 0;
  std::memcpy(&out, &value, sizeof(out));
  return out;
}

Tensor simplex_width(Tensor points, Tensor simplices) {
  check(points, simplices);
  const Tensor p = torch::stable::contiguous(points), k = torch::stable::contiguous(simplices);
  Tensor out = large_empty(p, {k.size(0)}, ScalarType::Double);
  const double* x = data<double>(p);
  double* to = mutable_data<double>(out);
  const auto run = [&](auto dim) {
    constexpr int D = decltype(dim)::value;
    for_simplices(k, p.size(0), [=](int64_t s, const int64_t* node) {
      Rows<D> e;
      edges<D>(x, node, e);
      to[s] = width(e);
    });
  };
  p.size(1) == 2 ? run(std::integral_constant<int, 2>()) : run(std::integral_constant<int, 3>());
  return out;
}

std::tuple<Tensor, Tensor> node_least(Tensor values, Tensor simplices, int64_t num_nodes) {
  check_indices(simplices, "simplices", 2);
  STD_TORCH_CHECK(values.scalar_type() == ScalarType::Double && values.dim() == 1 &&
                      values.size(0) == simplices.size(0),
                  "values must be float64, one a simplex");
  STD_TORCH_CHECK(num_nodes >= 0, "num_nodes must not be negative");
  const Tensor v = torch::stable::contiguous(values), k = torch::stable::contiguous(simplices);
  Tensor least = empty_of(v, {num_nodes}, ScalarType::Double);
  Tensor arg = empty_of(v, {num_nodes}, ScalarType::Long);
  const double* value = data<double>(v);
  auto* to = static_cast<int64_t*>(least.mutable_data_ptr());  // as bits
  int64_t* which = mutable_indices(arg);
  constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  std::fill(to, to + num_nodes, bits(std::numeric_limits<double>::infinity()));
  std::fill(which, which + num_nodes, kNone);
  const int64_t corners = k.size(1);
  for_simplices(k, num_nodes, [=](int64_t s, const int64_t* node) {
    for (int64_t i = 0; i < corners; ++i) lower(to + node[i], bits(value[s]));
  });
  for_simplices(k, num_nodes, [=](int64_t s, const int64_t* node) {
    for (int64_t i = 0; i < corners; ++i)
      if (to[node[i]] == bits(value[s])) lower(which + node[i], s);
  });
  for (int64_t i = 0; i < num_nodes; ++i) which[i] = which[i] == kNone ? -1 : which[i];
  return {least, arg};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("step_limit", TORCH_BOX(&step_limit));
  m.impl("simplex_sign", TORCH_BOX(&simplex_sign));
  m.impl("simplex_width", TORCH_BOX(&simplex_width));
  m.impl("node_least", TORCH_BOX(&node_least));
}

}  // namespace meshop
