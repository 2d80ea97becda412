// A bounding volume tree over boxes on an integer grid, built in parallel; used by CPU and CUDA.
//
// Boxes are split at the middle of their centres' longest side, so spacing may vary over nine
// decades; where that leaves one side nearly empty, at the median, so depth stays logarithmic.
// The tree depends on the boxes alone, never on the number of threads.
#pragma once

#include <torch/csrc/stable/ops.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

namespace meshop {

// Runs f(i) for i < count, each taken by the next thread that is free.
template <typename F>
void share_out(int64_t count, F&& f) {
  std::atomic<int64_t> next{0};
  torch::stable::parallel_for(0, count, 1, [&](int64_t, int64_t) {
    for (int64_t i = next++; i < count; i = next++) f(i);
  });
}

template <int D>
struct Box {
  int32_t lo[D], hi[D];

  void clear() {
    for (int d = 0; d < D; ++d) {
      lo[d] = INT32_MAX;
      hi[d] = INT32_MIN;
    }
  }
  template <typename B>
  void add(const B& b) {
    for (int d = 0; d < D; ++d) {
      lo[d] = std::min(lo[d], b.low(d));
      hi[d] = std::max(hi[d], b.high(d));
    }
  }
};

// What a tree can hold. Coordinates are in [0, 2^31), so a centre, doubled, fits in 32 bits unsigned.
template <int D>
struct BoxItem {
  int32_t lo[D], hi[D];
  uint32_t id;
  int32_t low(int d) const { return lo[d]; }
  int32_t high(int d) const { return hi[d]; }
  uint32_t centre2(int d) const { return static_cast<uint32_t>(lo[d]) + static_cast<uint32_t>(hi[d]); }
};

template <int D>
struct PointItem {
  int32_t x[D];
  uint32_t id;
  int32_t low(int d) const { return x[d]; }
  int32_t high(int d) const { return x[d]; }
  uint32_t centre2(int d) const { return 2 * static_cast<uint32_t>(x[d]); }
};

// In depth-first order: the left child of node i is i + 1, the right one follows the left's `size`
// nodes, and i + size is the first node outside.
template <int D>
struct TreeNode {
  Box<D> box;
  uint32_t size;          // nodes of this subtree, itself among them; 1: a leaf
  uint32_t begin, count;  // items
};

constexpr int kMaxDepth = 96;  // three quarters of 2^31 items at least at each level: 75 levels

template <int D, typename Item>
class BoxTree {
 public:
  std::vector<Item>& items;  // put in tree order
  std::vector<TreeNode<D>> nodes;

  BoxTree(std::vector<Item>& all, int64_t leaf) : items(all), leaf_(leaf) {
    if (items.empty()) return;
    tops_.push_back({0, static_cast<int64_t>(items.size()), {}, -1, -1, -1});
    std::vector<int64_t> front;
    // Each round is a barrier for the threads: enough tasks to share out evenly, and no more.
    const int64_t task = std::max({kTask, leaf_, tops_[0].end / 64});
    if (tops_[0].end > task) front.push_back(0);
    for (int round = 0; round < kRounds && !front.empty(); ++round) {
      std::vector<int64_t> middle(front.size());
      share_out(front.size(), [&](int64_t i) {
        Top& top = tops_[front[i]];
        middle[i] = divide(top.begin, top.end, &top.box);
      });
      std::vector<int64_t> next;
      for (size_t i = 0; i < front.size(); ++i) {
        const Top top = tops_[front[i]];
        tops_[front[i]].left = tops_.size();
        tops_[front[i]].right = tops_.size() + 1;
        for (int side = 0; side < 2; ++side) {
          const int64_t begin = side ? middle[i] : top.begin, end = side ? top.end : middle[i];
          if (end - begin > task) next.push_back(tops_.size());
          tops_.push_back({begin, end, {}, -1, -1, -1});
        }
      }
      front = std::move(next);
    }
    std::vector<std::vector<TreeNode<D>>> parts;
    std::vector<int64_t> owner;
    for (size_t i = 0; i < tops_.size(); ++i)
      if (tops_[i].left < 0) {
        tops_[i].part = owner.size();
        owner.push_back(i);
      }
    parts.resize(owner.size());
    share_out(owner.size(), [&](int64_t i) {
      const Top& top = tops_[owner[i]];
      parts[i].reserve(4 * (top.end - top.begin) / leaf_ + 1);
      build(top.begin, top.end, parts[i]);
    });
    int64_t total = tops_.size();
    for (const auto& part : parts) total += part.size();
    nodes.reserve(total);
    join(0, parts);
    tops_.clear();
  }

 private:
  static constexpr int kRounds = 9;       // up to 512 tasks
  static constexpr int64_t kTask = 8192;  // items that are not worth a task of their own

  struct Top {
    int64_t begin, end;
    Box<D> box;
    int64_t left, right, part;
  };

  // Splits a range of at least two items, neither side empty; returns where.
  int64_t divide(int64_t begin, int64_t end, Box<D>* box) {
    uint32_t low[D], high[D];
    for (int d = 0; d < D; ++d) {
      low[d] = UINT32_MAX;
      high[d] = 0;
    }
    box->clear();
    for (int64_t i = begin; i < end; ++i) {
      const Item& item = items[i];
      box->add(item);
      for (int d = 0; d < D; ++d) {
        low[d] = std::min(low[d], item.centre2(d));
        high[d] = std::max(high[d], item.centre2(d));
      }
    }
    const int64_t count = end - begin;
    int axis = 0;
    for (int d = 1; d < D; ++d)
      if (high[d] - low[d] > high[axis] - low[axis]) axis = d;
    if (high[axis] == low[axis]) return begin + count / 2;
    const uint32_t middle = low[axis] + (high[axis] - low[axis]) / 2;
    Item* from = items.data();
    const int64_t at = std::partition(from + begin, from + end, [&](const Item& item) {
                         return item.centre2(axis) <= middle;
                       }) - from;
    if (std::min(at - begin, end - at) >= count / 4) return at;
    const int64_t half = begin + count / 2;  // items differ by their ids, so the order is total
    std::nth_element(from + begin, from + half, from + end, [&](const Item& a, const Item& b) {
      const uint32_t x = a.centre2(axis), y = b.centre2(axis);
      return x < y || (x == y && a.id < b.id);
    });
    return half;
  }

  void build(int64_t begin, int64_t end, std::vector<TreeNode<D>>& out) {
    const size_t id = out.size();
    out.push_back({{}, 1, static_cast<uint32_t>(begin), static_cast<uint32_t>(end - begin)});
    if (end - begin <= leaf_) {
      out[id].box.clear();
      for (int64_t i = begin; i < end; ++i) out[id].box.add(items[i]);
      return;
    }
    Box<D> box;
    const int64_t middle = divide(begin, end, &box);
    out[id].box = box;
    build(begin, middle, out);
    build(middle, end, out);
    out[id].size = static_cast<uint32_t>(out.size() - id);
  }

  void join(int64_t top_id, const std::vector<std::vector<TreeNode<D>>>& parts) {
    const Top& top = tops_[top_id];
    if (top.left < 0) {
      const auto& part = parts[top.part];
      nodes.insert(nodes.end(), part.begin(), part.end());
      return;
    }
    const size_t id = nodes.size();
    nodes.push_back({top.box, 1, static_cast<uint32_t>(top.begin),
                     static_cast<uint32_t>(top.end - top.begin)});
    join(top.left, parts);
    join(top.right, parts);
    nodes[id].size = static_cast<uint32_t>(nodes.size() - id);
  }

  int64_t leaf_;
  std::vector<Top> tops_;
};

}  // namespace meshop
