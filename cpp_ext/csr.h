// Compressed rows on the CPU: shared out evenly, checked, and turned around.
#pragma once

#include <algorithm>
#include <atomic>
#include <vector>

#include "common.h"

namespace meshop {

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

inline void check_index(const int64_t* index, int64_t count, int64_t bound, const char* name) {
  std::atomic<bool> bad{false};
  torch::stable::parallel_for(0, count, 1 << 16, [&](int64_t begin, int64_t end) {
    bool outside = false;
    for (int64_t e = begin; e < end; ++e)
      outside |= static_cast<uint64_t>(index[e]) >= static_cast<uint64_t>(bound);
    if (outside) bad = true;
  });
  STD_TORCH_CHECK(!bad, name, " must lie in [0, ", bound, ")");
}

// The transpose of the CSR (rowptr, index): rowptr_t (columns + 1,) and, for each entry in the order
// of columns and then of entries, its row and its number, where these are asked for. A counting sort:
// stable, so the same for any number of threads. Indices must have been checked.
inline void transpose(const int64_t* rowptr, int64_t rows, const int64_t* index, int64_t columns,
                      int64_t* rowptr_t, int64_t* row_t, int64_t* order_t) {
  const int64_t entries = rowptr[rows];
  // Each part counts for itself, in memory that stays below that of the entries.
  const int64_t parts = std::max<int64_t>(
      1, std::min({static_cast<int64_t>(torch::stable::get_num_threads()),
                   entries / std::max<int64_t>(columns, 1), entries >> 14}));
  std::vector<int64_t> first_row(parts + 1, rows);
  for (int64_t p = 0; p < parts; ++p)
    first_row[p] = row_at_work(rowptr, rows, (rows + entries) / parts * p);
  std::vector<int64_t> next(parts * columns, 0);
  torch::stable::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      int64_t* count = next.data() + p * columns;
      for (int64_t e = rowptr[first_row[p]]; e < rowptr[first_row[p + 1]]; ++e) ++count[index[e]];
    }
  });
  int64_t at = 0;
  for (int64_t j = 0; j < columns; ++j) {
    rowptr_t[j] = at;
    for (int64_t p = 0; p < parts; ++p) {
      const int64_t count = next[p * columns + j];
      next[p * columns + j] = at;
      at += count;
    }
  }
  rowptr_t[columns] = at;
  torch::stable::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      int64_t* place = next.data() + p * columns;
      for (int64_t i = first_row[p]; i < first_row[p + 1]; ++i)
        for (int64_t e = rowptr[i]; e < rowptr[i + 1]; ++e) {
          const int64_t to = place[index[e]]++;
          if (row_t) row_t[to] = i;
          if (order_t) order_t[to] = e;
        }
    }
  });
}

}  // namespace meshop
