// Which cell holds each query, and where in it: a tree of cell boxes, walked by blocks of queries.
//
// Queries are put in tree order first. A block of neighbours goes down the tree together, and each
// leaf tests its cells against all queries of the block that are in its box at once; a cell's
// barycentric frame is so computed once for many queries. What no cell holds is looked up alone.
#include <cmath>
#include <limits>

#include "isa.h"
#include "location_tree.h"

#define MESHOP_KERNELS "location_impl.h"
#include "each_isa.h"

namespace meshop {
namespace {

constexpr int64_t kLeaf = 8;     // cells
constexpr int64_t kBlock = 512;  // queries
constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

template <typename T, int D>
class Search {
 public:
  Search(const Locator<T, D>& mesh, const T* queries, bool nearest)
      : mesh_(mesh), queries_(queries), nearest_(nearest) {
    lists_.resize((kMaxDepth + 2) * kBlock);
  }

  // Answers the queries of one block.
  template <typename Out>
  void block(const PointItem<D>* items, int64_t count, Out&& out) {
    items_ = items;
    count_ = count;
    around_.clear();
    for (int64_t i = 0; i < count; ++i) {
      around_.add(items[i]);
      const T* q = queries_ + static_cast<int64_t>(items[i].id) * D;
      for (int d = 0; d < D; ++d) at_[d][i] = q[d];
      lists_[i] = static_cast<uint16_t>(i);
      hit_[i] = INFINITY;
    }
    if (!mesh_.nodes.empty()) visit(0, lists_.data(), count, lists_.data() + count);
    for (int64_t i = 0; i < count; ++i) finish(i, out(items[i].id));
  }

 private:
  Vec query(int64_t i) const {
    return {at_[0][i], D > 1 ? at_[1 % D][i] : 0.0, D > 2 ? at_[2 % D][i] : 0.0};
  }

  void visit(int64_t node_id, const uint16_t* list, int64_t n, uint16_t* room) {
    const TreeNode<D>& node = mesh_.nodes[node_id];
    bool apart = false, within = true;
    for (int d = 0; d < D; ++d) {
      apart |= around_.lo[d] > node.box.hi[d] || around_.hi[d] < node.box.lo[d];
      within &= around_.lo[d] >= node.box.lo[d] && around_.hi[d] <= node.box.hi[d];
    }
    if (apart) return;
    if (!within) {
      int64_t kept = 0;
      for (int64_t j = 0; j < n; ++j) {
        const PointItem<D>& item = items_[list[j]];
        bool in = true;
        for (int d = 0; d < D; ++d)
          in = in & (item.x[d] >= node.box.lo[d]) & (item.x[d] <= node.box.hi[d]);
        room[kept] = list[j];
        kept += in;
      }
      if (kept == 0) return;
      list = room;
      n = kept;
      room += kept;
    }
    if (node.size == 1) return leaf(node, list, n);
    visit(node_id + 1, list, n, room);
    visit(node_id + 1 + mesh_.nodes[node_id + 1].size, list, n, room);
  }

  void leaf(const TreeNode<D>& node, const uint16_t* list, int64_t n) {
    alignas(64) double x[D][kBlock], hit[kBlock];
    for (int64_t j = 0; j < n; ++j) {
      for (int d = 0; d < D; ++d) x[d][j] = at_[d][list[j]];
      hit[j] = hit_[list[j]];
    }
    // All frames first: the loads that miss the cache then overlap.
    frames_.clear();
    for (int64_t c = node.begin; c < node.begin + node.count; ++c) {
      const int64_t cell = mesh_.items[c].id;
      for_each_simplex(mesh_.mesh, cell, [&](const int64_t* nodes, int count) {
        Vec v[4];
        for (int i = 0; i < count; ++i) v[i] = mesh_.points(nodes[i]);
        frames_.emplace_back(Frame(v, count - 1), cell);
      });
    }
    for (const auto& [frame, cell] : frames_) {
      if (!frame.valid) continue;
      if (D == 3 && frame.k == 3) {
        MESHOP_PICK(test_tetra)(frame, cell, n, x[0], x[1 % D], x[2 % D], hit);
      } else if (D == 2 && frame.k == 2) {
        MESHOP_PICK(test_triangle)(frame, cell, n, x[0], x[1 % D], hit);
      } else {
        for (int64_t j = 0; j < n; ++j) {
          double w[4];
          Vec residual;
          if (cell < hit[j] && holds(frame, D, query(list[j]), mesh_.reach2, w, &residual))
            hit[j] = cell;
        }
      }
    }
    for (int64_t j = 0; j < n; ++j) hit_[list[j]] = hit[j];
  }

  void finish(int64_t i, const Answer<T>& out) {
    const Vec q = query(i);
    if (hit_[i] < INFINITY) {
      // The same formulas found it; false cannot be.
      if (answer_inside(mesh_.mesh, static_cast<int64_t>(hit_[i]), mesh_.points, q, mesh_.reach2,
                        out))
        return;
    }
    best2_ = nearest_ ? INFINITY : mesh_.reach2;
    best_ = kNone;
    if (!mesh_.nodes.empty()) {
      const double at[3] = {q.x, q.y, q.z};
      nearest(0, mesh_.grid.bound2(mesh_.nodes[0].box, at), at, q);
    }
    if (best_ == kNone) return out.nothing();
    answer_nearest(mesh_.mesh, best_, mesh_.points, q, mesh_.reach2, out);
  }

  void nearest(int64_t node_id, double bound2, const double* at, const Vec& q) {
    if (bound2 > best2_) return;
    const TreeNode<D>& node = mesh_.nodes[node_id];
    if (node.size == 1) {
      for (int64_t c = node.begin; c < node.begin + node.count; ++c) {
        const BoxItem<D>& item = mesh_.items[c];
        Box<D> box;
        box.clear();
        box.add(item);
        if (mesh_.grid.bound2(box, at) > best2_) continue;
        const int64_t cell = item.id;
        const double dist2 = cell_distance2(mesh_.mesh, cell, mesh_.points, q);
        if (dist2 == INFINITY) continue;  // no simplices
        if (dist2 < best2_ || (dist2 == best2_ && cell < best_)) {
          best2_ = dist2;
          best_ = cell;
        }
      }
      return;
    }
    int64_t near = node_id + 1, far = near + mesh_.nodes[near].size;
    double near2 = mesh_.grid.bound2(mesh_.nodes[near].box, at);
    double far2 = mesh_.grid.bound2(mesh_.nodes[far].box, at);
    if (far2 < near2) {
      std::swap(near, far);
      std::swap(near2, far2);
    }
    nearest(near, near2, at, q);
    nearest(far, far2, at, q);
  }

  const Locator<T, D>& mesh_;
  const T* queries_;
  bool nearest_;
  const PointItem<D>* items_ = nullptr;
  int64_t count_ = 0;
  Box<D> around_;
  double at_[D][kBlock];
  double hit_[kBlock];  // the lowest cell found, exact in a double
  std::vector<uint16_t> lists_;
  std::vector<std::pair<Frame, int64_t>> frames_;
  double best2_ = 0;
  int64_t best_ = 0;
};

template <typename T, int D>
Found locate_in(const LocationInput& ask) {
  const int64_t rows = ask.queries.size(0), width = D + 1;
  const T* p = data<T>(ask.points);
  const T* q = data<T>(ask.queries);
  const HostCells cells(data<uint8_t>(ask.types), indices(ask.offsets), indices(ask.nodes),
                        ask.faces ? indices(*ask.faces) : nullptr,
                        ask.faces ? ask.faces->numel() : 0,
                        ask.face_ends ? indices(*ask.face_ends) : nullptr, ask.types.numel(),
                        ask.nodes.numel(), ask.points.size(0), D);
  const Locator<T, D> mesh(p, ask.points.size(0), cells, ask.tolerance, kLeaf);

  STD_TORCH_CHECK(rows < (int64_t{1} << 31), "at most 2^31 queries, got ", rows);
  std::vector<PointItem<D>> items(rows);
  std::atomic<bool> finite{true};
  torch::stable::parallel_for(0, rows, 1 << 14, [&](int64_t begin, int64_t end) {
    bool good = true;
    for (int64_t i = begin; i < end; ++i) {
      for (int d = 0; d < D; ++d) {
        good &= std::isfinite(q[i * D + d]);
        items[i].x[d] = mesh.grid(d, q[i * D + d]);
      }
      items[i].id = static_cast<uint32_t>(i);
    }
    if (!good) finite = false;
  });
  STD_TORCH_CHECK(finite, "queries must be finite");
  const BoxTree<D, PointItem<D>> order(items, kBlock);
  std::vector<int64_t> leaves;
  for (size_t i = 0; i < order.nodes.size(); ++i)
    if (order.nodes[i].size == 1) leaves.push_back(i);

  const auto dtype = ask.points.scalar_type();
  Tensor weights = empty_of(ask.points, {rows, width}, dtype);
  Tensor distance2 = empty_of(ask.points, {rows}, dtype);
  Tensor cell = empty_of(ask.points, {rows}, ScalarType::Long);
  Tensor nodes = empty_of(ask.points, {rows, width}, ScalarType::Long);
  Tensor inside = empty_of(ask.points, {rows}, ScalarType::Bool);
  const Answer<T> all{mutable_data<T>(weights),   mutable_indices(nodes),
                      mutable_data<T>(distance2), mutable_indices(cell),
                      mutable_data<bool>(inside), width};
  constexpr int64_t kBatch = 8;  // blocks
  share_out((leaves.size() + kBatch - 1) / kBatch, [&](int64_t batch) {
    Search<T, D> search(mesh, q, ask.nearest);
    const int64_t end = std::min<int64_t>(leaves.size(), (batch + 1) * kBatch);
    for (int64_t l = batch * kBatch; l < end; ++l) {
      const TreeNode<D>& leaf = order.nodes[leaves[l]];
      search.block(items.data() + leaf.begin, leaf.count, [&](int64_t row) {
        return Answer<T>{all.weights + row * width, all.nodes + row * width,
                         all.distance2 + row,       all.cell + row,
                         all.inside + row,          width};
      });
    }
  });
  return {weights, distance2, cell, nodes, inside};
}

template <typename T>
Found locate_any(const LocationInput& ask) {
  switch (ask.points.size(1)) {
    case 1: return locate_in<T, 1>(ask);
    case 2: return locate_in<T, 2>(ask);
    default: return locate_in<T, 3>(ask);
  }
}

Found locate(Tensor points, Tensor cell_types, Tensor cell_offsets, Tensor cell_nodes,
             std::optional<Tensor> faces, std::optional<Tensor> face_offsets, Tensor queries,
             bool nearest, double tolerance) {
  const LocationInput ask(points, cell_types, cell_offsets, cell_nodes, faces, face_offsets,
                          queries, nearest, tolerance);
  return points.scalar_type() == ScalarType::Float ? locate_any<float>(ask)
                                                   : locate_any<double>(ask);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) { m.impl("locate", TORCH_BOX(&locate)); }

}  // namespace meshop
