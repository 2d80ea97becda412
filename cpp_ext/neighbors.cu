// Exact nearest neighbours and radius search on the GPU: arguments, order of work and outputs. The
// searches are in neighbors_search.cuh, the trees in kdtree.cuh.
#include <cmath>
#include <limits>
#include <tuple>

#include "neighbors_search.cuh"

namespace meshop {
namespace {

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

template <typename T>
__global__ void finite_kernel(const T* values, int64_t count, int64_t* bad) {
  for (int64_t i = first_item(); i < count; i += item_stride())
    if (!(values[i] - values[i] == 0)) *bad = 1;
}

template <typename T>
__global__ void positive_kernel(const T* values, int64_t count, int64_t* bad) {
  for (int64_t i = first_item(); i < count; i += item_stride())
    if (!(values[i] > 0)) *bad = 1;
}

template <typename T>
__global__ void radii_kernel(const T* values, int64_t count, int64_t* bad) {
  for (int64_t i = first_item(); i < count; i += item_stride())
    if (!(values[i] >= 0) || isinf(values[i] * values[i]) != isinf(values[i])) *bad = 1;
}

template <typename T>
__global__ void wrap_kernel(const T* points, int64_t count, int64_t dim, const T* box, T* out) {
  for (int64_t i = first_item(); i < count; i += item_stride()) {
    const T x = points[i], period = box[i % dim];
    if (isinf(period)) {
      out[i] = x;
      continue;
    }
    const T inside = x - std::floor(x / period) * period;
    out[i] = inside >= 0 && inside < period ? inside : T(0);  // rounding may reach the far side
  }
}

// Points as the search reads them: finite, contiguous, within the periodic box if there is one.
template <typename T>
Tensor prepared(const Tensor& points, const T* box) {
  const Tensor dense = torch::stable::contiguous(points);
  const cudaStream_t stream = current_stream(dense);
  const int64_t count = dense.numel();
  if (count == 0) return dense;
  const T* x = data<T>(dense);
  const Flag bad(dense, stream);
  finite_kernel<<<blocks_for(count), kThreads, 0, stream>>>(x, count, bad.raised);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  bad.check("points and queries must be finite");
  if (!box) return dense;
  Tensor wrapped = empty_of(dense, {dense.size(0), dense.size(1)}, dense.scalar_type());
  wrap_kernel<<<blocks_for(count), kThreads, 0, stream>>>(x, count, dense.size(1), box,
                                                          mutable_data<T>(wrapped));
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  return wrapped;
}

template <typename T>
void check_values(void (*kernel)(const T*, int64_t, int64_t*), const Tensor& values,
                  const char* message) {
  if (values.numel() == 0) return;
  const cudaStream_t stream = current_stream(values);
  const Flag bad(values, stream);
  kernel<<<blocks_for(values.numel()), kThreads, 0, stream>>>(data<T>(values), values.numel(),
                                                              bad.raised);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  bad.check(message);
}

// The lengths of rows that nothing but k and the cloud's size limits, one place on.
__global__ void length_kernel(const int64_t* ptr, const int64_t* query_ptr, int64_t clouds,
                              int64_t rows, int64_t k, bool exclude_self, int64_t* lengths) {
  for (int64_t row = first_item(); row < rows; row += item_stride()) {
    const int64_t b = row_of(query_ptr, clouds, row);
    const int64_t others = ptr[b + 1] - ptr[b] - exclude_self;
    lengths[row] = others < 0 ? 0 : others < k ? others : k;
  }
}

template <typename T, typename Top, int D>
void launch(const Ask<T>& ask, const Rows<T>& rows, cudaStream_t stream) {
  const int64_t blocks = (ask.queries.leaves * kWarp + kSearchThreads - 1) / kSearchThreads;
  const int grid = static_cast<int>(std::min<int64_t>(blocks, 1 << 20));
  search_kernel<T, D, Top><<<grid, kSearchThreads, 0, stream>>>(ask, rows);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
}

template <typename T, typename Top>
void search(const Ask<T>& ask, const Rows<T>& rows, cudaStream_t stream) {
  switch (ask.points.dim) {
    case 2: return launch<T, Top, 2>(ask, rows, stream);
    case 3: return launch<T, Top, 3>(ask, rows, stream);
    default: return launch<T, Top, 0>(ask, rows, stream);
  }
}

// Fills rows of known lengths, sorted. Where there is a cap, no row is longer than `most`.
template <typename T>
void fill(const Ask<T>& ask, Rows<T> rows, int64_t most, cudaStream_t stream) {
  if (rows.cap >= 0 && most <= 64) {
    rows.cap = most;
    if (most <= 8) return search<T, Best<T, 8>>(ask, rows, stream);
    if (most <= 16) return search<T, Best<T, 16>>(ask, rows, stream);
    if (most <= 32) return search<T, Best<T, 32>>(ask, rows, stream);
    return search<T, Best<T, 64>>(ask, rows, stream);
  }
  search<T, Heap<T>>(ask, rows, stream);
  const int64_t count = ask.queries.size;
  sort_kernel<T, false><<<blocks_for(count * kWarp), kThreads, 0, stream>>>(rows.rowptr, count,
                                                                            rows.dist2, rows.index);
  sort_kernel<T, true>
      <<<static_cast<int>(std::min<int64_t>(count, 1 << 14)), kThreads, 0, stream>>>(
          rows.rowptr, count, rows.dist2, rows.index);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
}

template <typename T>
Result search_in(const Request& request) {
  const OnDevice guard(request.points, request.queries, request.ptr, request.query_ptr, request.box,
                       request.r);
  const int64_t n = request.points.size(0), dim = request.points.size(1);
  const cudaStream_t stream = current_stream(request.points);
  const T reach = static_cast<T>(request.max_distance);
  STD_TORCH_CHECK(std::isinf(reach) || !std::isinf(reach * reach),
                  "the square of a distance overflows its dtype, got ", reach);
  Tensor box, r;
  if (request.box) {
    box = torch::stable::contiguous(*request.box);
    STD_TORCH_CHECK(box.scalar_type() == request.points.scalar_type() && box.numel() == dim,
                    "box must hold ", dim, " periods of the points' dtype");
    check_values(positive_kernel<T>, box, "box must hold positive periods");
  }
  const T* periods = request.box ? data<T>(box) : nullptr;
  const Tensor points = prepared<T>(request.points, periods);
  const Tensor queries = request.queries ? prepared<T>(*request.queries, periods) : points;
  const int64_t rows = queries.size(0);
  const Tensor ptr = cloud_ptr_cuda(request.ptr, points, n, "ptr");
  const Tensor query_ptr =
      request.queries ? cloud_ptr_cuda(request.query_ptr, points, rows, "query_ptr") : ptr;
  STD_TORCH_CHECK(ptr.numel() == query_ptr.numel(), "ptr and query_ptr must have equal lengths");
  if (request.r) {
    r = torch::stable::contiguous(*request.r);
    STD_TORCH_CHECK(r.scalar_type() == points.scalar_type(), "r must have the points' dtype");
    STD_TORCH_CHECK(r.numel() == 1 || r.numel() == rows, "r must hold 1 or ", rows, " radii");
    check_values(radii_kernel<T>, r, "r must not be negative or NaN, nor its square overflow");
  }

  Result out{torch::stable::new_zeros(points, {rows + 1}, ScalarType::Long),
             empty_of(points, {0}, ScalarType::Long), empty_of(points, {0}, points.scalar_type()),
             empty_of(points, {request.r ? rows : 0}, ScalarType::Long)};
  if (rows == 0) return out;
  const Tree<T> tree(points, ptr);
  const Tree<T> query_tree = request.queries ? Tree<T>(queries, query_ptr) : Tree<T>();
  const Ask<T> ask{tree.view,
                   request.queries ? query_tree.view : tree.view,
                   periods,
                   request.r ? data<T>(r) : nullptr,
                   request.r && r.numel() != 1 ? 1 : 0,
                   static_cast<T>(request.max_distance),
                   request.exclude_self};
  int64_t* rowptr = mutable_indices(out.rowptr);
  Rows<T> to{rowptr, nullptr, nullptr, nullptr, request.cap};
  if (request.r) {
    to.dropped = mutable_indices(out.dropped);
    search<T, Count<T, false>>(ask, to, stream);
  } else if (std::isinf(ask.max_distance * ask.max_distance)) {
    length_kernel<<<blocks_for(rows), kThreads, 0, stream>>>(indices(ptr), indices(query_ptr),
                                                             tree.view.clouds, rows, request.cap,
                                                             request.exclude_self, rowptr + 1);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  } else {
    search<T, Count<T, true>>(ask, to, stream);
  }
  with_storage(points, [&](void* storage, size_t& bytes) {
    return cub::DeviceScan::InclusiveSum(storage, bytes, rowptr, rowptr, rows + 1, stream);
  });
  const int64_t entries = read_back(rowptr + rows, stream);
  if (entries == 0) return out;
  out.index = empty_of(points, {entries}, ScalarType::Long);
  out.dist2 = empty_of(points, {entries}, points.scalar_type());
  to.index = mutable_indices(out.index);
  to.dist2 = mutable_data<T>(out.dist2);
  fill(ask, to, std::min(request.cap, tree.most_points()), stream);
  return out;
}

Result search_any(const Request& request) {
  const Tensor& points = request.points;
  STD_TORCH_CHECK(points.dim() == 2 && points.size(1) >= 1, "points must have shape (N, D)");
  if (request.queries) {
    STD_TORCH_CHECK(request.queries->dim() == 2 && request.queries->size(1) == points.size(1) &&
                        request.queries->scalar_type() == points.scalar_type(),
                    "queries must have shape (Q, ", points.size(1), ") and the points' dtype");
    STD_TORCH_CHECK(!request.exclude_self, "exclude_self needs the points to be the queries");
  }
  if (points.scalar_type() == ScalarType::Float) return search_in<float>(request);
  STD_TORCH_CHECK(points.scalar_type() == ScalarType::Double, "points must be float32 or float64");
  return search_in<double>(request);
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

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) {
  m.impl("knn", TORCH_BOX(&knn));
  m.impl("radius", TORCH_BOX(&radius));
}

}  // namespace meshop
