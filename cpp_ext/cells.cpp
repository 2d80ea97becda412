// Unique edges of mixed cells: bucket by the smaller node, then sort each small bucket.
#include "cells.h"

#include <algorithm>
#include <utility>

#include "common.h"

namespace meshop {
namespace {

// The table is a function for CUDA's sake; on the CPU it is read once.
struct Shapes {
  CellShape of[256];
  Shapes() {
    for (int t = 0; t < 256; ++t) of[t] = cell_shape(t);
  }
};

template <typename F>
void for_each_edge(const uint8_t* types, const int64_t* offsets, const int64_t* nodes,
                   int64_t cells, F&& f) {
  static const Shapes shapes;
  for (int64_t m = 0; m < cells; ++m) {
    const int64_t* cell = nodes + offsets[m];
    const int64_t count = offsets[m + 1] - offsets[m];
    auto give = [&](int64_t a, int64_t b) {
      if (a != b) f(std::min(a, b), std::max(a, b));  // a collapsed edge is no edge
    };
    if (types[m] == 4 || types[m] == 7) {
      for (int64_t j = 0; j < edge_count(types[m], count); ++j)
        give(cell[j], cell[j + 1 < count ? j + 1 : 0]);
    } else {
      const CellShape& shape = shapes.of[types[m]];
      for (int j = 0; j < shape.edges; ++j) give(cell[shape.edge[j][0]], cell[shape.edge[j][1]]);
    }
  }
}

Tensor cell_edges(Tensor cell_types, Tensor cell_offsets, Tensor cell_nodes) {
  STD_TORCH_CHECK(cell_types.scalar_type() == ScalarType::Byte && cell_types.dim() == 1,
                  "cell_types must be 1-D uint8");
  check_indices(cell_offsets, "cell_offsets", 1);
  check_indices(cell_nodes, "cell_nodes", 1);
  const int64_t cells = cell_types.numel(), total = cell_nodes.numel();
  STD_TORCH_CHECK(cell_offsets.numel() == cells + 1, "cell_offsets must have cells + 1 entries");
  const Tensor t = torch::stable::contiguous(cell_types);
  const Tensor o = torch::stable::contiguous(cell_offsets);
  const Tensor k = torch::stable::contiguous(cell_nodes);
  const uint8_t* types = static_cast<const uint8_t*>(t.const_data_ptr());
  const int64_t* offsets = indices(o);
  const int64_t* nodes = indices(k);
  check_rowptr(offsets, cells, total, "cell_offsets");

  int64_t highest = -1, edges = 0;
  for (int64_t i = 0; i < total; ++i) {
    STD_TORCH_CHECK(nodes[i] >= 0, "cell_nodes must not be negative, got ", nodes[i]);
    highest = std::max(highest, nodes[i]);
  }
  for (int64_t m = 0; m < cells; ++m) {
    const int64_t count = offsets[m + 1] - offsets[m];
    const int expected = cell_shape(types[m]).nodes;
    STD_TORCH_CHECK(expected != -2, "cell ", m, ": no edges known for VTK type ", int(types[m]));
    STD_TORCH_CHECK(expected < 0 || count == expected, "cell ", m, " of VTK type ", int(types[m]),
                    " must have ", expected, " nodes, got ", count);
    edges += edge_count(types[m], count);
  }

  if (highest > 4 * edges + 1024) {  // sparse numbering: buckets would waste memory
    std::vector<std::pair<int64_t, int64_t>> all;
    all.reserve(edges);
    for_each_edge(types, offsets, nodes, cells, [&](int64_t a, int64_t b) { all.emplace_back(a, b); });
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    Tensor out = empty_of(k, {static_cast<int64_t>(all.size()), 2}, ScalarType::Long);
    int64_t* to = mutable_indices(out);
    for (const auto& [a, b] : all) {
      *to++ = a;
      *to++ = b;
    }
    return out;
  }

  std::vector<int64_t> start(highest + 3, 0);  // shifted by one while filling
  for_each_edge(types, offsets, nodes, cells, [&](int64_t a, int64_t) { ++start[a + 2]; });
  for (int64_t a = 0; a <= highest; ++a) start[a + 2] += start[a + 1];
  std::vector<int64_t> upper(start[highest + 2]);
  for_each_edge(types, offsets, nodes, cells,
                [&](int64_t a, int64_t b) { upper[start[a + 1]++] = b; });
  std::vector<int64_t> kept(highest + 2, 0);
  torch::stable::parallel_for(0, highest + 1, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t a = begin; a < end; ++a) {
      auto from = upper.begin() + start[a], to = upper.begin() + start[a + 1];
      std::sort(from, to);
      kept[a + 1] = std::unique(from, to) - from;
    }
  });
  for (int64_t a = 0; a <= highest; ++a) kept[a + 1] += kept[a];
  Tensor out = empty_of(k, {kept[highest + 1], 2}, ScalarType::Long);
  int64_t* to = mutable_indices(out);
  torch::stable::parallel_for(0, highest + 1, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t a = begin; a < end; ++a)
      for (int64_t j = kept[a]; j < kept[a + 1]; ++j) {
        to[2 * j] = a;
        to[2 * j + 1] = upper[start[a] + j - kept[a]];
      }
  });
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) { m.impl("cell_edges", TORCH_BOX(&cell_edges)); }

}  // namespace meshop
