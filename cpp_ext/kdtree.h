// k-d trees over ragged clouds, one a cloud, made for searches that read whole leaves.
//
// Every leaf but a cloud's last holds kLeaf points, so a subtree's shape follows from its number of
// leaves: nodes stand in preorder, a node of m leaves has its left child of left_leaves(m) next to
// it, and its right child 2 * left_leaves(m) places on. Coordinates are stored by leaf, then by
// dimension, so that one load takes the same coordinate of several points.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "buffer.h"

namespace meshop {

constexpr int kLeaf = 32;
constexpr uint32_t kNobody = 0xffffffffu;  // no point's number

inline int64_t left_leaves(int64_t leaves) { return (leaves + 1) / 2; }

template <typename T>
struct Trees {
  int64_t dim = 0;
  std::vector<int64_t> ptr;       // (B + 1,) points of each cloud
  std::vector<int64_t> leaf_ptr;  // (B + 1,) leaves of each cloud
  Buffer<T> coords;               // [leaf][dim][kLeaf]; NaN where a leaf has no more points
  Buffer<uint32_t> index;         // [leaf][kLeaf] the point's number within its cloud, or kNobody
  Buffer<T> boxes;                // [node][lo, hi][dim]
  Buffer<uint32_t> least;         // [node] the lowest number inside

  int64_t leaves() const { return leaf_ptr.back(); }
  int64_t root(int64_t cloud) const { return 2 * leaf_ptr[cloud]; }
  const T* lo(int64_t node) const { return boxes.get() + 2 * dim * node; }
  const T* hi(int64_t node) const { return lo(node) + dim; }
};

// `points` (N, dim) finite, contiguous; fewer than 2^32 - 1 in a cloud.
template <typename T>
Trees<T> build_trees(const T* points, int64_t dim, const std::vector<int64_t>& ptr);

}  // namespace meshop
