// What the emulated GPU must do, and what it must refuse. Compiled as kernels are.
#include <cuda_runtime.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/macros.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_reduce.cuh>
#include <cub/device/device_run_length_encode.cuh>
#include <cub/device/device_scan.cuh>
#include <cub/device/device_select.cuh>

#include <string>
#include <vector>

namespace meshop {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// --- what must work
// -------------------------------------------------------------------------------

template <int kThreads>
__global__ void block_sums(const int64_t* x, int64_t n, int64_t* out) {
  __shared__ int64_t part[kThreads], unused[2];
  const int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
  unused[0] = 0;
  part[threadIdx.x] = i < n ? x[i] : 0;
  __syncthreads();
  for (int step = kThreads / 2; step > 0; step /= 2) {
    if (threadIdx.x < step) part[threadIdx.x] += part[threadIdx.x + step];
    __syncthreads();
  }
  if (threadIdx.x == 0) out[blockIdx.x] = part[0];
}

__global__ void warp_sums(const int64_t* x, int64_t* out) {
  long long sum = x[threadIdx.x];
  for (int by = 16; by > 0; by /= 2) sum += __shfl_down_sync(0xffffffffu, sum, by);
  const unsigned odd = __ballot_sync(0xffffffffu, x[threadIdx.x] & 1);
  const int turned = __shfl_xor_sync(0xffffffffu, static_cast<int>(threadIdx.x), 1);
  if (threadIdx.x % 32 == 0) {
    out[threadIdx.x / 32 * 3] = sum;
    out[threadIdx.x / 32 * 3 + 1] = __popc(odd);
    out[threadIdx.x / 32 * 3 + 2] = turned;
  }
}

__global__ void reversed(const int64_t* x, int64_t* out) {
  extern __shared__ int64_t all[];
  all[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = all[blockDim.x - 1 - threadIdx.x];
}

__global__ void places(int64_t* out) {
  const int64_t block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const int64_t thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] =
      threadIdx.x + 10 * threadIdx.y + 100 * threadIdx.z + 1000 * blockIdx.x + 10000 * blockIdx.y +
      100000 * blockIdx.z;
}

__global__ void arrivals(unsigned long long* next, int64_t* out) {
  out[blockIdx.x * blockDim.x + threadIdx.x] = static_cast<int64_t>(atomicAdd(next, 1ull));
}

// --- what must be refused
// -------------------------------------------------------------------------

__global__ void reads_beyond(const int64_t* x, int64_t n, int64_t* out) { out[threadIdx.x] = x[n]; }
__global__ void writes_beyond(int64_t n, int64_t* out) { out[n] = 1; }
__global__ void unset(int64_t* out) {
  __shared__ int64_t value;
  if (blockIdx.x == 1) value = 7;  // a GPU might well keep it for the next block
  __syncthreads();
  out[blockIdx.x] = value;
}
__global__ void parted(int64_t* out) {
  if (threadIdx.x & 1) {
    __syncthreads();
    out[threadIdx.x] = 1;
  } else {
    __syncthreads();
    out[threadIdx.x] = 2;
  }
}
__global__ void absent_lane(int64_t* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(0x0000ffffu, 1, 20);
}
__global__ void missing_lane(int64_t* out) {
  if (threadIdx.x != 3)
    out[threadIdx.x] = __all_sync(0xffffffffu, 1);
  else
    __syncthreads();
}
__global__ void copy(const int64_t* x, int64_t* out) { out[threadIdx.x] = x[threadIdx.x]; }

Tensor fresh(const Tensor& x, int64_t n) {
  return torch::stable::new_empty(x, {n}, ScalarType::Long);
}
int64_t* data(const Tensor& t) { return static_cast<int64_t*>(t.mutable_data_ptr()); }

template <typename F>
void twice(const Tensor& x, F&& algorithm) {
  size_t bytes = 0;
  STD_CUDA_CHECK(algorithm(nullptr, bytes));
  const Tensor scratch =
      torch::stable::new_empty(x, {static_cast<int64_t>(bytes)}, ScalarType::Byte);
  STD_CUDA_CHECK(algorithm(scratch.mutable_data_ptr(), bytes));
}

struct Even {
  __host__ __device__ bool operator()(int64_t v) const { return v % 2 == 0; }
};

Tensor probe(std::string what, Tensor x) {
  void* handle = nullptr;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(x.get_device_index(), &handle));
  const cudaStream_t stream = static_cast<cudaStream_t>(handle);
  const int64_t n = x.numel();
  const unsigned threads = static_cast<unsigned>(n);
  const int64_t* in = static_cast<const int64_t*>(x.const_data_ptr());
  Tensor out = fresh(x, what == "places" ? 144 : n);
  int64_t* to = data(out);
  if (what == "block_sums") {
    constexpr int kThreads = 64;
    const unsigned blocks = static_cast<unsigned>((n + kThreads - 1) / kThreads);
    out = fresh(x, blocks);
    block_sums<kThreads><<<dim3(blocks), kThreads, 0, stream>>>(in, n, data(out));
  } else if (what == "warp_sums") {
    out = fresh(x, n / 32 * 3);
    warp_sums<<<1, threads, 0, stream>>>(in, data(out));
  } else if (what == "reversed") {
    reversed<<<1, threads, n * sizeof(int64_t), stream>>>(in, to);
  } else if (what == "places") {
    places<<<dim3(2, 3, 1), dim3(2, 3, 4), 0, stream>>>(to);
  } else if (what == "arrivals") {
    const Tensor next = torch::stable::new_zeros(x, {1}, ScalarType::Long);
    arrivals<<<2, threads / 2, 0, stream>>>(reinterpret_cast<unsigned long long*>(data(next)), to);
  } else if (what == "scan") {
    twice(x, [&](void* s, size_t& b) {
      return cub::DeviceScan::ExclusiveSum(s, b, in, to, n, stream);
    });
  } else if (what == "sort") {
    const Tensor spare = fresh(x, n), ids = fresh(x, n), other = fresh(x, n);
    copy<<<1, threads, 0, stream>>>(in, to);
    copy<<<1, threads, 0, stream>>>(in, data(ids));
    cub::DoubleBuffer<int64_t> keys(to, data(spare)), values(data(ids), data(other));
    twice(x, [&](void* s, size_t& b) {
      return cub::DeviceRadixSort::SortPairs(s, b, keys, values, n, 0, 4, stream);  // by v % 16
    });
    out = fresh(x, n);
    copy<<<1, threads, 0, stream>>>(values.Current(), data(out));
  } else if (what == "select" || what == "runs" || what == "max") {
    const Tensor count = fresh(x, 1), lengths = fresh(x, n);
    twice(x, [&](void* s, size_t& b) {
      if (what == "max") return cub::DeviceReduce::Max(s, b, in, data(count), n, stream);
      if (what == "runs")
        return cub::DeviceRunLengthEncode::Encode(s, b, in, to, data(lengths), data(count), n,
                                                  stream);
      return cub::DeviceSelect::If(s, b, in, to, data(count), n, Even(), stream);
    });
    int64_t kept = -1;
    STD_CUDA_CHECK(cudaMemcpyAsync(&kept, data(count), 8, cudaMemcpyDeviceToHost, stream));
    STD_CUDA_CHECK(cudaStreamSynchronize(stream));
    if (what == "max") return torch::stable::fill_(out, static_cast<double>(kept));
    Tensor source = what == "runs" ? lengths : out;
    return torch::stable::clone(torch::stable::narrow(source, 0, 0, kept));
  } else if (what == "reads_beyond") {
    reads_beyond<<<1, 1, 0, stream>>>(in, n, to);
  } else if (what == "writes_beyond") {
    writes_beyond<<<1, 1, 0, stream>>>(n, to);
  } else if (what == "unset") {
    unset<<<threads, 2, 0, stream>>>(to);
  } else if (what == "parted") {
    parted<<<1, threads, 0, stream>>>(to);
  } else if (what == "absent_lane") {
    absent_lane<<<1, 32, 0, stream>>>(to);
  } else if (what == "missing_lane") {
    missing_lane<<<1, 32, 0, stream>>>(to);
  } else if (what == "host_reads") {
    return torch::stable::fill_(out, static_cast<double>(in[0]));
  } else if (what == "host_pointer") {
    const std::vector<int64_t> here(static_cast<size_t>(n));
    copy<<<1, threads, 0, stream>>>(here.data(), to);
  } else if (what == "stream") {
    copy<<<1, threads>>>(in, to);
  } else if (what == "no_wait") {
    int64_t first = 0;
    STD_CUDA_CHECK(cudaMemcpyAsync(&first, in, 8, cudaMemcpyDeviceToHost, stream));
    return torch::stable::fill_(out, static_cast<double>(first & 255));
  } else if (what == "no_block") {
    copy<<<0, threads, 0, stream>>>(in, to);
  } else if (what == "in_place") {
    twice(x, [&](void* s, size_t& b) {
      return cub::DeviceRadixSort::SortKeys(s, b, to, to, n, 0, 64, stream);
    });
  } else if (what == "uninitialised") {
    return out;
  }
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) { m.impl("probe", TORCH_BOX(&probe)); }

}  // namespace meshop
