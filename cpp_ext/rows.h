// How the rows of a CSR are shared out, for CPU and GPU kernels that reduce over them.
#pragma once

#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include <algorithm>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "common.h"

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

template <typename F>
void with_floating(ScalarType dtype, F&& f) {
  switch (dtype) {
    case ScalarType::Float: return f(float{});
    case ScalarType::Double: return f(double{});
    case ScalarType::Half: return f(torch::headeronly::Half{});
    case ScalarType::BFloat16: return f(torch::headeronly::BFloat16{});
    default: STD_TORCH_CHECK(false, "values must be float32, float64, float16 or bfloat16");
  }
}

// The shape of t with another number of rows.
inline std::vector<int64_t> shape_with(const Tensor& t, int64_t rows) {
  std::vector<int64_t> shape(t.sizes().begin(), t.sizes().end());
  shape[0] = rows;
  return shape;
}

// Channels of a row: all dimensions but the first.
inline int64_t trailing(const Tensor& t) {
  int64_t count = 1;
  for (int64_t d = 1; d < t.dim(); ++d) count *= t.size(d);
  return count;
}

template <typename T>
const T* data(const Tensor& t) {
  return static_cast<const T*>(t.const_data_ptr());
}
template <typename T>
T* mutable_data(const Tensor& t) {
  return static_cast<T*>(t.mutable_data_ptr());
}

// An uninitialised output, with large pages behind it.
inline Tensor large_empty(const Tensor& like, std::vector<int64_t> sizes, ScalarType dtype) {
  Tensor out = empty_of(like, std::move(sizes), dtype);
  huge_pages(out.mutable_data_ptr(), out.numel() * out.element_size());
  return out;
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
