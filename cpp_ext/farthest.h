// Farthest point sampling of one cloud, pruned by a tree over buckets of points.
//
// Each bucket (a leaf of the k-d tree), and each node above it, knows the largest distance to the
// samples among its points. A new sample changes only what has its box closer by than that, and the
// next sample is the root's largest: after QuickFPS (Han et al., IEEE TCAD 2023), which looks at
// all buckets, where the tree finds those concerned.
//
// Exact to the last bit: a box's bound sums the same squares in the same order as a point's
// distance does, and rounding is monotone, so a box left out holds no distance that would shrink.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "isa.h"
#include "kdtree.h"

// The same vector with its lanes in another order.
#if defined(__clang__)
#define MESHOP_LANES(v, ...) __builtin_shufflevector(v, v, __VA_ARGS__)
#else
#define MESHOP_LANES(v, ...) __builtin_shuffle(v, I{__VA_ARGS__})
#endif

namespace meshop {

constexpr int kFan = 8;  // children of a node, looked at together

// kFan numbers at once, in the vectors of GCC and Clang, which know any machine.
template <typename T>
struct Fan {
  using Int = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  typedef T V __attribute__((vector_size(kFan * sizeof(T)), may_alias));
  typedef Int I __attribute__((vector_size(kFan * sizeof(T)), may_alias));

  static MESHOP_INLINE const V& at(const T* p) { return *reinterpret_cast<const V*>(p); }
  static MESHOP_INLINE V& at(T* p) { return *reinterpret_cast<V*>(p); }
  static MESHOP_INLINE T largest(const V& v) {
    V a = MESHOP_LANES(v, 4, 5, 6, 7, 0, 1, 2, 3);
    a = v > a ? v : a;
    V b = MESHOP_LANES(a, 2, 3, 0, 1, 6, 7, 4, 5);
    b = a > b ? a : b;
    return b[0] > b[1] ? b[0] : b[1];
  }
  // Adds bit i + shift for every true lane i of a comparison, in that lane.
  static MESHOP_INLINE void flag(const I& mask, int shift, I& bits) {
    bits |= (mask & I{1, 2, 4, 8, 16, 32, 64, 128}) << shift;
  }
  static MESHOP_INLINE uint32_t gather(const I& bits) {
    I a = bits | MESHOP_LANES(bits, 4, 5, 6, 7, 0, 1, 2, 3);
    a |= MESHOP_LANES(a, 2, 3, 0, 1, 6, 7, 4, 5);
    return static_cast<uint32_t>(a[0] | a[1]);
  }
};

// D is the dimension where it is known at compile time (2, 3), else 0.
template <typename T, int D>
class FarthestTree {
 public:
  FarthestTree(const Trees<T>& trees, int64_t cloud)
      : dim_(trees.dim),
        leaves_(trees.leaf_ptr[cloud + 1] - trees.leaf_ptr[cloud]),
        coords_(trees.coords.get() + trees.leaf_ptr[cloud] * trees.dim * kLeaf),
        index_(trees.index.get() + trees.leaf_ptr[cloud] * kLeaf),
        near_(leaves_ * kLeaf),
        query_(trees.dim),
        leaf_lane_(leaves_),
        touched_leaves_(leaves_) {
    for (int64_t s = 0; s < leaves_ * kLeaf; ++s)
      near_[s] = index_[s] == kNobody ? T(-1) : std::numeric_limits<T>::infinity();
    grow(trees, trees.root(cloud));
  }

  // Writes `count` indices, at most one a point, in order of selection, with `offset` added, and
  // the squared distance of each to those before it.
  MESHOP_INLINE void sample(int64_t count, int64_t start, int64_t offset, int64_t* index,
                            T* dist2) const {
    uint32_t slot = 0;
    while (index_[slot] != start) ++slot;
    T far = std::numeric_limits<T>::infinity();
    for (int64_t j = 0; j < count; ++j) {
      index[j] = offset + index_[slot];
      dist2[j] = far;
      if (j + 1 == count) break;
      const int64_t leaf = slot / kLeaf;
      for (int64_t d = 0; d < dim(); ++d)
        query_[d] = coords_[(leaf * dim() + d) * kLeaf + slot % kLeaf];
      near_[slot] = -1;  // below any distance: never chosen again
      add(leaf);
      largest(0, &far, &slot);
    }
  }

 private:
  using F = Fan<T>;
  using V = typename F::V;

  // A node of the k-d tree and the leaves below it.
  struct Part {
    int64_t node, first, leaves;
  };

  MESHOP_INLINE int64_t dim() const { return D ? D : dim_; }

  // The descendants of `part` that have at most `most` leaves.
  static void split(const Part& part, int64_t most, std::vector<Part>& out) {
    if (part.leaves <= most) {
      out.push_back(part);
      return;
    }
    const int64_t half = left_leaves(part.leaves);
    split({part.node + 1, part.first, half}, most, out);
    split({part.node + 2 * half, part.first + half, part.leaves - half}, most, out);
  }

  // Makes nodes of kFan children of the k-d tree's pairs, level by level, so that those that stand
  // right above leaves come last.
  void grow(const Trees<T>& trees, int64_t root) {
    std::vector<Part> parts{{root, 0, leaves_}}, lanes, children;
    int64_t most = 1, level = 0;
    while (most * kFan < leaves_) most *= kFan;
    for (;; most /= kFan) {
      const int64_t end = static_cast<int64_t>(parts.size());
      for (int64_t node = level; node < end; ++node) {
        children.clear();
        split(parts[node], most, children);
        if (most > 1) parts.insert(parts.end(), children.begin(), children.end());
        children.resize(kFan, Part{-1, 0, 0});
        lanes.insert(lanes.end(), children.begin(), children.end());
      }
      bottom_ = level;
      level = end;
      if (most == 1) break;
    }
    const int64_t nodes = static_cast<int64_t>(parts.size());
    boxes_ = Buffer<T>(nodes * 2 * dim() * kFan);
    most_ = Buffer<T>(nodes * kFan);
    slot_ = Buffer<uint32_t>(nodes * kFan);
    child_ = Buffer<uint32_t>(nodes * kFan);
    lane_ = Buffer<uint32_t>(nodes);
    touched_ = Buffer<uint32_t>(nodes);
    uint32_t next = 1;
    for (int64_t lane = 0; lane < nodes * kFan; ++lane) {
      const Part& part = lanes[lane];
      const bool used = part.leaves > 0;
      T* box = boxes_.get() + lane / kFan * 2 * dim() * kFan + lane % kFan;
      for (int64_t d = 0; d < dim(); ++d) {
        box[d * kFan] = used ? trees.lo(part.node)[d] : T(0);
        box[(dim() + d) * kFan] = used ? trees.hi(part.node)[d] : T(0);
      }
      most_[lane] = used ? std::numeric_limits<T>::infinity() : T(-1);  // -1 is never reached
      slot_[lane] = static_cast<uint32_t>(part.first * kLeaf);
      child_[lane] = 0;
      if (!used) continue;
      if (lane / kFan >= bottom_) {
        child_[lane] = static_cast<uint32_t>(part.first);
        leaf_lane_[part.first] = static_cast<uint32_t>(lane);
      } else {
        child_[lane] = next;
        lane_[next++] = static_cast<uint32_t>(lane);
      }
    }
    // All distances are infinite yet; what each node offers is its point of lowest index.
    for (int64_t leaf = 0; leaf < leaves_; ++leaf) offer(leaf, std::numeric_limits<T>::infinity());
    for (int64_t node = nodes - 1; node > 0; --node)
      largest(node, &most_[lane_[node]], &slot_[lane_[node]]);
  }

  // Takes the query, which is in `leaf`, into the distances of all points and the nodes' maxima.
  MESHOP_INLINE void add(int64_t leaf) const {
    // The sample is spent even where no distance changes: its own leaf must be looked at.
    for (int64_t lane = leaf_lane_[leaf];; lane = lane_[lane / kFan]) {
      most_[lane] = std::numeric_limits<T>::infinity();
      if (lane < kFan) break;
    }
    int64_t nodes = 1, leaves = 0;
    touched_[0] = 0;
    for (int64_t j = 0; j < nodes; ++j) {
      const int64_t node = touched_[j];
      uint32_t bits = reached(node);
      if (node < bottom_) {
        for (; bits; bits &= bits - 1)
          touched_[nodes++] = child_[node * kFan + __builtin_ctz(bits)];
      } else {
        for (; bits; bits &= bits - 1) {
          const uint32_t next = child_[node * kFan + __builtin_ctz(bits)];
          touched_leaves_[leaves++] = next;
          fetch(next);
        }
      }
    }
    for (int64_t j = 0; j < leaves; ++j) update(touched_leaves_[j]);
    for (int64_t j = nodes - 1; j > 0; --j) {
      const int64_t lane = lane_[touched_[j]];
      largest(touched_[j], &most_[lane], &slot_[lane]);
    }
  }

  // The children of a node that the query may change, as bits.
  MESHOP_INLINE uint32_t reached(int64_t node) const {
    const T* lo = boxes_.get() + node * 2 * dim() * kFan;
    const T* hi = lo + dim() * kFan;
    V bound = {};
    for (int64_t d = 0; d < dim(); ++d) {
      const V below = F::at(lo + d * kFan) - query_[d], above = query_[d] - F::at(hi + d * kFan);
      V gap = below > above ? below : above;
      gap = gap > T(0) ? gap : V{};
      bound += gap * gap;
    }
    typename F::I bits = {};
    F::flag(bound < F::at(most_.get() + node * kFan), 0, bits);
    return F::gather(bits);
  }

  // Starts to load a leaf: where it lies cannot be guessed, and several are wanted at once.
  MESHOP_INLINE void fetch(int64_t leaf) const {
    constexpr int kStep = 64 / sizeof(T);  // a cache line
    for (int i = 0; i < D * kLeaf; i += kStep) __builtin_prefetch(coords_ + leaf * D * kLeaf + i);
    for (int i = 0; i < kLeaf; i += kStep) __builtin_prefetch(near_.get() + leaf * kLeaf + i);
  }

  MESHOP_INLINE void update(int64_t leaf) const {
    const T* x = coords_ + leaf * dim() * kLeaf;
    T* near = near_.get() + leaf * kLeaf;
    V top = V{} - T(1);
    for (int i = 0; i < kLeaf; i += kFan) {
      V d2 = {};
      for (int64_t d = 0; d < dim(); ++d) {
        const V gap = query_[d] - F::at(x + d * kLeaf + i);
        d2 += gap * gap;
      }
      const V old = F::at(near + i), now = d2 < old ? d2 : old;  // NaN: no point here
      F::at(near + i) = now;
      top = now > top ? now : top;
    }
    offer(leaf, F::largest(top));
  }

  // Makes the point of largest distance what the leaf offers.
  MESHOP_INLINE void offer(int64_t leaf, T most) const {
    const T* near = near_.get() + leaf * kLeaf;
    typename F::I bits = {};
    for (int i = 0; i < kLeaf; i += kFan) F::flag(F::at(near + i) == most, i, bits);
    const uint32_t first = static_cast<uint32_t>(leaf * kLeaf), lane = leaf_lane_[leaf];
    most_[lane] = most;
    slot_[lane] = lowest_index(F::gather(bits), [=](int i) { return first + i; });
  }

  // The largest distance below a node and where.
  MESHOP_INLINE void largest(int64_t node, T* most, uint32_t* slot) const {
    const V& lanes = F::at(most_.get() + node * kFan);
    const uint32_t* slots = slot_.get() + node * kFan;
    *most = F::largest(lanes);
    typename F::I bits = {};
    F::flag(lanes == *most, 0, bits);
    *slot = lowest_index(F::gather(bits), [=](int i) { return slots[i]; });
  }

  // Of the slots that the bits stand for, the one whose point has the lowest index.
  template <typename Slot>
  MESHOP_INLINE uint32_t lowest_index(uint32_t bits, const Slot& slot) const {
    uint32_t best = slot(__builtin_ctz(bits));
    while (bits &= bits - 1) {
      const uint32_t other = slot(__builtin_ctz(bits));
      if (index_[other] < index_[best]) best = other;
    }
    return best;
  }

  int64_t dim_, leaves_, bottom_ = 0;  // nodes from `bottom_` on have leaves for children
  const T* coords_;                    // [leaf][dim][kLeaf]
  const uint32_t* index_;              // slot -> point
  Buffer<T> near_;                     // by slot: squared distance to the nearest sample; spent: -1
  Buffer<T> query_;
  Buffer<uint32_t> leaf_lane_;  // where each leaf, or node, stands among its parent's children
  Buffer<uint32_t> lane_;
  Buffer<T> boxes_;  // [node][lo, hi][dim][kFan]
  Buffer<T> most_;   // [node][kFan] the largest distance, and where
  Buffer<uint32_t> slot_, child_;
  Buffer<uint32_t> touched_, touched_leaves_;  // what the query reaches
};

}  // namespace meshop
