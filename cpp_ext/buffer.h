// Memory of the CPU kernels that is written before it is read, so it is not cleared.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>

#include "common.h"

namespace meshop {

// Aligned to a cache line; in huge pages where that saves page faults.
template <typename T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t size) {
    const size_t bytes = (std::max<int64_t>(size, 1) * sizeof(T) + 63) / 64 * 64;
    const size_t alignment = bytes >= (size_t(4) << 20) ? size_t(2) << 20 : 64;
    void* data = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (!data) throw std::bad_alloc();
    huge_pages(data, bytes);
    data_.reset(static_cast<T*>(data));
  }
  T* get() const { return data_.get(); }
  T& operator[](int64_t i) const { return data_.get()[i]; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> data_;
};

}  // namespace meshop
