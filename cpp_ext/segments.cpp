// Reductions over CSR segments: sum, mean, min and max, and what their gradients are.
// Each channel of a row is summed front to back (rows of more than kPiece entries by pieces), so
// results depend neither on the thread count nor on the machine.
#include <atomic>
#include <string>
#include <tuple>

#include "row_tasks.h"
#include "softmax.h"

#define MESHOP_KERNELS "segments_impl.h"
#include "each_isa.h"

namespace meshop {
namespace {

std::tuple<Tensor, Tensor> segment_reduce(Tensor values, Tensor rowptr, std::string reduce) {
  const Reduce kind = parse_reduce(reduce);
  STD_TORCH_CHECK(values.dim() >= 1, "values must have shape (E, ...)");
  check_indices(rowptr, "rowptr", 1);
  STD_TORCH_CHECK(rowptr.numel() >= 1, "rowptr must have at least one entry");
  const Tensor x = torch::stable::contiguous(values);
  const Tensor ptr = torch::stable::contiguous(rowptr);
  const int64_t rows = ptr.numel() - 1, channels = trailing(x);
  const int64_t* at = indices(ptr);
  check_rowptr(at, rows, x.size(0), "rowptr");

  Tensor out = large_empty(x, shape_with(x, rows), x.scalar_type());
  const bool extreme = kind == Reduce::Min || kind == Reduce::Max;
  Tensor arg = extreme ? large_empty(x, shape_with(x, rows), ScalarType::Long)
                       : empty_of(x, {0}, ScalarType::Long);
  if (kind == Reduce::LogSumExp) {
    logsumexp(x, at, rows, out);
    return {out, arg};
  }
  with_floating(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = data<T>(x);
    T* to = mutable_data<T>(out);
    int64_t* winner = mutable_indices(arg);
    const int64_t none = x.size(0);
    if (kind == Reduce::Min)
      MESHOP_PICK(extreme_rows<T, true>)(from, at, rows, channels, none, to, winner);
    else if (kind == Reduce::Max)
      MESHOP_PICK(extreme_rows<T, false>)(from, at, rows, channels, none, to, winner);
    else
      MESHOP_PICK(sum_rows<T>)(from, at, rows, channels, kind == Reduce::Mean, to);
  });
  return {out, arg};
}

Tensor segment_reduce_backward(Tensor grad, Tensor rowptr, Tensor arg, int64_t num_values,
                               std::string reduce) {
  const Reduce kind = parse_reduce(reduce);
  STD_TORCH_CHECK(kind != Reduce::LogSumExp, "logsumexp has a backward of its own");
  check_indices(rowptr, "rowptr", 1);
  STD_TORCH_CHECK(grad.dim() >= 1 && rowptr.numel() == grad.size(0) + 1,
                  "grad must have one row per segment");
  const Tensor g = torch::stable::contiguous(grad);
  const Tensor ptr = torch::stable::contiguous(rowptr);
  const int64_t rows = g.size(0), channels = trailing(g);
  const int64_t* at = indices(ptr);
  check_rowptr(at, rows, num_values, "rowptr");
  const bool extreme = kind == Reduce::Min || kind == Reduce::Max;
  Tensor winners;
  if (extreme) {
    STD_TORCH_CHECK(arg.scalar_type() == ScalarType::Long && arg.numel() == g.numel(),
                    "arg must be int64 and shaped as grad");
    winners = torch::stable::contiguous(arg);
  }

  Tensor out = large_empty(g, shape_with(g, num_values), g.scalar_type());
  std::atomic<bool> bad{false};
  with_floating(g.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = data<T>(g);
    T* to = mutable_data<T>(out);
    if (extreme)
      MESHOP_PICK(winner_rows<T>)(from, at, indices(winners), rows, channels, to, &bad);
    else
      MESHOP_PICK(spread_rows<T>)(from, at, rows, channels, kind == Reduce::Mean, to);
  });
  STD_TORCH_CHECK(!bad, "arg must point into its own segment");
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("segment_reduce", TORCH_BOX(&segment_reduce));
  m.impl("segment_reduce_backward", TORCH_BOX(&segment_reduce_backward));
}

}  // namespace meshop
