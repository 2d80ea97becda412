// Voxels as sortable keys. Shared by CPU and CUDA.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "common.h"

#if defined(__CUDACC__)
#define MESHOP_HD __host__ __device__
#else
#define MESHOP_HD
#endif

namespace meshop {

constexpr double kFarthestVoxel = 4611686018427387904.0;  // 2^62

// The number of the voxel along an axis. In double also for float: 0.3f / 0.1 is 3 only there.
template <typename T>
MESHOP_HD inline double voxel_of(T x, double origin, double size) {
  return floor((static_cast<double>(x) - origin) / size);
}

// Where an axis stands in the key: counted from its lowest voxel, in as few bits as its extent
// needs.
struct KeyField {
  int64_t axis;  // of points; -1 for the cloud
  int64_t low;
  int64_t shift;
};

struct KeyWord {
  std::vector<KeyField> fields;
  int bits = 0;
};

inline int bit_width(uint64_t value) {
  int bits = 0;
  for (; value; value >>= 1) ++bits;
  return bits;
}

// Words that sort by cloud, then by voxel lexicographically, when sorted by the last word first.
// One word does for any extent up to 2^64 voxels.
inline std::vector<KeyWord> key_words(const std::vector<int64_t>& low,
                                      const std::vector<int64_t>& high, int64_t clouds) {
  std::vector<KeyWord> words(1);
  for (int64_t axis = static_cast<int64_t>(low.size()) - 1; axis >= -1; --axis) {
    const int64_t least = axis < 0 ? 0 : low[axis], most = axis < 0 ? clouds - 1 : high[axis];
    const int bits = bit_width(static_cast<uint64_t>(most) - static_cast<uint64_t>(least));
    if (bits == 0) continue;
    if (words.back().bits + bits > 64) words.emplace_back();
    words.back().fields.push_back({axis, least, words.back().bits});
    words.back().bits += bits;
  }
  return words;
}

MESHOP_HD inline uint64_t in_key(const KeyField& field, int64_t voxel) {
  return static_cast<uint64_t>(voxel - field.low) << field.shift;
}

inline void check_voxel_arguments(const Tensor& points, const Tensor& size, const Tensor& origin) {
  STD_TORCH_CHECK(points.dim() == 2 && points.size(1) >= 1,
                  "points must have shape (N, D), D >= 1");
  for (const Tensor* t : {&size, &origin})
    STD_TORCH_CHECK(
        t->scalar_type() == ScalarType::Double && t->dim() == 1 && t->numel() == points.size(1),
        "size and origin must be float64 of shape (", points.size(1), ",)");
}

}  // namespace meshop
