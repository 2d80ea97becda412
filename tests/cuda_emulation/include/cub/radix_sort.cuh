// DeviceRadixSort: stable, by the bits [begin, end) of a key's order-preserving unsigned image.
#pragma once

#include <algorithm>
#include <numeric>

namespace cub {

template <typename T>
struct DoubleBuffer {
  T* d_buffers[2] = {nullptr, nullptr};
  int selector = 0;
  DoubleBuffer() = default;
  DoubleBuffer(T* current, T* alternate) : d_buffers{current, alternate} {}
  T* Current() { return d_buffers[selector]; }
  T* Alternate() { return d_buffers[selector ^ 1]; }
};

struct NullType {};

namespace emulated {

template <typename K>
uint64_t image(K key) {
  static_assert(std::is_arithmetic_v<K>, "radix keys are numbers");
  constexpr int kBits = static_cast<int>(sizeof(K) * 8);
  uint64_t raw = 0;
  if constexpr (std::is_floating_point_v<K>)
    if (key == 0) key = 0;  // -0 and 0 are equal
  std::memcpy(&raw, &key, sizeof(K));
  const uint64_t sign = uint64_t{1} << (kBits - 1),
                 all = kBits == 64 ? ~uint64_t{0} : (uint64_t{1} << (kBits % 64)) - 1;
  if constexpr (std::is_floating_point_v<K>) return raw & sign ? ~raw & all : raw | sign;
  if constexpr (std::is_signed_v<K>) return raw ^ sign;
  return raw;
}

template <typename K, typename V>
void radix_sort(const K* keys, K* keys_out, const V* values, V* values_out, int64_t items,
                int begin, int end, bool descending) {
  constexpr int kBits = static_cast<int>(sizeof(K) * 8);
  if (begin < 0 || end > kBits || begin > end)
    ::emulation::fail("cub::DeviceRadixSort: bits outside of the key");
  const int width = end - begin;
  const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  std::vector<uint64_t> digits(static_cast<size_t>(items));
  std::vector<size_t> at(static_cast<size_t>(items));
  std::iota(at.begin(), at.end(), size_t{0});
  for (size_t i = 0; i < at.size(); ++i) digits[i] = width ? image(keys[i]) >> begin & mask : 0;
  std::stable_sort(at.begin(), at.end(), [&](size_t a, size_t b) {
    return descending ? digits[b] < digits[a] : digits[a] < digits[b];
  });
  for (size_t i = 0; i < at.size(); ++i) {
    keys_out[i] = keys[at[i]];
    if constexpr (!std::is_same_v<V, NullType>) values_out[i] = values[at[i]];
  }
}

// Which buffer ends up current depends on the number of passes; here on the parity of calls.
inline int& calls() {
  static int count = 0;
  return count;
}

template <typename K, typename V>
cudaError_t sort_pairs(void* storage, size_t& bytes, const K* keys, K* keys_out, const V* values,
                       V* values_out, int64_t items, int begin, int end, cudaStream_t stream,
                       bool descending) {
  CUB_EMULATION_BEGIN("DeviceRadixSort", items, items * (sizeof(K) + sizeof(V)) + 1000, keys,
                      keys_out)
  if constexpr (!std::is_same_v<V, NullType>) {
    emulated_check(values, values_out);
    if (items > 0 && values < values_out + items && values_out < values + items)
      ::emulation::fail("cub::DeviceRadixSort does not sort in place");
  }
  if (items > 0 && keys < keys_out + items && keys_out < keys + items)
    ::emulation::fail("cub::DeviceRadixSort does not sort in place");
  radix_sort(keys, keys_out, values, values_out, items, begin, end, descending);
  return cudaSuccess;
}

template <typename K, typename V>
cudaError_t sort_buffers(void* storage, size_t& bytes, DoubleBuffer<K>& keys,
                         DoubleBuffer<V>* values, int64_t items, int begin, int end,
                         cudaStream_t stream, bool descending) {
  CUB_EMULATION_BEGIN("DeviceRadixSort", items, 1000, keys.Current(), keys.Alternate())
  const std::vector<K> old = read(keys.Current(), items);
  std::vector<V> carried;
  if (values) {
    emulated_check(values->Current(), values->Alternate());
    carried = read(values->Current(), items);
  }
  const int flip = ++calls() & 1;
  keys.selector ^= flip;
  ::emulation::poison(keys.Alternate(), static_cast<size_t>(items) * sizeof(K));
  if (values) {
    values->selector ^= flip;
    ::emulation::poison(values->Alternate(), static_cast<size_t>(items) * sizeof(V));
  }
  radix_sort(old.data(), keys.Current(), carried.data(), values ? values->Current() : nullptr,
             items, begin, end, descending);
  return cudaSuccess;
}

}  // namespace emulated

struct DeviceRadixSort {
#define EMULATION_SORTS(Keys, Pairs, descending)                                                   \
  template <typename K, typename N>                                                                \
  static cudaError_t Keys(void* storage, size_t& bytes, const K* in, K* out, N items,              \
                          int begin = 0, int end = sizeof(K) * 8, cudaStream_t stream = nullptr) { \
    return emulated::sort_pairs<K, NullType>(storage, bytes, in, out, nullptr, nullptr, items,     \
                                             begin, end, stream, descending);                      \
  }                                                                                                \
  template <typename K, typename N>                                                                \
  static cudaError_t Keys(void* storage, size_t& bytes, DoubleBuffer<K>& keys, N items,            \
                          int begin = 0, int end = sizeof(K) * 8, cudaStream_t stream = nullptr) { \
    return emulated::sort_buffers<K, NullType>(storage, bytes, keys, nullptr, items, begin, end,   \
                                               stream, descending);                                \
  }                                                                                                \
  template <typename K, typename V, typename N>                                                    \
  static cudaError_t Pairs(void* storage, size_t& bytes, const K* in, K* out, const V* values,     \
                           V* values_out, N items, int begin = 0, int end = sizeof(K) * 8,         \
                           cudaStream_t stream = nullptr) {                                        \
    return emulated::sort_pairs(storage, bytes, in, out, values, values_out, items, begin, end,    \
                                stream, descending);                                               \
  }                                                                                                \
  template <typename K, typename V, typename N>                                                    \
  static cudaError_t Pairs(void* storage, size_t& bytes, DoubleBuffer<K>& keys,                    \
                           DoubleBuffer<V>& values, N items, int begin = 0,                        \
                           int end = sizeof(K) * 8, cudaStream_t stream = nullptr) {               \
    return emulated::sort_buffers(storage, bytes, keys, &values, items, begin, end, stream,        \
                                  descending);                                                     \
  }
  EMULATION_SORTS(SortKeys, SortPairs, false)
  EMULATION_SORTS(SortKeysDescending, SortPairsDescending, true)
#undef EMULATION_SORTS
};

}  // namespace cub
