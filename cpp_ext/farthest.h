// Farthest point sampling of one cloud, with a tree of boxes over buckets of points.
//
// Each bucket, and each node above it, knows the largest distance to the samples among its points.
// A new sample changes only buckets whose box lies closer to it than that, and the next sample is
// the root's largest: after QuickFPS (Han et al., IEEE TCAD 2023), with a tree over the buckets.
//
// Exact to the last bit: a box's bound sums the same squares in the same order as a point's
// distance does, and rounding is monotone, so a box left out holds no distance that would shrink.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <type_traits>

#include "common.h"

#if defined(__GNUC__)
#define MESHOP_INLINE inline __attribute__((always_inline))
#else
#define MESHOP_INLINE inline
#endif

namespace meshop {

constexpr int kBucket = 32;  // points of a leaf
constexpr int kFan = 8;      // children of a node, looked at together
constexpr int kLevels = 12;  // of nodes; 8^12 buckets are more than 32-bit numbers reach

// Uninitialised, aligned to cache lines.
template <typename T>
class Buffer {
 public:
  void resize(int64_t count) {
    data_.reset(static_cast<T*>(::operator new(std::max<int64_t>(count, 1) * sizeof(T), kAlign)));
  }
  T* get() const { return data_.get(); }
  T& operator[](int64_t i) const { return data_[i]; }

 private:
  static constexpr std::align_val_t kAlign{64};
  struct Free {
    void operator()(T* p) const { ::operator delete(p, kAlign); }
  };
  std::unique_ptr<T[], Free> data_;
};

// D is the dimension where it is known at compile time (1, 2, 3), else 0.
template <typename T, int D>
class FarthestTree {
 public:
  FarthestTree(const T* points, int64_t n, int64_t dim) : points_(points), n_(n), dim_(dim) {
    leaves_ = (n + kBucket - 1) / kBucket;
    blocks_.resize(leaves_ * kBucket * (this->dim() + 1));
    index_.resize(leaves_ * kBucket);
    int64_t total = 0;
    for (int64_t size = leaves_; first_.empty() || size > 1;) {
      size = (size + kFan - 1) / kFan;
      first_.push_back(total);
      total += size;
    }
    boxes_.resize(total * 2 * this->dim() * kFan);
    most_.resize(total * kFan);
    slot_.resize(total * kFan);
    std::fill(most_.get(), most_.get() + total * kFan, T(-1));
    std::fill(slot_.get(), slot_.get() + total * kFan, 0);
    for (int64_t g = 0; g < total; ++g)
      for (int64_t i = 0; i < dim_ * kFan; ++i) {
        boxes_[g * 2 * dim_ * kFan + i] = std::numeric_limits<T>::infinity();
        boxes_[(g * 2 + 1) * dim_ * kFan + i] = -std::numeric_limits<T>::infinity();
      }
    touched_.resize(first_.size() + 1);
    for (size_t h = 0; h < touched_.size(); ++h) touched_[h].resize((leaves_ >> (3 * h)) + 1);
    query_.resize(this->dim());
    build();
  }

  // Writes `count` <= n indices in order of selection, `offset` added, and the squared distance of
  // each to those before it.
  MESHOP_INLINE void sample(int64_t count, int64_t start, int64_t offset, int64_t* index,
                            T* dist2) const {
    uint32_t slot = 0;
    while (index_[slot] != start) ++slot;
    T far = std::numeric_limits<T>::infinity();
    for (int64_t j = 0; j < count; ++j) {
      index[j] = offset + index_[slot];
      dist2[j] = far;
      if (j + 1 == count) break;
      const int64_t leaf = slot / kBucket;
      T* block = blocks_.get() + leaf * kBucket * (dim() + 1);
      for (int64_t d = 0; d < dim(); ++d) query_[d] = block[d * kBucket + slot % kBucket];
      block[dim() * kBucket + slot % kBucket] = -1;  // below any distance: never chosen again
      add(leaf);
      largest(first_.back(), &far, &slot);
    }
  }

 private:
  struct Known {
    T x[D ? D : 1];
    uint32_t id;
  };
  struct Bare {
    uint32_t id;
  };
  using Item = std::conditional_t<(D > 0), Known, Bare>;

  MESHOP_INLINE int64_t dim() const { return D ? D : dim_; }

  MESHOP_INLINE T at(const Item& item, int64_t d) const {
    if constexpr (D > 0) return item.x[d];
    else return points_[item.id * dim_ + d];
  }

  struct Range {
    int64_t leaf, count;  // buckets
  };
  int64_t begin_of(int64_t leaf) const { return std::min(leaf * kBucket, n_); }

  void build() {
    Buffer<Item> items;
    items.resize(n_);
    for (int64_t i = 0; i < n_; ++i) {
      items[i].id = static_cast<uint32_t>(i);
      if constexpr (D > 0)
        for (int64_t d = 0; d < D; ++d) items[i].x[d] = points_[i * D + d];
    }
    // A level at a time until there is work for every thread, then depth first.
    std::vector<Range> ranges{{0, leaves_}};
    while (ranges.size() < 64 && static_cast<int64_t>(ranges.size()) < leaves_) {
      std::vector<Range> next(2 * ranges.size());
      torch::stable::parallel_for(0, ranges.size(), 1, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) halve(items.get(), ranges[r], &next[2 * r]);
      });
      ranges.clear();
      for (const Range& r : next)
        if (r.count) ranges.push_back(r);
    }
    torch::stable::parallel_for(0, ranges.size(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) finish(items.get(), ranges[r]);
    });
    for (size_t h = 1; h < first_.size(); ++h)
      for (int64_t g = first_[h - 1]; g < first_[h]; ++g) {
        const int64_t lane = g - first_[h - 1];
        T* to = boxes_.get() + (first_[h] + lane / kFan) * 2 * dim() * kFan + lane % kFan;
        for (int64_t d = 0; d < 2 * dim(); ++d) {
          const T* from = boxes_.get() + (g * 2 * dim() + d) * kFan;
          to[d * kFan] = d < dim() ? *std::min_element(from, from + kFan)
                                   : *std::max_element(from, from + kFan);
        }
        largest(g, &most_[first_[h] * kFan + lane], &slot_[first_[h] * kFan + lane]);
      }
  }

  // Splits at a bucket's rim so that every node's buckets follow each other.
  void halve(Item* items, Range range, Range* out) const {
    out[0] = range;
    out[1] = {0, 0};
    if (range.count < 2) return;
    int64_t half = 1;
    while (2 * half < range.count) half *= 2;
    Item* begin = items + begin_of(range.leaf);
    Item* end = items + begin_of(range.leaf + range.count);
    int64_t axis = 0;
    T widest = -1;
    for (int64_t d = 0; d < dim(); ++d) {
      T lo = at(*begin, d), hi = lo;
      for (const Item* p = begin; p < end; ++p) {
        lo = std::min(lo, at(*p, d));
        hi = std::max(hi, at(*p, d));
      }
      if (hi - lo > widest) {
        widest = hi - lo;
        axis = d;
      }
    }
    std::nth_element(begin, begin + half * kBucket, end, [&](const Item& a, const Item& b) {
      return at(a, axis) < at(b, axis);
    });
    out[0] = {range.leaf, half};
    out[1] = {range.leaf + half, range.count - half};
  }

  void finish(Item* items, Range range) {
    if (range.count > 1) {
      Range parts[2];
      halve(items, range, parts);
      finish(items, parts[0]);
      finish(items, parts[1]);
      return;
    }
    const int64_t leaf = range.leaf, begin = begin_of(leaf), size = begin_of(leaf + 1) - begin;
    std::sort(items + begin, items + begin + size,
              [](const Item& a, const Item& b) { return a.id < b.id; });
    T* block = blocks_.get() + leaf * kBucket * (dim() + 1);
    T* box = boxes_.get() + leaf / kFan * 2 * dim() * kFan + leaf % kFan;
    for (int64_t i = 0; i < kBucket; ++i) {
      const Item& item = items[begin + (i < size ? i : 0)];
      for (int64_t d = 0; d < dim(); ++d) {
        const T x = at(item, d);
        block[d * kBucket + i] = x;
        T *lo = box + d * kFan, *hi = lo + dim() * kFan;
        *lo = std::min(*lo, x);
        *hi = std::max(*hi, x);
      }
      block[dim() * kBucket + i] = i < size ? std::numeric_limits<T>::infinity() : T(-1);
      index_[leaf * kBucket + i] = item.id;
    }
    most_[leaf] = std::numeric_limits<T>::infinity();
    slot_[leaf] = static_cast<uint32_t>(leaf * kBucket);
  }

  // The children of a node that the query may change, as bits.
  MESHOP_INLINE uint32_t reached(int64_t node) const {
    using Int = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
    const T* lo = boxes_.get() + node * 2 * dim() * kFan;
    const T* hi = lo + dim() * kFan;
    const T* most = most_.get() + node * kFan;
    T bound[kFan] = {};
    for (int64_t d = 0; d < dim(); ++d) {
      const T q = query_[d];
      for (int i = 0; i < kFan; ++i) {
        const T below = lo[d * kFan + i] - q, above = q - hi[d * kFan + i];
        T gap = below > above ? below : above;
        gap = gap > 0 ? gap : T(0);
        bound[i] += gap * gap;
      }
    }
    Int bits = 0;
    for (int i = 0; i < kFan; ++i) bits |= bound[i] < most[i] ? Int(1) << i : Int(0);
    return static_cast<uint32_t>(bits);
  }

  // Takes the query into the distances of all points, and the nodes' maxima. `leaf` holds it.
  MESHOP_INLINE void add(int64_t leaf) const {
    const int top = static_cast<int>(first_.size()) - 1;
    const Buffer<uint32_t>* list = touched_.data();
    int64_t counts[kLevels] = {}, count = 1;
    list[top + 1][0] = 0;
    for (int h = top; h >= 0; --h) {
      int64_t found = 0;
      for (int64_t j = 0; j < count; ++j) {
        const int64_t node = list[h + 1][j];
        uint32_t bits = reached(first_[h] + node);
        // The sample itself changed, even where no distance does.
        if (node == leaf >> (3 * (h + 1))) bits |= 1u << ((leaf >> (3 * h)) & 7);
        for (; bits; bits &= bits - 1)
          list[h][found++] = static_cast<uint32_t>(node * kFan + __builtin_ctz(bits));
      }
      counts[h] = count = found;
    }
    for (int64_t j = 0; j < counts[0]; ++j) update(list[0][j]);
    for (int h = 1; h <= top; ++h)
      for (int64_t j = 0; j < counts[h]; ++j) {
        const int64_t lane = first_[h] * kFan + list[h][j];
        largest(first_[h - 1] + list[h][j], &most_[lane], &slot_[lane]);
      }
  }

  MESHOP_INLINE void update(int64_t leaf) const {
    T* block = blocks_.get() + leaf * kBucket * (dim() + 1);
    T* dist = block + dim() * kBucket;
    T d2[kBucket] = {};
    for (int64_t d = 0; d < dim(); ++d) {
      const T q = query_[d];
      for (int i = 0; i < kBucket; ++i) {
        const T gap = q - block[d * kBucket + i];
        d2[i] += gap * gap;
      }
    }
    T lane[kFan];
    for (int i = 0; i < kFan; ++i) lane[i] = -1;
    for (int j = 0; j < kBucket; j += kFan)
      for (int i = 0; i < kFan; ++i) {
        const T old = dist[j + i], now = d2[j + i] < old ? d2[j + i] : old;
        dist[j + i] = now;
        lane[i] = now > lane[i] ? now : lane[i];
      }
    T most = lane[0];
    for (int i = 1; i < kFan; ++i) most = lane[i] > most ? lane[i] : most;
    int first = kBucket;
    for (int i = 0; i < kBucket; ++i) {
      const int place = dist[i] == most ? i : kBucket;
      first = place < first ? place : first;
    }
    most_[leaf] = most;
    slot_[leaf] = static_cast<uint32_t>(leaf * kBucket + first);
  }

  // The largest distance below a node and where: of equals, the lowest index.
  MESHOP_INLINE void largest(int64_t node, T* most, uint32_t* slot) const {
    const T* lane = most_.get() + node * kFan;
    const uint32_t* slots = slot_.get() + node * kFan;
    T best = lane[0];
    for (int i = 1; i < kFan; ++i) best = lane[i] > best ? lane[i] : best;
    int32_t bits = 0;
    for (int i = 0; i < kFan; ++i) bits |= lane[i] == best ? 1 << i : 0;
    uint32_t at = slots[__builtin_ctz(bits)];
    for (bits &= bits - 1; bits; bits &= bits - 1) {
      const uint32_t other = slots[__builtin_ctz(bits)];
      if (index_[other] < index_[at]) at = other;
    }
    *most = best;
    *slot = at;
  }

  const T* points_;
  int64_t n_, dim_, leaves_;
  Buffer<T> blocks_;       // by bucket: coordinates by dimension, then distances
  Buffer<uint32_t> index_;  // slot -> point
  std::vector<int64_t> first_;  // first node of each level; those of level 0 stand over buckets
  Buffer<T> boxes_;             // by node: lower corners of its children, then upper ones
  Buffer<T> most_;              // by node and child
  Buffer<uint32_t> slot_;
  Buffer<T> query_;
  std::vector<Buffer<uint32_t>> touched_;  // buckets, then nodes of each level, that a sample meets
};

}  // namespace meshop
