// Softmax over CSR segments, its gradient, and the gradient of logsumexp, which is a softmax too.
#include "row_tasks.h"

#define MESHOP_KERNELS "softmax_impl.h"
#include "each_isa.h"

namespace meshop {
namespace {

struct Segments {
  Tensor values, rowptr;
  int64_t rows, channels;

  Segments(const Tensor& v, const Tensor& p)
      : values(torch::stable::contiguous(v)), rowptr(torch::stable::contiguous(p)) {
    STD_TORCH_CHECK(v.dim() >= 1, "values must have shape (E, ...)");
    check_indices(p, "rowptr", 1);
    STD_TORCH_CHECK(p.numel() >= 1, "rowptr must have at least one entry");
    rows = p.numel() - 1;
    channels = trailing(v);
    check_rowptr(indices(rowptr), rows, v.size(0), "rowptr");
  }
};

Tensor scaled_softmax(const Segments& s, const Tensor* scale) {
  Tensor out = large_empty(s.values, shape_with(s.values, s.values.size(0)),
                           s.values.scalar_type());
  const int64_t* at = indices(s.rowptr);
  with_floating(s.values.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    MESHOP_PICK(softmax_rows<T>)(data<T>(s.values), at, s.rows, s.channels,
                                 scale ? data<T>(*scale) : nullptr, mutable_data<T>(out));
  });
  return out;
}

Tensor segment_softmax(Tensor values, Tensor rowptr) {
  return scaled_softmax(Segments(values, rowptr), nullptr);
}

Tensor segment_logsumexp_backward(Tensor grad, Tensor values, Tensor rowptr) {
  const Segments s(values, rowptr);
  STD_TORCH_CHECK(grad.scalar_type() == values.scalar_type() && grad.dim() == values.dim() &&
                      grad.size(0) == s.rows && trailing(grad) == s.channels,
                  "grad must have one row per segment, shaped as values");
  const Tensor g = torch::stable::contiguous(grad);
  return scaled_softmax(s, &g);
}

Tensor segment_softmax_backward(Tensor grad, Tensor out, Tensor rowptr) {
  const Segments s(out, rowptr);
  STD_TORCH_CHECK(grad.scalar_type() == out.scalar_type() && grad.dim() == out.dim() &&
                      grad.size(0) == out.size(0) && trailing(grad) == s.channels,
                  "grad must be shaped as out");
  const Tensor g = torch::stable::contiguous(grad);
  Tensor result = large_empty(g, shape_with(g, g.size(0)), g.scalar_type());
  const int64_t* at = indices(s.rowptr);
  with_floating(g.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    MESHOP_PICK(softmax_grad_rows<T>)(data<T>(g), data<T>(s.values), at, s.rows, s.channels,
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
