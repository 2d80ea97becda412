// How the rows of a CSR are shared out on the GPU. Needs -DUSE_CUDA.
//
// A thread reduces V neighbouring channels of one row, V so many as 16 bytes hold, front to back:
// a warp then reads whole lines, one row of the values after another. Where some row has more than
// kPiece entries, threads reduce pieces of rows, as on the CPU, and then rows of pieces. No order
// depends on the launch, so results are the same on every run.
#pragma once

#include <cub/device/device_scan.cuh>

#include "csr_cuda.h"
#include "rows.h"

namespace meshop {

// V values that are read and written at once.
template <typename T, int V>
struct alignas(sizeof(T) * V) Pack {
  T v[V];
};

template <typename T, int V>
__device__ inline void load_pack(const T* from, Wide<T> (&to)[V]) {
  const Pack<T, V> pack = *reinterpret_cast<const Pack<T, V>*>(from);
  for (int k = 0; k < V; ++k) to[k] = static_cast<Wide<T>>(pack.v[k]);
}

template <typename W, typename T, int V>
__device__ inline void store_pack(const W (&from)[V], T* to) {
  Pack<T, V> pack;
  for (int k = 0; k < V; ++k) pack.v[k] = static_cast<T>(from[k]);
  *reinterpret_cast<Pack<T, V>*>(to) = pack;
}

// Calls f(std::integral_constant<int, V>), V the channels a thread can take: `width` is what they
// must divide, `pointers` what must be aligned for it.
template <typename T, typename F>
void with_pack(int64_t width, std::initializer_list<const void*> pointers, F&& f) {
  constexpr int most = 16 / static_cast<int>(sizeof(T));
  bool aligned = width % most == 0;
  for (const void* p : pointers) aligned = aligned && reinterpret_cast<uintptr_t>(p) % 16 == 0;
  if (aligned)
    f(std::integral_constant<int, most>{});
  else
    f(std::integral_constant<int, 1>{});
}

// Pieces of rows; where no row is long, the rows themselves, one piece each.
struct Pieces {
  const int64_t* rowptr;
  const int64_t* first;  // row i has pieces first[i] to first[i + 1]; null where pieces are rows
  int64_t rows, count;

  __device__ int64_t row(int64_t p) const { return first ? row_of(first, rows, p) : p; }
  __device__ void bounds(int64_t p, int64_t row, int64_t& begin, int64_t& end) const {
    begin = rowptr[row];
    end = rowptr[row + 1];
    if (!first) return;
    begin += (p - first[row]) * kPiece;
    end = end < begin + kPiece ? end : begin + kPiece;
  }
};

static __global__ void check_pieces_kernel(const int64_t* rowptr, int64_t rows, int64_t total,
                                           int64_t* found) {
  for (int64_t i = first_item(); i <= rows; i += item_stride()) {
    if (i == 0 && rowptr[0] != 0) found[0] = 1;
    if (i == rows) {
      if (rowptr[rows] != total) found[0] = 1;
    } else {
      if (rowptr[i] > rowptr[i + 1]) found[0] = 1;
      if (rowptr[i + 1] - rowptr[i] > kPiece) found[1] = 1;
    }
  }
}

static __global__ void count_pieces_kernel(const int64_t* rowptr, int64_t rows, int64_t* first) {
  for (int64_t i = first_item(); i < rows; i += item_stride()) {
    if (i == 0) first[0] = 0;
    first[i + 1] = (rowptr[i + 1] - rowptr[i] + kPiece - 1) / kPiece;
  }
}

// Checks a CSR pointer, and cuts its rows.
struct RowPieces {
  Tensor first;  // keeps pieces.first
  Pieces pieces;

  RowPieces(const Tensor& rowptr, int64_t rows, int64_t total) {
    const cudaStream_t stream = current_stream(rowptr);
    Tensor found = torch::stable::new_zeros(rowptr, {2}, ScalarType::Long);
    check_pieces_kernel<<<blocks_for(rows + 1), kThreads, 0, stream>>>(indices(rowptr), rows, total,
                                                                       mutable_indices(found));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
    int64_t flags[2];
    STD_CUDA_CHECK(
        cudaMemcpyAsync(flags, indices(found), sizeof(flags), cudaMemcpyDeviceToHost, stream));
    STD_CUDA_CHECK(cudaStreamSynchronize(stream));
    STD_TORCH_CHECK(!flags[0], "rowptr must rise from 0 to the number of entries");
    pieces = {indices(rowptr), nullptr, rows, rows};
    if (!flags[1]) return;

    first = empty_of(rowptr, {rows + 1}, ScalarType::Long);
    int64_t* at = mutable_indices(first);
    count_pieces_kernel<<<blocks_for(rows), kThreads, 0, stream>>>(indices(rowptr), rows, at);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
    size_t bytes = 0;
    STD_CUDA_CHECK(cub::DeviceScan::InclusiveSum(nullptr, bytes, at + 1, at + 1, rows, stream));
    Tensor scratch = empty_of(rowptr, {static_cast<int64_t>(bytes)}, ScalarType::Byte);
    STD_CUDA_CHECK(cub::DeviceScan::InclusiveSum(scratch.mutable_data_ptr(), bytes, at + 1, at + 1,
                                                 rows, stream));
    pieces.first = at;
    pieces.count = read_back(at + rows, stream);
  }
  bool cut() const { return pieces.first != nullptr; }
  // The rows of pieces, as a CSR of its own.
  Pieces of_pieces() const { return {pieces.first, nullptr, pieces.rows, pieces.rows}; }
};

// out[p] = the sum of a piece's values, divided by the entries of row p of `counts` where given.
template <typename T, typename Out, int V>
__global__ void sum_kernel(const T* x, Pieces pieces, int64_t channels, const int64_t* counts,
                           Out* out) {
  const int64_t packs = channels / V;
  for (int64_t i = first_item(); i < pieces.count * packs; i += item_stride()) {
    const int64_t p = i / packs, c = i % packs * V;
    int64_t begin, end;
    pieces.bounds(p, pieces.row(p), begin, end);
    Wide<T> sum[V] = {}, value[V];
#pragma unroll 4
    for (int64_t e = begin; e < end; ++e) {
      load_pack<T, V>(x + e * channels + c, value);
      for (int k = 0; k < V; ++k) sum[k] += value[k];
    }
    if (counts && counts[p + 1] - counts[p] > 1) {
      const auto count = static_cast<Wide<T>>(counts[p + 1] - counts[p]);
      for (int k = 0; k < V; ++k) sum[k] /= count;
    }
    store_pack(sum, out + p * channels + c);
  }
}

// The sums of pieces, (pieces, channels), become those of rows, divided by their entries where
// `counts` is given.
template <typename W, typename T>
void add_pieces_cuda(const RowPieces& rows, const Tensor& sums, int64_t channels,
                     const int64_t* counts, T* out) {
  sum_kernel<W, T, 1>
      <<<blocks_for(rows.pieces.rows * channels), kThreads, 0, current_stream(sums)>>>(
          data<W>(sums), rows.of_pieces(), channels, counts, out);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
}

// Of the type that sums of `like` are carried in.
inline Tensor wide_empty(const Tensor& like, int64_t rows, int64_t channels) {
  return empty_of(like, {rows, channels}, wide_type(like.scalar_type()));
}

}  // namespace meshop
