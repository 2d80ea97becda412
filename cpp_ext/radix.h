// A stable radix sort by unsigned keys, by all threads. Stable sorts have one result, so it depends
// on nothing else.
#pragma once

#include <algorithm>
#include <vector>

#include "common.h"

namespace meshop {

// Sorts items[0:n] by the bits [low, low + bits) of key(item). `spare` has as much room; returns
// whichever of the two holds the result.
template <typename Item, typename Key>
Item* radix_sort(Item* items, Item* spare, int64_t n, int low, int bits, Key&& key) {
  constexpr int kDigit = 11;
  if (n < 2 || bits == 0) return items;
  const int passes = (bits + kDigit - 1) / kDigit, digit = (bits + passes - 1) / passes;
  const int64_t buckets = int64_t(1) << digit;
  const int64_t chunks =
      std::clamp<int64_t>(n / (8 * buckets), 1, torch::stable::get_num_threads());
  const int64_t step = (n + chunks - 1) / chunks;
  std::vector<int64_t> place(chunks * buckets);
  for (int pass = 0; pass < passes; ++pass) {
    const int shift = low + pass * digit;
    // Several passes may reach past the top bit; what lies there is zero or sorted already.
    const uint64_t mask = (uint64_t(1) << std::min(digit, bits - pass * digit)) - 1;
    auto each_chunk = [&](auto&& work) {
      torch::stable::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
        for (int64_t c = begin; c < end; ++c)
          work(&place[c * buckets], c * step, std::min(n, (c + 1) * step));
      });
    };
    each_chunk([&](int64_t* count, int64_t begin, int64_t end) {
      std::fill(count, count + buckets, 0);
      for (int64_t i = begin; i < end; ++i) ++count[(key(items[i]) >> shift) & mask];
    });
    int64_t total = 0;
    for (int64_t d = 0; d < buckets; ++d)
      for (int64_t c = 0; c < chunks; ++c) {
        const int64_t count = place[c * buckets + d];
        place[c * buckets + d] = total;
        total += count;
      }
    each_chunk([&](int64_t* to, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) spare[to[(key(items[i]) >> shift) & mask]++] = items[i];
    });
    std::swap(items, spare);
  }
  return items;
}

}  // namespace meshop
