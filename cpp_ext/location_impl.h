// Which queries a simplex holds. No include guard; see each_isa.h.

namespace meshop {
namespace MESHOP_ISA {

// hit[i] = min(hit[i], cell) for the queries that the simplex holds; `f` fills the space.
inline void test_tetra(const Frame& f, double cell, int64_t n, const double* x, const double* y,
                       const double* z, double* hit) {
  const Vec o = f.origin, a = f.dual[0], b = f.dual[1], c = f.dual[2];
  for (int64_t i = 0; i < n; ++i) {
    const double rx = x[i] - o.x, ry = y[i] - o.y, rz = z[i] - o.z;
    const double u = a.x * rx + a.y * ry + a.z * rz;
    const double v = b.x * rx + b.y * ry + b.z * rz;
    const double w = c.x * rx + c.y * ry + c.z * rz;
    const double t = 1.0 - u - v - w;
    const double uv = u < v ? u : v, wt = w < t ? w : t, least = uv < wt ? uv : wt;
    const double found = least >= -kOnFace ? cell : hit[i];
    hit[i] = found < hit[i] ? found : hit[i];
  }
}

inline void test_triangle(const Frame& f, double cell, int64_t n, const double* x, const double* y,
                          double* hit) {
  const Vec o = f.origin, a = f.dual[0], b = f.dual[1];
  for (int64_t i = 0; i < n; ++i) {
    const double rx = x[i] - o.x, ry = y[i] - o.y;
    const double u = a.x * rx + a.y * ry;
    const double v = b.x * rx + b.y * ry;
    const double t = 1.0 - u - v;
    const double uv = u < v ? u : v, least = uv < t ? uv : t;
    const double found = least >= -kOnFace ? cell : hit[i];
    hit[i] = found < hit[i] ? found : hit[i];
  }
}

}  // namespace MESHOP_ISA
}  // namespace meshop
