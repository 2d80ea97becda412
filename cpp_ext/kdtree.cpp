// Building k-d trees: split by the median of the widest axis, in parallel, the same on any machine.
#include "kdtree.h"

namespace meshop {
namespace {

// What selection moves about: a whole point where D is known, else the coordinate it is split by.
template <typename T, int D>
struct alignas(sizeof(T) == 4 && D >= 2 ? 16 : sizeof(T)) Record {
  T x[D];
  uint32_t index;
  T key(int axis) const { return x[axis]; }
};
template <typename T>
struct Record<T, 0> {
  T x[1];
  uint32_t index;
  T key(int) const { return x[0]; }
};

// Moves the `rank` lowest by (coordinate, index) to the front. Two pivots close to the rank, taken
// from a sample, leave little to look at (after Floyd and Rivest, 1975). No branch depends on data.
template <typename R>
void select(R* a, int64_t n, int64_t rank, int axis) {
  constexpr int64_t kSample = 64, kSmall = 128;
  int64_t begin = 0, end = n;
  auto less = [axis](const R& p, const R& q) {
    return p.key(axis) < q.key(axis) || (p.key(axis) == q.key(axis) && p.index < q.index);
  };
  while (end - begin > kSmall) {
    const int64_t size = end - begin;
    R sample[kSample];
    for (int64_t i = 0; i < kSample; ++i) sample[i] = a[begin + (2 * i + 1) * size / (2 * kSample)];
    const int64_t at = (rank - begin) * kSample / size;
    const int64_t place =
        2 * (rank - begin) <= size ? std::min(at + 5, kSample - 1) : std::max<int64_t>(at - 5, 0);
    std::nth_element(sample, sample + place, sample + kSample, less);
    const R pivot = sample[place];
    const auto key = pivot.key(axis);
    const uint32_t index = pivot.index;
    int64_t split = begin;
    for (int64_t i = begin; i < end; ++i) {
      const R here = a[i];
      a[i] = a[split];
      a[split] = here;
      split += static_cast<int64_t>(here.key(axis) < key) |
               (static_cast<int64_t>(here.key(axis) == key) & (here.index < index));
    }
    if (split == begin) break;  // the pivot is the lowest of all
    if (rank < split) {
      end = split;
    } else {
      begin = split;
    }
  }
  if (rank > begin && rank < end) std::nth_element(a + begin, a + rank, a + end, less);
}

template <typename T, int D>
class Builder {
 public:
  using R = Record<T, D>;

  Builder(const T* points, int64_t dim, Trees<T>& trees)
      : points_(points), dim_(dim), trees_(trees), records_(trees.ptr.back()) {}

  void run() {
    const std::vector<int64_t>& ptr = trees_.ptr;
    const int64_t clouds = static_cast<int64_t>(ptr.size()) - 1;
    for (int64_t b = 0; b < clouds; ++b)
      torch::stable::parallel_for(ptr[b], ptr[b + 1], 16384, [&, b](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          if constexpr (D > 0)
            for (int d = 0; d < D; ++d) records_[i].x[d] = points_[i * D + d];
          records_[i].index = static_cast<uint32_t>(i - ptr[b]);
        }
      });

    // Large parts are halved a level at a time, in parallel; the rest goes to a thread each.
    std::vector<Part> open, ready, above;
    for (int64_t b = 0; b < clouds; ++b)
      if (ptr[b + 1] > ptr[b])
        open.push_back(
            {b, trees_.root(b), trees_.leaf_ptr[b], trees_.leaf_ptr[b + 1] - trees_.leaf_ptr[b]});
    const int64_t enough = trees_.leaves() / (8 * torch::stable::get_num_threads()) + 16;
    while (!open.empty()) {
      std::vector<Part> large;
      for (const Part& part : open) (part.leaves > enough ? large : ready).push_back(part);
      above.insert(above.end(), large.begin(), large.end());
      open.assign(2 * large.size(), Part{});
      torch::stable::parallel_for(0, large.size(), 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) halve(large[i], &open[2 * i], &open[2 * i + 1]);
      });
    }
    torch::stable::parallel_for(0, ready.size(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) build(ready[i]);
    });
    for (auto part = above.rbegin(); part != above.rend(); ++part) join(*part);
  }

 private:
  struct Part {
    int64_t cloud = 0, node = 0, first_leaf = 0, leaves = 0;
  };

  int64_t first_point(const Part& part) const {
    return trees_.ptr[part.cloud] + (part.first_leaf - trees_.leaf_ptr[part.cloud]) * kLeaf;
  }
  int64_t last_point(const Part& part) const {
    return std::min(trees_.ptr[part.cloud + 1], first_point(part) + part.leaves * kLeaf);
  }
  const T* point(const Part& part, const R& record) const {
    if constexpr (D > 0) return record.x;
    return points_ + (trees_.ptr[part.cloud] + record.index) * dim_;
  }

  void box(const Part& part, T* lo, T* hi) const {
    const int64_t begin = first_point(part), end = last_point(part);
    const int64_t dims = D ? D : dim_;
    for (int64_t d = 0; d < dims; ++d) lo[d] = hi[d] = point(part, records_[begin])[d];
    for (int64_t i = begin + 1; i < end; ++i) {
      const T* x = point(part, records_[i]);
      for (int64_t d = 0; d < dims; ++d) {
        lo[d] = x[d] < lo[d] ? x[d] : lo[d];
        hi[d] = x[d] > hi[d] ? x[d] : hi[d];
      }
    }
  }

  void halve(const Part& part, Part* left, Part* right) {
    T* lo = trees_.boxes.get() + 2 * trees_.dim * part.node;
    T* hi = lo + trees_.dim;
    box(part, lo, hi);
    int axis = 0;
    for (int64_t d = 1; d < (D ? D : dim_); ++d)
      if (hi[d] - lo[d] > hi[axis] - lo[axis]) axis = static_cast<int>(d);
    const int64_t begin = first_point(part), end = last_point(part);
    const int64_t half = left_leaves(part.leaves);
    if constexpr (D == 0)
      for (int64_t i = begin; i < end; ++i) records_[i].x[0] = point(part, records_[i])[axis];
    // Ties by index: the halves of a pile of duplicates then have disjoint ranges of indices, and
    // the second need not be opened.
    select(records_.get() + begin, end - begin, half * kLeaf, axis);
    *left = {part.cloud, part.node + 1, part.first_leaf, half};
    *right = {part.cloud, part.node + 2 * half, part.first_leaf + half, part.leaves - half};
  }

  void build(const Part& part) {
    if (part.leaves == 1) return finish(part);
    Part left, right;
    halve(part, &left, &right);
    build(left);
    build(right);
    join(part);
  }

  void join(const Part& part) {
    const int64_t left = part.node + 1, right = part.node + 2 * left_leaves(part.leaves);
    trees_.least[part.node] = std::min(trees_.least[left], trees_.least[right]);
  }

  void finish(const Part& leaf) {
    const int64_t begin = first_point(leaf), count = last_point(leaf) - begin;
    const int64_t dims = D ? D : dim_;
    T* coords = trees_.coords.get() + leaf.first_leaf * dims * kLeaf;
    uint32_t* index = trees_.index.get() + leaf.first_leaf * kLeaf;
    T* lo = trees_.boxes.get() + 2 * dims * leaf.node;
    box(leaf, lo, lo + dims);
    uint32_t least = kNobody;
    for (int64_t s = 0; s < kLeaf; ++s) {
      const bool here = s < count;
      index[s] = here ? records_[begin + s].index : kNobody;
      least = std::min(least, index[s]);
      for (int64_t d = 0; d < dims; ++d)
        coords[d * kLeaf + s] =
            here ? point(leaf, records_[begin + s])[d] : std::numeric_limits<T>::quiet_NaN();
    }
    trees_.least[leaf.node] = least;
  }

  const T* points_;
  int64_t dim_;
  Trees<T>& trees_;
  Buffer<R> records_;
};

}  // namespace

template <typename T>
Trees<T> build_trees(const T* points, int64_t dim, const std::vector<int64_t>& ptr) {
  Trees<T> trees;
  trees.dim = dim;
  trees.ptr = ptr;
  trees.leaf_ptr.assign(ptr.size(), 0);
  for (size_t b = 0; b + 1 < ptr.size(); ++b) {
    const int64_t count = ptr[b + 1] - ptr[b];
    STD_TORCH_CHECK(count < kNobody, "a cloud must have fewer than 4294967295 points, got ", count);
    trees.leaf_ptr[b + 1] = trees.leaf_ptr[b] + (count + kLeaf - 1) / kLeaf;
  }
  const int64_t leaves = trees.leaves();
  trees.coords = Buffer<T>(leaves * dim * kLeaf);
  trees.index = Buffer<uint32_t>(leaves * kLeaf);
  trees.boxes = Buffer<T>(4 * leaves * dim);
  trees.least = Buffer<uint32_t>(2 * leaves);
  switch (dim) {
    case 2: Builder<T, 2>(points, dim, trees).run(); break;
    case 3: Builder<T, 3>(points, dim, trees).run(); break;
    default: Builder<T, 0>(points, dim, trees).run();
  }
  return trees;
}

template Trees<float> build_trees(const float*, int64_t, const std::vector<int64_t>&);
template Trees<double> build_trees(const double*, int64_t, const std::vector<int64_t>&);

}  // namespace meshop
