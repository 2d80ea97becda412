// Sparse matrices as CSR: products, application to rows of channels, and Chebyshev smoothing. Each
// row is summed by one thread in the order of its entries, so threads change nothing.
#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <type_traits>

#include "csr.h"

namespace meshop {
namespace {

constexpr int64_t kGrain = 1 << 15;  // rows and entries worth a thread

template <typename T, typename I>
struct Matrix {
  const int64_t* rowptr;
  const I* index;
  const T* value;
  int64_t rows, columns;
};

// Calls f(value type, index type) for what kernels take.
template <typename F>
void with_types(ScalarType value, ScalarType index, F&& f) {
  STD_TORCH_CHECK(index == ScalarType::Int || index == ScalarType::Long,
                  "index must be int32 or int64");
  if (value == ScalarType::Float) {
    index == ScalarType::Int ? f(float{}, int32_t{}) : f(float{}, int64_t{});
  } else {
    STD_TORCH_CHECK(value == ScalarType::Double, "values must be float32 or float64");
    index == ScalarType::Int ? f(double{}, int32_t{}) : f(double{}, int64_t{});
  }
}

void check_matrix(const Tensor& rowptr, const Tensor& index, const Tensor& value) {
  check_indices(rowptr, "rowptr", 1);
  STD_TORCH_CHECK(rowptr.numel() >= 1, "rowptr must have at least one entry");
  STD_TORCH_CHECK(index.dim() == 1 && value.dim() == 1 && index.numel() == value.numel(),
                  "index and value must be 1-D, of one length");
  check_rowptr(indices(rowptr), rowptr.numel() - 1, index.numel(), "rowptr");
}

template <typename T, typename I>
Matrix<T, I> matrix(const Tensor& rowptr, const Tensor& index, const Tensor& value,
                    int64_t columns) {
  return {indices(rowptr), data<I>(index), data<T>(value), rowptr.numel() - 1, columns};
}

template <typename T, typename I>
void check_columns(const Matrix<T, I>& a, const char* name) {
  std::atomic<bool> good{true};
  torch::stable::parallel_for(0, a.rowptr[a.rows], 1 << 16, [&](int64_t begin, int64_t end) {
    bool inside = true;
    for (int64_t e = begin; e < end; ++e) inside &= (a.index[e] >= 0) & (a.index[e] < a.columns);
    if (!inside) good.store(false, std::memory_order_relaxed);
  });
  STD_TORCH_CHECK(good, name, " must lie in [0, ", a.columns, ")");
}

// sum_e value[e] x[index[e]] over row i, of one channel. A column out of range is told and left
// out; looking costs nothing beside the memory that x comes from.
template <typename T, typename I>
inline T row_sum(const Matrix<T, I>& a, int64_t i, const T* x, bool& good) {
  using U = std::make_unsigned_t<I>;
  // No int32 goes beyond the columns of a matrix that has more of them.
  constexpr int64_t kMost = sizeof(I) == 8 ? std::numeric_limits<int64_t>::max() : int64_t(1) << 31;
  const U columns = static_cast<U>(std::min(a.columns, kMost));
  const I* index = a.index;
  const T* value = a.value;
  T sum = 0;
  for (int64_t e = a.rowptr[i], end = a.rowptr[i + 1]; e < end; ++e) {
    const U j = static_cast<U>(index[e]);
    if (j >= columns) return good = false, T(0);
    sum += value[e] * x[j];
  }
  return sum;
}

// The same for `channels` of them.
template <typename T, typename I>
inline void row_sums(const Matrix<T, I>& a, int64_t i, const T* x, int64_t channels, T* sum,
                     bool& good) {
  std::fill(sum, sum + channels, T(0));
  for (int64_t e = a.rowptr[i]; e < a.rowptr[i + 1]; ++e) {
    const auto j = static_cast<uint64_t>(static_cast<int64_t>(a.index[e]));
    if (j >= static_cast<uint64_t>(a.columns)) {
      good = false;
      continue;
    }
    const T v = a.value[e];
    const T* from = x + j * channels;
    for (int64_t c = 0; c < channels; ++c) sum[c] += v * from[c];
  }
}

// Calls write(place in (rows, channels), its sum) for all rows.
template <typename T, typename I, typename Write>
void for_row_sums(const Matrix<T, I>& a, const T* x, int64_t channels, const Write& write) {
  std::atomic<bool> good{true};
  for_even_rows(a.rowptr, a.rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, channels)),
                [&](int64_t first, int64_t last) {
                  bool inside = true;
                  std::vector<T> sum(channels);
                  for (int64_t i = first; i < last; ++i) {
                    if (channels == 1) {
                      write(i, i, row_sum(a, i, x, inside));
                      continue;
                    }
                    row_sums(a, i, x, channels, sum.data(), inside);
                    for (int64_t c = 0; c < channels; ++c) write(i * channels + c, i, sum[c]);
                  }
                  if (!inside) good.store(false, std::memory_order_relaxed);
                });
  STD_TORCH_CHECK(good, "index must lie in [0, ", a.columns, ")");
}

// add + alpha A x.
Tensor csr_apply(Tensor rowptr, Tensor index, Tensor value, Tensor x, std::optional<Tensor> add,
                 double alpha) {
  const Tensor ptr = torch::stable::contiguous(rowptr), to = torch::stable::contiguous(index);
  const Tensor v = torch::stable::contiguous(value), in = torch::stable::contiguous(x);
  check_matrix(ptr, to, v);
  STD_TORCH_CHECK(in.dim() == 2 && in.scalar_type() == v.scalar_type(),
                  "x must have shape (columns, C), and the type of value");
  const int64_t rows = ptr.numel() - 1, channels = in.size(1);
  Tensor base;
  if (add) {
    STD_TORCH_CHECK(add->dim() == 2 && add->size(0) == rows && add->size(1) == channels &&
                        add->scalar_type() == v.scalar_type(),
                    "add must have shape (rows, C), and the type of value");
    base = torch::stable::contiguous(*add);
  }
  Tensor out = large_empty(v, {rows, channels}, v.scalar_type());
  with_types(v.scalar_type(), to.scalar_type(), [&](auto t, auto i) {
    using T = decltype(t);
    const auto a = matrix<T, decltype(i)>(ptr, to, v, in.size(0));
    const T* from = add ? data<T>(base) : nullptr;
    T* y = mutable_data<T>(out);
    const T factor = static_cast<T>(alpha);
    for_row_sums(a, data<T>(in), channels, [&](int64_t at, int64_t, T sum) {
      y[at] = from ? from[at] + factor * sum : factor * sum;
    });
  });
  return out;
}

// What lies on the diagonal, and the sum of absolute values, of each row.
std::tuple<Tensor, Tensor> csr_diagonal(Tensor rowptr, Tensor index, Tensor value) {
  const Tensor ptr = torch::stable::contiguous(rowptr), to = torch::stable::contiguous(index);
  const Tensor v = torch::stable::contiguous(value);
  check_matrix(ptr, to, v);
  const int64_t rows = ptr.numel() - 1;
  Tensor diagonal = empty_of(v, {rows}, v.scalar_type());
  Tensor sum = empty_of(v, {rows}, v.scalar_type());
  with_types(v.scalar_type(), to.scalar_type(), [&](auto t, auto k) {
    using T = decltype(t);
    const auto a = matrix<T, decltype(k)>(ptr, to, v, rows);
    T *on = mutable_data<T>(diagonal), *all = mutable_data<T>(sum);
    for_even_rows(a.rowptr, rows, kGrain, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        T center = 0, total = 0;
        for (int64_t e = a.rowptr[i]; e < a.rowptr[i + 1]; ++e) {
          total += std::abs(a.value[e]);
          if (a.index[e] == i) center += a.value[e];
        }
        on[i] = center;
        all[i] = total;
      }
    });
  });
  return {diagonal, sum};
}

// The smoother of the fourth kind: beta.numel() steps on A x = b from x (zero where not given).
// With z_0 = 0:  z_k = (2k-3)/(2k+1) z_{k-1} + (8k-4)/((2k+1) rho) D^-1 r_{k-1},
//                x_k = x_{k-1} + beta_k z_k,   r_k = r_{k-1} - A z_k.
// One pass over the matrix a step: the residual is brought up to date while z moves on.
template <typename T, typename I>
void smooth(const Matrix<T, I>& a, const T* scale, const T* b, const T* start, const T* beta,
            int64_t steps, double rho, int64_t channels, bool residual, T* x, T* r, T* z, T* next) {
  const int64_t total = a.rows * channels;
  for (int64_t k = 1; k <= steps; ++k) {
    const double down = 2.0 * static_cast<double>(k) + 1;
    const T keep = static_cast<T>((down - 4) / down), weight = beta[k - 1];
    const T gain = static_cast<T>((4 * down - 8) / (down * rho));
    if (k > 1) {
      for_row_sums(a, z, channels, [&](int64_t at, int64_t row, T sum) {
        r[at] -= sum;
        next[at] = keep * z[at] + gain * scale[row] * r[at];
        x[at] += weight * next[at];
      });
    } else {
      if (start) {
        for_row_sums(a, start, channels, [&](int64_t at, int64_t, T sum) { r[at] = b[at] - sum; });
      } else {
        std::copy(b, b + total, r);
        std::fill(x, x + total, T(0));
      }
      torch::stable::parallel_for(0, a.rows, kGrain, [&](int64_t first, int64_t last) {
        for (int64_t row = first; row < last; ++row) {
          for (int64_t at = row * channels; at < (row + 1) * channels; ++at) {
            next[at] = gain * scale[row] * r[at];
            x[at] += weight * next[at];
          }
        }
      });
    }
    std::swap(z, next);
  }
  // r is that of beta = 1.
  if (residual)
    for_row_sums(a, x, channels, [&](int64_t at, int64_t, T sum) { r[at] = b[at] - sum; });
}

std::tuple<Tensor, Tensor> chebyshev(Tensor rowptr, Tensor index, Tensor value, Tensor scale,
                                     Tensor b, std::optional<Tensor> x, Tensor beta, double rho,
                                     bool residual) {
  const Tensor ptr = torch::stable::contiguous(rowptr), to = torch::stable::contiguous(index);
  const Tensor v = torch::stable::contiguous(value), d = torch::stable::contiguous(scale);
  const Tensor rhs = torch::stable::contiguous(b), factors = torch::stable::contiguous(beta);
  check_matrix(ptr, to, v);
  const int64_t rows = ptr.numel() - 1;
  STD_TORCH_CHECK(d.dim() == 1 && d.numel() == rows && rhs.dim() == 2 && rhs.size(0) == rows,
                  "scale must have one entry a row, and b shape (rows, C)");
  STD_TORCH_CHECK(factors.dim() == 1 && factors.numel() >= 1, "beta must have an entry a step");
  for (const Tensor* t : {&d, &rhs, &factors})
    STD_TORCH_CHECK(t->scalar_type() == v.scalar_type(), "scale, b, beta must be of value's type");
  const int64_t channels = rhs.size(1);
  Tensor out = large_empty(v, {rows, channels}, v.scalar_type());
  if (x) {
    STD_TORCH_CHECK(x->dim() == 2 && x->size(0) == rows && x->size(1) == channels &&
                        x->scalar_type() == v.scalar_type(),
                    "x must be like b");
    torch::stable::copy_(out, *x);
  }
  Tensor r = large_empty(v, {rows, channels}, v.scalar_type());
  const Tensor z = large_empty(v, {rows, channels}, v.scalar_type());
  const Tensor next = large_empty(v, {rows, channels}, v.scalar_type());
  with_types(v.scalar_type(), to.scalar_type(), [&](auto t, auto i) {
    using T = decltype(t);
    const auto a = matrix<T, decltype(i)>(ptr, to, v, rows);
    T* const solution = mutable_data<T>(out);
    smooth(a, data<T>(d), data<T>(rhs), x ? solution : nullptr, data<T>(factors), factors.numel(),
           rho, channels, residual, solution, mutable_data<T>(r), mutable_data<T>(z),
           mutable_data<T>(next));
  });
  if (!residual) r = empty_of(v, {0, channels}, v.scalar_type());
  return {out, r};
}

// Row i of A B: (column << 32 | place) in `column`, and added to `sum` by place; returns how many.
// `place` holds where a column was when it was last seen, in whatever row. Whether a column is new
// is a coin toss to a processor, so nothing branches on it.
template <typename T, typename I>
inline uint64_t product_row(const Matrix<T, I>& a, const Matrix<T, I>& b, int64_t i,
                            uint32_t* __restrict place, uint64_t* __restrict column,
                            T* __restrict sum) {
  uint64_t size = 0;
  const I* __restrict index = b.index;
  const T* __restrict value = b.value;
  for (int64_t e = a.rowptr[i], end = a.rowptr[i + 1]; e < end; ++e) {
    const T factor = a.value[e];
    for (int64_t f = b.rowptr[a.index[e]], stop = b.rowptr[a.index[e] + 1]; f < stop; ++f) {
      const auto j = static_cast<uint64_t>(index[f]);
      const uint64_t known = place[j];
      const uint64_t fresh = (known >= size) | ((column[known] >> 32) != j);
      const uint64_t at = known + (size - known) * fresh;
      place[j] = static_cast<uint32_t>(at);
      column[at] = (j << 32) | at;
      sum[at] += factor * value[f];
      size += fresh;
    }
  }
  return size;
}

// Rows are counted first and then filled: that is less work than memory that grows.
template <typename T, typename I>
std::tuple<Tensor, Tensor, Tensor> product(const Matrix<T, I>& a, const Matrix<T, I>& b,
                                           const Tensor& rowptr_a, const Tensor& index_a,
                                           const Tensor& value_a, bool sort) {
  Tensor rowptr = empty_of(rowptr_a, {a.rows + 1}, ScalarType::Long);
  int64_t* ptr = mutable_indices(rowptr);
  ptr[0] = 0;
  for_even_rows(a.rowptr, a.rows, kGrain, [&](int64_t first, int64_t last) {
    std::vector<uint32_t> seen(b.columns);  // the row, counted from 1, that had a column last
    for (int64_t i = first; i < last; ++i) {
      const auto mark = static_cast<uint32_t>(i - first + 1);
      int64_t size = 0;
      for (int64_t e = a.rowptr[i]; e < a.rowptr[i + 1]; ++e) {
        for (int64_t f = b.rowptr[a.index[e]], end = b.rowptr[a.index[e] + 1]; f < end; ++f) {
          size += seen[b.index[f]] != mark;
          seen[b.index[f]] = mark;
        }
      }
      ptr[i + 1] = size;
    }
  });
  for (int64_t i = 0; i < a.rows; ++i) ptr[i + 1] += ptr[i];
  Tensor index = large_empty(index_a, {ptr[a.rows]}, index_a.scalar_type());
  Tensor value = large_empty(value_a, {ptr[a.rows]}, value_a.scalar_type());
  I* to = mutable_data<I>(index);
  T* out = mutable_data<T>(value);
  for_even_rows(a.rowptr, a.rows, kGrain, [&](int64_t first, int64_t last) {
    std::vector<uint32_t> place(b.columns);
    std::vector<uint64_t> column(b.columns + 1);
    std::vector<T> sum(b.columns + 1);
    for (int64_t i = first; i < last; ++i) {
      const uint64_t size = product_row(a, b, i, place.data(), column.data(), sum.data());
      if (sort) std::sort(column.begin(), column.begin() + size);
      for (uint64_t at = 0; at < size; ++at) {
        to[ptr[i] + at] = static_cast<I>(column[at] >> 32);
        T& total = sum[column[at] & 0xFFFFFFFFu];
        out[ptr[i] + at] = total;
        total = 0;
      }
    }
  });
  return {rowptr, index, value};
}

std::tuple<Tensor, Tensor, Tensor> csr_matmul(Tensor rowptr_a, Tensor index_a, Tensor value_a,
                                              Tensor rowptr_b, Tensor index_b, Tensor value_b,
                                              int64_t num_columns, bool sort) {
  const auto dense = [](const Tensor& t) { return torch::stable::contiguous(t); };
  const Tensor pa = dense(rowptr_a), ia = dense(index_a), va = dense(value_a);
  const Tensor pb = dense(rowptr_b), ib = dense(index_b), vb = dense(value_b);
  check_matrix(pa, ia, va);
  check_matrix(pb, ib, vb);
  STD_TORCH_CHECK(va.scalar_type() == vb.scalar_type() && ia.scalar_type() == ib.scalar_type(),
                  "values must be of one type, and indices too");
  constexpr int64_t kMost = (int64_t(1) << 32) - 2;  // columns and rows are 32-bit numbers inside
  STD_TORCH_CHECK(num_columns >= 0 && num_columns < kMost && pa.numel() < kMost,
                  "num_columns and rows must be in [0, ", kMost, ")");
  const int64_t inner = pb.numel() - 1;
  std::tuple<Tensor, Tensor, Tensor> out;
  with_types(va.scalar_type(), ia.scalar_type(), [&](auto t, auto i) {
    using T = decltype(t);
    using I = decltype(i);
    const auto a = matrix<T, I>(pa, ia, va, inner), b = matrix<T, I>(pb, ib, vb, num_columns);
    check_columns(a, "index_a");
    check_columns(b, "index_b");
    out = product<T, I>(a, b, pa, ia, va, sort);
  });
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("csr_apply", TORCH_BOX(&csr_apply));
  m.impl("csr_diagonal", TORCH_BOX(&csr_diagonal));
  m.impl("chebyshev", TORCH_BOX(&chebyshev));
  m.impl("csr_matmul", TORCH_BOX(&csr_matmul));
}

}  // namespace meshop
