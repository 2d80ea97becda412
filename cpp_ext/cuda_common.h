// What every CUDA kernel file shares. Needs -DUSE_CUDA.
#pragma once

#include <cuda_runtime.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/macros.h>

#include "common.h"

namespace meshop {

constexpr int kThreads = 256;
constexpr int kWarp = 32;

inline int blocks_for(int64_t work) {
  return static_cast<int>(std::min<int64_t>((work + kThreads - 1) / kThreads, 1 << 20));
}

inline cudaStream_t current_stream(const Tensor& t) {
  void* stream = nullptr;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(t.get_device_index(), &stream));
  return static_cast<cudaStream_t>(stream);
}

// Works on the device of the first tensor; raises unless the others are there too.
class OnDevice {
 public:
  template <typename... Tensors>
  explicit OnDevice(const Tensor& first, const Tensors&... others)
      : index_(first.get_device_index()), guard_(index_) {
    (check(others), ...);
  }

 private:
  void check(const Tensor& t) const {
    STD_TORCH_CHECK(t.get_device_index() == index_, "all tensors must be on one device");
  }
  void check(const std::optional<Tensor>& t) const {
    if (t) check(*t);
  }

  torch::stable::accelerator::DeviceIndex index_;
  torch::stable::accelerator::DeviceGuard guard_;
};

// Kernels walk their work in strides of the whole grid, so any size fits any launch.
__device__ inline int64_t first_item() {
  return blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
}
__device__ inline int64_t item_stride() { return static_cast<int64_t>(blockDim.x) * gridDim.x; }

// Calls one of CUB's algorithms, which asks for memory first: call(storage, bytes).
template <typename F>
void with_storage(const Tensor& like, F&& call) {
  size_t bytes = 0;
  STD_CUDA_CHECK(call(nullptr, bytes));
  Tensor storage = empty_of(like, {static_cast<int64_t>(bytes) + 1}, ScalarType::Byte);
  STD_CUDA_CHECK(call(storage.mutable_data_ptr(), bytes));
}

inline Tensor new_indices(const Tensor& like, int64_t count) {
  return empty_of(like, {count}, ScalarType::Long);
}

inline int64_t read_back(const int64_t* at, cudaStream_t stream) {
  int64_t value = 0;
  STD_CUDA_CHECK(cudaMemcpyAsync(&value, at, sizeof(value), cudaMemcpyDeviceToHost, stream));
  STD_CUDA_CHECK(cudaStreamSynchronize(stream));
  return value;
}

// A device flag that kernels raise when a value is out of range.
struct Flag {
  Tensor storage;
  int64_t* raised;
  cudaStream_t stream;

  Flag(const Tensor& like, cudaStream_t s)
      : storage(torch::stable::new_zeros(like, {1}, ScalarType::Long)),
        raised(mutable_indices(storage)),
        stream(s) {}
  void check(const char* message) const { STD_TORCH_CHECK(!read_back(raised, stream), message); }
};

static __global__ void check_rowptr_kernel(const int64_t* rowptr, int64_t rows, int64_t total,
                                           int64_t* bad) {
  for (int64_t i = first_item(); i <= rows; i += item_stride()) {
    if (i < rows && rowptr[i] > rowptr[i + 1]) *bad = 1;
    if (i == 0 && rowptr[0] != 0) *bad = 1;
    if (i == rows && rowptr[rows] != total) *bad = 1;
  }
}

inline void check_rowptr_cuda(const Tensor& rowptr, int64_t rows, int64_t total, const char* name) {
  const cudaStream_t stream = current_stream(rowptr);
  const Flag bad(rowptr, stream);
  check_rowptr_kernel<<<blocks_for(rows + 1), kThreads, 0, stream>>>(indices(rowptr), rows, total,
                                                                     bad.raised);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  STD_TORCH_CHECK(!read_back(bad.raised, stream), name, " must rise from 0 to ", total);
}

static __global__ void one_cloud_kernel(int64_t* ptr, int64_t total) {
  ptr[0] = 0;
  ptr[1] = total;
}

// Where each cloud of a ragged batch begins, and the end; without a ptr there is one cloud.
inline Tensor cloud_ptr_cuda(const std::optional<Tensor>& ptr, const Tensor& like, int64_t total,
                             const char* name = "ptr") {
  if (ptr) {
    check_indices(*ptr, name, 1);
    STD_TORCH_CHECK(ptr->numel() >= 1, name, " must have at least one entry");
    const Tensor dense = torch::stable::contiguous(*ptr);
    check_rowptr_cuda(dense, dense.numel() - 1, total, name);
    return dense;
  }
  Tensor whole = empty_of(like, {2}, ScalarType::Long);
  one_cloud_kernel<<<1, 1, 0, current_stream(like)>>>(mutable_indices(whole), total);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  return whole;
}

}  // namespace meshop
