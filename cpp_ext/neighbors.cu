// Exact nearest neighbours and radius search on the GPU: one thread for each query looks at every
// point of its cloud, in index order. Compiled with -fmad=false, so distances equal the CPU's.
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_scan.cuh>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "cuda_common.h"

namespace meshop {
namespace {

template <typename T>
struct Job {
  const T* points;
  const T* queries;
  const int64_t* ptr;        // (clouds + 1,)
  const int64_t* query_ptr;  // (clouds + 1,)
  const T* radii;            // (1,) or (rows,), or null: `reach` for all
  int64_t rows, dim, clouds, r_stride, cap;
  T reach;
  bool exclude_self;

  __device__ int64_t cloud_of(int64_t row) const {
    int64_t low = 0, high = clouds;  // the last b with query_ptr[b] <= row
    while (high - low > 1) {
      const int64_t mid = (low + high) / 2;
      if (query_ptr[mid] <= row) low = mid; else high = mid;
    }
    return low;
  }

  // Calls found(dist2, index) for every point within reach of the query.
  template <typename F>
  __device__ void scan(int64_t row, F&& found) const {
    const int64_t b = cloud_of(row);
    const T span = radii ? radii[row * r_stride] : reach;
    const T limit = span * span;
    const T* q = queries + row * dim;
    for (int64_t j = ptr[b]; j < ptr[b + 1]; ++j) {
      if (exclude_self && j == row) continue;
      T dist2 = 0;
      for (int64_t d = 0; d < dim; ++d) {
        const T gap = q[d] - points[j * dim + d];
        dist2 += gap * gap;
      }
      if (dist2 <= limit) found(dist2, j);
    }
  }
};

template <typename T>
__global__ void count_kernel(Job<T> job, int64_t* rowptr, int64_t* dropped) {
  for (int64_t row = first_item(); row < job.rows; row += item_stride()) {
    int64_t hits = 0;
    job.scan(row, [&](T, int64_t) { ++hits; });
    const int64_t kept = job.cap >= 0 && hits > job.cap ? job.cap : hits;
    rowptr[row + 1] = kept;
    dropped[row] = hits - kept;
  }
}

// Keeps each row sorted while it fills. Points come by rising index, so a tie goes behind.
template <typename T>
__global__ void fill_kernel(Job<T> job, const int64_t* rowptr, int64_t* index, T* dist2) {
  for (int64_t row = first_item(); row < job.rows; row += item_stride()) {
    int64_t* at = index + rowptr[row];
    T* d2 = dist2 + rowptr[row];
    const int64_t room = rowptr[row + 1] - rowptr[row];
    int64_t count = 0;
    if (room == 0) continue;
    job.scan(row, [&](T value, int64_t j) {
      if (count == room && !(value < d2[room - 1])) return;
      int64_t slot = count < room ? count++ : room - 1;
      for (; slot > 0 && value < d2[slot - 1]; --slot) {
        d2[slot] = d2[slot - 1];
        at[slot] = at[slot - 1];
      }
      d2[slot] = value;
      at[slot] = j;
    });
  }
}

template <typename T>
__global__ void finite_kernel(const T* values, int64_t count, int64_t* bad) {
  for (int64_t i = first_item(); i < count; i += item_stride())
    if (!isfinite(values[i])) *bad = 1;
}

template <typename T>
__global__ void reach_kernel(const T* radii, int64_t count, int64_t* bad) {
  for (int64_t i = first_item(); i < count; i += item_stride())
    if (!(radii[i] >= 0)) *bad = 1;
}

__global__ void whole_kernel(int64_t* ptr, int64_t total) {
  ptr[0] = 0;
  ptr[1] = total;
}

// Runs a device-wide algorithm of CUB: once to learn how much room it needs, once to do its work.
template <typename F>
void with_scratch(const Tensor& like, F&& algorithm) {
  size_t bytes = 0;
  STD_CUDA_CHECK(algorithm(nullptr, bytes));
  Tensor scratch = empty_of(like, {static_cast<int64_t>(bytes)}, ScalarType::Byte);
  STD_CUDA_CHECK(algorithm(scratch.mutable_data_ptr(), bytes));
}

Tensor segments(const std::optional<Tensor>& ptr, const Tensor& like, int64_t total,
                const char* name) {
  if (ptr) {
    check_indices(*ptr, name, 1);
    STD_TORCH_CHECK(ptr->numel() >= 1, name, " must have at least one entry");
    Tensor dense = torch::stable::contiguous(*ptr);
    check_rowptr_cuda(dense, dense.numel() - 1, total, name);
    return dense;
  }
  Tensor whole = empty_of(like, {2}, ScalarType::Long);
  whole_kernel<<<1, 1, 0, current_stream(like)>>>(mutable_indices(whole), total);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  return whole;
}

struct Result {
  Tensor rowptr, index, dist2, dropped;
};

template <typename T>
Result search(const Tensor& points_in, const std::optional<Tensor>& queries_in,
              const std::optional<Tensor>& ptr_in, const std::optional<Tensor>& query_ptr_in,
              const std::optional<Tensor>& r_in, int64_t cap, double reach, bool exclude_self) {
  const torch::stable::accelerator::DeviceGuard guard(points_in.get_device_index());
  const Tensor points = torch::stable::contiguous(points_in);
  const Tensor queries = queries_in ? torch::stable::contiguous(*queries_in) : points;
  const int64_t n = points.size(0), rows = queries.size(0), dim = points.size(1);
  const cudaStream_t stream = current_stream(points);
  const Tensor ptr = segments(ptr_in, points, n, "ptr");
  const Tensor query_ptr = queries_in ? segments(query_ptr_in, points, rows, "query_ptr") : ptr;
  STD_TORCH_CHECK(ptr.numel() == query_ptr.numel(), "ptr and query_ptr must have equal lengths");

  const Flag bad(points, stream);
  const T* p = static_cast<const T*>(points.const_data_ptr());
  const T* q = static_cast<const T*>(queries.const_data_ptr());
  finite_kernel<<<blocks_for(n * dim + 1), kThreads, 0, stream>>>(p, n * dim, bad.raised);
  finite_kernel<<<blocks_for(rows * dim + 1), kThreads, 0, stream>>>(q, rows * dim, bad.raised);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  bad.check("points and queries must be finite");
  Tensor r;
  if (r_in) {
    r = torch::stable::contiguous(*r_in);
    STD_TORCH_CHECK(r.scalar_type() == points.scalar_type(), "r must have the points' dtype");
    STD_TORCH_CHECK(r.numel() == 1 || r.numel() == rows, "r must hold 1 or ", rows, " radii");
    reach_kernel<<<blocks_for(r.numel() + 1), kThreads, 0, stream>>>(
        static_cast<const T*>(r.const_data_ptr()), r.numel(), bad.raised);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
    bad.check("r must not be negative or NaN");
  }

  Job<T> job{p,
             q,
             indices(ptr),
             indices(query_ptr),
             r_in ? static_cast<const T*>(r.const_data_ptr()) : nullptr,
             rows,
             dim,
             ptr.numel() - 1,
             r_in && r.numel() != 1 ? 1 : 0,
             cap,
             static_cast<T>(reach),
             exclude_self};
  Result out{torch::stable::new_zeros(points, {rows + 1}, ScalarType::Long), Tensor(), Tensor(),
             torch::stable::new_zeros(points, {rows}, ScalarType::Long)};
  int64_t* rowptr = mutable_indices(out.rowptr);
  if (rows > 0) {
    count_kernel<<<blocks_for(rows), kThreads, 0, stream>>>(job, rowptr,
                                                            mutable_indices(out.dropped));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
    with_scratch(points, [&](void* scratch, size_t& bytes) {
      return cub::DeviceScan::InclusiveSum(scratch, bytes, rowptr, rowptr, rows + 1, stream);
    });
  }
  const int64_t entries = read_back(rowptr + rows, stream);
  out.index = empty_of(points, {entries}, ScalarType::Long);
  out.dist2 = empty_of(points, {entries}, points.scalar_type());
  if (entries > 0) {
    fill_kernel<<<blocks_for(rows), kThreads, 0, stream>>>(
        job, rowptr, mutable_indices(out.index), static_cast<T*>(out.dist2.mutable_data_ptr()));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  }
  return out;
}

Result search_any(const Tensor& points, const std::optional<Tensor>& queries,
                  const std::optional<Tensor>& ptr, const std::optional<Tensor>& query_ptr,
                  const std::optional<Tensor>& r, int64_t cap, double reach, bool exclude_self) {
  STD_TORCH_CHECK(points.dim() == 2 && points.size(1) >= 1, "points must have shape (N, D)");
  if (queries) {
    STD_TORCH_CHECK(queries->dim() == 2 && queries->size(1) == points.size(1) &&
                        queries->scalar_type() == points.scalar_type(),
                    "queries must have shape (Q, ", points.size(1), ") and the points' dtype");
    STD_TORCH_CHECK(!exclude_self, "exclude_self needs the points to be the queries");
  }
  if (points.scalar_type() == ScalarType::Float)
    return search<float>(points, queries, ptr, query_ptr, r, cap, reach, exclude_self);
  STD_TORCH_CHECK(points.scalar_type() == ScalarType::Double,
                  "points must be float32 or float64");
  return search<double>(points, queries, ptr, query_ptr, r, cap, reach, exclude_self);
}

std::tuple<Tensor, Tensor, Tensor> knn(Tensor points, std::optional<Tensor> queries,
                                       std::optional<Tensor> ptr, std::optional<Tensor> query_ptr,
                                       int64_t k, double max_distance, bool exclude_self) {
  STD_TORCH_CHECK(k >= 0, "k must not be negative, got ", k);
  STD_TORCH_CHECK(max_distance >= 0, "max_distance must not be negative or NaN");
  Result out = search_any(points, queries, ptr, query_ptr, std::nullopt, k, max_distance,
                          exclude_self);
  return {out.dist2, out.rowptr, out.index};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> radius(Tensor points, std::optional<Tensor> queries,
                                                  std::optional<Tensor> ptr,
                                                  std::optional<Tensor> query_ptr, Tensor r,
                                                  int64_t max_neighbors, bool exclude_self) {
  Result out = search_any(points, queries, ptr, query_ptr, r, max_neighbors,
                          std::numeric_limits<double>::infinity(), exclude_self);
  return {out.dist2, out.rowptr, out.index, out.dropped};
}

__global__ void edges_kernel(const int64_t* rowptr, const int64_t* index, int64_t rows, int64_t n,
                             int64_t* edge, int64_t* edge_row, int64_t* bad) {
  for (int64_t row = first_item(); row < rows; row += item_stride())
    for (int64_t e = rowptr[row]; e < rowptr[row + 1]; ++e) {
      if (index[e] < 0 || index[e] >= n) *bad = 1;
      edge[e] = e;
      edge_row[e] = row;
    }
}

// One thread for each coordinate of a query, and then of a point, adds its edges in their order: the
// same sum on every run.
template <typename T>
struct Slopes {
  const T *grad, *points, *queries;
  const int64_t *rowptr, *index, *edge_row;
  int64_t dim;

  __device__ T of(int64_t e, int64_t d) const {
    return 2 * grad[e] * (queries[edge_row[e] * dim + d] - points[index[e] * dim + d]);
  }
};

template <typename T>
__global__ void to_queries_kernel(Slopes<T> slopes, int64_t rows, T* out) {
  for (int64_t i = first_item(); i < rows * slopes.dim; i += item_stride()) {
    const int64_t row = i / slopes.dim, d = i % slopes.dim;
    T sum = 0;
    for (int64_t e = slopes.rowptr[row]; e < slopes.rowptr[row + 1]; ++e) sum += slopes.of(e, d);
    out[i] = sum;
  }
}

// `ends` are the edges' points in rising order, `edge` the edges in that order.
template <typename T>
__global__ void to_points_kernel(Slopes<T> slopes, const int64_t* ends, const int64_t* edge,
                                 int64_t edges, int64_t n, const T* more, T* out) {
  for (int64_t i = first_item(); i < n * slopes.dim; i += item_stride()) {
    const int64_t j = i / slopes.dim, d = i % slopes.dim;
    int64_t low = 0, high = edges;  // the first edge to j
    while (low < high) {
      const int64_t mid = (low + high) / 2;
      if (ends[mid] < j) low = mid + 1; else high = mid;
    }
    T sum = 0;
    for (; low < edges && ends[low] == j; ++low) sum -= slopes.of(edge[low], d);
    out[i] = more ? sum + more[i] : sum;
  }
}

template <typename T>
void backward(const Tensor& g, const Tensor& p, const Tensor& q, const Tensor& rowptr,
              const Tensor& index, Tensor& to_points, Tensor& to_queries, bool same) {
  const cudaStream_t stream = current_stream(p);
  const Flag bad(p, stream);
  const int64_t edges = index.numel(), rows = q.size(0), n = p.size(0), dim = p.size(1);
  if (edges == 0 || dim == 0) return;
  const Tensor numbers = empty_of(index, {4, edges}, ScalarType::Long);
  int64_t* edge = mutable_indices(numbers);
  int64_t *edge_row = edge + edges, *ends = edge_row + edges, *sorted = ends + edges;
  edges_kernel<<<blocks_for(rows), kThreads, 0, stream>>>(indices(rowptr), indices(index), rows, n,
                                                          edge, edge_row, bad.raised);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  bad.check("index must lie in the range of points");
  with_scratch(index, [&](void* scratch, size_t& bytes) {  // stable: edges stay in order
    return cub::DeviceRadixSort::SortPairs(scratch, bytes, indices(index), ends, edge, sorted, edges,
                                           0, 64, stream);
  });
  const Slopes<T> slopes{static_cast<const T*>(g.const_data_ptr()),
                         static_cast<const T*>(p.const_data_ptr()),
                         static_cast<const T*>(q.const_data_ptr()),
                         indices(rowptr),
                         indices(index),
                         edge_row,
                         dim};
  T* from_queries = static_cast<T*>(to_queries.mutable_data_ptr());
  to_queries_kernel<<<blocks_for(rows * dim), kThreads, 0, stream>>>(slopes, rows, from_queries);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  to_points_kernel<<<blocks_for(n * dim), kThreads, 0, stream>>>(
      slopes, ends, sorted, edges, n, same ? from_queries : nullptr,
      static_cast<T*>(to_points.mutable_data_ptr()));
  STD_CUDA_KERNEL_LAUNCH_CHECK();
}

std::tuple<Tensor, Tensor> dist2_backward(Tensor grad, Tensor points,
                                          std::optional<Tensor> queries, Tensor rowptr,
                                          Tensor index) {
  const torch::stable::accelerator::DeviceGuard guard(points.get_device_index());
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
  check_rowptr_cuda(rows, q.size(0), index.numel(), "rowptr");
  const auto dtype = p.scalar_type();
  Tensor to_points = torch::stable::new_zeros(p, {p.size(0), p.size(1)}, dtype);
  // The points are both ends of every edge where there are no queries.
  Tensor to_queries = torch::stable::new_zeros(p, {q.size(0), p.size(1)}, dtype);
  if (dtype == ScalarType::Float) {
    backward<float>(g, p, q, rows, cols, to_points, to_queries, !queries);
  } else {
    STD_TORCH_CHECK(dtype == ScalarType::Double, "points must be float32 or float64");
    backward<double>(g, p, q, rows, cols, to_points, to_queries, !queries);
  }
  if (!queries) to_queries = empty_of(p, {0, p.size(1)}, dtype);
  return {to_points, to_queries};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) {
  m.impl("knn", TORCH_BOX(&knn));
  m.impl("radius", TORCH_BOX(&radius));
  m.impl("dist2_backward", TORCH_BOX(&dist2_backward));
}

}  // namespace meshop
