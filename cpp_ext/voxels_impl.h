// Voxels and extents of points, as loops over `count` coordinates. No include guard; see
// each_isa.h.

namespace meshop {
namespace MESHOP_ISA {

template <typename T>
void find_voxels(const T* x, int64_t count, const double* origin, const double* size,
                 double* voxel) {
  for (int64_t j = 0; j < count; ++j) voxel[j] = voxel_of(x[j], origin[j], size[j]);
}

template <typename T>
void widen_extent(const T* x, int64_t count, const double* origin, const double* size, double* low,
                  double* high, double* wild) {
  for (int64_t j = 0; j < count; ++j) {
    const double v = voxel_of(x[j], origin[j], size[j]);
    wild[j] = std::fabs(v) < kFarthestVoxel ? wild[j] : 1.0;  // NaN too
    low[j] = v < low[j] ? v : low[j];
    high[j] = v > high[j] ? v : high[j];
  }
}

}  // namespace MESHOP_ISA
}  // namespace meshop
