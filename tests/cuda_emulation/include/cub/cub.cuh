// The device-wide algorithms of CUB that meshop uses, with their two-phase interface: a first call
// with no storage says how many bytes it wants, a second does the work.
#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "../emulation/host.h"

namespace cub {
namespace emulated {

// True in the second phase. The storage that the caller brings is filled with garbage, as CUB does.
inline bool ready(void* storage, size_t& bytes, size_t wanted, cudaStream_t stream,
                  const char* what) {
  wanted = wanted + 1;  // never nothing: an empty tensor has no address
  if (!storage) {
    bytes = wanted;
    return false;
  }
  ::emulation::require_stream(stream, what);
  if (bytes < wanted)
    ::emulation::fail(std::string(what) + ": less temporary storage than asked for");
  ::emulation::require_device(storage, what);
  ::emulation::require_device(static_cast<char*>(storage) + (wanted - 1), what);
  const ::emulation::Open open;
  ::emulation::poison(storage, wanted);
  return true;
}

template <typename T>
void on_device(const T& iterator, int64_t items, const char* what) {
  if constexpr (std::is_pointer_v<T>)
    if (items > 0) ::emulation::require_device(iterator, what);
}

template <typename It>
using ValueOf = std::decay_t<decltype(*std::declval<It>())>;

// Items are read before any is written: CUB allows in place only where that cannot be told apart.
template <typename It, typename N>
std::vector<ValueOf<It>> read(It from, N items) {
  std::vector<ValueOf<It>> out;
  out.reserve(static_cast<size_t>(items));
  for (N i = 0; i < items; ++i) out.push_back(from[i]);
  return out;
}

template <typename T>
constexpr void ordered_sum() {
  static_assert(!std::is_floating_point_v<T>,
                "CUB's scans and keyed sums of floating-point numbers differ from run to run");
}

struct Plus {
  template <typename A, typename B>
  auto operator()(const A& a, const B& b) const {
    return a + b;
  }
};
struct Least {
  template <typename T>
  T operator()(const T& a, const T& b) const {
    return b < a ? b : a;
  }
};
struct Greatest {
  template <typename T>
  T operator()(const T& a, const T& b) const {
    return a < b ? b : a;
  }
};
struct Same {
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return a == b;
  }
};

}  // namespace emulated

using Sum = emulated::Plus;
using Min = emulated::Least;
using Max = emulated::Greatest;
using Equality = emulated::Same;

#define CUB_EMULATION_BEGIN(name, items, wanted, ...)                                      \
  if (!emulated::ready(storage, bytes, static_cast<size_t>(wanted), stream, "cub::" name)) \
    return cudaSuccess;                                                                    \
  const ::emulation::Open open;                                                            \
  const int64_t emulated_items = static_cast<int64_t>(items);                              \
  const auto emulated_check = [&](const auto&... it) {                                     \
    (emulated::on_device(it, emulated_items, "cub::" name), ...);                          \
  };                                                                                       \
  emulated_check(__VA_ARGS__);

struct DeviceScan {
  template <typename In, typename Out, typename Op, typename T, typename N>
  static cudaError_t ExclusiveScan(void* storage, size_t& bytes, In in, Out out, Op op, T initial,
                                   N items, cudaStream_t stream = nullptr) {
    emulated::ordered_sum<T>();
    CUB_EMULATION_BEGIN("DeviceScan", items, items / 2 + 300, in, out)
    T total = initial;
    for (N i = 0; i < items; ++i) {
      const T value = in[i];
      out[i] = total;
      total = static_cast<T>(op(total, value));
    }
    return cudaSuccess;
  }
  template <typename In, typename Out, typename Op, typename N>
  static cudaError_t InclusiveScan(void* storage, size_t& bytes, In in, Out out, Op op, N items,
                                   cudaStream_t stream = nullptr) {
    using T = emulated::ValueOf<In>;
    emulated::ordered_sum<T>();
    CUB_EMULATION_BEGIN("DeviceScan", items, items / 2 + 300, in, out)
    if (items == 0) return cudaSuccess;
    T total = in[0];
    out[0] = total;
    for (N i = 1; i < items; ++i) {
      total = static_cast<T>(op(total, in[i]));
      out[i] = total;
    }
    return cudaSuccess;
  }
  template <typename In, typename Out, typename N>
  static cudaError_t ExclusiveSum(void* storage, size_t& bytes, In in, Out out, N items,
                                  cudaStream_t stream = nullptr) {
    return ExclusiveScan(storage, bytes, in, out, Sum(), emulated::ValueOf<In>(0), items, stream);
  }
  template <typename In, typename Out, typename N>
  static cudaError_t InclusiveSum(void* storage, size_t& bytes, In in, Out out, N items,
                                  cudaStream_t stream = nullptr) {
    return InclusiveScan(storage, bytes, in, out, Sum(), items, stream);
  }
  // In place.
  template <typename It, typename N, typename = std::enable_if_t<std::is_integral_v<N>>>
  static cudaError_t ExclusiveSum(void* storage, size_t& bytes, It data, N items,
                                  cudaStream_t stream = nullptr) {
    return ExclusiveSum(storage, bytes, data, data, items, stream);
  }
  template <typename It, typename N, typename = std::enable_if_t<std::is_integral_v<N>>>
  static cudaError_t InclusiveSum(void* storage, size_t& bytes, It data, N items,
                                  cudaStream_t stream = nullptr) {
    return InclusiveSum(storage, bytes, data, data, items, stream);
  }
};

struct DeviceReduce {
  template <typename In, typename Out, typename N, typename Op, typename T>
  static cudaError_t Reduce(void* storage, size_t& bytes, In in, Out out, N items, Op op, T initial,
                            cudaStream_t stream = nullptr) {
    CUB_EMULATION_BEGIN("DeviceReduce", items, items / 8 + 300, in)
    emulated::on_device(out, 1, "cub::DeviceReduce");
    // Strided partial results, as threads make them: not the order of a loop.
    constexpr N kLanes = 64;
    std::vector<T> partial;
    for (N lane = 0; lane < kLanes && lane < items; ++lane) {
      T sum = static_cast<T>(in[lane]);
      for (N i = lane + kLanes; i < items; i += kLanes)
        sum = static_cast<T>(op(sum, static_cast<T>(in[i])));
      partial.push_back(sum);
    }
    T total = initial;
    for (const T& value : partial) total = static_cast<T>(op(total, value));
    *out = total;
    return cudaSuccess;
  }
  template <typename In, typename Out, typename N>
  static cudaError_t Sum(void* storage, size_t& bytes, In in, Out out, N items,
                         cudaStream_t stream = nullptr) {
    return Reduce(storage, bytes, in, out, items, emulated::Plus(), emulated::ValueOf<Out>(0),
                  stream);
  }
  template <typename In, typename Out, typename N>
  static cudaError_t Min(void* storage, size_t& bytes, In in, Out out, N items,
                         cudaStream_t stream = nullptr) {
    using T = emulated::ValueOf<In>;
    return Reduce(storage, bytes, in, out, items, emulated::Least(), std::numeric_limits<T>::max(),
                  stream);
  }
  template <typename In, typename Out, typename N>
  static cudaError_t Max(void* storage, size_t& bytes, In in, Out out, N items,
                         cudaStream_t stream = nullptr) {
    using T = emulated::ValueOf<In>;
    return Reduce(storage, bytes, in, out, items, emulated::Greatest(),
                  std::numeric_limits<T>::lowest(), stream);
  }
  template <typename Keys, typename UniqueOut, typename Values, typename Out, typename Runs,
            typename Op, typename N>
  static cudaError_t ReduceByKey(void* storage, size_t& bytes, Keys keys, UniqueOut unique,
                                 Values values, Out out, Runs runs, Op op, N items,
                                 cudaStream_t stream = nullptr) {
    using T = emulated::ValueOf<Values>;
    emulated::ordered_sum<T>();
    CUB_EMULATION_BEGIN("DeviceReduce", items, items / 4 + 300, keys, unique, values, out)
    emulated::on_device(runs, 1, "cub::DeviceReduce");
    N count = 0;
    for (N i = 0; i < items;) {
      T sum = values[i];
      N j = i + 1;
      for (; j < items && keys[j] == keys[i]; ++j) sum = static_cast<T>(op(sum, values[j]));
      unique[count] = keys[i];
      out[count++] = sum;
      i = j;
    }
    *runs = count;
    return cudaSuccess;
  }
};

struct DeviceSelect {
  template <typename In, typename Flags, typename Out, typename Count, typename N>
  static cudaError_t Flagged(void* storage, size_t& bytes, In in, Flags flags, Out out,
                             Count selected, N items, cudaStream_t stream = nullptr) {
    CUB_EMULATION_BEGIN("DeviceSelect", items, items / 4 + 300, in, flags, out)
    emulated::on_device(selected, 1, "cub::DeviceSelect");
    N count = 0;
    for (N i = 0; i < items; ++i)
      if (flags[i]) out[count++] = in[i];
    *selected = count;
    return cudaSuccess;
  }
  template <typename In, typename Out, typename Count, typename N, typename Keep>
  static cudaError_t If(void* storage, size_t& bytes, In in, Out out, Count selected, N items,
                        Keep keep, cudaStream_t stream = nullptr) {
    CUB_EMULATION_BEGIN("DeviceSelect", items, items / 4 + 300, in, out)
    emulated::on_device(selected, 1, "cub::DeviceSelect");
    N count = 0;
    for (N i = 0; i < items; ++i)
      if (keep(in[i])) out[count++] = in[i];
    *selected = count;
    return cudaSuccess;
  }
  template <typename In, typename Out, typename Count, typename N>
  static cudaError_t Unique(void* storage, size_t& bytes, In in, Out out, Count selected, N items,
                            cudaStream_t stream = nullptr) {
    CUB_EMULATION_BEGIN("DeviceSelect", items, items / 4 + 300, in, out)
    emulated::on_device(selected, 1, "cub::DeviceSelect");
    const auto values = emulated::read(in, items);
    N count = 0;
    for (N i = 0; i < items; ++i)
      if (i == 0 || !(values[static_cast<size_t>(i)] == values[static_cast<size_t>(i) - 1]))
        out[count++] = values[static_cast<size_t>(i)];
    *selected = count;
    return cudaSuccess;
  }
  template <typename Keys, typename Values, typename KeysOut, typename ValuesOut, typename Count,
            typename N>
  static cudaError_t UniqueByKey(void* storage, size_t& bytes, Keys keys, Values values,
                                 KeysOut keys_out, ValuesOut values_out, Count selected, N items,
                                 cudaStream_t stream = nullptr) {
    CUB_EMULATION_BEGIN("DeviceSelect", items, items / 4 + 300, keys, values, keys_out, values_out)
    emulated::on_device(selected, 1, "cub::DeviceSelect");
    const auto all = emulated::read(keys, items);
    N count = 0;
    for (N i = 0; i < items; ++i)
      if (i == 0 || !(all[static_cast<size_t>(i)] == all[static_cast<size_t>(i) - 1])) {
        values_out[count] = values[i];
        keys_out[count++] = all[static_cast<size_t>(i)];
      }
    *selected = count;
    return cudaSuccess;
  }
};

struct DeviceRunLengthEncode {
  template <typename In, typename Unique, typename Lengths, typename Runs, typename N>
  static cudaError_t Encode(void* storage, size_t& bytes, In in, Unique unique, Lengths lengths,
                            Runs runs, N items, cudaStream_t stream = nullptr) {
    CUB_EMULATION_BEGIN("DeviceRunLengthEncode", items, items / 4 + 300, in, unique, lengths)
    emulated::on_device(runs, 1, "cub::DeviceRunLengthEncode");
    const auto values = emulated::read(in, items);
    size_t count = 0;
    for (size_t i = 0; i < values.size();) {
      size_t j = i + 1;
      while (j < values.size() && values[j] == values[i]) ++j;
      unique[count] = values[i];
      lengths[count++] = static_cast<emulated::ValueOf<Lengths>>(j - i);
      i = j;
    }
    *runs = static_cast<emulated::ValueOf<Runs>>(count);
    return cudaSuccess;
  }
  template <typename In, typename Offsets, typename Lengths, typename Runs, typename N>
  static cudaError_t NonTrivialRuns(void* storage, size_t& bytes, In in, Offsets offsets,
                                    Lengths lengths, Runs runs, N items,
                                    cudaStream_t stream = nullptr) {
    CUB_EMULATION_BEGIN("DeviceRunLengthEncode", items, items / 4 + 300, in, offsets, lengths)
    emulated::on_device(runs, 1, "cub::DeviceRunLengthEncode");
    const auto values = emulated::read(in, items);
    size_t count = 0;
    for (size_t i = 0; i < values.size();) {
      size_t j = i + 1;
      while (j < values.size() && values[j] == values[i]) ++j;
      if (j - i > 1) {
        offsets[count] = static_cast<emulated::ValueOf<Offsets>>(i);
        lengths[count++] = static_cast<emulated::ValueOf<Lengths>>(j - i);
      }
      i = j;
    }
    *runs = static_cast<emulated::ValueOf<Runs>>(count);
    return cudaSuccess;
  }
};

}  // namespace cub

#include "radix_sort.cuh"
