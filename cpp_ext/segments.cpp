// Reductions over CSR segments. One row is one thread's work, summed front to back, so results
// do not depend on the thread count; half precision is summed in float.
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <type_traits>

#include "common.h"

namespace meshop {
namespace {

enum class Reduce { Sum, Mean, Min, Max };

Reduce parse(const std::string& name) {
  if (name == "sum") return Reduce::Sum;
  if (name == "mean") return Reduce::Mean;
  if (name == "min") return Reduce::Min;
  STD_TORCH_CHECK(name == "max", "reduce must be sum, mean, min or max, got ", name);
  return Reduce::Max;
}

// What sums of T are carried in.
template <typename T>
using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <typename F>
void with_dtype(ScalarType dtype, F&& f) {
  switch (dtype) {
    case ScalarType::Float: return f(float{});
    case ScalarType::Double: return f(double{});
    case ScalarType::Half: return f(torch::headeronly::Half{});
    case ScalarType::BFloat16: return f(torch::headeronly::BFloat16{});
    default: STD_TORCH_CHECK(false, "values must be floating point");
  }
}

std::vector<int64_t> shape_with(const Tensor& t, int64_t rows) {
  std::vector<int64_t> shape(t.sizes().begin(), t.sizes().end());
  shape[0] = rows;
  return shape;
}

int64_t trailing(const Tensor& t) {
  int64_t count = 1;
  for (int64_t d = 1; d < t.dim(); ++d) count *= t.size(d);
  return count;
}

// Rows per task, so that a task moves at least some 32k values.
int64_t grain(int64_t rows, int64_t values) {
  return std::max<int64_t>(1, 32768 * std::max<int64_t>(rows, 1) / std::max<int64_t>(values, 1));
}

template <typename T>
void add_rows(const T* x, const int64_t* rowptr, int64_t rows, int64_t channels, bool mean, T* out,
              int64_t values) {
  torch::stable::parallel_for(0, rows, grain(rows, values), [=](int64_t begin, int64_t end) {
    std::vector<Wide<T>> sum(channels);
    for (int64_t i = begin; i < end; ++i) {
      std::fill(sum.begin(), sum.end(), Wide<T>(0));
      for (int64_t e = rowptr[i]; e < rowptr[i + 1]; ++e)
        for (int64_t c = 0; c < channels; ++c) sum[c] += static_cast<Wide<T>>(x[e * channels + c]);
      const Wide<T> count =
          mean ? static_cast<Wide<T>>(std::max<int64_t>(1, rowptr[i + 1] - rowptr[i])) : 1;
      for (int64_t c = 0; c < channels; ++c)
        out[i * channels + c] = static_cast<T>(sum[c] / count);
    }
  });
}

// `arg` is the first extreme of a segment, or the number of values where the segment is empty.
// NaN wins, as in torch.
template <typename T>
void extreme_rows(const T* x, const int64_t* rowptr, int64_t rows, int64_t channels, bool least,
                  T* out, int64_t* arg, int64_t values, int64_t none) {
  torch::stable::parallel_for(0, rows, grain(rows, values), [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T* best = out + i * channels;
      int64_t* at = arg + i * channels;
      const int64_t first = rowptr[i];
      const bool empty = first == rowptr[i + 1];
      for (int64_t c = 0; c < channels; ++c) {
        best[c] = empty ? T(0) : x[first * channels + c];
        at[c] = empty ? none : first;
      }
      for (int64_t e = first + 1; e < rowptr[i + 1]; ++e)
        for (int64_t c = 0; c < channels; ++c) {
          const T v = x[e * channels + c], old = best[c];
          const bool better = (least ? v < old : v > old) || (v != v && old == old);
          best[c] = better ? v : old;
          at[c] = better ? e : at[c];
        }
    }
  });
}

std::tuple<Tensor, Tensor> segment_reduce(Tensor values, Tensor rowptr, std::string reduce) {
  const Reduce kind = parse(reduce);
  STD_TORCH_CHECK(values.dim() >= 1, "values must have shape (E, ...)");
  check_indices(rowptr, "rowptr", 1);
  STD_TORCH_CHECK(rowptr.numel() >= 1, "rowptr must have at least one entry");
  const Tensor x = torch::stable::contiguous(values);
  const Tensor ptr = torch::stable::contiguous(rowptr);
  const int64_t rows = ptr.numel() - 1, channels = trailing(x), count = x.numel();
  check_rowptr(indices(ptr), rows, x.size(0), "rowptr");

  Tensor out = empty_of(x, shape_with(x, rows), x.scalar_type());
  const bool extreme = kind == Reduce::Min || kind == Reduce::Max;
  Tensor arg = extreme ? empty_of(x, shape_with(x, rows), ScalarType::Long)
                       : empty_of(x, {0}, ScalarType::Long);
  with_dtype(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = static_cast<const T*>(x.const_data_ptr());
    T* to = static_cast<T*>(out.mutable_data_ptr());
    if (extreme)
      extreme_rows(from, indices(ptr), rows, channels, kind == Reduce::Min, to,
                   mutable_indices(arg), count, x.size(0));
    else
      add_rows(from, indices(ptr), rows, channels, kind == Reduce::Mean, to, count);
  });
  return {out, arg};
}

Tensor segment_reduce_backward(Tensor grad, Tensor rowptr, Tensor arg, int64_t num_values,
                               std::string reduce) {
  const Reduce kind = parse(reduce);
  check_indices(rowptr, "rowptr", 1);
  STD_TORCH_CHECK(grad.dim() >= 1 && rowptr.numel() == grad.size(0) + 1,
                  "grad must have one row per segment");
  const Tensor g = torch::stable::contiguous(grad);
  const Tensor ptr = torch::stable::contiguous(rowptr);
  const int64_t rows = g.size(0), channels = trailing(g);
  const int64_t* at = indices(ptr);
  check_rowptr(at, rows, num_values, "rowptr");

  const auto shape = shape_with(g, num_values);
  const int64_t work = num_values * channels;
  if (kind == Reduce::Sum || kind == Reduce::Mean) {
    Tensor out = empty_of(g, shape, g.scalar_type());
    with_dtype(g.scalar_type(), [&](auto zero) {
      using T = decltype(zero);
      const T* from = static_cast<const T*>(g.const_data_ptr());
      T* to = static_cast<T*>(out.mutable_data_ptr());
      torch::stable::parallel_for(0, rows, grain(rows, work), [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const Wide<T> count = kind == Reduce::Mean ? static_cast<Wide<T>>(at[i + 1] - at[i]) : 1;
          for (int64_t e = at[i]; e < at[i + 1]; ++e)
            for (int64_t c = 0; c < channels; ++c)
              to[e * channels + c] =
                  static_cast<T>(static_cast<Wide<T>>(from[i * channels + c]) / count);
        }
      });
    });
    return out;
  }

  STD_TORCH_CHECK(arg.scalar_type() == ScalarType::Long && arg.numel() == g.numel(),
                  "arg must be int64 and shaped as grad");
  const Tensor winners = torch::stable::contiguous(arg);
  const int64_t* winner = indices(winners);
  Tensor out = torch::stable::new_zeros(g, shape, g.scalar_type());
  with_dtype(g.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = static_cast<const T*>(g.const_data_ptr());
    T* to = static_cast<T*>(out.mutable_data_ptr());
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t e = winner[i * channels + c];
        if (at[i] == at[i + 1]) continue;
        STD_TORCH_CHECK(e >= at[i] && e < at[i + 1], "arg must point into its own segment");
        to[e * channels + c] = from[i * channels + c];
      }
  });
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("segment_reduce", TORCH_BOX(&segment_reduce));
  m.impl("segment_reduce_backward", TORCH_BOX(&segment_reduce_backward));
}

}  // namespace meshop
