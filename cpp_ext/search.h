// What neighbors.cpp asks of the searches.
#pragma once

#include "kdtree.h"

namespace meshop {

// Entries of a row: squared distance and the point's number within its cloud.
template <typename T>
struct Found {
  std::vector<T> dist2;
  std::vector<uint32_t> index;
};

template <typename T>
struct Search {
  const Trees<T>* points;
  const Trees<T>* queries;  // == points where the points are the queries
  const T* box;             // (dim,) periods, infinite where there is none; or null
  const T* limit2;          // squared reach: one, or (stride 1) one a query
  int64_t limit_stride;
  bool exclude_self;
};

// One row for each query of the query tree's leaves [begin, end): in `k` columns of `dist2` and
// `index`, which are laid out by query, where `rowptr` is given; else appended to `found`, with
// `count` (Q,) of each.
template <typename T>
void nearest(const Search<T>& ask, int64_t k, int64_t begin, int64_t end, const int64_t* rowptr,
             T* dist2, int64_t* index, int64_t* count, Found<T>* found);

// All within reach, sorted, at most `cap` (< 0: all); appended to `found` in the order of the
// leaves' queries. `count` and `dropped` by query.
template <typename T>
void within(const Search<T>& ask, int64_t cap, int64_t begin, int64_t end, int64_t* count,
            int64_t* dropped, Found<T>* found);

}  // namespace meshop
