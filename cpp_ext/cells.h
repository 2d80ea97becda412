// The table of VTK cell types, and walks over the edges and facets of one cell. CPU and CUDA.
//
// meshop/celltypes.py holds the same table; tests compare the two row by row.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define MESHOP_HD __host__ __device__
#else
#define MESHOP_HD
#endif

namespace meshop {

constexpr int kPolyLine = 4, kStrip = 6, kPolygon = 7, kQuadraticPolygon = 36, kPolyhedron = 42;

struct CellShape {
  int8_t dim = -1;      // topological dimension; -1: no such type
  int8_t size = 0;      // exactly this many nodes, or 0 where it varies
  int8_t min_size = 0;  // at least this many
  int8_t edges = 0;     // -1: the number of nodes does not say how they are arranged
  int8_t facets = 0;
  int8_t edge[54][2] = {};
  int8_t facet_size[8] = {};
  int8_t facet[8][6] = {};  // corners, outward in a positively oriented cell
};

struct CellTable {
  uint8_t row[256] = {};  // row[type]; row 0 is no type
  CellShape rows[64] = {};
};

namespace table {

struct Faces {
  int count;
  int8_t size[8];
  int8_t node[8][6];
};

struct Edges {
  int count;
  int8_t node[18][2];
};

constexpr Faces kNoFaces{0, {}, {}};
constexpr Faces kEnds{2, {1, 1}, {{0}, {1}}};
constexpr Faces kTri{3, {2, 2, 2}, {{0, 1}, {1, 2}, {2, 0}}};
constexpr Faces kQuad{4, {2, 2, 2, 2}, {{0, 1}, {1, 2}, {2, 3}, {3, 0}}};
constexpr Faces kPixel{4, {2, 2, 2, 2}, {{0, 1}, {1, 3}, {3, 2}, {2, 0}}};
constexpr Faces kTet{4, {3, 3, 3, 3}, {{0, 1, 3}, {1, 2, 3}, {2, 0, 3}, {0, 2, 1}}};
constexpr Faces kHex{
    6,
    {4, 4, 4, 4, 4, 4},
    {{0, 4, 7, 3}, {1, 2, 6, 5}, {0, 1, 5, 4}, {3, 7, 6, 2}, {0, 3, 2, 1}, {4, 5, 6, 7}}};
constexpr Faces kVoxel{
    6,
    {4, 4, 4, 4, 4, 4},
    {{0, 4, 6, 2}, {1, 3, 7, 5}, {0, 1, 5, 4}, {2, 6, 7, 3}, {0, 2, 3, 1}, {4, 5, 7, 6}}};
constexpr Faces kWedge{
    5, {3, 3, 4, 4, 4}, {{0, 1, 2}, {3, 5, 4}, {0, 3, 4, 1}, {1, 4, 5, 2}, {2, 5, 3, 0}}};
constexpr Faces kPyramid{
    5, {4, 3, 3, 3, 3}, {{0, 3, 2, 1}, {0, 1, 4}, {1, 2, 4}, {2, 3, 4}, {3, 0, 4}}};
constexpr Edges kNoEdges{0, {}};
constexpr Edges kLineEdges{1, {{0, 1}}};
constexpr Edges kCubicEdges{3, {{0, 2}, {2, 3}, {3, 1}}};
constexpr Edges kTriEdges{3, {{0, 1}, {1, 2}, {2, 0}}};
constexpr Edges kQuadEdges{4, {{0, 1}, {1, 2}, {2, 3}, {3, 0}}};
constexpr Edges kLinearQuadEdges{4, {{0, 1}, {2, 3}, {1, 2}, {3, 0}}};  // curved ones first
constexpr Edges kPixelEdges{4, {{0, 1}, {1, 3}, {3, 2}, {2, 0}}};
constexpr Edges kTetEdges{6, {{0, 1}, {1, 2}, {2, 0}, {0, 3}, {1, 3}, {2, 3}}};
constexpr Edges kVoxelEdges{12,
                            {{0, 1},
                             {1, 3},
                             {3, 2},
                             {2, 0},
                             {4, 5},
                             {5, 7},
                             {7, 6},
                             {6, 4},
                             {0, 4},
                             {1, 5},
                             {3, 7},
                             {2, 6}}};
constexpr Edges kPyramidEdges{8, {{0, 1}, {1, 2}, {2, 3}, {3, 0}, {0, 4}, {1, 4}, {2, 4}, {3, 4}}};

constexpr Faces prism(int n) {
  Faces out{n + 2, {}, {}};
  out.size[0] = out.size[1] = static_cast<int8_t>(n);
  for (int i = 0; i < n; ++i) {
    const int next = (i + 1) % n;
    out.node[0][i] = static_cast<int8_t>(n - 1 - i);
    out.node[1][i] = static_cast<int8_t>(n + i);
    out.size[2 + i] = 4;
    const int side[4] = {i, next, next + n, i + n};
    for (int k = 0; k < 4; ++k) out.node[2 + i][k] = static_cast<int8_t>(side[k]);
  }
  return out;
}

// Both rims, then the pillars.
constexpr Edges prism_edges(int n) {
  Edges out{3 * n, {}};
  for (int i = 0; i < n; ++i) {
    const int pair[3][2] = {{i, (i + 1) % n}, {i + n, (i + 1) % n + n}, {i, i + n}};
    for (int k = 0; k < 3; ++k)
      for (int e = 0; e < 2; ++e) out.node[k * n + i][e] = static_cast<int8_t>(pair[k][e]);
  }
  return out;
}

// `count` of the faces, from number `first` on.
constexpr Faces some(const Faces& faces, int first, int count) {
  Faces out{count, {}, {}};
  for (int i = 0; i < count; ++i) {
    out.size[i] = faces.size[first + i];
    for (int k = 0; k < 6; ++k) out.node[i][k] = faces.node[first + i][k];
  }
  return out;
}

constexpr Faces kTriLoop{1, {3}, {{0, 1, 2}}};
constexpr Faces kQuadLoop{1, {4}, {{0, 1, 2, 3}}};

constexpr CellShape varying(int dim, int least, const Faces& facets = kNoFaces, int edges = 0) {
  CellShape s{};
  s.dim = static_cast<int8_t>(dim);
  s.min_size = static_cast<int8_t>(least);
  s.edges = static_cast<int8_t>(edges);
  s.facets = static_cast<int8_t>(facets.count);
  for (int i = 0; i < facets.count; ++i) {
    s.facet_size[i] = facets.size[i];
    for (int k = 0; k < 6; ++k) s.facet[i][k] = facets.node[i][k];
  }
  return s;
}

constexpr CellShape fixed(int dim, int size, const Faces& facets, const Edges& edges) {
  CellShape s = varying(dim, size, facets, edges.count);
  s.size = static_cast<int8_t>(size);
  for (int i = 0; i < edges.count; ++i)
    for (int e = 0; e < 2; ++e) s.edge[i][e] = edges.node[i][e];
  return s;
}

constexpr void join(CellShape& s, int a, int b) {
  s.edge[s.edges][0] = static_cast<int8_t>(a);
  s.edge[s.edges][1] = static_cast<int8_t>(b);
  ++s.edges;
}

// A quadratic cell, whose nodes are: corners, mid-sides, face centres, body centre. The first
// `mids` edges have a mid-side node, which splits the edge in two. The centre of a face is joined
// to the mid-side nodes around it, that of the body to those of faces.
constexpr CellShape curved(int dim, int corners, const Faces& facets, const Edges& edges, int mids,
                           const Faces& centred = kNoFaces, bool body = false) {
  const int first = corners + mids;
  CellShape s = fixed(dim, first + centred.count + body, facets, kNoEdges);
  for (int i = 0; i < mids; ++i) {
    join(s, edges.node[i][0], corners + i);
    join(s, corners + i, edges.node[i][1]);
  }
  for (int i = mids; i < edges.count; ++i) join(s, edges.node[i][0], edges.node[i][1]);
  for (int f = 0; f < centred.count; ++f)
    for (int k = 0; k < centred.size[f]; ++k) {
      const int a = centred.node[f][k], b = centred.node[f][(k + 1) % centred.size[f]];
      for (int i = 0; i < mids; ++i) {
        const int x = edges.node[i][0], y = edges.node[i][1];
        if ((x == a && y == b) || (x == b && y == a)) join(s, first + f, corners + i);
      }
    }
  for (int f = 0; body && f < centred.count; ++f) join(s, first + centred.count, first + f);
  return s;
}

constexpr CellTable make() {
  CellTable t{};
  int rows = 0;
  auto put = [&](int type, const CellShape& shape) {
    t.row[type] = static_cast<uint8_t>(++rows);
    t.rows[rows] = shape;
  };
  put(0, fixed(0, 0, kNoFaces, kNoEdges));  // empty
  put(1, fixed(0, 1, kNoFaces, kNoEdges));  // vertex
  put(2, varying(0, 1));                    // poly-vertex
  put(3, fixed(1, 2, kEnds, kLineEdges));   // line
  put(kPolyLine, varying(1, 1));
  put(5, fixed(2, 3, kTri, kTriEdges));  // triangle
  put(kStrip, varying(2, 3));
  put(kPolygon, varying(2, 3));
  put(8, fixed(2, 4, kPixel, kPixelEdges));                              // pixel
  put(9, fixed(2, 4, kQuad, kQuadEdges));                                // quad
  put(10, fixed(3, 4, kTet, kTetEdges));                                 // tetra
  put(11, fixed(3, 8, kVoxel, kVoxelEdges));                             // voxel
  put(12, fixed(3, 8, kHex, prism_edges(4)));                            // hexahedron
  put(13, fixed(3, 6, kWedge, prism_edges(3)));                          // wedge
  put(14, fixed(3, 5, kPyramid, kPyramidEdges));                         // pyramid
  put(15, fixed(3, 10, prism(5), prism_edges(5)));                       // pentagonal prism
  put(16, fixed(3, 12, prism(6), prism_edges(6)));                       // hexagonal prism
  put(21, curved(1, 2, kEnds, kLineEdges, 1));                           // quadratic edge
  put(22, curved(2, 3, kTri, kTriEdges, 3));                             // ... triangle
  put(23, curved(2, 4, kQuad, kQuadEdges, 4));                           // ... quad
  put(24, curved(3, 4, kTet, kTetEdges, 6));                             // ... tetra
  put(25, curved(3, 8, kHex, prism_edges(4), 12));                       // ... hexahedron
  put(26, curved(3, 6, kWedge, prism_edges(3), 9));                      // ... wedge
  put(27, curved(3, 5, kPyramid, kPyramidEdges, 8));                     // ... pyramid
  put(28, curved(2, 4, kQuad, kQuadEdges, 4, kQuadLoop));                // biquadratic quad
  put(29, curved(3, 8, kHex, prism_edges(4), 12, kHex, true));           // triquadratic hexahedron
  put(30, curved(2, 4, kQuad, kLinearQuadEdges, 2));                     // quadratic linear quad
  put(31, curved(3, 6, kWedge, prism_edges(3), 6));                      // quadratic linear wedge
  put(32, curved(3, 6, kWedge, prism_edges(3), 9, some(kWedge, 2, 3)));  // biquadratic wedge
  put(33, curved(3, 8, kHex, prism_edges(4), 12, some(kHex, 0, 4)));     // ... hexahedron
  put(34, curved(2, 3, kTri, kTriEdges, 3, kTriLoop));                   // biquadratic triangle
  put(35, fixed(1, 4, kEnds, kCubicEdges));                              // cubic line
  put(kQuadraticPolygon, varying(2, 6));
  put(37, curved(3, 5, kPyramid, kPyramidEdges, 8, kPyramid, true));  // triquadratic pyramid
  put(41, varying(3, 1, kNoFaces, -1));                               // convex point set
  put(kPolyhedron, varying(3, 4));
  for (int base = 68; base <= 75; base += 7) {  // Lagrange, Bezier
    put(base, varying(1, 2, kEnds, -1));
    put(base + 1, varying(2, 3, kTri, -1));
    put(base + 2, varying(2, 4, kQuad, -1));
    put(base + 3, varying(3, 4, kTet, -1));
    put(base + 4, varying(3, 8, kHex, -1));
    put(base + 5, varying(3, 6, kWedge, -1));
    put(base + 6, varying(3, 5, kPyramid, -1));
  }
  return t;
}

}  // namespace table

inline constexpr CellTable kCellTable = table::make();

// Mixed cells as raw arrays. faces and face_begin (where each polyhedron's part of the stream
// starts) are null where there are no polyhedra.
struct Cells {
  const uint8_t* types;
  const int64_t* offsets;
  const int64_t* nodes;
  const int64_t* faces;
  const int64_t* face_begin;
  int64_t count;
};

// give(a, b) for every edge of cell m, as a cell lists them (collapsed ones too).
template <typename F>
MESHOP_HD void for_each_edge(const CellTable& table, const Cells& cells, int64_t m, F&& give) {
  const int type = cells.types[m];
  const CellShape& shape = table.rows[table.row[type]];
  const int64_t* cell = cells.nodes + cells.offsets[m];
  for (int j = 0; j < shape.edges; ++j) give(cell[shape.edge[j][0]], cell[shape.edge[j][1]]);
  if (shape.size || shape.edges) return;
  const int64_t n = cells.offsets[m + 1] - cells.offsets[m];
  switch (type) {
    case kPolyLine:
      for (int64_t i = 0; i + 1 < n; ++i) give(cell[i], cell[i + 1]);
      break;
    case kStrip:
      give(cell[0], cell[1]);
      for (int64_t i = 2; i < n; ++i) {
        give(cell[i - 1], cell[i]);
        give(cell[i - 2], cell[i]);
      }
      break;
    case kPolygon:
      for (int64_t i = 0; i < n; ++i) give(cell[i], cell[i + 1 < n ? i + 1 : 0]);
      break;
    case kQuadraticPolygon:
      for (int64_t i = 0, half = n / 2; i < half; ++i) {
        give(cell[i], cell[half + i]);
        give(cell[half + i], cell[i + 1 < half ? i + 1 : 0]);
      }
      break;
    case kPolyhedron: {
      const int64_t* at = cells.faces + cells.face_begin[m];
      for (int64_t left = *at++; left > 0; --left) {
        const int64_t size = *at++;
        for (int64_t i = 0; i < size; ++i) give(at[i], at[i + 1 < size ? i + 1 : 0]);
        at += size;
      }
      break;
    }
    default: break;
  }
}

// The corners of one facet: node(i) of size of them.
struct Facet {
  const int64_t* nodes;
  const int8_t* local;  // null: nodes[0], nodes[1] ... themselves
  int64_t size;
  MESHOP_HD int64_t node(int64_t i) const { return nodes[local ? local[i] : i]; }
};

// give(facet) for every facet of cell m, in the order of its type.
template <typename F>
MESHOP_HD void for_each_facet(const CellTable& table, const Cells& cells, int64_t m, F&& give) {
  const int type = cells.types[m];
  const CellShape& shape = table.rows[table.row[type]];
  const int64_t* cell = cells.nodes + cells.offsets[m];
  for (int j = 0; j < shape.facets; ++j) give(Facet{cell, shape.facet[j], shape.facet_size[j]});
  if (shape.size || shape.facets) return;
  const int64_t n = cells.offsets[m + 1] - cells.offsets[m];
  auto pair = [&](int64_t a, int64_t b) {
    const int64_t ends[2] = {cell[a], cell[b]};
    give(Facet{ends, nullptr, 2});
  };
  switch (type) {
    case kPolyLine:
      give(Facet{cell, nullptr, 1});
      give(Facet{cell + n - 1, nullptr, 1});
      break;
    case kStrip:
      pair(0, 1);
      pair(n - 2, n - 1);
      for (int64_t i = 0; i + 2 < n; ++i) pair(i, i + 2);
      break;
    case kPolygon:
      for (int64_t i = 0; i < n; ++i) pair(i, i + 1 < n ? i + 1 : 0);
      break;
    case kQuadraticPolygon:
      for (int64_t i = 0, half = n / 2; i < half; ++i) pair(i, i + 1 < half ? i + 1 : 0);
      break;
    case kPolyhedron: {
      const int64_t* at = cells.faces + cells.face_begin[m];
      for (int64_t left = *at++; left > 0; --left) {
        const int64_t size = *at++;
        give(Facet{at, nullptr, size});
        at += size;
      }
      break;
    }
    default: break;
  }
}

}  // namespace meshop
