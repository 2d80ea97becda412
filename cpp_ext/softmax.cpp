// Softmax over CSR segments, its gradient, and the gradient of logsumexp, which is a softmax too.
#include "softmax.h"

#include "row_tasks.h"
#include "softmax_input.h"

#define MESHOP_KERNELS "softmax_impl.h"
#include "each_isa.h"

namespace meshop {
namespace {

Tensor scaled_softmax(const SoftmaxInput& in, const Tensor* scale) {
  const int64_t* at = indices(in.rowptr);
  check_rowptr(at, in.rows, in.values.size(0), "rowptr");
  Tensor out =
      large_empty(in.values, shape_with(in.values, in.values.size(0)), in.values.scalar_type());
  with_floating(out.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    MESHOP_PICK(softmax_rows<T>)(data<T>(in.values), at, in.rows, in.channels,
                                 scale ? data<T>(*scale) : nullptr, mutable_data<T>(out));
  });
  return out;
}

Tensor segment_softmax(Tensor values, Tensor rowptr) {
  return scaled_softmax(SoftmaxInput(values, rowptr), nullptr);
}

Tensor segment_logsumexp_backward(Tensor grad, Tensor values, Tensor rowptr) {
  const SoftmaxInput in(values, rowptr);
  const Tensor g = in.matching(grad, in.rows);
  return scaled_softmax(in, &g);
}

Tensor segment_softmax_backward(Tensor grad, Tensor out, Tensor rowptr) {
  const SoftmaxInput in(out, rowptr);
  const Tensor g = in.matching(grad, out.size(0));
  const int64_t* at = indices(in.rowptr);
  check_rowptr(at, in.rows, out.size(0), "rowptr");
  Tensor result = large_empty(g, shape_with(g, g.size(0)), g.scalar_type());
  with_floating(g.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    MESHOP_PICK(softmax_grad_rows<T>)(data<T>(g), data<T>(in.values), at, in.rows, in.channels,
                                      mutable_data<T>(result));
  });
  return result;
}

}  // namespace

void logsumexp(const Tensor& values, const int64_t* rowptr, int64_t rows, Tensor& out) {
  with_floating(values.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    MESHOP_PICK(logsumexp_rows<T>)(data<T>(values), rowptr, rows, trailing(values),
                                   mutable_data<T>(out));
  });
}

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("segment_softmax", TORCH_BOX(&segment_softmax));
  m.impl("segment_softmax_backward", TORCH_BOX(&segment_softmax_backward));
  m.impl("segment_logsumexp_backward", TORCH_BOX(&segment_logsumexp_backward));
}

}  // namespace meshop
