// Edges of VTK's linear cells, as pairs of local nodes. Shared by CPU and CUDA.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define MESHOP_HD __host__ __device__
#else
#define MESHOP_HD
#endif

namespace meshop {

struct CellShape {
  int nodes;  // exactly this many; -1: any number (polyline, polygon, ...); -2: not supported
  int edges;
  int8_t edge[12][2];
};

MESHOP_HD inline CellShape cell_shape(int type) {
  switch (type) {
    case 1: return {1, 0, {}};                                                    // vertex
    case 3: return {2, 1, {{0, 1}}};                                              // line
    case 5: return {3, 3, {{0, 1}, {1, 2}, {2, 0}}};                              // triangle
    case 8: return {4, 4, {{0, 1}, {1, 3}, {3, 2}, {2, 0}}};                      // pixel
    case 9: return {4, 4, {{0, 1}, {1, 2}, {2, 3}, {3, 0}}};                      // quad
    case 10: return {4, 6, {{0, 1}, {1, 2}, {2, 0}, {0, 3}, {1, 3}, {2, 3}}};     // tetra
    case 11:                                                                      // voxel
      return {8, 12, {{0, 1}, {1, 3}, {3, 2}, {2, 0}, {4, 5}, {5, 7}, {7, 6}, {6, 4},
                      {0, 4}, {1, 5}, {2, 6}, {3, 7}}};
    case 12:                                                                      // hexahedron
      return {8, 12, {{0, 1}, {1, 2}, {2, 3}, {3, 0}, {4, 5}, {5, 6}, {6, 7}, {7, 4},
                      {0, 4}, {1, 5}, {2, 6}, {3, 7}}};
    case 13:                                                                      // wedge
      return {6, 9, {{0, 1}, {1, 2}, {2, 0}, {3, 4}, {4, 5}, {5, 3}, {0, 3}, {1, 4}, {2, 5}}};
    case 14:                                                                      // pyramid
      return {5, 8, {{0, 1}, {1, 2}, {2, 3}, {3, 0}, {0, 4}, {1, 4}, {2, 4}, {3, 4}}};
    case 2: case 4: case 7: return {-1, 0, {}};              // poly-vertex, polyline, polygon
    default: return {-2, 0, {}};
  }
}

MESHOP_HD inline int64_t edge_count(int type, int64_t nodes) {
  if (type == 4) return nodes > 0 ? nodes - 1 : 0;
  if (type == 7) return nodes;
  return cell_shape(type).edges;
}

// Local nodes of edge j.
MESHOP_HD inline void edge_nodes(int type, int64_t nodes, int64_t j, int64_t* a, int64_t* b) {
  if (type == 4 || type == 7) {
    *a = j;
    *b = j + 1 < nodes ? j + 1 : 0;
    return;
  }
  const CellShape shape = cell_shape(type);
  *a = shape.edge[j][0];
  *b = shape.edge[j][1];
}

}  // namespace meshop
