// Entries of an index array grouped by what they point at, in rising order: a deterministic scatter.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common.h"

namespace meshop {

struct Grouped {
  std::vector<int64_t> start;  // (rows + 1,)
  std::vector<int64_t> entry;  // those that are not -1
};

// index holds values in [-1, rows); anything else fails.
inline Grouped group_entries(const int64_t* index, int64_t count, int64_t rows, const char* name) {
  Grouped out;
  out.start.assign(rows + 2, 0);  // shifted by one while filling
  for (int64_t e = 0; e < count; ++e) {
    STD_TORCH_CHECK(index[e] >= -1 && index[e] < rows, name, " must lie in [-1, ", rows, "), got ",
                    index[e]);
    if (index[e] >= 0) ++out.start[index[e] + 2];
  }
  for (int64_t i = 0; i < rows; ++i) out.start[i + 2] += out.start[i + 1];
  out.entry.resize(out.start[rows + 1]);
  for (int64_t e = 0; e < count; ++e)
    if (index[e] >= 0) out.entry[out.start[index[e] + 1]++] = e;
  out.start.pop_back();
  return out;
}

inline void check_carriers(const int64_t* index, int64_t count, int64_t rows, const char* name) {
  bool good = true;
  for (int64_t e = 0; e < count; ++e) good &= index[e] >= -1 && index[e] < rows;
  STD_TORCH_CHECK(good, name, " must lie in [-1, ", rows, ")");
}

}  // namespace meshop
