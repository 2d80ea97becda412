// Compressed rows on the CPU: shared out evenly, checked, and turned around.
#pragma once

#include <algorithm>
#include <atomic>
#include <vector>

#include "common.h"

namespace meshop {

// The row that entry e belongs to: the last that begins at or before it.
inline int64_t row_at(const int64_t* rowptr, int64_t rows, int64_t e) {
  return std::upper_bound(rowptr, rowptr + rows + 1, e) - rowptr - 1;
}

// The first row i with rowptr[i] + i >= goal: rows and entries count as one piece of work each.
inline int64_t row_at_work(const int64_t* rowptr, int64_t rows, int64_t goal) {
  int64_t low = 0, high = rows;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (rowptr[middle] + middle < goal)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Calls body(first row, last row) on torch's threads, each with its share of rows and entries.
template <typename Body>
void for_even_rows(const int64_t* rowptr, int64_t rows, int64_t grain, const Body& body) {
  torch::stable::parallel_for(0, rows + rowptr[rows], grain, [&](int64_t begin, int64_t end) {
    const int64_t first = row_at_work(rowptr, rows, begin);
    const int64_t last = row_at_work(rowptr, rows, end);
    if (first < last) body(first, last);
  });
}

// Raises unless low <= index < high everywhere.
inline void check_range(const int64_t* index, int64_t count, int64_t low, int64_t high,
                        const char* name) {
  std::atomic<bool> good{true};
  torch::stable::parallel_for(0, count, 1 << 16, [&](int64_t begin, int64_t end) {
    bool inside = true;
    for (int64_t e = begin; e < end; ++e) inside &= (index[e] >= low) & (index[e] < high);
    if (!inside) good.store(false, std::memory_order_relaxed);
  });
  STD_TORCH_CHECK(good, name, " must lie in [", low, ", ", high, ")");
}

// The CSR (rowptr, index) turned around, with columns counted from `low`. For each entry, in the
// order of columns and then of entries: its number in `order_t` and its row in `row_t`, where
// these are asked for; columns begin at rowptr_t (columns + 1,). Indices must have been checked.
// The result does not depend on the threads.
void transpose(const int64_t* rowptr, int64_t rows, const int64_t* index, int64_t low,
               int64_t columns, int64_t* rowptr_t, int64_t* row_t, int64_t* order_t);

// Entries grouped by the node they point at, in rising order; those at -1 are in no group.
struct Groups {
  std::vector<int64_t> start;  // (nodes + 1,) of `entry`
  std::vector<int64_t> entry;

  Groups(const int64_t* index, int64_t count, int64_t nodes) : start(nodes + 2), entry(count) {
    const int64_t whole[2] = {0, count};
    transpose(whole, 1, index, -1, nodes + 1, start.data(), nullptr, entry.data());
    start.erase(start.begin());  // the group at -1
  }
};

}  // namespace meshop
