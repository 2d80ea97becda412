// Points grouped by voxel on the GPU: extent, keys, cub's radix sort (stable), a scan of where
// groups begin. Compiled with -fmad=false, so that voxels and centroids equal the CPU's.
#include "voxels.h"

#include <cub/cub.cuh>

#include <algorithm>
#include <tuple>

#include "cuda_common.h"

namespace meshop {
namespace {

template <typename T>
struct Cloud {
  const T* points;
  int64_t n, dim;
  const int64_t* ptr;
  int64_t clouds;
  const double *size, *origin;

  __device__ int64_t of(int64_t i) const {
    int64_t low = 0, high = clouds;  // the last b with ptr[b] <= i
    while (high - low > 1) {
      const int64_t mid = (low + high) / 2;
      if (ptr[mid] <= i)
        low = mid;
      else
        high = mid;
    }
    return low;
  }
};

__global__ void check_grid_kernel(const double* size, const double* origin, int64_t dim,
                                  int64_t* bad) {
  for (int64_t d = first_item(); d < dim; d += item_stride())
    if (!(size[d] > 0) || !isfinite(size[d]) || !isfinite(origin[d])) *bad = 1;
}

// The extent in voxels: low[d] and high[d] begin beyond any voxel. Integer atomics, one a warp, so
// the order of threads does not matter.
template <typename T>
__global__ void extent_kernel(Cloud<T> cloud, long long* low, long long* high, int64_t* bad) {
  for (int64_t d = 0; d < cloud.dim; ++d) {
    double lo = kFarthestVoxel, hi = -kFarthestVoxel;
    for (int64_t i = first_item(); i < cloud.n; i += item_stride()) {
      const double v = voxel_of(cloud.points[i * cloud.dim + d], cloud.origin[d], cloud.size[d]);
      if (!(fabs(v) < kFarthestVoxel)) {  // NaN too
        *bad = 1;
        continue;
      }
      lo = v < lo ? v : lo;
      hi = v > hi ? v : hi;
    }
    for (int step = 16; step > 0; step /= 2) {
      const double other_lo = __shfl_down_sync(0xffffffffu, lo, step);
      const double other_hi = __shfl_down_sync(0xffffffffu, hi, step);
      lo = other_lo < lo ? other_lo : lo;
      hi = other_hi > hi ? other_hi : hi;
    }
    if (threadIdx.x % 32 == 0 && lo <= hi) {
      atomicMin(low + d, static_cast<long long>(lo));
      atomicMax(high + d, static_cast<long long>(hi));
    }
  }
}

__global__ void iota_kernel(int64_t* values, int64_t n) {
  for (int64_t i = first_item(); i < n; i += item_stride()) values[i] = i;
}

template <typename T>
__global__ void key_kernel(Cloud<T> cloud, const KeyField* fields, int64_t count,
                           const int64_t* order, uint64_t* keys) {
  for (int64_t s = first_item(); s < cloud.n; s += item_stride()) {
    const int64_t i = order[s];
    uint64_t key = 0;
    for (int64_t f = 0; f < count; ++f) {
      const int64_t d = fields[f].axis;
      const int64_t at = d < 0 ? cloud.of(i)
                               : static_cast<int64_t>(voxel_of(cloud.points[i * cloud.dim + d],
                                                               cloud.origin[d], cloud.size[d]));
      key |= in_key(fields[f], at);
    }
    keys[s] = key;
  }
}

// begins[s] is raised where the key differs from the one before.
__global__ void begins_kernel(const uint64_t* keys, int64_t n, int64_t* begins) {
  for (int64_t s = first_item(); s < n; s += item_stride())
    if (s == 0 || keys[s] != keys[s - 1]) begins[s] = 1;
}

// number[s] counts the groups that have begun up to slot s.
__global__ void number_kernel(const int64_t* number, const int64_t* order, int64_t n,
                              int64_t* group, int64_t* rowptr) {
  for (int64_t s = first_item(); s < n; s += item_stride()) {
    group[order[s]] = number[s] - 1;
    if (s == 0 || number[s] != number[s - 1]) rowptr[number[s] - 1] = s;
    if (s == n - 1) rowptr[number[s]] = n;
  }
}

// Sorted by cloud first, so a cloud's voxels begin where its points do.
__global__ void voxel_ptr_kernel(const int64_t* ptr, int64_t clouds, const int64_t* number,
                                 int64_t* voxel_ptr) {
  for (int64_t b = first_item(); b <= clouds; b += item_stride())
    voxel_ptr[b] = ptr[b] == 0 ? 0 : number[ptr[b] - 1];
}

Tensor scratch_of(const Tensor& like, size_t bytes) {
  return empty_of(like, {static_cast<int64_t>(std::max<size_t>(bytes, 1))}, ScalarType::Byte);
}

template <typename T>
void group_points(const Cloud<T>& cloud, const Tensor& like, cudaStream_t stream, Tensor& order,
                  Tensor& number) {
  const int64_t n = cloud.n, dim = cloud.dim;
  const int grid = blocks_for(n);
  const Flag bad(like, stream);
  check_grid_kernel<<<blocks_for(dim), kThreads, 0, stream>>>(cloud.size, cloud.origin, dim,
                                                              bad.raised);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  bad.check("size must be positive and finite, origin finite");
  if (n == 0) return;

  std::vector<int64_t> low(dim, int64_t(1) << 62), high(dim, -(int64_t(1) << 62));
  const Tensor extent = empty_of(like, {2 * dim}, ScalarType::Long);
  int64_t* ends = mutable_indices(extent);
  const size_t bytes = dim * sizeof(int64_t);
  STD_CUDA_CHECK(cudaMemcpyAsync(ends, low.data(), bytes, cudaMemcpyHostToDevice, stream));
  STD_CUDA_CHECK(cudaMemcpyAsync(ends + dim, high.data(), bytes, cudaMemcpyHostToDevice, stream));
  extent_kernel<<<std::min(grid, 512), kThreads, 0, stream>>>(
      cloud, reinterpret_cast<long long*>(ends), reinterpret_cast<long long*>(ends + dim),
      bad.raised);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  bad.check("points must be finite and within 2^62 voxels of the origin");
  STD_CUDA_CHECK(cudaMemcpyAsync(low.data(), ends, bytes, cudaMemcpyDeviceToHost, stream));
  STD_CUDA_CHECK(cudaMemcpyAsync(high.data(), ends + dim, bytes, cudaMemcpyDeviceToHost, stream));
  STD_CUDA_CHECK(cudaStreamSynchronize(stream));

  const Tensor keys = empty_of(like, {2 * n}, ScalarType::Long);
  const Tensor other_order = empty_of(like, {n}, ScalarType::Long);
  const Tensor begins = torch::stable::new_zeros(like, {n}, ScalarType::Long);
  uint64_t* key = mutable_data<uint64_t>(keys);
  int64_t *from = mutable_indices(order), *to = mutable_indices(other_order);
  iota_kernel<<<grid, kThreads, 0, stream>>>(from, n);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  const std::vector<KeyWord> words = key_words(low, high, cloud.clouds);
  std::vector<Tensor> fields;
  for (const KeyWord& word : words) {
    const size_t size = word.fields.size() * sizeof(KeyField);
    fields.push_back(scratch_of(like, size));
    STD_CUDA_CHECK(cudaMemcpyAsync(fields.back().mutable_data_ptr(), word.fields.data(), size,
                                   cudaMemcpyHostToDevice, stream));
  }
  auto make_keys = [&](size_t w) {
    key_kernel<<<grid, kThreads, 0, stream>>>(
        cloud, static_cast<const KeyField*>(fields[w].const_data_ptr()),
        static_cast<int64_t>(words[w].fields.size()), from, key);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  };
  for (size_t w = 0; w < words.size(); ++w) {
    if (words[w].bits == 0) continue;  // a single voxel
    make_keys(w);
    size_t room = 0;
    STD_CUDA_CHECK(cub::DeviceRadixSort::SortPairs(nullptr, room, key, key + n, from, to, n, 0,
                                                   words[w].bits, stream));
    const Tensor scratch = scratch_of(like, room);
    STD_CUDA_CHECK(cub::DeviceRadixSort::SortPairs(scratch.mutable_data_ptr(), room, key, key + n,
                                                   from, to, n, 0, words[w].bits, stream));
    std::swap(from, to);
  }
  for (size_t w = 0; w < words.size(); ++w) {
    make_keys(w);
    begins_kernel<<<grid, kThreads, 0, stream>>>(key, n, mutable_indices(begins));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  }
  if (from != mutable_indices(order))
    STD_CUDA_CHECK(
        cudaMemcpyAsync(to, from, n * sizeof(int64_t), cudaMemcpyDeviceToDevice, stream));
  size_t room = 0;
  STD_CUDA_CHECK(cub::DeviceScan::InclusiveSum(nullptr, room, indices(begins),
                                               mutable_indices(number), n, stream));
  const Tensor scratch = scratch_of(like, room);
  STD_CUDA_CHECK(cub::DeviceScan::InclusiveSum(scratch.mutable_data_ptr(), room, indices(begins),
                                               mutable_indices(number), n, stream));
}

std::tuple<Tensor, Tensor, Tensor, Tensor> voxel_groups(Tensor points, std::optional<Tensor> ptr_in,
                                                        Tensor size, Tensor origin) {
  const OnDevice guard(points, ptr_in, size, origin);
  check_voxel_arguments(points, size, origin);
  const Tensor p = torch::stable::contiguous(points);
  const Tensor s = torch::stable::contiguous(size), o = torch::stable::contiguous(origin);
  const int64_t n = p.size(0);
  const cudaStream_t stream = current_stream(p);
  const Tensor ptr = cloud_ptr_cuda(ptr_in, p, n);
  const int64_t clouds = ptr.numel() - 1;
  Tensor group = empty_of(p, {n}, ScalarType::Long);
  Tensor order = empty_of(p, {n}, ScalarType::Long);
  Tensor number = empty_of(p, {n}, ScalarType::Long);
  auto run = [&](auto zero) {
    using T = decltype(zero);
    group_points(
        Cloud<T>{data<T>(p), n, p.size(1), indices(ptr), clouds, data<double>(s), data<double>(o)},
        p, stream, order, number);
  };
  if (p.scalar_type() == ScalarType::Float) {
    run(float{});
  } else {
    STD_TORCH_CHECK(p.scalar_type() == ScalarType::Double, "points must be float32 or float64");
    run(double{});
  }
  const int64_t groups = n == 0 ? 0 : read_back(indices(number) + n - 1, stream);
  Tensor rowptr = torch::stable::new_zeros(p, {groups + 1}, ScalarType::Long);
  Tensor voxel_ptr = empty_of(p, {clouds + 1}, ScalarType::Long);
  if (n > 0) {
    number_kernel<<<blocks_for(n), kThreads, 0, stream>>>(
        indices(number), indices(order), n, mutable_indices(group), mutable_indices(rowptr));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  }
  voxel_ptr_kernel<<<blocks_for(clouds + 1), kThreads, 0, stream>>>(
      indices(ptr), clouds, indices(number), mutable_indices(voxel_ptr));
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  return {group, order, rowptr, voxel_ptr};
}

// Sums in double, front to back, as the CPU does; centre (groups, dim) carries them.
template <typename T>
__global__ void mean_kernel(const T* points, int64_t dim, const int64_t* order,
                            const int64_t* rowptr, int64_t groups, double* centre, T* mean) {
  for (int64_t i = first_item(); i < groups * dim; i += item_stride()) {
    const int64_t g = i / dim, d = i % dim;
    double sum = 0;
    for (int64_t e = rowptr[g]; e < rowptr[g + 1]; ++e)
      sum += static_cast<double>(points[order[e] * dim + d]);
    centre[i] = sum / static_cast<double>(rowptr[g + 1] - rowptr[g]);
    mean[i] = static_cast<T>(centre[i]);
  }
}

template <typename T>
__global__ void nearest_kernel(const T* points, int64_t dim, const int64_t* order,
                               const int64_t* rowptr, int64_t groups, const double* centre,
                               int64_t* nearest) {
  for (int64_t g = first_item(); g < groups; g += item_stride()) {
    double best = INFINITY;
    int64_t at = order[rowptr[g]];
    for (int64_t e = rowptr[g]; e < rowptr[g + 1]; ++e) {
      double dist2 = 0;
      for (int64_t d = 0; d < dim; ++d) {
        const double gap = static_cast<double>(points[order[e] * dim + d]) - centre[g * dim + d];
        dist2 += gap * gap;
      }
      if (dist2 < best) {
        best = dist2;
        at = order[e];
      }
    }
    nearest[g] = at;
  }
}

template <typename T>
__global__ void spread_kernel(const T* grad, int64_t dim, const int64_t* group,
                              const int64_t* rowptr, int64_t n, T* out) {
  for (int64_t i = first_item(); i < n * dim; i += item_stride()) {
    const int64_t g = group[i / dim];
    out[i] = grad[g * dim + i % dim] / static_cast<T>(rowptr[g + 1] - rowptr[g]);
  }
}

__global__ void check_groups_kernel(const int64_t* rowptr, int64_t groups, const int64_t* of,
                                    int64_t n, int64_t limit, int64_t* bad) {
  for (int64_t i = first_item(); i < groups; i += item_stride())
    if (rowptr[i] >= rowptr[i + 1]) *bad = 1;
  for (int64_t i = first_item(); i < n; i += item_stride())
    if (of[i] < 0 || of[i] >= limit) *bad = 1;
}

void check_groups(const Tensor& rowptr, const Tensor& of, int64_t limit, const char* message) {
  check_indices(rowptr, "rowptr", 1);
  check_indices(of, "group and order", 1);
  STD_TORCH_CHECK(rowptr.numel() >= 1, "rowptr must have at least one entry");
  const int64_t groups = rowptr.numel() - 1, n = of.numel();
  check_rowptr_cuda(rowptr, groups, n, "rowptr");
  const cudaStream_t stream = current_stream(rowptr);
  const Flag bad(rowptr, stream);
  check_groups_kernel<<<blocks_for(std::max(groups, n) + 1), kThreads, 0, stream>>>(
      indices(rowptr), groups, indices(of), n, limit, bad.raised);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  bad.check(message);
}

std::tuple<Tensor, Tensor> voxel_mean(Tensor points, Tensor group, Tensor order, Tensor rowptr) {
  const OnDevice guard(points, group, order, rowptr);
  STD_TORCH_CHECK(points.dim() == 2, "points must have shape (N, D)");
  const Tensor p = torch::stable::contiguous(points), o = torch::stable::contiguous(order);
  const Tensor r = torch::stable::contiguous(rowptr);
  const int64_t n = p.size(0), dim = p.size(1), groups = r.numel() - 1;
  STD_TORCH_CHECK(o.numel() == n && group.numel() == n, "order and group must have N entries");
  check_groups(r, o, n, "no group may be empty, and order must lie in the range of points");
  Tensor mean = empty_of(p, {groups, dim}, p.scalar_type());
  Tensor nearest = empty_of(p, {groups}, ScalarType::Long);
  const Tensor centre = empty_of(p, {groups, dim}, ScalarType::Double);
  if (groups == 0) return {mean, nearest};
  const cudaStream_t stream = current_stream(p);
  double* c = mutable_data<double>(centre);
  auto run = [&](auto zero) {
    using T = decltype(zero);
    const T* from = data<T>(p);
    mean_kernel<<<blocks_for(groups * dim + 1), kThreads, 0, stream>>>(
        from, dim, indices(o), indices(r), groups, c, mutable_data<T>(mean));
    nearest_kernel<<<blocks_for(groups), kThreads, 0, stream>>>(
        from, dim, indices(o), indices(r), groups, c, mutable_indices(nearest));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  };
  if (p.scalar_type() == ScalarType::Float) {
    run(float{});
  } else {
    STD_TORCH_CHECK(p.scalar_type() == ScalarType::Double, "points must be float32 or float64");
    run(double{});
  }
  return {mean, nearest};
}

Tensor voxel_mean_backward(Tensor grad, Tensor group, Tensor rowptr) {
  const OnDevice guard(grad, group, rowptr);
  STD_TORCH_CHECK(grad.dim() == 2 && rowptr.numel() == grad.size(0) + 1,
                  "grad must have one row per group");
  const Tensor g = torch::stable::contiguous(grad), k = torch::stable::contiguous(group);
  const Tensor r = torch::stable::contiguous(rowptr);
  const int64_t n = k.numel(), dim = g.size(1);
  check_groups(r, k, g.size(0), "no group may be empty, and group must lie in their range");
  Tensor out = empty_of(g, {n, dim}, g.scalar_type());
  if (n * dim == 0) return out;
  const cudaStream_t stream = current_stream(g);
  auto run = [&](auto zero) {
    using T = decltype(zero);
    spread_kernel<<<blocks_for(n * dim), kThreads, 0, stream>>>(
        data<T>(g), dim, indices(k), indices(r), n, mutable_data<T>(out));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  };
  if (g.scalar_type() == ScalarType::Float) {
    run(float{});
  } else {
    STD_TORCH_CHECK(g.scalar_type() == ScalarType::Double, "grad must be float32 or float64");
    run(double{});
  }
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) {
  m.impl("voxel_groups", TORCH_BOX(&voxel_groups));
  m.impl("voxel_mean", TORCH_BOX(&voxel_mean));
  m.impl("voxel_mean_backward", TORCH_BOX(&voxel_mean_backward));
}

}  // namespace meshop
