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

inline void check_indices(const Tensor& t, const char* name, int64_t dim) {
  STD_TORCH_CHECK(t.scalar_type() == ScalarType::Long && t.dim() == dim, name, " must be ", dim,
                  "-D int64");
}

// Asks for large pages behind a fresh buffer of many MB: most of the time that writing it takes would
// go into page faults. A hint; nothing depends on it.
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

// The last wall: Python has friendlier words for the same faults.
inline void check_rowptr(const int64_t* rowptr, int64_t rows, int64_t total, const char* name) {
  STD_TORCH_CHECK(rows >= 0 && rowptr[0] == 0 && rowptr[rows] == total, name,
                  " must run from 0 to ", total);
  bool sorted = true;
  for (int64_t i = 0; i < rows; ++i) sorted &= rowptr[i] <= rowptr[i + 1];
  STD_TORCH_CHECK(sorted, name, " must not decrease");
}

// Where each cloud of a ragged batch begins, and the end; without a ptr there is one cloud.
inline std::vector<int64_t> cloud_ptr(const std::optional<Tensor>& ptr, int64_t total) {
  if (!ptr.has_value()) return {0, total};
  check_indices(*ptr, "ptr", 1);
  STD_TORCH_CHECK(ptr->numel() >= 1, "ptr must have at least one entry");
  const Tensor dense = torch::stable::contiguous(*ptr);
  check_rowptr(indices(dense), dense.numel() - 1, total, "ptr");
  return {indices(dense), indices(dense) + dense.numel()};
}

}  // namespace meshop
