// Coarser node sets of a graph: greedy aggregates, and fronts of a breadth-first walk. Each node's
// lot depends on those before it, so both are one thread's work, linear in the edges.
#include <cmath>
#include <tuple>

#include "csr.h"

namespace meshop {
namespace {

struct Graph {
  const int64_t* rowptr;
  const int64_t* index;
  int64_t nodes;
};

Graph checked(const Tensor& rowptr, const Tensor& index) {
  check_indices(rowptr, "rowptr", 1);
  check_indices(index, "index", 1);
  STD_TORCH_CHECK(rowptr.numel() >= 1, "rowptr must have at least one entry");
  const int64_t nodes = rowptr.numel() - 1;
  check_rowptr(indices(rowptr), nodes, index.numel(), "rowptr");
  check_range(indices(index), index.numel(), 0, nodes, "index");
  return {indices(rowptr), indices(index), nodes};
}

// The edges of the graph that are strong: |a_ij| >= theta sqrt(|a_ii a_jj|), never the diagonal;
// without values all but loops.
struct Strong {
  std::vector<int64_t> rowptr, index;

  template <typename T>
  Strong(const Graph& g, const T* value, double theta) : rowptr(g.nodes + 1) {
    std::vector<double> diagonal(value ? g.nodes : 0);
    for (int64_t i = 0; value && i < g.nodes; ++i)
      for (int64_t e = g.rowptr[i]; e < g.rowptr[i + 1]; ++e)
        if (g.index[e] == i) diagonal[i] += static_cast<double>(value[e]);
    index.reserve(g.rowptr[g.nodes]);
    for (int64_t i = 0; i < g.nodes; ++i) {
      for (int64_t e = g.rowptr[i]; e < g.rowptr[i + 1]; ++e) {
        const int64_t j = g.index[e];
        if (j == i) continue;
        if (value) {
          const double a = static_cast<double>(value[e]);
          const double least = theta * theta * std::abs(diagonal[i] * diagonal[j]);
          if (!(a != 0 && a * a >= least)) continue;
        }
        index.push_back(j);
      }
      rowptr[i + 1] = static_cast<int64_t>(index.size());
    }
  }
};

template <typename T>
int64_t gather_aggregates(const Graph& all, const T* value, double theta, int64_t* cluster,
                          std::vector<int64_t>& root) {
  constexpr int64_t kFree = -1, kAlone = -2;  // kAlone: no strong edge, in no aggregate
  const Strong g(all, value, theta);
  const auto edges = [&](int64_t i, auto&& visit) {
    for (int64_t e = g.rowptr[i]; e < g.rowptr[i + 1]; ++e)
      if (!visit(g.index[e])) return;
  };
  std::fill(cluster, cluster + all.nodes, kFree);
  int64_t count = 0;
  // 1. A node whose neighbours are all free takes them.
  for (int64_t i = 0; i < all.nodes; ++i) {
    if (cluster[i] != kFree) continue;
    if (g.rowptr[i] == g.rowptr[i + 1]) {
      cluster[i] = kAlone;
      continue;
    }
    bool free = true;
    edges(i, [&](int64_t j) { return free = cluster[j] == kFree; });
    if (!free) continue;
    cluster[i] = count;
    edges(i, [&](int64_t j) { return cluster[j] = count, true; });
    root.push_back(i);
    ++count;
  }
  // 2. Those between join an aggregate of the first pass beside them.
  const int64_t first = count;
  std::vector<int64_t> joins;
  for (int64_t i = 0; i < all.nodes; ++i) {
    if (cluster[i] != kFree) continue;
    int64_t to = kFree;
    edges(i, [&](int64_t j) {
      if (cluster[j] >= 0 && cluster[j] < first) to = cluster[j];
      return to == kFree;
    });
    if (to == kFree) continue;
    cluster[i] = to + first + all.nodes;  // not seen as an aggregate until the pass is over
    joins.push_back(i);
  }
  for (int64_t i : joins) cluster[i] -= first + all.nodes;
  // 3. What is left gathers what is left around it.
  for (int64_t i = 0; i < all.nodes; ++i) {
    if (cluster[i] != kFree) continue;
    cluster[i] = count;
    edges(i, [&](int64_t j) {
      if (cluster[j] == kFree) cluster[j] = count;
      return true;
    });
    root.push_back(i);
    ++count;
  }
  for (int64_t i = 0; i < all.nodes; ++i) cluster[i] = std::max<int64_t>(cluster[i], -1);
  return count;
}

std::tuple<Tensor, Tensor> aggregate(Tensor rowptr, Tensor index, std::optional<Tensor> value,
                                     double theta) {
  const Tensor ptr = torch::stable::contiguous(rowptr), to = torch::stable::contiguous(index);
  const Graph g = checked(ptr, to);
  Tensor cluster = empty_of(ptr, {g.nodes}, ScalarType::Long);
  std::vector<int64_t> root;
  int64_t* out = mutable_indices(cluster);
  if (value) {
    STD_TORCH_CHECK(value->dim() == 1 && value->numel() == to.numel(),
                    "value must have one entry per entry of index");
    const Tensor v = torch::stable::contiguous(*value);
    if (v.scalar_type() == ScalarType::Float) {
      gather_aggregates<float>(g, data<float>(v), theta, out, root);
    } else {
      STD_TORCH_CHECK(v.scalar_type() == ScalarType::Double, "value must be float32 or float64");
      gather_aggregates<double>(g, data<double>(v), theta, out, root);
    }
  } else {
    gather_aggregates<double>(g, nullptr, theta, out, root);
  }
  Tensor roots = empty_of(ptr, {static_cast<int64_t>(root.size())}, ScalarType::Long);
  std::copy(root.begin(), root.end(), mutable_indices(roots));
  return {cluster, roots};
}

Tensor front_depth(Tensor rowptr, Tensor index, Tensor seeds) {
  const Tensor ptr = torch::stable::contiguous(rowptr), to = torch::stable::contiguous(index);
  const Graph g = checked(ptr, to);
  check_indices(seeds, "seeds", 1);
  const Tensor begin = torch::stable::contiguous(seeds);
  check_range(indices(begin), begin.numel(), 0, g.nodes, "seeds");
  Tensor out = empty_of(ptr, {g.nodes}, ScalarType::Long);
  int64_t* depth = mutable_indices(out);
  std::fill(depth, depth + g.nodes, int64_t(-1));
  std::vector<int64_t> walk;
  walk.reserve(g.nodes);
  const auto reach = [&](int64_t i, int64_t d) {
    if (depth[i] >= 0) return;
    depth[i] = d;
    walk.push_back(i);
  };
  for (int64_t s = 0; s < begin.numel(); ++s) reach(indices(begin)[s], 0);
  for (size_t at = 0; at < walk.size(); ++at) {
    const int64_t i = walk[at];
    for (int64_t e = g.rowptr[i]; e < g.rowptr[i + 1]; ++e) reach(g.index[e], depth[i] + 1);
  }
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("aggregate", TORCH_BOX(&aggregate));
  m.impl("front_depth", TORCH_BOX(&front_depth));
}

}  // namespace meshop
