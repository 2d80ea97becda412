// Reductions of gathered rows, and dots with them, on the GPU.
// How rows are shared out stands in rows_cuda.h.
#include <optional>
#include <string>

#include "gather.h"
#include "rows_cuda.h"

namespace meshop {
namespace {

// out[p] = sum over the piece of weight[order[e]] * x[index[e]], divided by the entries of row p of
// `counts` where given.
template <typename T, typename Out, int V>
__global__ void gather_kernel(const T* x, const T* weight, const int64_t* order,
                              const int64_t* index, Pieces pieces, int64_t channels, int64_t heads,
                              const int64_t* counts, Out* out) {
  using W = Wide<T>;
  const int64_t packs = channels / V;
  for (int64_t i = first_item(); i < pieces.count * packs; i += item_stride()) {
    const int64_t p = i / packs, c = i % packs * V;
    const int64_t head = heads == 1 ? 0 : c / (channels / heads);
    int64_t begin, end;
    pieces.bounds(p, pieces.row(p), begin, end);
    W sum[V] = {}, value[V];
#pragma unroll 4
    for (int64_t e = begin; e < end; ++e) {
      load_pack<T, V>(x + index[e] * channels + c, value);
      if (weight) {
        const W w = static_cast<W>(weight[(order ? order[e] : e) * heads + head]);
        for (int k = 0; k < V; ++k) value[k] *= w;
      }
      for (int k = 0; k < V; ++k) sum[k] += value[k];
    }
    if (counts && counts[p + 1] - counts[p] > 1) {
      const auto count = static_cast<W>(counts[p + 1] - counts[p]);
      for (int k = 0; k < V; ++k) sum[k] /= count;
    }
    store_pack(sum, out + p * channels + c);
  }
}

// out[e, h] = dot of a[row of e] and b[index[e]] in head h: `group` neighbouring threads (a power
// of two, at most a warp) take every group-th channel, and add theirs in pairs.
template <typename T>
__global__ void gather_dot_kernel(const T* a, const T* b, const int64_t* rowptr,
                                  const int64_t* index, int64_t rows, int64_t entries,
                                  int64_t channels, int64_t heads, int group, T* out) {
  using W = Wide<T>;
  const int64_t width = channels / heads, total = entries * heads;
  const int lane = threadIdx.x % group;
  const int64_t stride = item_stride() / group;
  // All threads of a warp go round equally often: its first decides.
  const int64_t ahead = threadIdx.x % 32 / group;
  for (int64_t i = first_item() / group; i - ahead < total; i += stride) {
    W sum = 0;
    if (i < total) {
      const int64_t e = i / heads, from = i % heads * width;
      const T* left = a + row_of(rowptr, rows, e) * channels + from;
      const T* right = b + index[e] * channels + from;
      for (int64_t c = lane; c < width; c += group)
        sum += static_cast<W>(left[c]) * static_cast<W>(right[c]);
    }
    for (int step = group / 2; step > 0; step /= 2)
      sum += __shfl_down_sync(0xffffffffu, sum, step, group);
    if (lane == 0 && i < total) out[i] = static_cast<T>(sum);
  }
}

template <typename T>
void gather_rows(const GatherInput& in, const RowPieces& rows, T* out) {
  const cudaStream_t stream = current_stream(in.x);
  const T* x = data<T>(in.x);
  const T* weight = in.weighted ? data<T>(in.weight) : nullptr;
  const int64_t* order = in.ordered ? indices(in.order) : nullptr;
  const int64_t* index = indices(in.index);
  const int64_t* counts = in.mean ? rows.pieces.rowptr : nullptr;
  Tensor sums = rows.cut() ? wide_empty(in.x, rows.pieces.count, in.channels) : Tensor();
  with_pack<T>(in.channels / in.heads, {x, out}, [&](auto v) {
    constexpr int V = decltype(v)::value;
    const int grid = blocks_for(rows.pieces.count * (in.channels / V));
    if (rows.cut())
      gather_kernel<T, Wide<T>, V>
          <<<grid, kThreads, 0, stream>>>(x, weight, order, index, rows.pieces, in.channels,
                                          in.heads, nullptr, mutable_data<Wide<T>>(sums));
    else
      gather_kernel<T, T, V><<<grid, kThreads, 0, stream>>>(x, weight, order, index, rows.pieces,
                                                            in.channels, in.heads, counts, out);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  });
  if (rows.cut()) add_pieces_cuda<Wide<T>>(rows, sums, in.channels, counts, out);
}

Tensor gather_reduce(Tensor x, std::optional<Tensor> weight, Tensor rowptr, Tensor index,
                     std::optional<Tensor> order, std::optional<Tensor> rowptr_t,
                     std::optional<Tensor> /*index_t*/, std::optional<Tensor> /*order_t*/,
                     std::string reduce) {
  const OnDevice guard(x, weight, rowptr, index, order, rowptr_t);
  const GatherInput in(x, weight, rowptr, index, order, rowptr_t.has_value(), reduce);
  const RowPieces rows(in.rowptr, in.rows, in.entries);
  check_range_cuda(in.index, 0, in.x.size(0), "index");
  if (order) check_range_cuda(in.order, 0, in.entries, "order");
  Tensor out = empty_of(in.x, shape_with(in.x, in.rows), in.x.scalar_type());
  if (out.numel() == 0) return out;
  with_floating(in.x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    gather_rows(in, rows, mutable_data<T>(out));
  });
  return out;
}

Tensor gather_dot(Tensor a, Tensor b, int64_t heads, Tensor rowptr, Tensor index,
                  std::optional<Tensor> /*rowptr_t*/, std::optional<Tensor> /*index_t*/,
                  std::optional<Tensor> /*order_t*/) {
  const OnDevice guard(a, b, rowptr, index);
  const DotInput in(a, b, heads, rowptr, index);
  check_rowptr_cuda(in.rowptr, in.rows, in.entries, "rowptr");
  check_range_cuda(in.index, 0, in.b.size(0), "index");
  Tensor out = empty_of(in.a, {in.entries, heads}, in.a.scalar_type());
  if (out.numel() == 0) return out;
  int group = 1;
  while (group < 32 && group < in.channels / heads) group *= 2;
  const cudaStream_t stream = current_stream(in.a);
  with_floating(in.a.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    gather_dot_kernel<T><<<blocks_for(out.numel() * group), kThreads, 0, stream>>>(
        data<T>(in.a), data<T>(in.b), indices(in.rowptr), indices(in.index), in.rows, in.entries,
        in.channels, heads, group, mutable_data<T>(out));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  });
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) {
  m.impl("gather_reduce", TORCH_BOX(&gather_reduce));
  m.impl("gather_dot", TORCH_BOX(&gather_dot));
}

}  // namespace meshop
