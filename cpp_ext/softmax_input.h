// What the CPU and GPU kernels of softmax ask of their arguments.
#pragma once

#include "rows.h"

namespace meshop {

struct SoftmaxInput {
  Tensor values, rowptr;  // contiguous
  int64_t rows, channels;

  SoftmaxInput(const Tensor& v, const Tensor& ptr) {
    STD_TORCH_CHECK(v.dim() >= 1, "values must have shape (E, ...)");
    check_indices(ptr, "rowptr", 1);
    STD_TORCH_CHECK(ptr.numel() >= 1, "rowptr must have at least one entry");
    values = torch::stable::contiguous(v);
    rowptr = torch::stable::contiguous(ptr);
    rows = ptr.numel() - 1;
    channels = trailing(v);
  }

  // `grad`, contiguous: of `count` rows, otherwise shaped as the values.
  Tensor matching(const Tensor& grad, int64_t count) const {
    bool fits = grad.scalar_type() == values.scalar_type() && grad.dim() == values.dim() &&
                grad.size(0) == count;
    for (int64_t d = 1; fits && d < grad.dim(); ++d) fits = grad.size(d) == values.size(d);
    STD_TORCH_CHECK(fits, "grad must have ", count, " rows shaped and typed as values");
    return torch::stable::contiguous(grad);
  }
};

}  // namespace meshop
