// What the CPU and GPU kernels of gather_reduce and gather_dot ask of their arguments.
#pragma once

#include <optional>
#include <string>

#include "rows.h"

namespace meshop {

struct GatherInput {
  Tensor x, weight, rowptr, index, order;  // contiguous; undefined where not given
  int64_t rows, entries, channels, heads = 1;
  bool mean, weighted, ordered;

  GatherInput(const Tensor& values, const std::optional<Tensor>& weights, const Tensor& ptr,
              const Tensor& to, const std::optional<Tensor>& places, bool transposed,
              const std::string& reduce) {
    STD_TORCH_CHECK(values.dim() >= 1, "x must have shape (N, ...)");
    check_indices(ptr, "rowptr", 1);
    check_indices(to, "index", 1);
    STD_TORCH_CHECK(ptr.numel() >= 1, "rowptr must have at least one entry");
    mean = reduce == "mean";
    STD_TORCH_CHECK(mean || reduce == "sum", "reduce must be sum or mean, got ", reduce);
    weighted = weights.has_value();
    ordered = places.has_value();
    rows = ptr.numel() - 1;
    entries = to.numel();
    channels = trailing(values);
    x = torch::stable::contiguous(values);
    rowptr = torch::stable::contiguous(ptr);
    index = torch::stable::contiguous(to);
    if (places) {
      STD_TORCH_CHECK(transposed, "order comes with the transpose");
      check_indices(*places, "order", 1);
      STD_TORCH_CHECK(places->numel() == entries, "order must have an entry for each of index");
      order = torch::stable::contiguous(*places);
    }
    if (!weights) return;
    STD_TORCH_CHECK(weights->scalar_type() == values.scalar_type(), "weight must be of x's type");
    STD_TORCH_CHECK(weights->dim() == 2 && weights->size(0) == entries,
                    "weight must have shape (E, H)");
    heads = weights->size(1);
    STD_TORCH_CHECK(heads >= 1 && channels % heads == 0, "heads must divide the channels of x");
    weight = torch::stable::contiguous(*weights);
  }
};

struct DotInput {
  Tensor a, b, rowptr, index;
  int64_t rows, entries, channels, heads;

  DotInput(const Tensor& left, const Tensor& right, int64_t parts, const Tensor& ptr,
           const Tensor& to)
      : heads(parts) {
    check_indices(ptr, "rowptr", 1);
    check_indices(to, "index", 1);
    STD_TORCH_CHECK(left.dim() >= 1 && right.dim() >= 1 && ptr.numel() == left.size(0) + 1,
                    "a must have one row for each of rowptr");
    bool alike = left.dim() == right.dim();
    for (int64_t d = 1; alike && d < left.dim(); ++d) alike = left.size(d) == right.size(d);
    STD_TORCH_CHECK(alike, "a and b must have the same channels");
    STD_TORCH_CHECK(left.scalar_type() == right.scalar_type(), "a and b must have one type");
    channels = trailing(left);
    STD_TORCH_CHECK(heads >= 1 && channels % heads == 0, "heads must divide the channels");
    rows = left.size(0);
    entries = to.numel();
    a = torch::stable::contiguous(left);
    b = torch::stable::contiguous(right);
    rowptr = torch::stable::contiguous(ptr);
    index = torch::stable::contiguous(to);
  }
};

}  // namespace meshop
