// Farthest point sampling on the GPU: one block for each cloud looks at every point after every
// pick. Compiled with -fmad=false, so that distances, and with them the picks, equal the CPU's.
#include <algorithm>
#include <limits>
#include <tuple>

#include "cuda_common.h"

namespace meshop {
namespace {

constexpr int kMostWarps = 32;  // of a block

// The larger distance; of equals, the lower index.
template <typename T>
struct Farthest {
  T dist2;
  long long index;

  __device__ void take(T other, long long at) {
    if (other > dist2 || (other == dist2 && at < index)) {
      dist2 = other;
      index = at;
    }
  }
  __device__ void take_warp() {
    for (int step = kWarp / 2; step > 0; step /= 2) {
      const T other = __shfl_down_sync(0xffffffffu, dist2, step);
      const long long at = __shfl_down_sync(0xffffffffu, index, step);
      take(other, at);
    }
  }
};

template <typename T>
__global__ void sample_kernel(const T* points, int64_t dim, const int64_t* ptr,
                              const int64_t* start, const int64_t* to, int64_t clouds, T infinity,
                              T* near, int64_t* index, T* dist2) {
  __shared__ T warp_dist2[kMostWarps];
  __shared__ long long warp_index[kMostWarps];
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  for (int64_t b = blockIdx.x; b < clouds; b += gridDim.x) {
    const int64_t begin = ptr[b], end = ptr[b + 1];
    // near[i] is one thread's own: it needs no barrier.
    for (int64_t i = begin + threadIdx.x; i < end; i += blockDim.x) near[i] = infinity;
    Farthest<T> pick{infinity, start ? start[b] : begin};
    for (int64_t j = to[b]; j < to[b + 1]; ++j) {
      if (threadIdx.x == 0) {
        index[j] = pick.index;
        dist2[j] = pick.dist2;
      }
      Farthest<T> best{T(-2), end};
      for (int64_t i = begin + threadIdx.x; i < end; i += blockDim.x) {
        T least = -1;  // below any distance: never picked again
        if (i != pick.index) {
          T sum = 0;
          for (int64_t d = 0; d < dim; ++d) {
            const T gap = points[pick.index * dim + d] - points[i * dim + d];
            sum += gap * gap;
          }
          least = sum < near[i] ? sum : near[i];
        }
        near[i] = least;
        best.take(least, i);
      }
      best.take_warp();
      if (lane == 0) {
        warp_dist2[warp] = best.dist2;
        warp_index[warp] = best.index;
      }
      __syncthreads();
      pick = Farthest<T>{warp_dist2[0], warp_index[0]};
      for (int w = 1; w < static_cast<int>(blockDim.x) / kWarp; ++w)
        pick.take(warp_dist2[w], warp_index[w]);
      __syncthreads();
    }
  }
}

template <typename T>
__global__ void finite_kernel(const T* values, int64_t count, int64_t* bad) {
  for (int64_t i = first_item(); i < count; i += item_stride())
    if (!isfinite(values[i])) *bad = 1;
}

// Raises bad[0] for a negative count and bad[1] for a start outside its cloud. One thread: clouds
// are few beside points, and the sum runs front to back.
__global__ void plan_kernel(const int64_t* ptr, const int64_t* counts, int64_t count,
                            const int64_t* start, int64_t clouds, int64_t* to, int64_t* bad) {
  to[0] = 0;
  for (int64_t b = 0; b < clouds; ++b) {
    const int64_t size = ptr[b + 1] - ptr[b], ask = counts ? counts[b] : count;
    if (ask < 0) bad[0] = 1;
    if (start && size > 0 && (start[b] < ptr[b] || start[b] >= ptr[b + 1])) bad[1] = 1;
    to[b + 1] = to[b] + (ask < size ? ask : size);
  }
}

std::tuple<Tensor, Tensor, Tensor> farthest_points(Tensor points, std::optional<Tensor> ptr_in,
                                                   std::optional<Tensor> counts, int64_t count,
                                                   std::optional<Tensor> start) {
  const OnDevice guard(points, ptr_in, counts, start);
  STD_TORCH_CHECK(points.dim() == 2 && points.size(1) >= 1,
                  "points must have shape (N, D), D >= 1");
  STD_TORCH_CHECK(
      points.scalar_type() == ScalarType::Float || points.scalar_type() == ScalarType::Double,
      "points must be float32 or float64");
  const Tensor p = torch::stable::contiguous(points);
  const int64_t n = p.size(0), dim = p.size(1);
  const cudaStream_t stream = current_stream(p);
  const Tensor ptr = cloud_ptr_cuda(ptr_in, p, n);
  const int64_t clouds = ptr.numel() - 1;
  Tensor wanted, first;
  if (counts) {
    check_indices(*counts, "counts", 1);
    STD_TORCH_CHECK(counts->numel() == clouds, "counts must have one entry per cloud");
    wanted = torch::stable::contiguous(*counts);
  }
  if (start) {
    check_indices(*start, "start", 1);
    STD_TORCH_CHECK(start->numel() == clouds, "start must have one entry per cloud");
    first = torch::stable::contiguous(*start);
  }
  const int64_t* starts = start ? indices(first) : nullptr;
  Tensor out_ptr = empty_of(p, {clouds + 1}, ScalarType::Long);
  const Tensor bad = torch::stable::new_zeros(p, {2}, ScalarType::Long);
  plan_kernel<<<1, 1, 0, stream>>>(indices(ptr), counts ? indices(wanted) : nullptr, count, starts,
                                   clouds, mutable_indices(out_ptr), mutable_indices(bad));
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  STD_TORCH_CHECK(!read_back(indices(bad), stream), "count must not be negative");
  STD_TORCH_CHECK(!read_back(indices(bad) + 1, stream), "start must lie in its own cloud");
  const int64_t total = read_back(indices(out_ptr) + clouds, stream);

  Tensor index = empty_of(p, {total}, ScalarType::Long);
  Tensor dist2 = empty_of(p, {total}, p.scalar_type());
  const Tensor near = empty_of(p, {n}, p.scalar_type());
  const Flag wild(p, stream);
  auto run = [&](auto zero) {
    using T = decltype(zero);
    const T* from = data<T>(p);
    finite_kernel<<<blocks_for(n * dim + 1), kThreads, 0, stream>>>(from, n * dim, wild.raised);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
    wild.check("points must be finite");
    if (total == 0) return;
    const int grid = static_cast<int>(std::min<int64_t>(clouds, 1 << 20));
    const int warps = static_cast<int>(std::min<int64_t>((n + kWarp - 1) / kWarp, kMostWarps));
    sample_kernel<<<grid, warps * kWarp, 0, stream>>>(
        from, dim, indices(ptr), starts, indices(out_ptr), clouds,
        std::numeric_limits<T>::infinity(), mutable_data<T>(near), mutable_indices(index),
        mutable_data<T>(dist2));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  };
  if (p.scalar_type() == ScalarType::Float)
    run(float{});
  else
    run(double{});
  return {dist2, index, out_ptr};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) {
  m.impl("farthest_points", TORCH_BOX(&farthest_points));
}

}  // namespace meshop
