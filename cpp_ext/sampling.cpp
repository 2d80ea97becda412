// Farthest point sampling. Each pick needs the one before, so a cloud is one thread's work.
#include <cmath>
#include <tuple>

#include "farthest.h"

#define MESHOP_KERNELS "sampling_impl.h"
#include "each_isa.h"

namespace meshop {

namespace {

constexpr int64_t kMostPoints = (int64_t(1) << 32) - kLeaf;  // slots are 32-bit numbers

template <typename T, int D>
void sample_clouds(const Trees<T>& trees, const int64_t* start, const int64_t* to, int64_t* index,
                   T* dist2) {
  const std::vector<int64_t>& ptr = trees.ptr;
  torch::stable::parallel_for(0, ptr.size() - 1, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t count = to[b + 1] - to[b];
      if (count == 0) continue;
      const FarthestTree<T, D> tree(trees, b);
      MESHOP_PICK(sample<T, D>)(tree, count, start ? start[b] - ptr[b] : 0, ptr[b], index + to[b],
                               dist2 + to[b]);
    }
  });
}

template <typename T>
void sample_any(const Tensor& points, const std::vector<int64_t>& ptr, const int64_t* start,
                const int64_t* to, Tensor& index, Tensor& dist2) {
  const int64_t dim = points.size(1);
  const T* p = data<T>(points);
  bool finite = true;
  for (int64_t i = 0; i < points.numel(); ++i) finite &= std::isfinite(p[i]);
  STD_TORCH_CHECK(finite, "points must be finite");
  const Trees<T> trees = build_trees(p, dim, ptr);
  int64_t* at = mutable_indices(index);
  T* d2 = mutable_data<T>(dist2);
  switch (dim) {
    case 2: return sample_clouds<T, 2>(trees, start, to, at, d2);
    case 3: return sample_clouds<T, 3>(trees, start, to, at, d2);
    default: return sample_clouds<T, 0>(trees, start, to, at, d2);
  }
}

std::tuple<Tensor, Tensor, Tensor> farthest_points(Tensor points, std::optional<Tensor> ptr_in,
                                                   std::optional<Tensor> counts, int64_t count,
                                                   std::optional<Tensor> start) {
  STD_TORCH_CHECK(points.dim() == 2 && points.size(1) >= 1,
                  "points must have shape (N, D), D >= 1");
  const Tensor p = torch::stable::contiguous(points);
  const int64_t n = p.size(0);
  const std::vector<int64_t> ptr = cloud_ptr(ptr_in, n);
  const int64_t clouds = static_cast<int64_t>(ptr.size()) - 1;
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
  Tensor out_ptr = empty_of(p, {clouds + 1}, ScalarType::Long);
  int64_t* to = mutable_indices(out_ptr);
  to[0] = 0;
  for (int64_t b = 0; b < clouds; ++b) {
    const int64_t size = ptr[b + 1] - ptr[b], ask = counts ? indices(wanted)[b] : count;
    STD_TORCH_CHECK(ask >= 0, "count must not be negative, got ", ask);
    STD_TORCH_CHECK(size < kMostPoints, "a cloud must have fewer than ", kMostPoints, " points");
    if (start && size > 0)
      STD_TORCH_CHECK(indices(first)[b] >= ptr[b] && indices(first)[b] < ptr[b + 1],
                      "start must lie in its own cloud");
    to[b + 1] = to[b] + std::min(ask, size);
  }
  Tensor index = empty_of(p, {to[clouds]}, ScalarType::Long);
  Tensor dist2 = empty_of(p, {to[clouds]}, p.scalar_type());
  const int64_t* s = start ? indices(first) : nullptr;
  if (p.scalar_type() == ScalarType::Float) {
    sample_any<float>(p, ptr, s, to, index, dist2);
  } else {
    STD_TORCH_CHECK(p.scalar_type() == ScalarType::Double, "points must be float32 or float64");
    sample_any<double>(p, ptr, s, to, index, dist2);
  }
  return {dist2, index, out_ptr};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("farthest_points", TORCH_BOX(&farthest_points));
}

}  // namespace meshop
