// Cells as the CPU kernels take them: every value checked, node numbers dense.
#pragma once

#include <limits>

#include "buffer.h"
#include "cells.h"

namespace meshop {

struct CellInput {
  Cells cells;                   // with dense node numbers
  bool present[256] = {};        // which types occur
  int64_t nodes = 0;             // node numbers are below this
  bool narrow = true;            // nodes, cells and anything counted per cell fit into 32 bits
  std::vector<int64_t> numbers;  // the original of each node number; empty: they are themselves

  int64_t face_values() const { return cells.faces ? faces.numel() : 0; }
  int64_t original(int64_t node) const { return numbers.empty() ? node : numbers[node]; }

  // What `cells` points into.
  Tensor types, offsets, cell_nodes, faces;
  std::vector<int64_t> face_begin;
  Buffer<int64_t> dense_nodes, dense_faces;
};

// Throws where a value is out of range; edges: also where the edges of a type are not known.
CellInput checked_cells(const Tensor& types, const Tensor& offsets, const Tensor& nodes,
                        const std::optional<Tensor>& faces,
                        const std::optional<Tensor>& face_offsets, bool edges);

// Cells in chunks of similar cost. Results never depend on their number.
inline int64_t chunk_count(int64_t cells) {
  return std::max<int64_t>(1, std::min<int64_t>(cells / 4096, 128));
}
inline int64_t chunk_begin(int64_t cells, int64_t chunks, int64_t chunk) {
  return cells / chunks * chunk + std::min(chunk, cells % chunks);
}

// Equal ranges of node numbers, `shift` bits wide, so that what falls into one stays in cache.
struct Ranges {
  int shift = 0;
  int64_t count = 1;
  Ranges(int64_t nodes, int64_t records, int64_t per_range) {
    const int64_t most = std::max<int64_t>(1, std::min<int64_t>(records / per_range, 1024));
    while ((std::max<int64_t>(nodes, 1) - 1) >> shift >= most) ++shift;
    count = ((std::max<int64_t>(nodes, 1) - 1) >> shift) + 1;
  }
};

// Turns counts[chunk][range] into where each chunk writes its records of each range, ranges one
// after the other; begin[range] is where a range begins.
inline std::vector<int64_t> place_records(std::vector<int64_t>& counts, int64_t chunks,
                                          int64_t ranges) {
  std::vector<int64_t> begin(ranges + 1);
  int64_t at = 0;
  for (int64_t r = 0; r < ranges; ++r) {
    begin[r] = at;
    for (int64_t c = 0; c < chunks; ++c) {
      const int64_t n = counts[c * ranges + r];
      counts[c * ranges + r] = at;
      at += n;
    }
  }
  begin[ranges] = at;
  return begin;
}

// work(range) for every range, shared out by the number of records in them.
template <typename F>
void for_each_range(const std::vector<int64_t>& begin, int64_t grain, F&& work) {
  const int64_t ranges = static_cast<int64_t>(begin.size()) - 1;
  torch::stable::parallel_for(0, begin[ranges], grain, [&](int64_t from, int64_t to) {
    int64_t r = std::lower_bound(begin.begin(), begin.end(), from) - begin.begin();
    for (; r < ranges && begin[r] < to; ++r) work(r);
  });
}

}  // namespace meshop
