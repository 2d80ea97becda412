// Reductions over CSR segments on the GPU: one thread for each (row, channel), summed front to back,
// so that results are the same on every run.
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <type_traits>

#include "cuda_common.h"

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

template <typename T>
__global__ void add_kernel(const T* x, const int64_t* rowptr, int64_t rows, int64_t channels,
                           bool mean, T* out) {
  for (int64_t i = first_item(); i < rows * channels; i += item_stride()) {
    const int64_t row = i / channels, c = i % channels;
    Wide<T> sum = 0;
    for (int64_t e = rowptr[row]; e < rowptr[row + 1]; ++e)
      sum += static_cast<Wide<T>>(x[e * channels + c]);
    const int64_t count = rowptr[row + 1] - rowptr[row];
    out[i] = static_cast<T>(mean && count > 1 ? sum / static_cast<Wide<T>>(count) : sum);
  }
}

template <typename T>
__global__ void extreme_kernel(const T* x, const int64_t* rowptr, int64_t rows, int64_t channels,
                               bool least, T* out, int64_t* arg, int64_t none) {
  for (int64_t i = first_item(); i < rows * channels; i += item_stride()) {
    const int64_t row = i / channels, c = i % channels;
    int64_t at = none;
    Wide<T> best = 0;
    for (int64_t e = rowptr[row]; e < rowptr[row + 1]; ++e) {
      const Wide<T> v = static_cast<Wide<T>>(x[e * channels + c]);
      if (at == none || (least ? v < best : v > best) || (v != v && best == best)) {
        best = v;
        at = e;
      }
    }
    out[i] = static_cast<T>(best);
    arg[i] = at;
  }
}

template <typename T>
__global__ void spread_kernel(const T* grad, const int64_t* rowptr, int64_t rows, int64_t channels,
                              bool mean, T* out) {
  for (int64_t i = first_item(); i < rows * channels; i += item_stride()) {
    const int64_t row = i / channels, c = i % channels;
    const int64_t count = rowptr[row + 1] - rowptr[row];
    const Wide<T> g = static_cast<Wide<T>>(grad[i]);
    const T share = static_cast<T>(mean && count > 1 ? g / static_cast<Wide<T>>(count) : g);
    for (int64_t e = rowptr[row]; e < rowptr[row + 1]; ++e) out[e * channels + c] = share;
  }
}

template <typename T>
__global__ void winner_kernel(const T* grad, const int64_t* rowptr, const int64_t* arg,
                              int64_t rows, int64_t channels, T* out, int64_t* bad) {
  for (int64_t i = first_item(); i < rows * channels; i += item_stride()) {
    const int64_t row = i / channels, c = i % channels, e = arg[i];
    if (rowptr[row] == rowptr[row + 1]) continue;
    if (e < rowptr[row] || e >= rowptr[row + 1])
      *bad = 1;
    else
      out[e * channels + c] = grad[i];
  }
}

std::tuple<Tensor, Tensor> segment_reduce(Tensor values, Tensor rowptr, std::string reduce) {
  const Reduce kind = parse(reduce);
  const torch::stable::accelerator::DeviceGuard guard(values.get_device_index());
  STD_TORCH_CHECK(values.dim() >= 1, "values must have shape (E, ...)");
  check_indices(rowptr, "rowptr", 1);
  STD_TORCH_CHECK(rowptr.numel() >= 1, "rowptr must have at least one entry");
  const Tensor x = torch::stable::contiguous(values);
  const Tensor ptr = torch::stable::contiguous(rowptr);
  const int64_t rows = ptr.numel() - 1, channels = trailing(x);
  check_rowptr_cuda(ptr, rows, x.size(0), "rowptr must rise from 0 to the number of values");
  Tensor out = empty_of(x, shape_with(x, rows), x.scalar_type());
  const bool extreme = kind == Reduce::Min || kind == Reduce::Max;
  Tensor arg = extreme ? empty_of(x, shape_with(x, rows), ScalarType::Long)
                       : empty_of(x, {0}, ScalarType::Long);
  if (rows * channels == 0) return {out, arg};
  const cudaStream_t stream = current_stream(x);
  with_dtype(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = static_cast<const T*>(x.const_data_ptr());
    T* to = static_cast<T*>(out.mutable_data_ptr());
    const int grid = blocks_for(rows * channels);
    if (extreme)
      extreme_kernel<<<grid, kThreads, 0, stream>>>(from, indices(ptr), rows, channels,
                                                    kind == Reduce::Min, to, mutable_indices(arg),
                                                    x.size(0));
    else
      add_kernel<<<grid, kThreads, 0, stream>>>(from, indices(ptr), rows, channels,
                                                kind == Reduce::Mean, to);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  });
  return {out, arg};
}

Tensor segment_reduce_backward(Tensor grad, Tensor rowptr, Tensor arg, int64_t num_values,
                               std::string reduce) {
  const Reduce kind = parse(reduce);
  const torch::stable::accelerator::DeviceGuard guard(grad.get_device_index());
  check_indices(rowptr, "rowptr", 1);
  STD_TORCH_CHECK(grad.dim() >= 1 && rowptr.numel() == grad.size(0) + 1,
                  "grad must have one row per segment");
  const Tensor g = torch::stable::contiguous(grad);
  const Tensor ptr = torch::stable::contiguous(rowptr);
  const int64_t rows = g.size(0), channels = trailing(g);
  check_rowptr_cuda(ptr, rows, num_values, "rowptr must rise from 0 to the number of values");
  const bool extreme = kind == Reduce::Min || kind == Reduce::Max;
  Tensor out = torch::stable::new_zeros(g, shape_with(g, num_values), g.scalar_type());
  if (rows * channels == 0) return out;
  Tensor winners;
  if (extreme) {
    STD_TORCH_CHECK(arg.scalar_type() == ScalarType::Long && arg.numel() == g.numel(),
                    "arg must be int64 and shaped as grad");
    winners = torch::stable::contiguous(arg);
  }
  const cudaStream_t stream = current_stream(g);
  const Flag bad(g, stream);
  with_dtype(g.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = static_cast<const T*>(g.const_data_ptr());
    T* to = static_cast<T*>(out.mutable_data_ptr());
    const int grid = blocks_for(rows * channels);
    if (extreme)
      winner_kernel<<<grid, kThreads, 0, stream>>>(from, indices(ptr), indices(winners), rows,
                                                   channels, to, bad.raised);
    else
      spread_kernel<<<grid, kThreads, 0, stream>>>(from, indices(ptr), rows, channels,
                                                   kind == Reduce::Mean, to);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  });
  if (extreme) bad.check("arg must point into its own segment");
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) {
  m.impl("segment_reduce", TORCH_BOX(&segment_reduce));
  m.impl("segment_reduce_backward", TORCH_BOX(&segment_reduce_backward));
}

}  // namespace meshop
