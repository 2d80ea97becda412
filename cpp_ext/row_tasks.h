// Runs a kernel of lanes_impl.h over the rows of a CSR on torch's threads.
#pragma once

#include "csr.h"
#include "isa.h"
#include "rows.h"

namespace meshop {

constexpr int64_t kTaskValues = 32768;  // values that are worth a task of their own
constexpr int64_t kTileValues = 16384;  // values that stay in a core's cache between channel blocks

inline int64_t task_count(int64_t values) {
  return std::min<int64_t>(std::max<int64_t>(1, values / kTaskValues), 1 << 16);
}

// `run` for [begin, end), which hold some `values_each` values each, in tiles: each tile for all
// channels, so that a second block of channels finds it in cache.
template <typename Kernel>
void run_tiles(const Kernel& kernel, int64_t begin, int64_t end, double values_each,
               int64_t channels, int64_t groups = 1) {
  const int64_t tile =
      std::max<int64_t>(1, static_cast<int64_t>(kTileValues / std::max(values_each, 1.0)));
  for (int64_t i = begin; i < end; i += tile)
    run_lanes(kernel, i, std::min(end, i + tile), channels, groups);
}

// Where task k of `tasks` begins, so that each has the same number of rows plus entries.
inline int64_t task_row(const int64_t* rowptr, int64_t rows, int64_t k, int64_t tasks) {
  if (k >= tasks) return rows;
  const double share = static_cast<double>(k) / static_cast<double>(tasks);
  const auto goal = static_cast<int64_t>(share * static_cast<double>(rows + rowptr[rows]));
  return row_at_work(rowptr, rows, goal);
}

// A kernel over rows, which writes each row's channels.
template <typename Kernel>
void for_rows(const Kernel& kernel, const int64_t* rowptr, int64_t rows, int64_t channels,
              int64_t groups = 1) {
  if (rows == 0 || channels == 0) return;
  const int64_t tasks = task_count((rows + rowptr[rows]) * channels);
  const double each = static_cast<double>((rows + rowptr[rows]) * channels) / rows;
  torch::stable::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
    const int64_t first = task_row(rowptr, rows, begin, tasks);
    const int64_t last = task_row(rowptr, rows, end, tasks);
    run_tiles(kernel, first, last, each, channels, groups);
  });
}

// A kernel over pieces, or over rows of pieces: each worth a task.
template <typename Kernel>
void for_pieces(const Kernel& kernel, int64_t pieces, int64_t channels, int64_t groups = 1) {
  torch::stable::parallel_for(0, pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) run_lanes(kernel, i, i + 1, channels, groups);
  });
}

// A kernel over entries, which finds their rows itself: long rows are shared out too.
template <typename Kernel>
void for_entries(const Kernel& kernel, int64_t entries, int64_t channels) {
  if (entries == 0 || channels == 0) return;
  const int64_t tasks = task_count(entries * channels);
  const int64_t each = (entries + tasks - 1) / tasks;
  torch::stable::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
    run_tiles(kernel, std::min(entries, begin * each), std::min(entries, end * each), channels,
              channels);
  });
}

}  // namespace meshop
