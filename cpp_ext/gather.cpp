// Reductions of gathered rows, and dots with them: sums over the neighbours of a CSR graph without
// an (E, C) tensor. Each channel of a row is summed front to back (rows of more than kPiece entries
// by pieces), so results depend neither on the thread count nor on the machine.
#include <optional>
#include <string>

#include "gather.h"
#include "row_tasks.h"

#define MESHOP_KERNELS "gather_impl.h"
#include "each_isa.h"

namespace meshop {
namespace {

Tensor gather_reduce(Tensor x, std::optional<Tensor> weight, Tensor rowptr, Tensor index,
                     std::optional<Tensor> order, std::optional<Tensor> rowptr_t,
                     std::optional<Tensor> /*index_t*/, std::optional<Tensor> /*order_t*/,
                     std::string reduce) {
  const GatherInput in(x, weight, rowptr, index, order, rowptr_t.has_value(), reduce);
  const int64_t* at = indices(in.rowptr);
  check_rowptr(at, in.rows, in.entries, "rowptr");
  check_range(indices(in.index), in.entries, 0, in.x.size(0), "index");
  if (order) check_range(indices(in.order), in.entries, 0, in.entries, "order");

  Tensor out = large_empty(in.x, shape_with(in.x, in.rows), in.x.scalar_type());
  with_floating(in.x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    MESHOP_PICK(gather_rows<T>)(in, mutable_data<T>(out));
  });
  return out;
}

Tensor gather_dot(Tensor a, Tensor b, int64_t heads, Tensor rowptr, Tensor index,
                  std::optional<Tensor> /*rowptr_t*/, std::optional<Tensor> /*index_t*/,
                  std::optional<Tensor> /*order_t*/) {
  const DotInput in(a, b, heads, rowptr, index);
  const int64_t* at = indices(in.rowptr);
  check_rowptr(at, in.rows, in.entries, "rowptr");
  check_range(indices(in.index), in.entries, 0, in.b.size(0), "index");

  Tensor out = large_empty(in.a, {in.entries, heads}, in.a.scalar_type());
  if (out.numel() == 0) return out;
  with_floating(in.a.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t grain = std::max<int64_t>(1, kTaskValues / std::max<int64_t>(1, in.channels));
    torch::stable::parallel_for(0, in.entries, grain, [&](int64_t begin, int64_t end) {
      MESHOP_PICK(dot_rows<T>)(in, begin, end, mutable_data<T>(out));
    });
  });
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("gather_reduce", TORCH_BOX(&gather_reduce));
  m.impl("gather_dot", TORCH_BOX(&gather_dot));
}

}  // namespace meshop
