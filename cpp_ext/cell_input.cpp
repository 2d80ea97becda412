// The checks that both kernels of cells make, each a pass over its array.
#include "cell_input.h"

#include <algorithm>

#include "cell_arrays.h"
#include "isa.h"

#define MESHOP_KERNELS "cell_input_impl.h"
#include "each_isa.h"

namespace meshop {
namespace {

// How many nodes a cell of each type may have.
struct Limits {
  int64_t low[256], high[256];
  Limits() {
    for (int t = 0; t < 256; ++t) {
      const CellShape& shape = kCellTable.rows[kCellTable.row[t]];
      low[t] = shape.min_size;
      high[t] = shape.size || t == 0 ? shape.size : std::numeric_limits<int64_t>::max();
      if (shape.dim < 0) low[t] = 1, high[t] = 0;
    }
  }
};

// Marks the types that occur; false where a cell has the wrong number of nodes.
bool check_sizes(const uint8_t* types, const int64_t* offsets, int64_t begin, int64_t end,
                 uint8_t* seen) {
  static const Limits limits;
  bool good = true;
  for (int64_t m = begin; m < end; ++m) {
    // Offsets that rise from 0 to the number of nodes cannot overflow.
    good &= offsets[m] <= offsets[m + 1] && offsets[m] >= 0;
    if (!good) return false;
    const int64_t size = offsets[m + 1] - offsets[m];
    good &= (size >= limits.low[types[m]]) & (size <= limits.high[types[m]]);
    good &= (types[m] != kQuadraticPolygon) | (size % 2 == 0);
    seen[types[m]] = 1;
  }
  return good;
}

[[noreturn]] void report_sizes(const uint8_t* types, const int64_t* offsets, int64_t cells) {
  uint8_t seen[256];
  for (int64_t m = 0; m < cells; ++m)
    STD_TORCH_CHECK(offsets[m] <= offsets[m + 1], "cell_offsets must not decrease");
  for (int64_t m = 0; m < cells; ++m)
    STD_TORCH_CHECK(check_sizes(types, offsets, m, m + 1, seen), "cell ", m, " of VTK type ",
                    int(types[m]), " has ", offsets[m + 1] - offsets[m],
                    " nodes, or no such type is known");
  STD_TORCH_CHECK(false, "cells are malformed");
}

// The largest node in a polyhedron's part of the stream, or -1 where the part is not in order.
int64_t check_stream(const int64_t* at, const int64_t* end) {
  int64_t high = 0, left = *at++;
  if (left < 0) return -1;
  for (; left > 0; --left) {
    if (at >= end) return -1;
    const int64_t size = *at++;
    if (size < 3 || size > end - at) return -1;
    int64_t lo, hi;
    MESHOP_PICK(extremes)(at, size, &lo, &hi);
    if (lo < 0) return -1;
    high = std::max(high, hi);
    at += size;
  }
  return at == end ? high : -1;
}

// Fills face_begin and returns the largest node of the polyhedra's faces.
int64_t check_faces(CellInput& in, const Tensor& face_offsets) {
  const int64_t cells = in.cells.count, length = in.faces.numel();
  const int64_t* ends = indices(face_offsets);
  in.face_begin.assign(cells, 0);
  int64_t at = 0, high = -1;
  for (int64_t m = 0; m < cells; ++m) {
    in.face_begin[m] = at;
    STD_TORCH_CHECK((ends[m] >= 0) == (in.cells.types[m] == kPolyhedron), "face_offsets[", m,
                    "] must be an end for a polyhedron and -1 for other cells");
    if (ends[m] < 0) continue;
    STD_TORCH_CHECK(ends[m] > at && ends[m] <= length, "face_offsets[", m, "] must lie in ", at + 1,
                    " to ", length);
    at = ends[m];
  }
  STD_TORCH_CHECK(at == length, "face_offsets must end at ", length);
  const int64_t chunks = chunk_count(cells);
  std::vector<int64_t> highs(chunks, 0);
  torch::stable::parallel_for(0, chunks, 1, [&](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; ++c)
      for (int64_t m = chunk_begin(cells, chunks, c); m < chunk_begin(cells, chunks, c + 1); ++m) {
        if (ends[m] < 0 || highs[c] < 0) continue;
        const int64_t* faces = in.cells.faces;
        const int64_t found = check_stream(faces + in.face_begin[m], faces + ends[m]);
        highs[c] = found < 0 ? -1 - m : std::max(highs[c], found);
      }
  });
  for (int64_t h : highs) {
    STD_TORCH_CHECK(h >= 0, "the faces of polyhedron ", -1 - h,
                    " do not fill their part, have fewer than 3 nodes or negative ones");
    high = std::max(high, h);
  }
  return length ? high : -1;
}

// Numbers the nodes that occur from 0, in the same order, where the given numbers are sparse.
void make_dense(CellInput& in) {
  const int64_t total = in.cell_nodes.numel();
  const int64_t length = in.cells.faces ? in.faces.numel() : 0;
  std::vector<int64_t>& numbers = in.numbers;
  numbers.assign(in.cells.nodes, in.cells.nodes + total);
  auto for_each_face = [&](auto&& visit) {  // visit(first place, size) in the stream
    for (int64_t at = 0; at < length;)
      for (int64_t left = in.cells.faces[at++]; left > 0; --left) {
        const int64_t size = in.cells.faces[at++];
        visit(at, size);
        at += size;
      }
  };
  for_each_face([&](int64_t at, int64_t size) {
    numbers.insert(numbers.end(), in.cells.faces + at, in.cells.faces + at + size);
  });
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  auto dense = [&](int64_t node) {
    return std::lower_bound(numbers.begin(), numbers.end(), node) - numbers.begin();
  };
  in.dense_nodes = Buffer<int64_t>(total);
  torch::stable::parallel_for(0, total, 4096, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) in.dense_nodes[i] = dense(in.cells.nodes[i]);
  });
  in.dense_faces = Buffer<int64_t>(length);
  std::copy(in.cells.faces, in.cells.faces + length, in.dense_faces.get());
  for_each_face([&](int64_t at, int64_t size) {
    for (int64_t i = at; i < at + size; ++i) in.dense_faces[i] = dense(in.cells.faces[i]);
  });
  in.cells.nodes = in.dense_nodes.get();
  if (length) in.cells.faces = in.dense_faces.get();
  in.nodes = static_cast<int64_t>(numbers.size());
}

}  // namespace

CellInput checked_cells(const Tensor& types, const Tensor& offsets, const Tensor& nodes,
                        const std::optional<Tensor>& faces,
                        const std::optional<Tensor>& face_offsets, bool edges) {
  check_cell_arrays(types, offsets, nodes, faces, face_offsets);
  const int64_t cells = types.numel(), total = nodes.numel();
  CellInput in;
  in.types = torch::stable::contiguous(types);
  in.offsets = torch::stable::contiguous(offsets);
  in.cell_nodes = torch::stable::contiguous(nodes);
  in.cells = {data<uint8_t>(in.types),
              indices(in.offsets),
              indices(in.cell_nodes),
              nullptr,
              nullptr,
              cells};
  const int64_t* ends = in.cells.offsets;
  STD_TORCH_CHECK(ends[0] == 0 && ends[cells] == total, "cell_offsets must run from 0 to ", total);

  const int64_t chunks = chunk_count(std::max(cells, total / 4));
  struct Found {
    uint8_t seen[256] = {};
    int64_t low = 0, high = -1;
    bool good = true;
  };
  std::vector<Found> found(chunks);
  torch::stable::parallel_for(0, chunks, 1, [&](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; ++c) {
      found[c].good = check_sizes(in.cells.types, ends, chunk_begin(cells, chunks, c),
                                  chunk_begin(cells, chunks, c + 1), found[c].seen);
      const int64_t begin = chunk_begin(total, chunks, c);
      MESHOP_PICK(extremes)(in.cells.nodes + begin, chunk_begin(total, chunks, c + 1) - begin,
                            &found[c].low, &found[c].high);
    }
  });
  int64_t low = 0, high = -1;
  for (const Found& f : found) {
    if (!f.good) report_sizes(in.cells.types, ends, cells);
    low = std::min(low, f.low);
    high = std::max(high, f.high);
    for (int t = 0; t < 256; ++t) in.present[t] |= f.seen[t];
  }
  STD_TORCH_CHECK(low >= 0, "cell_nodes must not be negative, got ", low);
  for (int t = 0; edges && t < 256; ++t)
    STD_TORCH_CHECK(!in.present[t] || kCellTable.rows[kCellTable.row[t]].edges >= 0,
                    "the edges of VTK type ", t, " are not known");
  STD_TORCH_CHECK(faces.has_value() || !in.present[kPolyhedron],
                  "a polyhedron is defined through its faces");
  if (faces.has_value()) {
    in.faces = torch::stable::contiguous(*faces);
    in.cells.faces = indices(in.faces);
    high = std::max(high, check_faces(in, torch::stable::contiguous(*face_offsets)));
    in.cells.face_begin = in.face_begin.data();
  }
  const int64_t length = faces.has_value() ? in.faces.numel() : 0;
  // No cell has more edges, or facets, than twice its nodes (or its part of the stream).
  constexpr int64_t kNarrow = std::numeric_limits<uint32_t>::max() - 8;
  in.narrow = high < kNarrow && cells < kNarrow && 2 * total + length < kNarrow;
  in.nodes = high + 1;
  if (high > 4 * (total + length) + 1024) make_dense(in);
  return in;
}

}  // namespace meshop
