// Barycentric coordinates and closest points of simplices, in double. Shared by CPU and CUDA.
//
// Every formula depends only on the simplex's nodes in rising order, never on the cell around it.
// So two cells that share a face, an edge or a corner get the same distance to it, to the last bit,
// and a tie between them is a tie.
#pragma once

#include <cmath>
#include <cstdint>

#include "location_cells.h"

namespace meshop {

// How far below zero a coordinate of a query on a face may be rounded: thousands of times what
// rounding does to cells with an aspect ratio of 1e5, a billionth of the cell's height.
constexpr double kOnFace = 1e-9;
// Simplices flatter than this (volume over the product of their edges) have no inside.
constexpr double kFlat = 1e-13;
// A query within kOnFace of a simplex is within this share of its extent, on each axis.
constexpr double kBoxPad = 4 * kOnFace;

// A call of its own on the GPU: inlined at every kind of cell, it would take minutes to compile.
#if defined(__CUDACC__)
#define MESHOP_CALL __noinline__
#else
#define MESHOP_CALL
#endif

struct Vec {
  double x, y, z;
};

MESHOP_HD inline Vec operator-(const Vec& a, const Vec& b) {
  return {a.x - b.x, a.y - b.y, a.z - b.z};
}
MESHOP_HD inline Vec operator+(const Vec& a, const Vec& b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z};
}
MESHOP_HD inline Vec operator*(double s, const Vec& a) { return {s * a.x, s * a.y, s * a.z}; }
MESHOP_HD inline double dot(const Vec& a, const Vec& b) {
  return a.x * b.x + a.y * b.y + a.z * b.z;
}
MESHOP_HD inline Vec cross(const Vec& a, const Vec& b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
MESHOP_HD inline double length1(const Vec& a) {
  return std::fabs(a.x) + std::fabs(a.y) + std::fabs(a.z);
}

// Points of one, two or three coordinates as Vec.
template <typename T>
struct Points {
  const T* at;
  int64_t dim;

  MESHOP_HD Vec operator()(int64_t i) const {
    const T* p = at + i * dim;
    return {static_cast<double>(p[0]), dim > 1 ? static_cast<double>(p[1]) : 0.0,
            dim > 2 ? static_cast<double>(p[2]) : 0.0};
  }
};

// A simplex of k edges from its first vertex, and the duals that turn a point into coordinates.
// Where k < 3 the frame is completed by normals, so that one formula serves all.
struct Frame {
  Vec origin, edge[3], dual[3];
  int k;
  bool valid;

  MESHOP_HD MESHOP_CALL Frame(const Vec* v, int edges)
      : origin(v[0]), edge{}, dual{}, k(edges), valid(true) {
    if (k == 0) return;
    for (int i = 0; i < k; ++i) edge[i] = v[i + 1] - v[0];
    if (k == 1) {  // across the axis that the edge is least along
      const Vec& e = edge[0];
      const double x = std::fabs(e.x), y = std::fabs(e.y), z = std::fabs(e.z);
      const bool along_z = z <= x && z <= y, along_y = !along_z && y <= x;
      edge[1] =
          cross(e, {!along_z && !along_y ? 1.0 : 0.0, along_y ? 1.0 : 0.0, along_z ? 1.0 : 0.0});
    }
    if (k <= 2) edge[2] = cross(edge[0], edge[1]);
    const Vec n = cross(edge[1], edge[2]);
    const double volume = dot(edge[0], n);
    valid = std::fabs(volume) > kFlat * (length1(edge[0]) * length1(edge[1]) * length1(edge[2]));
    if (!valid) return;
    const double scale = 1 / volume;
    dual[0] = scale * n;
    dual[1] = scale * cross(edge[2], edge[0]);
    dual[2] = scale * cross(edge[0], edge[1]);
  }

  // w[1..k] are the coordinates of q, w[0] what is left of 1; returns the residual, which is q less
  // the point they stand for.
  MESHOP_HD Vec coordinates(const Vec& q, double* w) const {
    Vec r = q - origin;
    for (int i = 0; i < k; ++i) w[i + 1] = dot(dual[i], r);
    for (int i = 0; i < k; ++i) r = r - w[i + 1] * edge[i];
    rest(w);
    return r;
  }

  // One step of refinement: linear fields then come out exact on slivers too.
  MESHOP_HD Vec refine(const Vec& residual, double* w) const {
    Vec r = residual;
    double step[3];
    for (int i = 0; i < k; ++i) {
      step[i] = dot(dual[i], residual);
      w[i + 1] += step[i];
    }
    for (int i = 0; i < k; ++i) r = r - step[i] * edge[i];
    rest(w);
    return r;
  }

  MESHOP_HD void rest(double* w) const {
    w[0] = 1;
    for (int i = 0; i < k; ++i) w[0] -= w[i + 1];
  }
};

// Whether the simplex holds q: no coordinate below -kOnFace and, where it spans fewer dimensions
// than the space has, its plane within `reach2` (a square) of q.
MESHOP_HD MESHOP_CALL inline bool holds(const Frame& f, int64_t dim, const Vec& q, double reach2,
                                        double* w, Vec* residual) {
  if (!f.valid) return false;
  *residual = f.coordinates(q, w);
  bool in = true;
  for (int i = 0; i <= f.k; ++i) in = in && w[i] >= -kOnFace;
  return in && (f.k >= dim || dot(*residual, *residual) <= reach2);
}

// The closest point among the corners, edges and faces of a simplex of K vertices. A simplex that
// fills the space adds nothing of its own: a query outside is closest to its boundary.
struct Closest {
  double dist2 = INFINITY;
  int count = 0;  // vertices that carry the closest point
  int vertex[3] = {0, 0, 0};
  double weight[3] = {0, 0, 0};
};

MESHOP_HD MESHOP_CALL inline void closest_on(const Vec* v, int count, int64_t dim, const Vec& q,
                                             Closest* best) {
  for (int i = 0; i < count; ++i) {
    const Vec r = q - v[i];
    const double dist2 = dot(r, r);
    if (dist2 < best->dist2) *best = {dist2, 1, {i, 0, 0}, {1, 0, 0}};
  }
  for (int i = 0; i < count && dim > 1; ++i)
    for (int j = i + 1; j < count; ++j) {
      const Vec e = v[j] - v[i], r = q - v[i];
      const double along = dot(r, e), whole = dot(e, e);
      if (!(along > 0 && along < whole)) continue;
      const double t = along / whole;
      const Vec off = r - t * e;
      const double dist2 = dot(off, off);
      if (dist2 < best->dist2) *best = {dist2, 2, {i, j, 0}, {1 - t, t, 0}};
    }
  for (int i = 0; i < count && dim > 2; ++i)
    for (int j = i + 1; j < count; ++j)
      for (int l = j + 1; l < count; ++l) {
        const Vec corner[3] = {v[i], v[j], v[l]};
        const Frame face(corner, 2);
        if (!face.valid) continue;
        double w[4];
        const Vec off = face.coordinates(q, w);
        if (!(w[0] > 0 && w[1] > 0 && w[2] > 0)) continue;
        const double dist2 = dot(off, off);
        if (dist2 < best->dist2) *best = {dist2, 3, {i, j, l}, {w[0], w[1], w[2]}};
      }
}

// The rows of one query's answer.
template <typename T>
struct Answer {
  T* weights;      // (width,)
  int64_t* nodes;  // (width,)
  T* distance2;
  int64_t* cell;
  bool* inside;
  int64_t width;

  MESHOP_HD void nothing() const {
    for (int64_t j = 0; j < width; ++j) {
      weights[j] = 0;
      nodes[j] = -1;
    }
    *distance2 = INFINITY;
    *cell = -1;
    *inside = false;
  }
};

// Fills the answer for a query that `cell` holds; false where it does not.
template <typename T>
MESHOP_HD bool answer_inside(const CellMesh& mesh, int64_t cell, const Points<T>& points,
                             const Vec& q, double reach2, const Answer<T>& out) {
  bool found = false;
  for_each_simplex(mesh, cell, [&](const int64_t* node, int count) {
    if (found) return;
    Vec v[4];
    for (int i = 0; i < count; ++i) v[i] = points(node[i]);
    const Frame frame(v, count - 1);
    double w[4];
    Vec residual;
    if (!holds(frame, points.dim, q, reach2, w, &residual)) return;
    found = true;
    residual = frame.refine(residual, w);
    out.nothing();
    for (int i = 0; i < count; ++i) {
      out.weights[i] = static_cast<T>(w[i]);
      out.nodes[i] = node[i];
    }
    *out.distance2 = count - 1 < points.dim ? static_cast<T>(dot(residual, residual)) : T(0);
    *out.cell = cell;
    *out.inside = true;
  });
  return found;
}

template <typename T>
MESHOP_HD double cell_distance2(const CellMesh& mesh, int64_t cell, const Points<T>& points,
                                const Vec& q) {
  Closest best;
  for_each_simplex(mesh, cell, [&](const int64_t* node, int count) {
    Vec v[4];
    for (int i = 0; i < count; ++i) v[i] = points(node[i]);
    closest_on(v, count, points.dim, q, &best);
  });
  return best.dist2;
}

// Fills the answer with the closest point of `cell`.
template <typename T>
MESHOP_HD void answer_nearest(const CellMesh& mesh, int64_t cell, const Points<T>& points,
                              const Vec& q, double reach2, const Answer<T>& out) {
  Closest best;
  out.nothing();
  for_each_simplex(mesh, cell, [&](const int64_t* node, int count) {
    Vec v[4];
    for (int i = 0; i < count; ++i) v[i] = points(node[i]);
    const double before = best.dist2;
    closest_on(v, count, points.dim, q, &best);
    if (!(best.dist2 < before)) return;
    for (int i = 0; i < best.count; ++i) out.nodes[i] = node[best.vertex[i]];
  });
  for (int64_t j = best.count; j < out.width; ++j) out.nodes[j] = -1;
  for (int i = 0; i < best.count; ++i) out.weights[i] = static_cast<T>(best.weight[i]);
  *out.distance2 = static_cast<T>(best.dist2);
  *out.cell = cell;
  *out.inside = best.dist2 <= reach2;
}

}  // namespace meshop
