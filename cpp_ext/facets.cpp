// Facets of mixed cells, with the cells on both sides.
//
// Every facet of every cell ("use") is reduced to its set of nodes, sorted. Uses go into ranges of
// their smallest node, small enough for a cache; there a hash table finds the equal ones, comparing
// whole sets. The first use of a facet, in the order of cells, is its owner's.
#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "cell_input.h"

namespace meshop {
namespace {

constexpr int64_t kPerRange = 8192;  // uses

// The sorted set of a facet's nodes: K at most, padded with kNone. A larger one has its two
// smallest, its place in a list of large sets, and kLarge.
template <typename I, int K>
struct Use {
  static constexpr I kNone = std::numeric_limits<I>::max(), kLarge = kNone - 1;
  I key[K];
  I use;
  I cell;
};

// What is known of a use: the cell on its other side, or one of these.
template <typename I>
constexpr I kBoundary = std::numeric_limits<I>::max();
template <typename I>
constexpr I kNotFirst = kBoundary<I> - 1;  // the facet's owner is an earlier use
template <typename I>
constexpr I kCollapsed = kBoundary<I> - 2;  // no facet

int64_t use_count(const Cells& cells, int64_t m) {
  const int type = cells.types[m];
  const int64_t n = cells.offsets[m + 1] - cells.offsets[m];
  switch (type) {
    case kPolyLine: return 2;
    case kStrip:
    case kPolygon: return n;
    case kQuadraticPolygon: return n / 2;
    case kPolyhedron: return cells.faces[cells.face_begin[m]];
    default: return kCellTable.rows[kCellTable.row[type]].facets;
  }
}

// Sorts a facet's nodes into set and drops repetitions; returns how many are left. Without branches
// for the sizes that matter: which node is smaller cannot be predicted.
template <typename I>
inline int64_t node_set(const Facet& facet, I* set) {
  const int64_t n = facet.size;
  auto node = [&](int i) { return static_cast<I>(facet.node(i)); };
  auto sorted = [](I a, I b) { return std::make_pair(a < b ? a : b, a < b ? b : a); };
  if (n == 3) {
    const auto [low, high] = sorted(node(0), node(1));
    const auto [first, middle] = sorted(low, node(2));
    const auto [second, third] = sorted(high, middle);
    set[0] = first, set[1] = second, set[2] = third;
    if (first < second && second < third) return 3;
  } else if (n == 4) {
    const auto [a, b] = sorted(node(0), node(1));
    const auto [c, d] = sorted(node(2), node(3));
    const auto [first, x] = sorted(a, c);
    const auto [y, fourth] = sorted(b, d);
    const auto [second, third] = sorted(x, y);
    set[0] = first, set[1] = second, set[2] = third, set[3] = fourth;
    if (first < second && second < third && third < fourth) return 4;
  } else {
    for (int64_t i = 0; i < n; ++i) set[i] = static_cast<I>(facet.node(i));
    if (n > 1) std::sort(set, set + n);
  }
  return std::unique(set, set + n) - set;
}

template <typename I, int K>
class Matcher {
 public:
  Matcher(const CellInput& in, int dim) : in_(in), cells_(in.cells), dim_(dim) {}

  std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> run() {
    count_uses();
    list_uses();
    match();
    return write();
  }

 private:
  using Record = Use<I, K>;
  using Further = std::tuple<I, I, I>;  // first use; use and cell beyond the second

  bool wanted(int64_t m) const {
    return kCellTable.rows[kCellTable.row[cells_.types[m]]].dim == dim_;
  }
  template <typename F>
  void for_each_chunk(F&& work) const {
    torch::stable::parallel_for(0, chunks_, 1, [&](int64_t from, int64_t to) {
      for (int64_t c = from; c < to; ++c) work(c);
    });
  }
  int64_t chunk(int64_t c) const { return chunk_begin(cells_.count, chunks_, c); }

  // give(cell, facet, its set, size of the set, use) for every use in a chunk.
  template <typename F>
  void for_each_use(int64_t c, F&& give) const {
    std::vector<I> large;
    I small[8];
    int64_t use = first_use_[c];
    for (int64_t m = chunk(c); m < chunk(c + 1); ++m) {
      if (!wanted(m)) continue;
      for_each_facet(kCellTable, cells_, m, [&](const Facet& facet) {
        I* set = small;
        if (facet.size > 8) {
          large.resize(facet.size);
          set = large.data();
        }
        const int64_t size = node_set(facet, set);
        give(m, facet, set, size, use++);
      });
    }
  }

  void count_uses() {
    chunks_ = chunk_count(cells_.count);
    first_use_.assign(chunks_ + 1, 0);
    for_each_chunk([&](int64_t c) {
      int64_t uses = 0;
      for (int64_t m = chunk(c); m < chunk(c + 1); ++m)
        if (wanted(m)) uses += use_count(cells_, m);
      first_use_[c + 1] = uses;
    });
    for (int64_t c = 0; c < chunks_; ++c) first_use_[c + 1] += first_use_[c];
  }

  // Fills records_, range by range, each in the order of uses.
  void list_uses() {
    const int64_t uses = first_use_[chunks_];
    ranges_ = Ranges(in_.nodes, uses, kPerRange);
    std::vector<int64_t> places(chunks_ * ranges_.count, 0), larges(chunks_ + 1, 0);
    std::vector<uint8_t> repeats(chunks_, 0);
    for_each_chunk([&](int64_t c) {
      int64_t* counts = &places[c * ranges_.count];
      for_each_use(c, [&](int64_t, const Facet& facet, const I* set, int64_t size, int64_t) {
        if (size < facet.size) repeats[c] = 1;
        if (size < dim_) return;
        ++counts[set[0] >> ranges_.shift];
        if (size > K) larges[c + 1] += 1 + size;
      });
    });
    for (int64_t c = 0; c < chunks_; ++c) {
      larges[c + 1] += larges[c];
      repeats_ |= repeats[c] != 0;
    }
    begin_ = place_records(places, chunks_, ranges_.count);
    records_ = Buffer<Record>(begin_.back());
    large_ = Buffer<I>(larges[chunks_]);
    other_ = Buffer<I>(uses);
    for_each_chunk([&](int64_t c) {
      int64_t* place = &places[c * ranges_.count];
      int64_t large = larges[c];
      for_each_use(c, [&](int64_t m, const Facet&, const I* set, int64_t size, int64_t use) {
        if (size < dim_) {
          other_[use] = kCollapsed<I>;
          return;
        }
        Record& record = records_[place[set[0] >> ranges_.shift]++];
        record.use = static_cast<I>(use);
        record.cell = static_cast<I>(m);
        if (size <= K) {
          for (int i = 0; i < K; ++i) record.key[i] = i < size ? set[i] : Record::kNone;
          return;
        }
        record.key[0] = set[0];  // here K is 4
        record.key[1] = set[1];
        record.key[K - 2] = static_cast<I>(large);
        record.key[K - 1] = Record::kLarge;
        large_[large++] = static_cast<I>(size);
        for (int64_t i = 0; i < size; ++i) large_[large++] = set[i];
      });
    });
  }

  static uint64_t hash(const Record& r) {
    // The place of a large set says nothing of its nodes.
    const int n = K > 3 && r.key[K - 1] == Record::kLarge ? 2 : K;
    uint64_t h = 0;
    for (int i = 0; i < n; ++i) h = (h ^ r.key[i]) * 0x9E3779B97F4A7C15u;
    return h;
  }

  bool equal(const Record& x, const Record& y) const {
    bool same = true;
    for (int i = 0; i < K; ++i) same &= x.key[i] == y.key[i];
    if (K < 4 || same || x.key[K - 1] != Record::kLarge || y.key[K - 1] != Record::kLarge)
      return same;
    const I *a = large_.get() + x.key[K - 2], *b = large_.get() + y.key[K - 2];
    return *a == *b && std::equal(a, a + 1 + *a, b);
  }

  // Sets other_ of every use, and collects the uses beyond the second.
  void match() {
    std::vector<std::vector<Further>> further(ranges_.count);
    for_each_range(begin_, kPerRange, [&](int64_t r) {
      const Record* records = records_.get() + begin_[r];
      const int64_t count = begin_[r + 1] - begin_[r];
      int bits = 1;
      while ((int64_t(1) << bits) < 2 * count) ++bits;
      constexpr I kEmpty = std::numeric_limits<I>::max();
      thread_local std::vector<I> kept_memory;
      std::vector<I>& slots = kept_memory;
      slots.assign(int64_t(1) << bits, kEmpty);
      const uint64_t mask = (uint64_t(1) << bits) - 1;
      for (int64_t i = 0; i < count; ++i) {
        const Record& mine = records[i];
        uint64_t at = hash(mine) >> (64 - bits);
        while (slots[at] != kEmpty && !equal(records[slots[at]], mine)) at = (at + 1) & mask;
        if (slots[at] == kEmpty) {
          slots[at] = static_cast<I>(i);
          other_[mine.use] = kBoundary<I>;
          continue;
        }
        const I first = records[slots[at]].use;
        other_[mine.use] = kNotFirst<I>;
        if (other_[first] == kBoundary<I>)
          other_[first] = mine.cell;
        else
          further[r].emplace_back(first, mine.use, mine.cell);
      }
    });
    for (const auto& some : further) further_.insert(further_.end(), some.begin(), some.end());
    std::sort(further_.begin(), further_.end());
  }

  // Writes a facet's nodes without repetitions, as they are wound; returns how many.
  int64_t write_nodes(const Facet& facet, int64_t* to) const {
    constexpr int64_t kFew = 32;
    std::unordered_set<int64_t> seen;
    int64_t n = 0;
    for (int64_t i = 0; i < facet.size; ++i) {
      const int64_t node = in_.original(facet.node(i));
      const bool again = repeats_ && (facet.size > kFew ? !seen.insert(node).second
                                                        : std::find(to, to + n, node) != to + n);
      if (!again) to[n++] = node;
    }
    return n;
  }

  std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> write() {
    std::vector<int64_t> facets(chunks_ + 1, 0), total(chunks_ + 1, 0);
    for_each_chunk([&](int64_t c) {
      int64_t count = 0, sum = 0;
      auto add = [&](int64_t size, int64_t use) {
        const bool first = other_[use] != kNotFirst<I> && other_[use] != kCollapsed<I>;
        count += first;
        sum += first ? size : 0;
      };
      if (repeats_) {
        for_each_use(
            c, [&](int64_t, const Facet&, const I*, int64_t size, int64_t use) { add(size, use); });
      } else {  // the sizes are known without looking at the nodes
        int64_t use = first_use_[c];
        for (int64_t m = chunk(c); m < chunk(c + 1); ++m)
          if (wanted(m))
            for_each_facet(kCellTable, cells_, m, [&](const Facet& f) { add(f.size, use++); });
      }
      facets[c + 1] = count;
      total[c + 1] = sum;
    });
    for (int64_t c = 0; c < chunks_; ++c) {
      facets[c + 1] += facets[c];
      total[c + 1] += total[c];
    }
    const int64_t count = facets[chunks_], more = static_cast<int64_t>(further_.size());
    const Tensor& like = in_.cell_nodes;
    auto fresh = [&](std::vector<int64_t> sizes) {
      return large_empty(like, std::move(sizes), ScalarType::Long);
    };
    Tensor ptr = fresh({count + 1}), nodes = fresh({total[chunks_]});
    Tensor owner = fresh({count}), neighbor = fresh({count}), further = fresh({more, 2});
    int64_t *at = mutable_indices(ptr), *to = mutable_indices(nodes);
    int64_t *own = mutable_indices(owner), *next = mutable_indices(neighbor);
    at[0] = 0;
    for_each_chunk([&](int64_t c) {
      int64_t f = facets[c], n = total[c], use = first_use_[c];
      for (int64_t m = chunk(c); m < chunk(c + 1); ++m) {
        if (!wanted(m)) continue;
        for_each_facet(kCellTable, cells_, m, [&](const Facet& facet) {
          I& other = other_[use++];
          if (other == kNotFirst<I> || other == kCollapsed<I>) return;
          n += write_nodes(facet, to + n);
          own[f] = m;
          next[f] = other == kBoundary<I> ? -1 : static_cast<int64_t>(other);
          other = static_cast<I>(f);  // from here on the facet's number
          at[++f] = n;
        });
      }
    });
    int64_t* row = mutable_indices(further);
    for (const auto& [first, use, cell] : further_) {
      *row++ = static_cast<int64_t>(other_[first]);
      *row++ = static_cast<int64_t>(cell);
    }
    return {ptr, nodes, owner, neighbor, further};
  }

  const CellInput& in_;
  const Cells& cells_;
  const int dim_;
  int64_t chunks_ = 1;
  std::vector<int64_t> first_use_;  // of each chunk
  Ranges ranges_{1, 1, 1};
  std::vector<int64_t> begin_;  // of each range, in records_
  Buffer<Record> records_;
  Buffer<I> large_;  // large sets: size, nodes
  Buffer<I> other_;  // the cell on the other side of each use
  std::vector<Further> further_;
  bool repeats_ = false;  // some facet has a node twice
};

template <typename I>
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> facets_of(const CellInput& in, int dim) {
  bool quads = false;
  for (int t = 0; t < 256; ++t) {
    const CellShape& shape = kCellTable.rows[kCellTable.row[t]];
    if (!in.present[t] || shape.dim != dim) continue;
    quads |= t == kPolyhedron;
    for (int j = 0; j < shape.facets; ++j) quads |= shape.facet_size[j] > 3;
  }
  if (quads) return Matcher<I, 4>(in, dim).run();
  return dim == 3 ? Matcher<I, 3>(in, dim).run() : Matcher<I, 2>(in, dim).run();
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> cell_facets(Tensor types, Tensor offsets,
                                                               Tensor nodes,
                                                               std::optional<Tensor> faces,
                                                               std::optional<Tensor> face_offsets,
                                                               int64_t dim) {
  STD_TORCH_CHECK(dim <= 3, "dim must be at most 3, got ", dim);
  const CellInput in = checked_cells(types, offsets, nodes, faces, face_offsets, false);
  if (dim < 0)
    for (int t = 0; t < 256; ++t)
      if (in.present[t]) dim = std::max<int64_t>(dim, kCellTable.rows[kCellTable.row[t]].dim);
  return in.narrow ? facets_of<uint32_t>(in, static_cast<int>(dim))
                   : facets_of<uint64_t>(in, static_cast<int>(dim));
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) { m.impl("cell_facets", TORCH_BOX(&cell_facets)); }

}  // namespace meshop
