// Unique edges of mixed cells.
//
// Edges go into ranges of their smaller node, small enough for a cache; there each node's edges are
// brought together and sorted. A small table of the edges just seen leaves out most repetitions
// beforehand, since neighbouring cells mostly follow each other.
#include <algorithm>

#include "cell_input.h"

namespace meshop {
namespace {

constexpr int64_t kPerRange = 16384;  // edges

template <typename I>
struct Edge {
  I a, b;  // a < b
};

// Remembers edges, until another one takes the place: what it has seen is a repetition for sure.
template <typename I>
class Seen {
 public:
  explicit Seen(int bits) : shift_(32 - bits), edges_(int64_t(1) << bits) {}
  void clear() { std::fill(edges_.begin(), edges_.end(), Edge<I>{0, 0}); }  // no edge
  bool operator()(I a, I b) {
    Edge<I>& last = edges_[(uint32_t(a) * 0x9E3779B1u + uint32_t(b) * 0x85EBCA77u) >> shift_];
    if (last.a == a && last.b == b) return true;
    last = {a, b};
    return false;
  }

 private:
  int shift_;
  std::vector<Edge<I>> edges_;
};

// give(edge) for the edges of cells [begin, end), most repetitions left out, every time the same.
template <typename I, typename F>
void list_edges(const Cells& cells, int64_t begin, int64_t end, F&& give) {
  Seen<I> seen(12);
  for (int64_t m = begin; m < end; ++m)
    for_each_edge(kCellTable, cells, m, [&](int64_t x, int64_t y) {
      if (x == y) return;  // a collapsed edge is no edge
      const I a = static_cast<I>(x < y ? x : y), b = static_cast<I>(x < y ? y : x);
      if (!seen(a, b)) give(Edge<I>{a, b});
    });
}

// Sorts values and drops repetitions; returns how many are left.
template <typename I>
int64_t sort_unique(I* values, int64_t count) {
  if (count > 48) {
    std::sort(values, values + count);
    return std::unique(values, values + count) - values;
  }
  int64_t kept = 0;
  for (int64_t i = 0; i < count; ++i) {
    const I v = values[i];
    int64_t j = kept;
    while (j > 0 && values[j - 1] > v) --j;
    if (j > 0 && values[j - 1] == v) continue;
    for (int64_t k = kept; k > j; --k) values[k] = values[k - 1];
    values[j] = v;
    ++kept;
  }
  return kept;
}

// Sorts the edges of one range, nodes [low, low + width), in place; returns how many are left.
template <typename I>
int64_t sort_range(Edge<I>* edges, int64_t count, int64_t low, int64_t width) {
  thread_local struct {
    Seen<I> seen{13};
    std::vector<int64_t> start;
    std::vector<I> upper;
  } kept_memory;
  auto& [seen, start, upper] = kept_memory;
  start.assign(width + 2, 0);  // shifted by one while filling
  seen.clear();
  int64_t left = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Edge<I> edge = edges[i];
    if (seen(edge.a, edge.b)) continue;
    edges[left++] = edge;
    ++start[edge.a - low + 2];
  }
  count = left;
  upper.resize(count);
  for (int64_t a = 0; a < width; ++a) start[a + 2] += start[a + 1];
  for (int64_t i = 0; i < count; ++i) upper[start[edges[i].a - low + 1]++] = edges[i].b;
  Edge<I>* to = edges;
  for (int64_t a = 0; a < width; ++a) {
    I* mine = upper.data() + start[a];
    const int64_t kept = sort_unique(mine, start[a + 1] - start[a]);
    for (int64_t j = 0; j < kept; ++j) *to++ = {static_cast<I>(low + a), mine[j]};
  }
  return to - edges;
}

template <typename I>
Tensor unique_edges(const CellInput& in) {
  const Cells& cells = in.cells;
  const int64_t chunks = chunk_count(cells.count);
  // Each node of a cell starts about one edge and a half.
  const Ranges ranges(in.nodes, in.cell_nodes.numel() + in.face_values(), kPerRange);
  std::vector<int64_t> places(chunks * ranges.count, 0);
  auto for_each_chunk = [&](auto&& give) {  // give(edge, the chunk's entry of its range)
    torch::stable::parallel_for(0, chunks, 1, [&](int64_t from, int64_t to) {
      for (int64_t c = from; c < to; ++c) {
        int64_t* mine = &places[c * ranges.count];
        list_edges<I>(cells, chunk_begin(cells.count, chunks, c),
                      chunk_begin(cells.count, chunks, c + 1),
                      [&](const Edge<I>& edge) { give(edge, mine[edge.a >> ranges.shift]); });
      }
    });
  };
  for_each_chunk([](const Edge<I>&, int64_t& count) { ++count; });
  const std::vector<int64_t> begin = place_records(places, chunks, ranges.count);
  const Buffer<Edge<I>> sorted(begin.back());
  for_each_chunk([&](const Edge<I>& edge, int64_t& place) { sorted[place++] = edge; });

  std::vector<int64_t> kept(ranges.count + 1, 0);
  for_each_range(begin, kPerRange, [&](int64_t r) {
    const int64_t low = r << ranges.shift;
    const int64_t width = std::min(int64_t(1) << ranges.shift, in.nodes - low);
    kept[r + 1] = sort_range<I>(sorted.get() + begin[r], begin[r + 1] - begin[r], low, width);
  });
  for (int64_t r = 0; r < ranges.count; ++r) kept[r + 1] += kept[r];

  Tensor out = large_empty(in.cell_nodes, {kept.back(), 2}, ScalarType::Long);
  int64_t* edges = mutable_indices(out);
  for_each_range(kept, kPerRange, [&](int64_t r) {
    const Edge<I>* from = sorted.get() + begin[r];
    for (int64_t i = kept[r]; i < kept[r + 1]; ++i, ++from) {
      edges[2 * i] = in.original(from->a);
      edges[2 * i + 1] = in.original(from->b);
    }
  });
  return out;
}

Tensor cell_edges(Tensor types, Tensor offsets, Tensor nodes, std::optional<Tensor> faces,
                  std::optional<Tensor> face_offsets) {
  const CellInput in = checked_cells(types, offsets, nodes, faces, face_offsets, true);
  return in.narrow ? unique_edges<uint32_t>(in) : unique_edges<uint64_t>(in);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) { m.impl("cell_edges", TORCH_BOX(&cell_edges)); }

}  // namespace meshop
