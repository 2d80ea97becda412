// What the forward and backward kernels of edge attention share on the GPU.
//
// A warp works on one node and on as many of its heads as fit: a head has a group of lanes, each of
// which holds every lanes-th channel. All lanes of a warp walk the same edges, front to back, so
// sums are the same on every run, and every lane takes part in every shuffle.
#pragma once

#include <algorithm>
#include <limits>

#include "attention_shape.h"
#include "csr_cuda.h"

namespace meshop {

constexpr int kHeld = 8;  // sums that a lane holds at once; more channels take another walk

struct HeadGroups {
  int lanes;             // a head's: a power of two from 4 to 32
  int64_t heads, parts;  // of all; warps that share a node's heads

  explicit HeadGroups(const AttentionShape& s) : lanes(4), heads(s.heads) {
    while (lanes < kWarp && lanes < std::max(s.depth, s.width)) lanes *= 2;
    const int64_t each = kWarp / lanes;
    parts = (heads + each - 1) / each;
  }
  // Threads for `nodes` nodes.
  int64_t threads(int64_t nodes) const { return nodes * parts * kWarp; }

  // What this lane has of warp `task`: node, head (perhaps beyond the last) and place in its group.
  __device__ int64_t node(int64_t task) const { return task / parts; }
  __device__ int64_t head(int64_t task) const {
    return task % parts * (kWarp / lanes) + threadIdx.x % kWarp / lanes;
  }
  __device__ int64_t lane() const { return threadIdx.x % lanes; }

  template <typename W>
  __device__ W sum(W x) const {
    for (int step = lanes / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
  }
};

__device__ inline int64_t first_warp() { return first_item() / kWarp; }
__device__ inline int64_t warp_stride() { return item_stride() / kWarp; }

// Inputs as kernels see them; what a head carries along an edge are its value's channels and then
// the step in space.
template <typename T>
struct AttentionInputs {
  using W = Wide<T>;
  AttentionShape shape;
  HeadGroups groups;
  W scale;
  const T *query, *key, *value, *bias;
  const W *coords, *centers;
  const int64_t *index, *rowptr;

  __device__ W query_at(int64_t i, int64_t h, int64_t c) const {
    return static_cast<W>(query[(i * shape.heads + h) * shape.depth + c]);
  }
  __device__ W key_at(int64_t j, int64_t h, int64_t c) const {
    return static_cast<W>(key[(j * shape.heads + h) * shape.depth + c]);
  }
  __device__ int64_t carried() const { return shape.width + shape.space; }
  __device__ W carried_at(int64_t i, int64_t j, int64_t h, int64_t c) const {
    if (c < shape.width) return static_cast<W>(value[(j * shape.heads + h) * shape.width + c]);
    const int64_t p = c - shape.width;
    return coords[j * shape.space + p] - centers[i * shape.space + p];
  }
  // The logit of edge e from j to i, in every lane of the group.
  __device__ W logit(int64_t i, int64_t j, int64_t e, int64_t h) const {
    W sum = 0;
    if (h < shape.heads)
      for (int64_t c = groups.lane(); c < shape.depth; c += groups.lanes)
        sum += query_at(i, h, c) * scale * key_at(j, h, c);
    sum = groups.sum(sum);
    if (bias && h < shape.heads) sum += static_cast<W>(bias[e * shape.heads + h]);
    return sum;
  }
};

}  // namespace meshop
