// Cells as simplices, the same from both sides of every face. Shared by CPU and CUDA.
//
// A polygon is a fan from its lowest node; a solid joins its lowest node to the fans of the faces
// that do not have it. A face's fan depends on the face alone, so neighbours agree on it and the
// piecewise linear interpolant is continuous (J. Dompierre et al., "How to subdivide pyramids,
// prisms and hexahedra into tetrahedra", 1999, treats the same rule). Quadratic cells count
// by their corners.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define MESHOP_HD __host__ __device__
#elif !defined(MESHOP_HD)
#define MESHOP_HD
#endif

namespace meshop {

enum Form : int8_t {
  kUnknown,
  kDots,
  kPath,
  kRing,
  kPixelRing,
  kBand,
  kTetra,
  kHexa,
  kVoxel,
  kWedge,
  kPyramid,
  kPolyhedral
};

struct CellKind {
  Form form;
  int8_t dim;
  int16_t nodes;    // exactly this many; 0: any number from `corners` on
  int16_t corners;  // the first ones; 0: all nodes, -1: the first half
};

MESHOP_HD inline CellKind cell_kind(int type) {
  switch (type) {
    case 1: return {kDots, 0, 1, 1};         // vertex
    case 2: return {kDots, 0, 0, 0};         // poly-vertex
    case 3: return {kPath, 1, 2, 2};         // line
    case 4: return {kPath, 1, 0, 0};         // polyline
    case 5: return {kRing, 2, 3, 3};         // triangle
    case 6: return {kBand, 2, 0, 0};         // triangle strip
    case 7: return {kRing, 2, 0, 0};         // polygon
    case 8: return {kPixelRing, 2, 4, 4};    // pixel
    case 9: return {kRing, 2, 4, 4};         // quad
    case 10: return {kTetra, 3, 4, 4};       // tetra
    case 11: return {kVoxel, 3, 8, 8};       // voxel
    case 12: return {kHexa, 3, 8, 8};        // hexahedron
    case 13: return {kWedge, 3, 6, 6};       // wedge
    case 14: return {kPyramid, 3, 5, 5};     // pyramid
    case 21: return {kPath, 1, 3, 2};        // quadratic edge
    case 22: return {kRing, 2, 6, 3};        // quadratic triangle
    case 23: return {kRing, 2, 8, 4};        // quadratic quad
    case 24: return {kTetra, 3, 10, 4};      // quadratic tetra
    case 25: return {kHexa, 3, 20, 8};       // quadratic hexahedron
    case 26: return {kWedge, 3, 15, 6};      // quadratic wedge
    case 27: return {kPyramid, 3, 13, 5};    // quadratic pyramid
    case 28: return {kRing, 2, 9, 4};        // biquadratic quad
    case 29: return {kHexa, 3, 27, 8};       // triquadratic hexahedron
    case 30: return {kRing, 2, 6, 4};        // quadratic linear quad
    case 31: return {kWedge, 3, 12, 6};      // quadratic linear wedge
    case 32: return {kWedge, 3, 18, 6};      // biquadratic quadratic wedge
    case 33: return {kHexa, 3, 24, 8};       // biquadratic quadratic hexahedron
    case 34: return {kRing, 2, 7, 3};        // biquadratic triangle
    case 35: return {kPath, 1, 4, 2};        // cubic line
    case 36: return {kRing, 2, 0, -1};       // quadratic polygon
    case 37: return {kPyramid, 3, 19, 5};    // triquadratic pyramid
    case 42: return {kPolyhedral, 3, 0, 0};  // polyhedron
    default: return {kUnknown, -1, 0, 0};
  }
}

struct Solid {
  int8_t corners, faces;
  int8_t size[6];
  int8_t node[6][4];
};

MESHOP_HD inline Solid solid(Form form) {
  switch (form) {
    case kVoxel:
      return {8,
              6,
              {4, 4, 4, 4, 4, 4},
              {{0, 4, 6, 2}, {1, 3, 7, 5}, {0, 1, 5, 4}, {2, 6, 7, 3}, {0, 2, 3, 1}, {4, 5, 7, 6}}};
    case kWedge:
      return {6,
              5,
              {3, 3, 4, 4, 4, 0},
              {{0, 1, 2, 0}, {3, 5, 4, 0}, {0, 3, 4, 1}, {1, 4, 5, 2}, {2, 5, 3, 0}, {}}};
    case kPyramid:
      return {5,
              5,
              {4, 3, 3, 3, 3, 0},
              {{0, 3, 2, 1}, {0, 1, 4, 0}, {1, 2, 4, 0}, {2, 3, 4, 0}, {3, 0, 4, 0}, {}}};
    default:
      return {8,
              6,
              {4, 4, 4, 4, 4, 4},
              {{0, 4, 7, 3}, {1, 2, 6, 5}, {0, 1, 5, 4}, {3, 7, 6, 2}, {0, 3, 2, 1}, {4, 5, 6, 7}}};
  }
}

// Mixed cells. `kinds` is cell_kind as a table of 256, since it is asked for at every cell; `faces`
// holds [n_faces, (n, ids...)...] for each polyhedron, from face_begin[cell].
struct CellMesh {
  const CellKind* kinds;
  const uint8_t* types;
  const int64_t* offsets;
  const int64_t* nodes;
  const int64_t* faces;
  const int64_t* face_begin;
  int dim;  // cells of this topological dimension take part

  MESHOP_HD const CellKind& kind(int64_t cell) const { return kinds[types[cell]]; }
  MESHOP_HD bool takes_part(int64_t cell) const { return kind(cell).dim == dim; }

  MESHOP_HD int64_t corners(int64_t cell) const {
    const int64_t count = offsets[cell + 1] - offsets[cell];
    const int16_t first = kind(cell).corners;
    return first > 0 ? first : first == 0 ? count : count / 2;
  }
};

MESHOP_HD inline void order(int64_t* a, int64_t* b) {  // no branch to mispredict
  const int64_t low = *a < *b ? *a : *b, high = *a < *b ? *b : *a;
  *a = low;
  *b = high;
}

// Up to four nodes, by a sorting network.
MESHOP_HD inline void sort_nodes(int64_t* v, int count) {
  if (count == 4) {
    order(v, v + 1);
    order(v + 2, v + 3);
    order(v, v + 2);
    order(v + 1, v + 3);
    order(v + 1, v + 2);
  } else {
    if (count >= 2) order(v, v + 1);
    if (count == 3) {
      order(v + 1, v + 2);
      order(v, v + 1);
    }
  }
}

// Calls f(a, b, c) for the fan of a face of m nodes; node(j) is the j-th. A face with `apex` gives
// none.
template <typename Node, typename F>
MESHOP_HD void fan(int64_t m, int64_t apex, Node&& node, F&& f) {
  int64_t low = 0;
  for (int64_t j = 0; j < m; ++j) {
    if (node(j) == apex) return;
    if (node(j) < node(low)) low = j;
  }
  for (int64_t j = 1; j + 1 < m; ++j) {
    const int64_t b = low + j < m ? low + j : low + j - m;
    const int64_t c = low + j + 1 < m ? low + j + 1 : low + j + 1 - m;
    f(node(low), node(b), node(c));
  }
}

// Calls f(nodes, count) for each simplex of the cell, its nodes in rising order.
template <typename F>
MESHOP_HD void for_each_simplex(const CellMesh& mesh, int64_t cell, F&& f) {
  const int64_t* at = mesh.nodes + mesh.offsets[cell];
  const int64_t m = mesh.corners(cell);
  const Form form = mesh.kind(cell).form;
  int64_t v[4] = {0, 0, 0, 0};
  auto give = [&](int count) {
    sort_nodes(v, count);
    f(v, count);
  };
  auto give3 = [&](int64_t a, int64_t b, int64_t c) {
    v[0] = a;
    v[1] = b;
    v[2] = c;
    give(3);
  };
  switch (form) {
    case kDots:
      for (int64_t j = 0; j < m; ++j) {
        v[0] = at[j];
        give(1);
      }
      return;
    case kPath:
      for (int64_t j = 0; j + 1 < m; ++j) {
        v[0] = at[j];
        v[1] = at[j + 1];
        give(2);
      }
      return;
    case kBand:
      for (int64_t j = 0; j + 2 < m; ++j) give3(at[j], at[j + 1], at[j + 2]);
      return;
    case kRing: fan(m, -1, [&](int64_t j) { return at[j]; }, give3); return;
    case kPixelRing: fan(4, -1, [&](int64_t j) { return at[j < 2 ? j : 5 - j]; }, give3); return;
    case kTetra:
      for (int j = 0; j < 4; ++j) v[j] = at[j];
      give(4);
      return;
    case kUnknown: return;
    default: break;
  }
  int64_t apex = m > 0 ? at[0] : -1;
  for (int64_t j = 1; j < m; ++j) apex = at[j] < apex ? at[j] : apex;
  auto give4 = [&](int64_t a, int64_t b, int64_t c) {
    v[0] = apex;
    v[1] = a;
    v[2] = b;
    v[3] = c;
    give(4);
  };
  if (form == kPolyhedral) {
    const int64_t* face = mesh.faces + mesh.face_begin[cell];
    for (int64_t left = *face++; left > 0; --left) {
      const int64_t size = *face++;
      fan(size, apex, [&](int64_t j) { return face[j]; }, give4);
      face += size;
    }
    return;
  }
  const Solid shape = solid(form);
  for (int i = 0; i < shape.faces; ++i)
    fan(shape.size[i], apex, [&](int64_t j) { return at[shape.node[i][j]]; }, give4);
}

}  // namespace meshop
