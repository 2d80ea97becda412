// Exact nearest neighbours and radius search: a k-d tree of bounding boxes for each batch element.
//
// Exact to the last bit: a box's bound sums the same squares in the same order as a point's
// distance does, and rounding is monotone, so a bound never exceeds a distance inside its box.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <utility>

#include "common.h"

namespace meshop {
namespace {

constexpr int64_t kLeaf = 12;
constexpr int64_t kChunk = 256;  // queries; results never depend on it

struct Node {
  int64_t begin, end;    // slots of Forest::order
  int64_t left, right;   // children, or -1
  int64_t min_index;     // lets a tie be settled without opening the box
};

// D is the dimension where it is known at compile time (2, 3), else 0.
template <typename T, int D>
class Forest {
 public:
  Forest(const T* points, int64_t dim, const std::vector<int64_t>& ptr)
      : dim_(dim), points_(points) {
    const int64_t n = ptr.back();
    order.resize(n);
    for (int64_t i = 0; i < n; ++i) order[i] = i;
    nodes_.reserve(2 * (n / (kLeaf / 2) + static_cast<int64_t>(ptr.size())));
    for (size_t b = 0; b + 1 < ptr.size(); ++b)
      roots.push_back(ptr[b] < ptr[b + 1] ? build(ptr[b], ptr[b + 1]) : -1);
    packed_.resize(n * dim);
    for (int64_t s = 0; s < n; ++s)
      for (int64_t d = 0; d < dim; ++d) packed_[s * dim + d] = points[order[s] * dim + d];
  }

  int64_t dim() const { return D ? D : dim_; }

  // Calls search.offer(dist2, index) for every point that search.skips(bound, index) lets pass.
  template <typename Search>
  void visit(int64_t node, const T* query, Search& search) const {
    const Node& at = nodes_[node];
    if (at.left < 0) {
      for (int64_t s = at.begin; s < at.end; ++s) {
        const T* p = &packed_[s * dim()];
        T dist2 = 0;
        for (int64_t d = 0; d < dim(); ++d) dist2 += (query[d] - p[d]) * (query[d] - p[d]);
        search.offer(dist2, order[s]);
      }
      return;
    }
    int64_t near = at.left, far = at.right;
    T near2 = bound(near, query), far2 = bound(far, query);
    if (far2 < near2) {
      std::swap(near, far);
      std::swap(near2, far2);
    }
    if (!search.skips(near2, nodes_[near].min_index)) visit(near, query, search);
    if (!search.skips(far2, nodes_[far].min_index)) visit(far, query, search);
  }

  std::vector<int64_t> order;  // slot -> point
  std::vector<int64_t> roots;  // one tree per batch element

 private:
  T bound(int64_t node, const T* query) const {
    const T* lo = &boxes_[node * 2 * dim()];
    const T* hi = lo + dim();
    T sum = 0;
    for (int64_t d = 0; d < dim(); ++d) {
      const T gap = std::max(std::max(lo[d] - query[d], query[d] - hi[d]), T(0));
      sum += gap * gap;
    }
    return sum;
  }

  int64_t build(int64_t begin, int64_t end) {
    const int64_t id = static_cast<int64_t>(nodes_.size());
    nodes_.push_back({begin, end, -1, -1, order[begin]});
    boxes_.resize(boxes_.size() + 2 * dim());
    T* lo = &boxes_[id * 2 * dim()];
    T* hi = lo + dim();
    for (int64_t d = 0; d < dim(); ++d) lo[d] = hi[d] = points_[order[begin] * dim() + d];
    for (int64_t s = begin; s < end; ++s) {
      const T* p = points_ + order[s] * dim();
      nodes_[id].min_index = std::min(nodes_[id].min_index, order[s]);
      for (int64_t d = 0; d < dim(); ++d) {
        lo[d] = std::min(lo[d], p[d]);
        hi[d] = std::max(hi[d], p[d]);
      }
    }
    if (end - begin <= kLeaf) return id;
    int64_t axis = 0;
    for (int64_t d = 1; d < dim(); ++d)
      if (hi[d] - lo[d] > hi[axis] - lo[axis]) axis = d;
    // Ties by index: the halves of a pile of duplicates then have disjoint index ranges, and
    // the second is never opened.
    const int64_t mid = begin + (end - begin) / 2;
    const T* column = points_ + axis;
    std::nth_element(order.begin() + begin, order.begin() + mid, order.begin() + end,
                     [&](int64_t a, int64_t b) {
                       const T x = column[a * dim()], y = column[b * dim()];
                       return x < y || (x == y && a < b);
                     });
    const int64_t left = build(begin, mid);
    const int64_t right = build(mid, end);
    nodes_[id].left = left;
    nodes_[id].right = right;
    return id;
  }

  int64_t dim_;
  const T* points_;
  std::vector<Node> nodes_;
  std::vector<T> boxes_;   // lo, hi of each node
  std::vector<T> packed_;  // points in slot order
};

// The best `cap` points within `limit`, as a max-heap ordered by (distance, index).
template <typename T>
struct Best {
  std::vector<std::pair<T, int64_t>> heap;
  int64_t cap, self = -1, hits = 0;
  T limit;
  bool count_all;  // radius reports what its cap dropped, so it must see every hit

  bool full() const { return static_cast<int64_t>(heap.size()) >= cap; }

  bool skips(T bound, int64_t min_index) const {
    if (bound > limit) return true;
    if (count_all || !full()) return false;
    return cap == 0 || std::make_pair(bound, min_index) > heap.front();
  }

  void offer(T dist2, int64_t index) {
    if (!(dist2 <= limit) || index == self) return;
    ++hits;
    const auto item = std::make_pair(dist2, index);
    if (!full()) {
      heap.push_back(item);
      std::push_heap(heap.begin(), heap.end());
    } else if (cap > 0 && item < heap.front()) {
      std::pop_heap(heap.begin(), heap.end());
      heap.back() = item;
      std::push_heap(heap.begin(), heap.end());
    }
  }
};

std::vector<int64_t> segments(const std::optional<Tensor>& ptr, int64_t total, const char* name) {
  if (!ptr.has_value()) return {0, total};
  check_indices(*ptr, name, 1);
  STD_TORCH_CHECK(ptr->numel() >= 1, name, " must have at least one entry");
  const Tensor dense = torch::stable::contiguous(*ptr);
  check_rowptr(indices(dense), dense.numel() - 1, total, name);
  return {indices(dense), indices(dense) + dense.numel()};
}

struct Request {
  Tensor points;
  std::optional<Tensor> queries, ptr, query_ptr;
  std::optional<Tensor> r;  // one radius, or one for each query
  int64_t cap;              // most neighbours kept; < 0 for all
  double max_distance;
  bool exclude_self, count_all;
};

struct Result {
  Tensor rowptr, index, dist2, dropped;
};

template <typename T, int D>
Result search(const Request& ask) {
  const Tensor points = torch::stable::contiguous(ask.points);
  const Tensor queries = ask.queries ? torch::stable::contiguous(*ask.queries) : points;
  const int64_t n = points.size(0), dim = points.size(1), rows = queries.size(0);
  const auto ptr = segments(ask.ptr, n, "ptr");
  const auto query_ptr = ask.queries ? segments(ask.query_ptr, rows, "query_ptr") : ptr;
  STD_TORCH_CHECK(ptr.size() == query_ptr.size(), "ptr and query_ptr must have equal lengths");
  const T* p = static_cast<const T*>(points.const_data_ptr());
  const T* q = static_cast<const T*>(queries.const_data_ptr());
  bool finite = true;
  for (int64_t i = 0; i < n * dim; ++i) finite &= std::isfinite(p[i]);
  for (int64_t i = 0; i < rows * dim; ++i) finite &= std::isfinite(q[i]);
  STD_TORCH_CHECK(finite, "points and queries must be finite");

  Tensor r;
  int64_t r_stride = 0;
  if (ask.r) {
    r = torch::stable::contiguous(*ask.r);
    STD_TORCH_CHECK(r.scalar_type() == points.scalar_type(), "r must have the points' dtype");
    STD_TORCH_CHECK(r.numel() == 1 || r.numel() == rows, "r must hold 1 or ", rows, " radii");
    r_stride = r.numel() == 1 ? 0 : 1;
  }
  const T* radii = ask.r ? static_cast<const T*>(r.const_data_ptr()) : nullptr;
  for (int64_t i = 0; radii && i < r.numel(); ++i)
    STD_TORCH_CHECK(radii[i] >= 0, "r must not be negative or NaN, got ", radii[i]);
  const T reach = static_cast<T>(ask.max_distance);

  const Forest<T, D> forest(p, dim, ptr);
  Result out{empty_of(points, {rows + 1}, ScalarType::Long), Tensor(), Tensor(),
             empty_of(points, {rows}, ScalarType::Long)};
  int64_t* rowptr = mutable_indices(out.rowptr);
  int64_t* dropped = mutable_indices(out.dropped);
  std::vector<int64_t> batch_of(rows);
  for (size_t b = 0; b + 1 < query_ptr.size(); ++b)
    std::fill(batch_of.begin() + query_ptr[b], batch_of.begin() + query_ptr[b + 1], b);

  // Searches in tree order where the queries are the points: neighbours share their cache lines.
  auto query_at = [&](int64_t slot) { return ask.queries ? slot : forest.order[slot]; };
  auto find = [&](int64_t row, Best<T>& best) {
    const int64_t b = batch_of[row], inside = ptr[b + 1] - ptr[b];
    best.heap.clear();
    best.hits = 0;
    best.cap = ask.cap < 0 ? inside : std::min(ask.cap, inside);
    best.self = ask.exclude_self ? row : -1;
    const T span = radii ? radii[row * r_stride] : reach;
    best.limit = span * span;
    best.count_all = ask.count_all;
    if (forest.roots[b] >= 0) forest.visit(forest.roots[b], q + row * dim, best);
    std::sort_heap(best.heap.begin(), best.heap.end());
    dropped[row] = best.hits - static_cast<int64_t>(best.heap.size());
  };
  auto allocate = [&]() {
    out.index = empty_of(points, {rowptr[rows]}, ScalarType::Long);
    out.dist2 = empty_of(points, {rowptr[rows]}, points.scalar_type());
    return std::make_pair(mutable_indices(out.index), static_cast<T*>(out.dist2.mutable_data_ptr()));
  };
  auto store = [](const auto* found, int64_t count, int64_t* index, T* dist2) {
    for (int64_t j = 0; j < count; ++j) {
      dist2[j] = found[j].first;
      index[j] = found[j].second;
    }
  };

  rowptr[0] = 0;
  if (!radii && std::isinf(reach) && ask.cap >= 0) {  // the rows' lengths are known beforehand
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t inside = ptr[batch_of[row] + 1] - ptr[batch_of[row]] - ask.exclude_self;
      rowptr[row + 1] = rowptr[row] + std::min(ask.cap, inside);
    }
    auto [index, dist2] = allocate();
    int64_t* const to_index = index;
    T* const to_dist2 = dist2;
    torch::stable::parallel_for(0, rows, kChunk, [&](int64_t begin, int64_t end) {
      Best<T> best;
      for (int64_t slot = begin; slot < end; ++slot) {
        const int64_t row = query_at(slot);
        find(row, best);
        store(best.heap.data(), static_cast<int64_t>(best.heap.size()), to_index + rowptr[row],
              to_dist2 + rowptr[row]);
      }
    });
    return out;
  }

  // Otherwise: collect by chunk, count, then copy into place.
  const int64_t chunks = (rows + kChunk - 1) / kChunk;
  std::vector<std::vector<std::pair<T, int64_t>>> found(chunks);
  torch::stable::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
    Best<T> best;
    for (int64_t c = begin; c < end; ++c)
      for (int64_t slot = c * kChunk; slot < std::min(rows, (c + 1) * kChunk); ++slot) {
        const int64_t row = query_at(slot);
        find(row, best);
        rowptr[row + 1] = static_cast<int64_t>(best.heap.size());
        found[c].insert(found[c].end(), best.heap.begin(), best.heap.end());
      }
  });
  for (int64_t row = 0; row < rows; ++row) rowptr[row + 1] += rowptr[row];
  auto [index, dist2] = allocate();
  int64_t* const to_index = index;
  T* const to_dist2 = dist2;
  torch::stable::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const auto* from = found[c].data();
      for (int64_t slot = c * kChunk; slot < std::min(rows, (c + 1) * kChunk); ++slot) {
        const int64_t row = query_at(slot), count = rowptr[row + 1] - rowptr[row];
        store(from, count, to_index + rowptr[row], to_dist2 + rowptr[row]);
        from += count;
      }
    }
  });
  return out;
}

template <typename T>
Result search_in(const Request& ask) {
  switch (ask.points.size(1)) {
    case 2: return search<T, 2>(ask);
    case 3: return search<T, 3>(ask);
    default: return search<T, 0>(ask);
  }
}

Result search_any(const Request& ask) {
  const Tensor& p = ask.points;
  STD_TORCH_CHECK(p.dim() == 2 && p.size(1) >= 1, "points must have shape (N, D), D >= 1");
  if (ask.queries) {
    STD_TORCH_CHECK(ask.queries->dim() == 2 && ask.queries->size(1) == p.size(1),
                    "queries must have shape (Q, ", p.size(1), ")");
    STD_TORCH_CHECK(ask.queries->scalar_type() == p.scalar_type(),
                    "queries must have the points' dtype");
    STD_TORCH_CHECK(!ask.exclude_self, "exclude_self needs the points to be the queries");
  }
  if (p.scalar_type() == ScalarType::Float) return search_in<float>(ask);
  STD_TORCH_CHECK(p.scalar_type() == ScalarType::Double, "points must be float32 or float64");
  return search_in<double>(ask);
}

std::tuple<Tensor, Tensor, Tensor> knn(Tensor points, std::optional<Tensor> queries,
                                       std::optional<Tensor> ptr, std::optional<Tensor> query_ptr,
                                       int64_t k, double max_distance, bool exclude_self) {
  STD_TORCH_CHECK(k >= 0, "k must not be negative, got ", k);
  STD_TORCH_CHECK(max_distance >= 0, "max_distance must not be negative or NaN");
  Result out = search_any({points, queries, ptr, query_ptr, std::nullopt, k, max_distance,
                           exclude_self, false});
  return {out.dist2, out.rowptr, out.index};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> radius(Tensor points, std::optional<Tensor> queries,
                                                  std::optional<Tensor> ptr,
                                                  std::optional<Tensor> query_ptr, Tensor r,
                                                  int64_t max_neighbors, bool exclude_self) {
  Result out = search_any({points, queries, ptr, query_ptr, r, max_neighbors,
                           std::numeric_limits<double>::infinity(), exclude_self, true});
  return {out.dist2, out.rowptr, out.index, out.dropped};
}

template <typename T>
void backward(const Tensor& grad, const Tensor& points, const Tensor& queries, const Tensor& rowptr,
              const Tensor& index, Tensor& to_points, Tensor& to_queries) {
  const int64_t rows = queries.size(0), dim = points.size(1), n = points.size(0);
  const T* g = static_cast<const T*>(grad.const_data_ptr());
  const T* p = static_cast<const T*>(points.const_data_ptr());
  const T* q = static_cast<const T*>(queries.const_data_ptr());
  T* gp = static_cast<T*>(to_points.mutable_data_ptr());
  T* gq = static_cast<T*>(to_queries.mutable_data_ptr());
  const int64_t* row_at = indices(rowptr);
  const int64_t* col = indices(index);
  for (int64_t e = 0; e < row_at[rows]; ++e)
    STD_TORCH_CHECK(col[e] >= 0 && col[e] < n, "index must lie in [0, ", n, "), got ", col[e]);
  // One thread: several rows add to one point, and the order of a sum is part of its value.
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t e = row_at[i]; e < row_at[i + 1]; ++e)
      for (int64_t d = 0; d < dim; ++d) {
        const T slope = 2 * g[e] * (q[i * dim + d] - p[col[e] * dim + d]);
        gq[i * dim + d] += slope;
        gp[col[e] * dim + d] -= slope;
      }
}

std::tuple<Tensor, Tensor> dist2_backward(Tensor grad, Tensor points,
                                          std::optional<Tensor> queries, Tensor rowptr,
                                          Tensor index) {
  const Tensor p = torch::stable::contiguous(points);
  const Tensor q = queries ? torch::stable::contiguous(*queries) : p;
  const Tensor g = torch::stable::contiguous(grad);
  STD_TORCH_CHECK(p.dim() == 2 && q.dim() == 2 && p.size(1) == q.size(1),
                  "points and queries must have shapes (N, D) and (Q, D)");
  STD_TORCH_CHECK(g.scalar_type() == p.scalar_type() && q.scalar_type() == p.scalar_type(),
                  "grad, points and queries must share a dtype");
  check_indices(rowptr, "rowptr", 1);
  check_indices(index, "index", 1);
  STD_TORCH_CHECK(rowptr.numel() == q.size(0) + 1, "rowptr must have one entry more than queries");
  STD_TORCH_CHECK(g.dim() == 1 && g.numel() == index.numel(), "grad must have one value per edge");
  const Tensor rows = torch::stable::contiguous(rowptr);
  const Tensor cols = torch::stable::contiguous(index);
  check_rowptr(indices(rows), q.size(0), index.numel(), "rowptr");

  const auto dtype = p.scalar_type();
  Tensor to_points = torch::stable::new_zeros(p, {p.size(0), p.size(1)}, dtype);
  // Without queries the points are both ends of every edge: one buffer takes both gradients.
  Tensor to_queries =
      torch::stable::new_zeros(p, {queries ? q.size(0) : 0, p.size(1)}, dtype);
  Tensor& sink = queries ? to_queries : to_points;
  if (dtype == ScalarType::Float) {
    backward<float>(g, p, q, rows, cols, to_points, sink);
  } else {
    STD_TORCH_CHECK(dtype == ScalarType::Double, "points must be float32 or float64");
    backward<double>(g, p, q, rows, cols, to_points, sink);
  }
  return {to_points, to_queries};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("knn", TORCH_BOX(&knn));
  m.impl("radius", TORCH_BOX(&radius));
  m.impl("dist2_backward", TORCH_BOX(&dist2_backward));
}

}  // namespace meshop
