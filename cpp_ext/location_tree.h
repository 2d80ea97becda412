// A mesh made ready for location on the host: cells checked, their boxes on a grid and in a tree.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <tuple>
#include <vector>

#include "box_tree.h"
#include "cell_arrays.h"
#include "location_geometry.h"

namespace meshop {

// Coordinates on a grid of 2^31 steps over the mesh's longest side. Rounding is monotone, so what
// is in a box stays in it.
template <int D>
struct Grid {
  double lo[D];
  double scale, step;

  MESHOP_HD int32_t operator()(int d, double x) const {
    const double at = (x - lo[d]) * scale;
    return static_cast<int32_t>(at > 0 ? (at < 2147483646.0 ? at : 2147483646.0) : 0.0);
  }

  // A lower bound of the squared distance from q to any point that the box stands for.
  MESHOP_HD double bound2(const Box<D>& box, const double* q) const {
    double sum = 0;
    for (int d = 0; d < D; ++d) {
      const double low = lo[d] + (box.lo[d] - 1.0) * step - q[d];
      const double high = q[d] - lo[d] - (box.hi[d] + 2.0) * step;
      const double gap = low > high ? low : high;
      if (gap > 0) sum += gap * gap;
    }
    return sum * (1 - 1e-12);
  }
};

// The arrays of mixed cells on the host, checked. Where polyhedra are present so are their faces.
struct HostCells {
  CellMesh cells{};
  int64_t count = 0;
  std::vector<int64_t> face_begin;

  HostCells(const uint8_t* types, const int64_t* offsets, const int64_t* nodes,
            const int64_t* faces, int64_t face_total, const int64_t* face_ends, int64_t cell_count,
            int64_t node_total, int64_t points, int64_t dim)
      : count(cell_count) {
    STD_TORCH_CHECK(count < (int64_t{1} << 31), "at most 2^31 cells can be searched, got ", count);
    check_rowptr(offsets, count, node_total, "cell_offsets");
    cells = {kinds().of, types, offsets, nodes, faces, nullptr, -1};
    std::atomic<bool> in_range{true};
    torch::stable::parallel_for(0, node_total, 1 << 16, [&](int64_t begin, int64_t end) {
      bool good = true;
      for (int64_t i = begin; i < end; ++i) good &= nodes[i] >= 0 && nodes[i] < points;
      if (!good) in_range = false;
    });
    STD_TORCH_CHECK(in_range, "cell_nodes must lie in [0, ", points, ")");
    bool polyhedra = false;
    for (int64_t m = 0; m < count; ++m) {
      const CellKind& kind = cells.kind(m);
      const int64_t size = offsets[m + 1] - offsets[m];
      STD_TORCH_CHECK(kind.form != kUnknown, "cell ", m, ": no simplices known for VTK type ",
                      int(types[m]));
      STD_TORCH_CHECK(kind.nodes == 0 || size == kind.nodes, "cell ", m, " of VTK type ",
                      int(types[m]), " must have ", kind.nodes, " nodes, got ", size);
      cells.dim = std::max<int>(cells.dim, kind.dim);
      polyhedra |= kind.form == kPolyhedral;
    }
    STD_TORCH_CHECK(cells.dim <= dim, "cells of dimension ", cells.dim,
                    " need points of as many "
                    "coordinates, got ",
                    dim);
    if (polyhedra) check_faces(faces, face_total, face_ends, points);
  }

 private:
  struct Kinds {
    CellKind of[256];
    Kinds() {
      for (int t = 0; t < 256; ++t) of[t] = cell_kind(t);
    }
  };
  static const Kinds& kinds() {
    static const Kinds all;
    return all;
  }

  void check_faces(const int64_t* faces, int64_t total, const int64_t* ends, int64_t points) {
    STD_TORCH_CHECK(faces && ends, "polyhedra need faces and face_offsets");
    face_begin.assign(count, -1);
    int64_t at = 0;
    for (int64_t m = 0; m < count; ++m) {
      if (cells.kind(m).form != kPolyhedral) continue;
      const int64_t end = ends[m];
      STD_TORCH_CHECK(end > at && end <= total, "face_offsets[", m, "] must lie in (", at, ", ",
                      total, "], got ", end);
      face_begin[m] = at;
      int64_t place = at + 1;
      for (int64_t left = faces[at]; left > 0; --left) {
        STD_TORCH_CHECK(place < end, "the faces of polyhedron ", m, " end early");
        const int64_t size = faces[place++];
        STD_TORCH_CHECK(size >= 0 && size <= end - place, "a face of polyhedron ", m,
                        " has a bad node count");
        for (int64_t j = 0; j < size; ++j, ++place)
          STD_TORCH_CHECK(faces[place] >= 0 && faces[place] < points, "faces must lie in [0, ",
                          points, "), got ", faces[place]);
      }
      STD_TORCH_CHECK(place == end, "the faces of polyhedron ", m, " must fill its part of faces");
      at = end;
    }
    cells.face_begin = face_begin.data();
  }
};

template <typename T, int D>
struct Locator {
  Points<T> points;
  const CellMesh& mesh;
  double reach2;  // the square of the tolerance
  Grid<D> grid;
  std::vector<BoxItem<D>> items;
  std::vector<TreeNode<D>> nodes;

  // tolerance < 0: four units in the last place of the largest coordinate.
  Locator(const T* at, int64_t count, const HostCells& cells, double tolerance, int64_t leaf)
      : points{at, D}, mesh(cells.cells) {
    double low[D], high[D];
    bounds(at, count, low, high);
    double largest = 0, longest = 0;
    for (int d = 0; d < D; ++d)
      largest = std::max({largest, std::fabs(low[d]), std::fabs(high[d])});
    const double reach =
        tolerance < 0 ? 4.0 * std::numeric_limits<T>::epsilon() * largest : tolerance;
    reach2 = reach * reach;
    const double pad = mesh.dim < D ? reach : 0;
    for (int d = 0; d < D; ++d) {
      const double margin = kBoxPad * (high[d] - low[d]) + std::min(pad, high[d] - low[d]);
      grid.lo[d] = low[d] - margin;
      longest = std::max(longest, high[d] - low[d] + 2 * margin);
    }
    // A mesh of one point, or one whose extent overflows, is one grid step.
    grid.scale = longest > 0 && longest < 1e300 ? 2147483646.0 / longest : 0;
    grid.step = grid.scale > 0 ? longest / 2147483646.0 : longest;
    if (!(grid.step < 1e300)) grid.step = 1e300;
    gather_items(cells.count, pad);
    BoxTree<D, BoxItem<D>> tree(items, leaf);
    nodes = std::move(tree.nodes);
  }

 private:
  static constexpr int64_t kChunk = 1 << 14;

  static void bounds(const T* at, int64_t count, double* low, double* high) {
    const int64_t chunks = (count + kChunk - 1) / kChunk;
    std::vector<T> lows(chunks * D), highs(chunks * D);
    std::atomic<bool> finite{true};
    torch::stable::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        T lo[D], hi[D];
        std::fill(lo, lo + D, std::numeric_limits<T>::infinity());
        std::fill(hi, hi + D, -std::numeric_limits<T>::infinity());
        bool good = true;
        for (int64_t i = c * kChunk; i < std::min(count, (c + 1) * kChunk); ++i)
          for (int d = 0; d < D; ++d) {
            const T x = at[i * D + d];
            good &= std::isfinite(x);
            lo[d] = std::min(lo[d], x);
            hi[d] = std::max(hi[d], x);
          }
        if (!good) finite = false;
        std::copy(lo, lo + D, &lows[c * D]);
        std::copy(hi, hi + D, &highs[c * D]);
      }
    });
    STD_TORCH_CHECK(finite, "points must be finite");
    for (int d = 0; d < D; ++d) {
      low[d] = count ? std::numeric_limits<double>::infinity() : 0;
      high[d] = count ? -std::numeric_limits<double>::infinity() : 0;
      for (int64_t c = 0; c < chunks; ++c) {
        low[d] = std::min<double>(low[d], lows[c * D + d]);
        high[d] = std::max<double>(high[d], highs[c * D + d]);
      }
    }
  }

  // The padded box of every cell that takes part and has nodes, in the order of the cells.
  void gather_items(int64_t count, double pad) {
    const int64_t chunks = (count + kChunk - 1) / kChunk;
    std::vector<int64_t> start(chunks + 1, 0);
    auto takes = [&](int64_t m) { return mesh.takes_part(m) && mesh.corners(m) > 0; };
    torch::stable::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c)
        for (int64_t m = c * kChunk; m < std::min(count, (c + 1) * kChunk); ++m)
          start[c + 1] += takes(m);
    });
    for (int64_t c = 0; c < chunks; ++c) start[c + 1] += start[c];
    items.resize(start[chunks]);
    torch::stable::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        int64_t to = start[c];
        for (int64_t m = c * kChunk; m < std::min(count, (c + 1) * kChunk); ++m)
          if (takes(m)) items[to++] = item(m, pad);
      }
    });
  }

  BoxItem<D> item(int64_t m, double pad) const {
    T lo[D], hi[D];
    std::fill(lo, lo + D, std::numeric_limits<T>::infinity());
    std::fill(hi, hi + D, -std::numeric_limits<T>::infinity());
    auto add = [&](int64_t node) {
      for (int d = 0; d < D; ++d) {
        lo[d] = std::min(lo[d], points.at[node * D + d]);
        hi[d] = std::max(hi[d], points.at[node * D + d]);
      }
    };
    const int64_t* node = mesh.nodes + mesh.offsets[m];
    for (int64_t j = 0, corners = mesh.corners(m); j < corners; ++j) add(node[j]);
    if (mesh.face_begin && mesh.face_begin[m] >= 0) {  // its faces are what is searched
      const int64_t* face = mesh.faces + mesh.face_begin[m];
      for (int64_t left = *face++; left > 0; --left)
        for (int64_t size = *face++; size > 0; --size) add(*face++);
    }
    BoxItem<D> out;
    out.id = static_cast<uint32_t>(m);
    for (int d = 0; d < D; ++d) {
      const double low = lo[d], high = hi[d], margin = kBoxPad * (high - low) + pad;
      out.lo[d] = grid(d, low - margin);
      out.hi[d] = grid(d, high + margin);
    }
    return out;
  }
};

// The arguments of locate, checked and contiguous, and what it returns.
struct LocationInput {
  Tensor points, types, offsets, nodes;
  std::optional<Tensor> faces, face_ends;
  Tensor queries;
  bool nearest;
  double tolerance;

  LocationInput(const Tensor& points_in, const Tensor& cell_types, const Tensor& cell_offsets,
                const Tensor& cell_nodes, const std::optional<Tensor>& faces_in,
                const std::optional<Tensor>& face_offsets, const Tensor& queries_in,
                bool nearest_too, double within)
      : points(torch::stable::contiguous(points_in)),
        types(torch::stable::contiguous(cell_types)),
        offsets(torch::stable::contiguous(cell_offsets)),
        nodes(torch::stable::contiguous(cell_nodes)),
        queries(torch::stable::contiguous(queries_in)),
        nearest(nearest_too),
        tolerance(within) {
    STD_TORCH_CHECK(points.dim() == 2 && points.size(1) >= 1 && points.size(1) <= 3,
                    "points must have shape (N, 1), (N, 2) or (N, 3)");
    const auto dtype = points.scalar_type();
    STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::Double,
                    "points must be float32 or float64");
    STD_TORCH_CHECK(
        queries.dim() == 2 && queries.size(1) == points.size(1) && queries.scalar_type() == dtype,
        "queries must have shape (Q, ", points.size(1), ") and the points' dtype");
    check_cell_arrays(types, offsets, nodes, faces_in, face_offsets);
    STD_TORCH_CHECK(!std::isnan(tolerance), "tolerance must not be NaN");
    if (!faces_in) return;
    faces = torch::stable::contiguous(*faces_in);
    face_ends = torch::stable::contiguous(*face_offsets);
  }
};

// Weights, squared distance, cell, nodes, whether inside.
using Found = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor>;

}  // namespace meshop
