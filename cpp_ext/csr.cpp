// The transpose of a CSR by a stable counting sort, in two passes that both stay in cache: entries
// into blocks of columns, then each block by column. The result does not depend on the threads.
#include "csr.h"

#include <limits>
#include <tuple>

#include "buffer.h"

namespace meshop {
namespace {

template <typename I>
struct Entry {
  I entry, row;
  uint32_t column;  // in its block
};

constexpr int64_t kChunk = 65536;  // entries of a task, at least
constexpr int64_t kMostChunks = 64;

// Bits of the columns of a block: some thousand blocks at most, of a thousand columns at least.
int block_bits(int64_t columns) {
  int bits = 10;
  while ((columns >> bits) > 1024) ++bits;
  return bits;
}

template <typename I>
void transpose_in(const int64_t* rowptr, int64_t rows, const int64_t* index, int64_t low,
                  int64_t columns, int64_t* rowptr_t, int64_t* row_t, int64_t* order_t) {
  const int64_t entries = rowptr[rows];
  const int bits = block_bits(columns);
  STD_TORCH_CHECK(bits < 32, "a transpose has room for 2^42 columns");
  const int64_t blocks = (columns >> bits) + 1;
  const int64_t chunks = std::min(kMostChunks, std::max<int64_t>(1, entries / kChunk));
  const int64_t each = (entries + chunks - 1) / chunks;

  // How many entries of each chunk go to each block, and from there where the first of them goes.
  std::vector<int64_t> place(chunks * blocks), start(blocks + 1);
  torch::stable::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      int64_t* count = place.data() + k * blocks;
      for (int64_t e = k * each; e < std::min(entries, (k + 1) * each); ++e)
        ++count[(index[e] - low) >> bits];
    }
  });
  int64_t total = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    start[b] = total;
    for (int64_t k = 0; k < chunks; ++k) {
      const int64_t count = place[k * blocks + b];
      place[k * blocks + b] = total;
      total += count;
    }
  }
  start[blocks] = total;

  const Buffer<Entry<I>> sorted(entries);
  torch::stable::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      int64_t* to = place.data() + k * blocks;
      const int64_t stop = std::min(entries, (k + 1) * each);
      int64_t row = row_at(rowptr, rows, k * each);
      for (int64_t e = k * each; e < stop; ++e) {
        while (rowptr[row + 1] <= e) ++row;
        const int64_t column = index[e] - low;
        const auto in_block = static_cast<uint32_t>(column & ((int64_t(1) << bits) - 1));
        sorted[to[column >> bits]++] = {static_cast<I>(e), static_cast<I>(row), in_block};
      }
    }
  });

  torch::stable::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    std::vector<int64_t> at((int64_t(1) << bits) + 1);
    for (int64_t b = begin; b < end; ++b) {
      const int64_t first = b << bits, size = std::min(columns - first, int64_t(1) << bits);
      std::fill(at.begin(), at.end(), 0);
      for (int64_t e = start[b]; e < start[b + 1]; ++e) ++at[sorted[e].column + 1];
      at[0] = start[b];
      for (int64_t c = 0; c < size; ++c) {
        at[c + 1] += at[c];
        rowptr_t[first + c] = at[c];
      }
      for (int64_t e = start[b]; e < start[b + 1]; ++e) {
        const int64_t to = at[sorted[e].column]++;
        if (order_t) order_t[to] = sorted[e].entry;
        if (row_t) row_t[to] = sorted[e].row;
      }
    }
  });
  rowptr_t[columns] = entries;
}

}  // namespace

void transpose(const int64_t* rowptr, int64_t rows, const int64_t* index, int64_t low,
               int64_t columns, int64_t* rowptr_t, int64_t* row_t, int64_t* order_t) {
  const bool small = std::max(rows, rowptr[rows]) < std::numeric_limits<int32_t>::max();
  (small ? transpose_in<int32_t> : transpose_in<int64_t>)(rowptr, rows, index, low, columns,
                                                          rowptr_t, row_t, order_t);
}

namespace {

std::tuple<Tensor, Tensor, Tensor> csr_transpose(Tensor rowptr, Tensor index, int64_t num_columns) {
  check_indices(rowptr, "rowptr", 1);
  check_indices(index, "index", 1);
  STD_TORCH_CHECK(rowptr.numel() >= 1, "rowptr must have at least one entry");
  STD_TORCH_CHECK(num_columns >= 0, "num_columns must not be negative");
  const Tensor ptr = torch::stable::contiguous(rowptr), to = torch::stable::contiguous(index);
  const int64_t rows = ptr.numel() - 1, entries = to.numel();
  check_rowptr(indices(ptr), rows, entries, "rowptr");
  check_range(indices(to), entries, 0, num_columns, "index");
  Tensor rowptr_t = large_empty(ptr, {num_columns + 1}, ScalarType::Long);
  Tensor index_t = large_empty(ptr, {entries}, ScalarType::Long);
  Tensor order_t = large_empty(ptr, {entries}, ScalarType::Long);
  transpose(indices(ptr), rows, indices(to), 0, num_columns, mutable_indices(rowptr_t),
            mutable_indices(index_t), mutable_indices(order_t));
  return {rowptr_t, index_t, order_t};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) { m.impl("csr_transpose", TORCH_BOX(&csr_transpose)); }

}  // namespace meshop
