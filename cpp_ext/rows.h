// How the rows of a CSR are shared out, for CPU and GPU kernels that reduce over them.
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "dtypes.h"

namespace meshop {

enum class Reduce { Sum, Mean, Min, Max, LogSumExp };

inline Reduce parse_reduce(const std::string& name) {
  if (name == "sum") return Reduce::Sum;
  if (name == "mean") return Reduce::Mean;
  if (name == "min") return Reduce::Min;
  if (name == "max") return Reduce::Max;
  STD_TORCH_CHECK(name == "logsumexp", "reduce must be sum, mean, min, max or logsumexp, got ",
                  name);
  return Reduce::LogSumExp;
}

// Rows of more entries are cut into pieces of this many, which are reduced side by side and then
// together. It is part of the result (sums round), so it depends on nothing.
constexpr int64_t kPiece = 4096;

// Entries begin[i] to end[i] are row i; rows longer than `longest` are left to someone else.
struct Rows {
  const int64_t* begin;
  const int64_t* end;
  int64_t longest = std::numeric_limits<int64_t>::max();
};

inline Rows short_rows(const int64_t* rowptr) { return {rowptr, rowptr + 1, kPiece}; }

// The long rows of a CSR and their pieces: pieces first[k] to first[k + 1] are those of row[k].
struct LongRows {
  std::vector<int64_t> row, first, begin, end;

  LongRows(const int64_t* rowptr, int64_t rows) : first{0} {
    bool any = false;
    for (int64_t i = 0; i < rows; ++i) any |= rowptr[i + 1] - rowptr[i] > kPiece;
    for (int64_t i = 0; any && i < rows; ++i) {
      if (rowptr[i + 1] - rowptr[i] <= kPiece) continue;
      row.push_back(i);
      for (int64_t e = rowptr[i]; e < rowptr[i + 1]; e += kPiece) {
        begin.push_back(e);
        end.push_back(std::min(e + kPiece, rowptr[i + 1]));
      }
      first.push_back(static_cast<int64_t>(begin.size()));
    }
  }
  // Which of the long rows piece p belongs to.
  int64_t owner(int64_t p) const {
    return std::upper_bound(first.begin(), first.end(), p) - first.begin() - 1;
  }
  int64_t count() const { return static_cast<int64_t>(row.size()); }
  int64_t pieces() const { return static_cast<int64_t>(begin.size()); }
  Rows of_entries() const { return {begin.data(), end.data()}; }       // pieces of entries
  Rows of_pieces() const { return {first.data(), first.data() + 1}; }  // rows of pieces
};

}  // namespace meshop
