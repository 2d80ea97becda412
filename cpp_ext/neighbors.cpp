// Exact nearest neighbours and radius search: arguments, order of work and outputs. The searches
// themselves are in search_impl.h, the trees in kdtree.h.
#include <cmath>
#include <limits>
#include <tuple>

#include "csr.h"
#include "neighbors_input.h"
#include "search.h"

namespace meshop {
namespace {

constexpr int64_t kChunk = 16;  // leaves of queries; results never depend on it

struct Request {
  Tensor points;
  std::optional<Tensor> queries, ptr, query_ptr, box;
  std::optional<Tensor> r;  // one radius, or one for each query
  int64_t cap;              // most neighbours kept; < 0 for all
  double max_distance;
  bool exclude_self;
};

struct Result {
  Tensor rowptr, index, dist2, dropped;
};

// Points as the search reads them: finite, contiguous, within the periodic box if there is one.
template <typename T>
Tensor prepared(const Tensor& points, const T* box) {
  const Tensor dense = torch::stable::contiguous(points);
  const int64_t dim = dense.size(1), total = dense.numel();
  const T* x = data<T>(dense);
  std::vector<char> bad(total / 65536 + 1, 0);
  torch::stable::parallel_for(0, bad.size(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      T probe = 0;  // x - x is 0 where x is finite, else NaN
      for (int64_t i = c * 65536; i < std::min(total, (c + 1) * 65536); ++i) {
        const T zero = x[i] - x[i];
        probe = zero == 0 ? probe : T(1);
      }
      bad[c] = probe != 0;
    }
  });
  for (const char b : bad) STD_TORCH_CHECK(!b, "points and queries must be finite");
  if (!box) return dense;
  Tensor wrapped = empty_of(dense, {dense.size(0), dim}, dense.scalar_type());
  T* to = mutable_data<T>(wrapped);
  torch::stable::parallel_for(0, dense.size(0), 4096, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin * dim; i < end * dim; ++i) {
      const T period = box[i % dim];
      if (std::isinf(period)) {
        to[i] = x[i];
        continue;
      }
      const T inside = x[i] - std::floor(x[i] / period) * period;
      to[i] = inside >= 0 && inside < period ? inside : T(0);  // rounding may reach the far side
    }
  });
  return wrapped;
}

// Squares that overflow would all look alike.
template <typename T>
void check_extent(const Trees<T>& points, const Trees<T>& queries) {
  T sum = 0;
  for (int64_t d = 0; d < points.dim; ++d) {
    T low = std::numeric_limits<T>::max(), high = std::numeric_limits<T>::lowest();
    for (const Trees<T>* trees : {&points, &queries})
      for (int64_t b = 0; b + 1 < static_cast<int64_t>(trees->leaf_ptr.size()); ++b) {
        if (trees->leaf_ptr[b] == trees->leaf_ptr[b + 1]) continue;
        low = std::min(low, trees->lo(trees->root(b))[d]);
        high = std::max(high, trees->hi(trees->root(b))[d]);
      }
    if (low <= high) sum += (high - low) * (high - low);
  }
  STD_TORCH_CHECK(std::isfinite(sum), "squared distances overflow the points' dtype");
}

template <typename T>
Result search_in(const Request& ask) {
  const int64_t n = ask.points.size(0), dim = ask.points.size(1);
  Tensor box;
  if (ask.box) {
    box = torch::stable::contiguous(*ask.box);
    STD_TORCH_CHECK(box.scalar_type() == ask.points.scalar_type() && box.numel() == dim,
                    "box must hold ", dim, " periods of the points' dtype");
  }
  const T* periods = ask.box ? data<T>(box) : nullptr;
  for (int64_t d = 0; periods && d < dim; ++d)
    STD_TORCH_CHECK(periods[d] > 0, "box must hold positive periods, got ", periods[d]);
  const Tensor points = prepared<T>(ask.points, periods);
  const Tensor queries = ask.queries ? prepared<T>(*ask.queries, periods) : points;
  const int64_t rows = queries.size(0);
  const auto ptr = cloud_ptr(ask.ptr, n, "ptr");
  const auto query_ptr = ask.queries ? cloud_ptr(ask.query_ptr, rows, "query_ptr") : ptr;
  STD_TORCH_CHECK(ptr.size() == query_ptr.size(), "ptr and query_ptr must have equal lengths");
  const int64_t clouds = static_cast<int64_t>(ptr.size()) - 1;

  const auto squared = [](T reach) {
    const T square = reach * reach;
    STD_TORCH_CHECK(std::isinf(square) == std::isinf(reach),
                    "the square of a distance overflows its dtype, got ", reach);
    return square;
  };
  std::vector<T> limit2(1, squared(static_cast<T>(ask.max_distance)));
  if (ask.r) {
    const Tensor r = torch::stable::contiguous(*ask.r);
    STD_TORCH_CHECK(r.scalar_type() == points.scalar_type(), "r must have the points' dtype");
    STD_TORCH_CHECK(r.numel() == 1 || r.numel() == rows, "r must hold 1 or ", rows, " radii");
    const T* radii = data<T>(r);
    limit2.resize(r.numel());
    for (int64_t i = 0; i < r.numel(); ++i) {
      STD_TORCH_CHECK(radii[i] >= 0, "r must not be negative or NaN, got ", radii[i]);
      limit2[i] = squared(radii[i]);
    }
  }

  const Trees<T> tree = build_trees(data<T>(points), dim, ptr);
  const Trees<T> query_tree =
      ask.queries ? build_trees(data<T>(queries), dim, query_ptr) : Trees<T>();
  const Trees<T>& from = ask.queries ? query_tree : tree;
  check_extent(tree, from);
  const Search<T> search{
      &tree,           &from, periods, limit2.data(), limit2.size() == 1 && rows != 1 ? 0 : 1,
      ask.exclude_self};
  Result out{empty_of(points, {rows + 1}, ScalarType::Long), Tensor(), Tensor(),
             torch::stable::new_zeros(points, {rows}, ScalarType::Long)};
  int64_t* rowptr = mutable_indices(out.rowptr);
  int64_t* dropped = mutable_indices(out.dropped);
  auto allocate = [&]() {
    out.index = large_empty(points, {rowptr[rows]}, ScalarType::Long);
    out.dist2 = large_empty(points, {rowptr[rows]}, points.scalar_type());
  };
  rowptr[0] = 0;
  int64_t most = 0;
  for (int64_t b = 0; b < clouds; ++b) most = std::max(most, ptr[b + 1] - ptr[b]);
  const int64_t k = std::min(ask.cap, most);

  if (!ask.r && (std::isinf(limit2[0]) || k <= 0)) {  // the rows' lengths are known beforehand
    for (int64_t b = 0; b < clouds; ++b) {
      const int64_t each =
          std::max<int64_t>(0, std::min(ask.cap, ptr[b + 1] - ptr[b] - ask.exclude_self));
      for (int64_t row = query_ptr[b]; row < query_ptr[b + 1]; ++row)
        rowptr[row + 1] = rowptr[row] + each;
    }
    allocate();
    if (rowptr[rows] == 0) return out;
    T* const dist2 = mutable_data<T>(out.dist2);
    int64_t* const index = mutable_indices(out.index);
    torch::stable::parallel_for(0, from.leaves(), kChunk, [&](int64_t begin, int64_t end) {
      nearest<T>(search, k, begin, end, rowptr, dist2, index, nullptr, nullptr);
    });
    return out;
  }

  // Otherwise: collect by chunk, count, then copy into place.
  const int64_t chunks = (from.leaves() + kChunk - 1) / kChunk;
  std::vector<Found<T>> found(chunks);
  torch::stable::parallel_for(0, chunks, 1, [&](int64_t first, int64_t last) {
    for (int64_t c = first; c < last; ++c) {
      const int64_t begin = c * kChunk, end = std::min(from.leaves(), begin + kChunk);
      if (ask.r) {
        within(search, ask.cap, begin, end, rowptr + 1, dropped, &found[c]);
      } else {
        nearest<T>(search, k, begin, end, nullptr, nullptr, nullptr, rowptr + 1, &found[c]);
      }
    }
  });
  for (int64_t row = 0; row < rows; ++row) rowptr[row + 1] += rowptr[row];
  allocate();
  T* const dist2 = mutable_data<T>(out.dist2);
  int64_t* const index = mutable_indices(out.index);
  torch::stable::parallel_for(0, chunks, 1, [&](int64_t first, int64_t last) {
    int64_t b = 0;
    for (int64_t c = first; c < last; ++c) {
      int64_t at = 0;
      const int64_t last_leaf = std::min(from.leaves(), (c + 1) * kChunk);
      for (int64_t leaf = c * kChunk; leaf < last_leaf; ++leaf) {
        while (leaf >= from.leaf_ptr[b + 1]) ++b;
        const uint32_t* const local = from.index.get() + leaf * kLeaf;
        int64_t start[kLeaf], size[kLeaf];
        int count = 0;
        for (; count < kLeaf && local[count] != kNobody; ++count) {  // rows lie far apart
          const int64_t row = query_ptr[b] + local[count];
          start[count] = rowptr[row];
          size[count] = rowptr[row + 1] - start[count];
          for (int64_t e = 0; e < std::min<int64_t>(size[count], 64); e += 8)
            __builtin_prefetch(index + start[count] + e, 1);
          for (int64_t e = 0; e < std::min<int64_t>(size[count], 64); e += 16)
            __builtin_prefetch(dist2 + start[count] + e, 1);
        }
        for (int i = 0; i < count; ++i)
          for (int64_t e = start[i]; e < start[i] + size[i]; ++e, ++at) {
            dist2[e] = found[c].dist2[at];
            index[e] = ptr[b] + found[c].index[at];
          }
      }
      found[c] = Found<T>();
    }
  });
  return out;
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
                                       std::optional<Tensor> box, int64_t k, double max_distance,
                                       bool exclude_self) {
  STD_TORCH_CHECK(k >= 0, "k must not be negative, got ", k);
  STD_TORCH_CHECK(max_distance >= 0, "max_distance must not be negative or NaN");
  Result out = search_any(
      {points, queries, ptr, query_ptr, box, std::nullopt, k, max_distance, exclude_self});
  return {out.dist2, out.rowptr, out.index};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> radius(Tensor points, std::optional<Tensor> queries,
                                                  std::optional<Tensor> ptr,
                                                  std::optional<Tensor> query_ptr,
                                                  std::optional<Tensor> box, Tensor r,
                                                  int64_t max_neighbors, bool exclude_self) {
  Result out = search_any({points, queries, ptr, query_ptr, box, r, max_neighbors,
                           std::numeric_limits<double>::infinity(), exclude_self});
  return {out.dist2, out.rowptr, out.index, out.dropped};
}

// Slopes 2 g (q - p + offset) of the squared distances, summed at both ends of each edge.
template <typename T>
void add_slopes(const SlopeInput& in) {
  const int64_t rows = in.queries.size(0), dim = in.points.size(1), n = in.points.size(0);
  const T *g = data<T>(in.grad), *p = data<T>(in.points), *q = data<T>(in.queries);
  const T* offset = data<T>(in.offset);
  const int64_t *rowptr = indices(in.rowptr), *index = indices(in.index);
  T *to_points = mutable_data<T>(in.to_points), *to_rows = mutable_data<T>(in.to_rows);
  auto slope = [=](int64_t i, int64_t e, int64_t d) {
    const T gap = q[i * dim + d] - p[index[e] * dim + d];
    return 2 * g[e] * (offset ? gap + offset[e * dim + d] : gap);
  };
  torch::stable::parallel_for(0, rows, 1024, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t e = rowptr[i]; e < rowptr[i + 1]; ++e)
        for (int64_t d = 0; d < dim; ++d) to_rows[i * dim + d] += slope(i, e, d);
  });
  // Several rows add to one point, and the order of a sum is part of its value.
  const Buffer<int64_t> first(n + 1), row(rowptr[rows]), edge(rowptr[rows]);
  transpose(rowptr, rows, index, 0, n, first.get(), row.get(), edge.get());
  torch::stable::parallel_for(0, n, 1024, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j)
      for (int64_t e = first[j]; e < first[j + 1]; ++e)
        for (int64_t d = 0; d < dim; ++d) to_points[j * dim + d] -= slope(row[e], edge[e], d);
  });
}

std::tuple<Tensor, Tensor> dist2_backward(Tensor grad, Tensor points, std::optional<Tensor> queries,
                                          std::optional<Tensor> offset, Tensor rowptr,
                                          Tensor index) {
  const SlopeInput in(grad, points, queries, offset, rowptr, index);
  check_rowptr(indices(in.rowptr), in.queries.size(0), in.index.numel(), "rowptr");
  check_range(indices(in.index), in.index.numel(), 0, in.points.size(0), "index");
  (in.points.scalar_type() == ScalarType::Float ? add_slopes<float> : add_slopes<double>)(in);
  return {in.to_points, in.to_queries};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("knn", TORCH_BOX(&knn));
  m.impl("radius", TORCH_BOX(&radius));
  m.impl("dist2_backward", TORCH_BOX(&dist2_backward));
}

}  // namespace meshop
