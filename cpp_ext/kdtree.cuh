// k-d trees over ragged clouds on the GPU, one a cloud, of leaves that a warp reads whole.
//
// The points are sorted level by level: by node, then along the node's widest axis, so that the
// first half of its leaves takes the lower coordinates. Any order gives exact searches; this one
// gives tight boxes however the points are graded. Sorting is stable: identical points keep the
// order of their numbers, so the halves of a pile of duplicates have disjoint ranges of numbers,
// and the second need not be opened.
#pragma once

#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_reduce.cuh>
#include <cub/device/device_scan.cuh>

#include <algorithm>
#include <utility>

#include "csr_cuda.h"

namespace meshop {
namespace {

constexpr int kLeaf =
    32;  // points in a leaf, all but a cloud's last; one for each thread of a warp
constexpr unsigned kAllLanes = 0xffffffffu;
constexpr uint32_t kNobody = 0xffffffffu;  // no point's number

// Device memory from torch's allocator, on torch's stream.
template <typename T>
struct Scratch {
  Tensor bytes;

  Scratch() = default;
  Scratch(const Tensor& like, int64_t size)
      : bytes(empty_of(like, {std::max<int64_t>(size, 1) * static_cast<int64_t>(sizeof(T))},
                       ScalarType::Byte)) {}
  T* get() const { return mutable_data<T>(bytes); }
};

inline int bits_for(int64_t values) {  // to tell this many apart
  int bits = 1;
  while (bits < 63 && (int64_t(1) << bits) < values) ++bits;
  return bits;
}

__device__ inline float least_of(float a, float b) { return fminf(a, b); }
__device__ inline double least_of(double a, double b) { return fmin(a, b); }
__device__ inline float most_of(float a, float b) { return fmaxf(a, b); }
__device__ inline double most_of(double a, double b) { return fmax(a, b); }

// A subtree is a run of leaves, and its shape follows from their number. Nodes are numbered from
// left to right, leaves even and the others odd, so that no two of any cloud share a number.
struct Node {
  uint32_t first, leaves;

  __device__ uint32_t half() const { return (leaves + 1) / 2; }
  __device__ Node left() const { return {first, half()}; }
  __device__ Node right() const { return {first + half(), leaves - half()}; }
  __device__ bool is_leaf() const { return leaves == 1; }
  __device__ int64_t id() const {
    return is_leaf() ? 2 * int64_t(first) : 2 * (int64_t(first) + half()) - 1;
  }
};

template <typename T>
struct TreeView {
  const T* points;          // (N, dim)
  const int64_t* ptr;       // (clouds + 1,) points
  const int64_t* leaf_ptr;  // (clouds + 1,) leaves
  const uint32_t* order;    // (N,) the point at each place of the leaves
  T* coords;                // (N, dim) the points in that order
  T* boxes;                 // [node][lo, hi][dim]
  uint32_t* least;          // [node] the lowest number of a point inside
  int64_t size, dim, clouds, leaves;

  __device__ Node root(int64_t cloud) const {
    return {static_cast<uint32_t>(leaf_ptr[cloud]),
            static_cast<uint32_t>(leaf_ptr[cloud + 1] - leaf_ptr[cloud])};
  }
  // The node above a leaf that is `level` steps below the root, or the leaf itself if it is higher.
  __device__ Node above(int64_t leaf, int64_t cloud, int level) const {
    Node node = root(cloud);
    for (; level > 0 && !node.is_leaf(); --level)
      node = leaf < int64_t(node.first) + node.half() ? node.left() : node.right();
    return node;
  }
  __device__ int64_t begin(int64_t leaf, int64_t cloud) const {
    return ptr[cloud] + (leaf - leaf_ptr[cloud]) * kLeaf;
  }
  __device__ int64_t end(int64_t leaf, int64_t cloud) const {
    const int64_t full = begin(leaf, cloud) + kLeaf, last = ptr[cloud + 1];
    return full < last ? full : last;
  }
  __device__ T* box(int64_t node) const { return boxes + 2 * dim * node; }
};

__global__ void leaf_count_kernel(const int64_t* ptr, int64_t clouds, int64_t* leaf_ptr) {
  for (int64_t b = first_item(); b <= clouds; b += item_stride())
    leaf_ptr[b] = b == 0 ? 0 : (ptr[b] - ptr[b - 1] + kLeaf - 1) / kLeaf;
}

__global__ void number_kernel(uint32_t* order, int64_t size) {
  for (int64_t i = first_item(); i < size; i += item_stride()) order[i] = static_cast<uint32_t>(i);
}

template <typename T>
__global__ void leaf_box_kernel(TreeView<T> tree) {
  for (int64_t leaf = first_item(); leaf < tree.leaves; leaf += item_stride()) {
    const int64_t cloud = row_of(tree.leaf_ptr, tree.clouds, leaf);
    const int64_t begin = tree.begin(leaf, cloud), end = tree.end(leaf, cloud);
    T* lo = tree.box(2 * leaf);
    uint32_t least = kNobody;
    for (int64_t i = begin; i < end; ++i) least = min(least, tree.order[i]);
    tree.least[2 * leaf] = least;
    for (int64_t d = 0; d < tree.dim; ++d) {
      T low = tree.points[tree.order[begin] * tree.dim + d], high = low;
      for (int64_t i = begin + 1; i < end; ++i) {
        const T x = tree.points[tree.order[i] * tree.dim + d];
        low = least_of(low, x);
        high = most_of(high, x);
      }
      lo[d] = low;
      lo[tree.dim + d] = high;
    }
  }
}

// Boxes of the nodes at one level from those of the next; the first leaf of each acts for it.
template <typename T>
__global__ void join_kernel(TreeView<T> tree, int level) {
  for (int64_t leaf = first_item(); leaf < tree.leaves; leaf += item_stride()) {
    const int64_t cloud = row_of(tree.leaf_ptr, tree.clouds, leaf);
    const Node node = tree.above(leaf, cloud, level);
    if (node.is_leaf() || node.first != leaf) continue;
    const int64_t left = node.left().id(), right = node.right().id(), dim = tree.dim;
    const T *a = tree.box(left), *b = tree.box(right);
    T* lo = tree.box(node.id());
    for (int64_t d = 0; d < dim; ++d) {
      lo[d] = least_of(a[d], b[d]);
      lo[dim + d] = most_of(a[dim + d], b[dim + d]);
    }
    tree.least[node.id()] = min(tree.least[left], tree.least[right]);
  }
}

// Sorts by node, then along its widest axis in steps of 2^-32 of its width.
template <typename T>
__global__ void key_kernel(TreeView<T> tree, int level, uint64_t* keys) {
  for (int64_t i = first_item(); i < tree.size; i += item_stride()) {
    const int64_t cloud = row_of(tree.ptr, tree.clouds, i);
    const int64_t leaf = tree.leaf_ptr[cloud] + (i - tree.ptr[cloud]) / kLeaf;
    const Node node = tree.above(leaf, cloud, level);
    uint32_t step = 0;
    if (!node.is_leaf()) {
      const T *lo = tree.box(node.id()), *hi = lo + tree.dim;
      int64_t axis = 0;
      T widest = 0;  // halves: the width of finite coordinates may not be finite
      for (int64_t d = 0; d < tree.dim; ++d) {
        const T width = hi[d] / 2 - lo[d] / 2;
        if (width > widest) {
          widest = width;
          axis = d;
        }
      }
      const T at = tree.points[tree.order[i] * tree.dim + axis] / 2 - lo[axis] / 2;
      const T share = widest > 0 ? at / widest : T(0);
      if (share > 0) step = share < 1 ? static_cast<uint32_t>(share * T(4294967296)) : kNobody;
    }
    keys[i] = static_cast<uint64_t>(node.id()) << 32 | step;
  }
}

template <typename T>
__global__ void gather_kernel(TreeView<T> tree) {
  for (int64_t i = first_item(); i < tree.size * tree.dim; i += item_stride())
    tree.coords[i] = tree.points[tree.order[i / tree.dim] * tree.dim + i % tree.dim];
}

template <typename T>
class Tree {
 public:
  Tree() = default;

  // `points` (N, dim) finite and contiguous, `ptr` valid.
  Tree(const Tensor& points, const Tensor& ptr) : points_(points), ptr_(ptr) {
    const cudaStream_t stream = current_stream(points);
    const int64_t size = points.size(0), dim = points.size(1), clouds = ptr.numel() - 1;
    STD_TORCH_CHECK(size < kNobody, "at most 4294967294 points on a GPU, got ", size);
    leaf_ptr_ = Scratch<int64_t>(points, clouds + 1);
    view = {data<T>(points),
            indices(ptr),
            leaf_ptr_.get(),
            nullptr,
            nullptr,
            nullptr,
            nullptr,
            size,
            dim,
            clouds,
            0};
    if (size == 0) {
      leaf_count_kernel<<<blocks_for(clouds + 1), kThreads, 0, stream>>>(view.ptr, clouds,
                                                                         leaf_ptr_.get());
      STD_CUDA_KERNEL_LAUNCH_CHECK();
      return;
    }
    largest_ = count_leaves(stream);
    STD_TORCH_CHECK(view.leaves < int64_t(1) << 31, "too many clouds");
    order_ = Scratch<uint32_t>(points, size);
    boxes_ = Scratch<T>(points, 4 * view.leaves * dim);
    least_ = Scratch<uint32_t>(points, 2 * view.leaves);
    view.boxes = boxes_.get();
    view.least = least_.get();
    sort(largest_ > 1 ? bits_for(largest_) : 0, stream);
    coords_ = Scratch<T>(points, size * dim);
    view.coords = coords_.get();
    gather_kernel<<<blocks_for(size * dim), kThreads, 0, stream>>>(view);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  }

  TreeView<T> view{};

  // No cloud has more.
  int64_t most_points() const { return std::min(largest_ * kLeaf, view.size); }

 private:
  // Returns the leaves of the largest cloud.
  int64_t count_leaves(cudaStream_t stream) {
    int64_t* counts = leaf_ptr_.get();
    leaf_count_kernel<<<blocks_for(view.clouds + 1), kThreads, 0, stream>>>(view.ptr, view.clouds,
                                                                            counts);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
    const Scratch<int64_t> most(points_, 1);
    with_storage(points_, [&](void* storage, size_t& bytes) {
      return cub::DeviceReduce::Max(storage, bytes, counts, most.get(), view.clouds + 1, stream);
    });
    with_storage(points_, [&](void* storage, size_t& bytes) {
      return cub::DeviceScan::InclusiveSum(storage, bytes, counts, counts, view.clouds + 1, stream);
    });
    view.leaves = read_back(counts + view.clouds, stream);
    return read_back(most.get(), stream);
  }

  void sort(int levels, cudaStream_t stream) {
    const Scratch<uint32_t> spare(points_, view.size);
    const Scratch<uint64_t> keys(points_, view.size), spare_keys(points_, view.size);
    cub::DoubleBuffer<uint32_t> order(order_.get(), spare.get());
    number_kernel<<<blocks_for(view.size), kThreads, 0, stream>>>(order.Current(), view.size);
    for (int level = 0; level < levels; ++level) {
      view.order = order.Current();
      find_boxes(level, levels, stream);
      key_kernel<<<blocks_for(view.size), kThreads, 0, stream>>>(view, level, keys.get());
      STD_CUDA_KERNEL_LAUNCH_CHECK();
      cub::DoubleBuffer<uint64_t> by(keys.get(), spare_keys.get());
      const int end_bit = 32 + bits_for(2 * view.leaves);
      with_storage(points_, [&](void* storage, size_t& bytes) {
        return cub::DeviceRadixSort::SortPairs(storage, bytes, by, order, view.size, 0, end_bit,
                                               stream);
      });
    }
    if (order.Current() != order_.get())
      STD_CUDA_CHECK(cudaMemcpyAsync(order_.get(), order.Current(), view.size * sizeof(uint32_t),
                                     cudaMemcpyDeviceToDevice, stream));
    view.order = order_.get();
    find_boxes(0, levels, stream);
  }

  // Of all nodes from `level` down.
  void find_boxes(int level, int levels, cudaStream_t stream) {
    const int grid = blocks_for(view.leaves);
    leaf_box_kernel<<<grid, kThreads, 0, stream>>>(view);
    for (int at = levels - 1; at >= level; --at)
      join_kernel<<<grid, kThreads, 0, stream>>>(view, at);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  }

  Tensor points_, ptr_;
  int64_t largest_ = 0;  // leaves
  Scratch<int64_t> leaf_ptr_;
  Scratch<uint32_t> order_, least_;
  Scratch<T> coords_, boxes_;
};

}  // namespace
}  // namespace meshop
