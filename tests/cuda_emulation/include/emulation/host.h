// The host's side: launches and the runtime calls that kernel files make.
#pragma once

#include <type_traits>
#include <utility>

#include "device.h"

using cudaError_t = int;
enum : int {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorInvalidConfiguration = 9,
};
enum cudaMemcpyKind {
  cudaMemcpyHostToHost = 0,
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3,
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaDeviceAttr {
  cudaDevAttrMaxThreadsPerBlock = 1,
  cudaDevAttrMaxSharedMemoryPerBlock = 8,
  cudaDevAttrWarpSize = 10,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
};
struct cudaFuncAttributes {
  size_t sharedSizeBytes, constSizeBytes, localSizeBytes;
  int maxThreadsPerBlock, numRegs, ptxVersion, binaryVersion, cacheModeCA;
  int maxDynamicSharedSizeBytes;
};
struct CUstream_st;
using cudaStream_t = CUstream_st*;

inline cudaError_t cudaGetLastError() { return emulation::take_last_error(); }
inline cudaError_t cudaPeekAtLastError() { return emulation::peek_last_error(); }
inline const char* cudaGetErrorString(cudaError_t e) {
  return e == cudaSuccess                     ? "no error"
         : e == cudaErrorInvalidConfiguration ? "invalid configuration argument"
                                              : "invalid argument";
}
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int) {
  switch (which) {
    case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = 48 << 10; break;
    case cudaDevAttrWarpSize: *value = 32; break;
    case cudaDevAttrMultiProcessorCount: *value = 3; break;  // few: grid-stride loops must turn
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = 163 << 10; break;
  }
  return cudaSuccess;
}
template <typename F>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* out, F*) {
  *out = {};
  out->maxThreadsPerBlock = 1024;
  out->maxDynamicSharedSizeBytes = static_cast<int>(emulation::shared_limit());
  return cudaSuccess;
}
template <typename F>
cudaError_t cudaFuncSetAttribute(F*, cudaFuncAttribute, int bytes) {
  if (bytes > 163 << 10) return cudaErrorInvalidValue;  // what sm_80 has
  emulation::shared_limit() = static_cast<size_t>(bytes);
  return cudaSuccess;
}
template <typename F>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, F*, int, size_t) {
  return *blocks = 2, cudaSuccess;
}

inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  emulation::require_stream(stream, "cudaStreamSynchronize");
  emulation::synchronise();
  return cudaSuccess;
}
inline cudaError_t cudaDeviceSynchronize() { return emulation::synchronise(), cudaSuccess; }

inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                                   cudaStream_t stream) {
  emulation::require_stream(stream, "cudaMemcpyAsync");
  if (bytes == 0) return cudaSuccess;
  const char* what = "cudaMemcpyAsync";
  if (kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice)
    emulation::require_device(from, what);
  else
    emulation::require_host(from, what);
  if (kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice)
    emulation::require_device(to, what);
  else
    emulation::require_host(to, what);
  const emulation::Open open;
  if (kind == cudaMemcpyDeviceToHost)
    emulation::copy_to_host_later(to, from, bytes);
  else
    std::memmove(to, from, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  emulation::require_stream(stream, "cudaMemsetAsync");
  if (bytes == 0) return cudaSuccess;
  emulation::require_device(to, "cudaMemsetAsync");
  const emulation::Open open;
  std::memset(to, value, bytes);
  return cudaSuccess;
}

namespace emulation {

struct Config {
  Shape shape;
  Config(dim3 grid, dim3 block, size_t shared = 0, cudaStream_t stream = nullptr)
      : shape{{grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, shared} {
    require_stream(stream, "a kernel launch");
  }
};

template <typename T>
void check_argument(const T& value, const char* kernel) {
  if constexpr (std::is_pointer_v<T> && !std::is_function_v<std::remove_pointer_t<T>>)
    if (value) require_device(value, kernel);
}

// kernel<<<config>>>(arguments) becomes launch(config, "kernel", call, arguments): they are
// evaluated once and copied, as on the way to a GPU.
template <typename F, typename... Args>
void launch(const Config& config, const char* kernel, F&& call, Args... args) {
  (check_argument(args, kernel), ...);
  static_assert((std::is_trivially_copyable_v<Args> && ...),
                "kernel arguments are copied as bytes");
  run_grid(config.shape, kernel, [&] { call(args...); });
}

// Ends the declaration of a __shared__ variable.
template <typename T>
void shared(T& variable) {
  first_touch(const_cast<std::remove_cv_t<T>*>(&variable), sizeof(variable));
}

}  // namespace emulation
