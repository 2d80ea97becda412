// What the forward and backward kernels of edge attention are given, on the CPU.
#pragma once

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "attention_shape.h"
#include "csr.h"
#include "isa.h"

#define MESHOP_INLINE_LAMBDA __attribute__((always_inline))

namespace meshop {

constexpr int64_t kEdgeTile = 64;    // edges whose scores are held at once
constexpr int64_t kEdgesAhead = 10;  // how far ahead neighbours are fetched into cache
constexpr int64_t kEdgeGrain = 512;  // rows and edges that are worth a task of their own

// Neighbours' features, (nodes, heads, width).
template <typename T>
struct Features {
  const T* data;
  int64_t heads, width;
  MESHOP_INLINE const T* row(int64_t node) const { return data + node * heads * width; }
};

template <typename T>
struct AttendArgs {
  AttentionShape shape;
  Wide<T> scale;
  Features<T> query, key, value;
  const int64_t *index, *rowptr;
  const T* bias;
  const Wide<T>*coords, *centers;
  T* out;
  Wide<T>*out_coords, *lse;
};

template <typename T>
struct BackwardArgs {
  AttentionShape shape;
  Wide<T> scale;
  Features<T> grad, query, key, value;
  const Wide<T>*grad_coords, *grad_lse, *lse, *coords, *centers;
  const T* bias;
  const int64_t *index, *rowptr, *row_t, *order_t, *rowptr_t;
  Wide<T>* rows;  // kept of a receiver: logsumexp (heads), sum of p g (heads), push (heads, P)
  T *to_query, *to_key, *to_value, *to_bias;
  Wide<T>*to_coords, *to_centers;
};

}  // namespace meshop
