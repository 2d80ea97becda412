// Points grouped by voxel, by sorting, and the groups' centroids.
#include "voxels.h"

#include <tuple>

#include "csr.h"
#include "isa.h"
#include "kdtree.h"
#include "radix.h"

#define MESHOP_KERNELS "voxels_impl.h"
#include "each_isa.h"

namespace meshop {

namespace {

constexpr int64_t kGrain = 16384;  // points a task; results never depend on it
constexpr int64_t kBlock = 64;     // points whose voxels are found at once

// The grid, repeated for kBlock points, so that one loop without gaps serves any dimension.
struct Grid {
  int64_t dim;
  std::vector<double> origin, size;

  Grid(const Tensor& size_in, const Tensor& origin_in) : dim(size_in.numel()) {
    const Tensor s = torch::stable::contiguous(size_in), o = torch::stable::contiguous(origin_in);
    const double* edge = data<double>(s);
    const double* corner = data<double>(o);
    for (int64_t d = 0; d < dim; ++d) {
      STD_TORCH_CHECK(edge[d] > 0 && std::isfinite(edge[d]), "size must be positive and finite");
      STD_TORCH_CHECK(std::isfinite(corner[d]), "origin must be finite");
    }
    for (int64_t i = 0; i < kBlock; ++i) {
      size.insert(size.end(), edge, edge + dim);
      origin.insert(origin.end(), corner, corner + dim);
    }
  }
};

template <typename T>
class Grouping {
 public:
  Grouping(const T* points, int64_t n, const Grid& grid, const std::vector<int64_t>& ptr)
      : points_(points), n_(n), dim_(grid.dim), grid_(grid), ptr_(ptr) {
    measure();
    words_ = key_words(low_, high_, static_cast<int64_t>(ptr.size()) - 1);
  }

  // order: the points by cloud, voxel and index; group: of each point; starts: of each group.
  void run(int64_t* order, int64_t* group, std::vector<int64_t>& starts) const {
    if (n_ == 0) return;
    const int index_bits = bit_width(static_cast<uint64_t>(n_ - 1));
    if (words_.size() > 1 || words_[0].bits + index_bits > 64)
      return run_wide(order, group, starts);
    // Key and index share a word.
    const Buffer<uint64_t> items(n_), spare(n_);
    each_point([&](int64_t i, int64_t cloud, const double* voxel) {
      items[i] = key_of(words_[0], voxel, cloud) << index_bits | static_cast<uint64_t>(i);
    });
    const uint64_t* sorted = radix_sort(items.get(), spare.get(), n_, index_bits, words_[0].bits,
                                        [](uint64_t item) { return item; });
    const uint64_t mask = (uint64_t(1) << index_bits) - 1;
    number([&](int64_t s) { return static_cast<int64_t>(sorted[s] & mask); },
           [&](int64_t s) { return (sorted[s] ^ sorted[s - 1]) > mask; }, order, group, starts);
  }

 private:
  struct Keyed {
    uint64_t key;
    int64_t point;
  };

  static uint64_t key_of(const KeyWord& word, const double* voxel, int64_t cloud) {
    uint64_t key = 0;
    for (const KeyField& field : word.fields)
      key |= in_key(field, field.axis < 0 ? cloud : static_cast<int64_t>(voxel[field.axis]));
    return key;
  }

  // The same for any extent and number of points: a stable sort for each word, the last first.
  void run_wide(int64_t* order, int64_t* group, std::vector<int64_t>& starts) const {
    const int64_t words = static_cast<int64_t>(words_.size());
    const Buffer<uint64_t> keys(n_ * words);
    each_point([&](int64_t i, int64_t cloud, const double* voxel) {
      for (int64_t w = 0; w < words; ++w) keys[i * words + w] = key_of(words_[w], voxel, cloud);
    });
    const Buffer<Keyed> items(n_), spare(n_);
    for (int64_t i = 0; i < n_; ++i) items[i].point = i;
    Keyed* sorted = items.get();
    for (int64_t w = 0; w < words; ++w) {
      for (int64_t s = 0; s < n_; ++s) sorted[s].key = keys[sorted[s].point * words + w];
      sorted = radix_sort(sorted, sorted == items.get() ? spare.get() : items.get(), n_, 0,
                          words_[w].bits, [](const Keyed& item) { return item.key; });
    }
    number([&](int64_t s) { return sorted[s].point; },
           [&](int64_t s) {
             const uint64_t* a = keys.get() + sorted[s - 1].point * words;
             const uint64_t* b = keys.get() + sorted[s].point * words;
             return !std::equal(a, a + words, b);
           },
           order, group, starts);
  }

  // Calls work(i, cloud, voxel) for every point.
  template <typename Work>
  void each_point(Work&& work) const {
    torch::stable::parallel_for(0, n_, kGrain, [&](int64_t begin, int64_t end) {
      std::vector<double> voxel(kBlock * dim_);
      int64_t b = std::upper_bound(ptr_.begin(), ptr_.end(), begin) - ptr_.begin() - 1;
      for (int64_t first = begin; first < end; first += kBlock) {
        const int64_t count = std::min(kBlock, end - first);
        MESHOP_PICK(find_voxels<T>)(points_ + first * dim_, count * dim_, grid_.origin.data(),
                                    grid_.size.data(), voxel.data());
        for (int64_t i = 0; i < count; ++i) {
          while (first + i >= ptr_[b + 1]) ++b;
          work(first + i, b, &voxel[i * dim_]);
        }
      }
    });
  }

  // The extent in voxels.
  void measure() {
    const int64_t chunks = (n_ + kGrain - 1) / kGrain, width = kBlock * dim_;
    Buffer<double> low(chunks * dim_), high(chunks * dim_);
    Buffer<char> sound(chunks);
    torch::stable::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
      std::vector<double> lo(width), hi(width), wild(width);
      for (int64_t c = begin; c < end; ++c) {
        std::fill(lo.begin(), lo.end(), kFarthestVoxel);
        std::fill(hi.begin(), hi.end(), -kFarthestVoxel);
        std::fill(wild.begin(), wild.end(), 0.0);
        const int64_t last = std::min(n_, (c + 1) * kGrain);
        for (int64_t first = c * kGrain; first < last; first += kBlock)
          MESHOP_PICK(widen_extent<T>)(points_ + first * dim_,
                                       std::min(kBlock, last - first) * dim_, grid_.origin.data(),
                                       grid_.size.data(), lo.data(), hi.data(), wild.data());
        sound[c] = std::count(wild.begin(), wild.end(), 0.0) == width;
        for (int64_t d = 0; d < dim_; ++d) {
          for (int64_t i = d; i < width; i += dim_) {
            lo[d] = std::min(lo[d], lo[i]);
            hi[d] = std::max(hi[d], hi[i]);
          }
          low[c * dim_ + d] = lo[d];
          high[c * dim_ + d] = hi[d];
        }
      }
    });
    for (int64_t c = 0; c < chunks; ++c)
      STD_TORCH_CHECK(sound[c], "points must be finite and within 2^62 voxels of the origin");
    low_.assign(dim_, 0);
    high_.assign(dim_, 0);
    for (int64_t d = 0; chunks > 0 && d < dim_; ++d) {
      double lo = low[d], hi = high[d];
      for (int64_t c = 1; c < chunks; ++c) {
        lo = std::min(lo, low[c * dim_ + d]);
        hi = std::max(hi, high[c * dim_ + d]);
      }
      low_[d] = static_cast<int64_t>(lo);
      high_[d] = static_cast<int64_t>(hi);
    }
  }

  // Groups begin at slot 0 and where begins(slot) says so.
  template <typename Point, typename Begins>
  void number(Point&& point, Begins&& begins, int64_t* order, int64_t* group,
              std::vector<int64_t>& starts) const {
    const int64_t chunks = (n_ + kGrain - 1) / kGrain;
    std::vector<int64_t> first(chunks + 1);
    torch::stable::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        int64_t found = 0;
        for (int64_t s = c * kGrain; s < std::min(n_, (c + 1) * kGrain); ++s)
          found += s == 0 || begins(s);
        first[c + 1] = found;
      }
    });
    for (int64_t c = 0; c < chunks; ++c) first[c + 1] += first[c];
    starts.resize(first[chunks]);
    torch::stable::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        int64_t next = first[c];
        for (int64_t s = c * kGrain; s < std::min(n_, (c + 1) * kGrain); ++s) {
          if (s == 0 || begins(s)) starts[next++] = s;
          const int64_t i = point(s);
          order[s] = i;
          group[i] = next - 1;
        }
      }
    });
  }

  const T* points_;
  int64_t n_, dim_;
  const Grid& grid_;
  const std::vector<int64_t>& ptr_;
  std::vector<int64_t> low_, high_;
  std::vector<KeyWord> words_;
};

std::tuple<Tensor, Tensor, Tensor, Tensor> voxel_groups(Tensor points, std::optional<Tensor> ptr_in,
                                                        Tensor size, Tensor origin) {
  check_voxel_arguments(points, size, origin);
  const Tensor p = torch::stable::contiguous(points);
  const int64_t n = p.size(0);
  const Grid grid(size, origin);
  const std::vector<int64_t> ptr = cloud_ptr(ptr_in, n);
  Tensor group = large_empty(p, {n}, ScalarType::Long);
  Tensor order = large_empty(p, {n}, ScalarType::Long);
  std::vector<int64_t> starts;
  auto run = [&](auto zero) {
    using T = decltype(zero);
    const Grouping<T> grouping(data<T>(p), n, grid, ptr);
    grouping.run(mutable_indices(order), mutable_indices(group), starts);
  };
  if (p.scalar_type() == ScalarType::Float) {
    run(float{});
  } else {
    STD_TORCH_CHECK(p.scalar_type() == ScalarType::Double, "points must be float32 or float64");
    run(double{});
  }
  const int64_t groups = static_cast<int64_t>(starts.size());
  Tensor rowptr = empty_of(p, {groups + 1}, ScalarType::Long);
  std::copy(starts.begin(), starts.end(), mutable_indices(rowptr));
  mutable_indices(rowptr)[groups] = n;
  // Sorted by cloud first, so a cloud's voxels begin where its points do.
  Tensor voxel_ptr = empty_of(p, {static_cast<int64_t>(ptr.size())}, ScalarType::Long);
  for (size_t b = 0; b < ptr.size(); ++b)
    mutable_indices(voxel_ptr)[b] =
        std::lower_bound(starts.begin(), starts.end(), ptr[b]) - starts.begin();
  return {group, order, rowptr, voxel_ptr};
}

// Sums in double, front to back: the same bits everywhere, and no drift far from the origin.
// D is the dimension where it is known at compile time (2, 3), else 0.
template <typename T, int D>
void centroids(const T* points, int64_t n, int64_t dim_in, const int64_t* order,
               const int64_t* rowptr, int64_t groups, T* mean, int64_t* nearest) {
  const int64_t grain = std::max<int64_t>(1, kGrain * groups / std::max<int64_t>(1, n));
  torch::stable::parallel_for(0, groups, grain, [=](int64_t begin, int64_t end) {
    const int64_t dim = D ? D : dim_in;
    std::vector<double> room(D ? 0 : dim);
    double fixed[D ? D : 1];
    double* centre = D ? fixed : room.data();
    for (int64_t g = begin; g < end; ++g) {
      const int64_t first = rowptr[g], last = rowptr[g + 1];
      for (int64_t d = 0; d < dim; ++d) centre[d] = 0;
      for (int64_t e = first; e < last; ++e)
        for (int64_t d = 0; d < dim; ++d)
          centre[d] += static_cast<double>(points[order[e] * dim + d]);
      for (int64_t d = 0; d < dim; ++d) {
        centre[d] /= static_cast<double>(last - first);
        mean[g * dim + d] = static_cast<T>(centre[d]);
      }
      double best = std::numeric_limits<double>::infinity();
      int64_t at = order[first];
      for (int64_t e = first; e < last; ++e) {
        double dist2 = 0;
        for (int64_t d = 0; d < dim; ++d) {
          const double gap = static_cast<double>(points[order[e] * dim + d]) - centre[d];
          dist2 += gap * gap;
        }
        at = dist2 < best ? order[e] : at;
        best = dist2 < best ? dist2 : best;
      }
      nearest[g] = at;
    }
  });
}

void check_groups(const Tensor& rowptr, const Tensor& of, const char* name) {
  check_indices(rowptr, "rowptr", 1);
  check_indices(of, name, 1);
  STD_TORCH_CHECK(rowptr.numel() >= 1, "rowptr must have at least one entry");
  const int64_t* at = indices(rowptr);
  const int64_t groups = rowptr.numel() - 1;
  check_rowptr(at, groups, of.numel(), "rowptr");
  bool filled = true;
  for (int64_t g = 0; g < groups; ++g) filled &= at[g] < at[g + 1];
  STD_TORCH_CHECK(filled, "no group may be empty");
}

std::tuple<Tensor, Tensor> voxel_mean(Tensor points, Tensor group, Tensor order, Tensor rowptr) {
  STD_TORCH_CHECK(points.dim() == 2, "points must have shape (N, D)");
  const Tensor p = torch::stable::contiguous(points), o = torch::stable::contiguous(order);
  const Tensor r = torch::stable::contiguous(rowptr);
  const int64_t n = p.size(0), dim = p.size(1), groups = r.numel() - 1;
  check_groups(r, o, "order");
  STD_TORCH_CHECK(o.numel() == n && group.numel() == n, "order and group must have N entries");
  check_range(indices(o), n, 0, n, "order");
  Tensor mean = empty_of(p, {groups, dim}, p.scalar_type());
  Tensor nearest = empty_of(p, {groups}, ScalarType::Long);
  auto run = [&](auto zero) {
    using T = decltype(zero);
    const auto run_in = dim == 2 ? centroids<T, 2> : dim == 3 ? centroids<T, 3> : centroids<T, 0>;
    run_in(data<T>(p), n, dim, indices(o), indices(r), groups, mutable_data<T>(mean),
           mutable_indices(nearest));
  };
  if (p.scalar_type() == ScalarType::Float) {
    run(float{});
  } else {
    STD_TORCH_CHECK(p.scalar_type() == ScalarType::Double, "points must be float32 or float64");
    run(double{});
  }
  return {mean, nearest};
}

Tensor voxel_mean_backward(Tensor grad, Tensor group, Tensor rowptr) {
  STD_TORCH_CHECK(grad.dim() == 2 && rowptr.numel() == grad.size(0) + 1,
                  "grad must have one row per group");
  const Tensor g = torch::stable::contiguous(grad), k = torch::stable::contiguous(group);
  const Tensor r = torch::stable::contiguous(rowptr);
  const int64_t n = k.numel(), dim = g.size(1);
  check_groups(r, k, "group");
  check_range(indices(k), n, 0, g.size(0), "group");
  Tensor out = empty_of(g, {n, dim}, g.scalar_type());
  auto run = [&](auto zero) {
    using T = decltype(zero);
    const T* from = data<T>(g);
    T* to = mutable_data<T>(out);
    const int64_t *of = indices(k), *at = indices(r);
    torch::stable::parallel_for(0, n, kGrain, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T count = static_cast<T>(at[of[i] + 1] - at[of[i]]);
        for (int64_t d = 0; d < dim; ++d) to[i * dim + d] = from[of[i] * dim + d] / count;
      }
    });
  };
  if (g.scalar_type() == ScalarType::Float) {
    run(float{});
  } else {
    STD_TORCH_CHECK(g.scalar_type() == ScalarType::Double, "grad must be float32 or float64");
    run(double{});
  }
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CPU, m) {
  m.impl("voxel_groups", TORCH_BOX(&voxel_groups));
  m.impl("voxel_mean", TORCH_BOX(&voxel_mean));
  m.impl("voxel_mean_backward", TORCH_BOX(&voxel_mean_backward));
}

}  // namespace meshop
