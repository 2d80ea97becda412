// What every kernel file shares. Only the stable ABI: nothing from at::, c10:: or Python.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace meshop {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

inline Tensor empty_of(const Tensor& like, std::vector<int64_t> sizes, ScalarType dtype) {
  return torch::stable::new_empty(like, sizes, dtype);
}

inline const int64_t* indices(const Tensor& t) {
  return static_cast<const int64_t*>(t.const_data_ptr());
}

inline int64_t* mutable_indices(const Tensor& t) {
  return static_cast<int64_t*>(t.mutable_data_ptr());
}

template <typename T>
const T* data(const Tensor& t) {
  return static_cast<const T*>(t.const_data_ptr());
}

// Null where the tensor is not given.
template <typename T>
const T* data(const std::optional<Tensor>& t) {
  return t ? data<T>(*t) : nullptr;
}

template <typename T>
T* mutable_data(const Tensor& t) {
  return static_cast<T*>(t.mutable_data_ptr());
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

inline void check_indices(const Tensor& t, const char* name, int64_t dim) {
  STD_TORCH_CHECK(t.scalar_type() == ScalarType::Long && t.dim() == dim, name, " must be ", dim,
                  "-D int64");
}

// Asks for large pages behind a fresh buffer of many MB: most of the time that writing it takes
// would go into page faults. A hint; nothing depends on it.
inline void huge_pages(void* data, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr uintptr_t kPage = uintptr_t(2) << 20;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(data) + kPage - 1) & ~(kPage - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + bytes) & ~(kPage - 1);
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)data, (void)bytes;
#endif
}

// An uninitialised output, with large pages behind it.
inline Tensor large_empty(const Tensor& like, std::vector<int64_t> sizes, ScalarType dtype) {
  Tensor out = empty_of(like, std::move(sizes), dtype);
  huge_pages(out.mutable_data_ptr(), out.numel() * out.element_size());
  return out;
}

// The last wall: Python has friendlier words for the same faults.
inline void check_rowptr(const int64_t* rowptr, int64_t rows, int64_t total, const char* name) {
  STD_TORCH_CHECK(rows >= 0 && rowptr[0] == 0 && rowptr[rows] == total, name,
                  " must run from 0 to ", total);
  bool sorted = true;
  for (int64_t i = 0; i < rows; ++i) sorted &= rowptr[i] <= rowptr[i + 1];
  STD_TORCH_CHECK(sorted, name, " must not decrease");
}

// Where each cloud of a ragged batch begins, and the end; without a ptr there is one cloud.
inline std::vector<int64_t> cloud_ptr(const std::optional<Tensor>& ptr, int64_t total,
                                      const char* name = "ptr") {
  if (!ptr.has_value()) return {0, total};
  check_indices(*ptr, name, 1);
  STD_TORCH_CHECK(ptr->numel() >= 1, name, " must have at least one entry");
  const Tensor dense = torch::stable::contiguous(*ptr);
  check_rowptr(indices(dense), dense.numel() - 1, total, name);
  return {indices(dense), indices(dense) + dense.numel()};
}

}  // namespace meshop
