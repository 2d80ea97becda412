// Points grouped by voxel, by sorting, and the groups' centroids.
#include "voxels.h"

#include <memory>
#include <tuple>

#include "radix.h"

namespace meshop {
namespace {

constexpr int64_t kGrain = 16384;  // points

struct Keyed {
  uint64_t key;
  int64_t point;
};

template <typename T>
class Grouping {
 public:
  Grouping(const T* points, int64_t n, int64_t dim, const std::vector<int64_t>& ptr,
           const double* size, const double* origin)
      : points_(points), n_(n), dim_(dim), ptr_(ptr), size_(size), origin_(origin) {
    for (int64_t d = 0; d < dim; ++d) {
      STD_TORCH_CHECK(size[d] > 0 && std::isfinite(size[d]), "size must be positive and finite");
      STD_TORCH_CHECK(std::isfinite(origin[d]), "origin must be finite");
    }
    measure();
    words_ = key_words(low_, high_, static_cast<int64_t>(ptr.size()) - 1);
  }

  // order: the points by cloud, voxel and index; group: of each point; starts: of each group.
  void run(int64_t* order, int64_t* group, std::vector<int64_t>& starts) const {
    if (n_ == 0) return;
    const int index_bits = bit_width(static_cast<uint64_t>(n_ - 1));
    if (words_.size() == 1 && words_[0].bits + index_bits <= 64) {
      // Key and index share a word.
      auto items = room<uint64_t>(), spare = room<uint64_t>();
      each_point([&](int64_t i, int64_t cloud) {
        items[i] = key(words_[0], i, cloud) << index_bits | static_cast<uint64_t>(i);
      });
      const uint64_t* sorted = radix_sort(items.get(), spare.get(), n_, index_bits, words_[0].bits,
                                          [](uint64_t item) { return item; });
      const uint64_t mask = (uint64_t(1) << index_bits) - 1;
      number([&](int64_t s) { return static_cast<int64_t>(sorted[s] & mask); },
             [&](int64_t s) { return (sorted[s] ^ sorted[s - 1]) > mask; }, order, group, starts);
      return;
    }
    auto items = room<Keyed>(), spare = room<Keyed>();
    each_point([&](int64_t i, int64_t) { items[i].point = i; });
    Keyed* sorted = items.get();
    std::vector<int64_t> cloud(n_);
    each_point([&](int64_t i, int64_t b) { cloud[i] = b; });
    for (const KeyWord& word : words_) {
      torch::stable::parallel_for(0, n_, kGrain, [&](int64_t begin, int64_t end) {
        for (int64_t s = begin; s < end; ++s)
          sorted[s].key = key(word, sorted[s].point, cloud[sorted[s].point]);
      });
      sorted = radix_sort(sorted, sorted == items.get() ? spare.get() : items.get(), n_, 0,
                          word.bits, [](const Keyed& item) { return item.key; });
    }
    number([&](int64_t s) { return sorted[s].point; },
           [&](int64_t s) {
             const int64_t a = sorted[s - 1].point, b = sorted[s].point;
             for (const KeyWord& word : words_)
               if (key(word, a, cloud[a]) != key(word, b, cloud[b])) return true;
             return false;
           },
           order, group, starts);
  }

 private:
  template <typename Item>
  std::unique_ptr<Item[]> room() const {
    return std::unique_ptr<Item[]>(new Item[n_]);
  }

  uint64_t key(const KeyWord& word, int64_t i, int64_t cloud) const {
    return key_of(points_ + i * dim_, cloud, origin_, size_, word.fields.data(),
                  static_cast<int64_t>(word.fields.size()));
  }

  // Calls work(i, cloud) for every point.
  template <typename Work>
  void each_point(Work&& work) const {
    torch::stable::parallel_for(0, n_, kGrain, [&](int64_t begin, int64_t end) {
      int64_t b = std::upper_bound(ptr_.begin(), ptr_.end(), begin) - ptr_.begin() - 1;
      for (int64_t i = begin; i < end; ++i) {
        while (i >= ptr_[b + 1]) ++b;
        work(i, b);
      }
    });
  }

  // The extent in voxels. Chunks are fixed; minima do not depend on their order anyway.
  void measure() {
    const int64_t chunks = (n_ + kGrain - 1) / kGrain;
    std::vector<double> ends(2 * dim_ * chunks);
    std::vector<char> sound(chunks);
    torch::stable::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        double* lo = &ends[2 * dim_ * c];
        double* hi = lo + dim_;
        std::fill(lo, hi, kFarthestVoxel);
        std::fill(hi, hi + dim_, -kFarthestVoxel);
        bool inside = true;
        for (int64_t i = c * kGrain; i < std::min(n_, (c + 1) * kGrain); ++i)
          for (int64_t d = 0; d < dim_; ++d) {
            const double v = voxel_of(points_[i * dim_ + d], origin_[d], size_[d]);
            inside &= std::abs(v) < kFarthestVoxel;  // false for NaN
            lo[d] = std::min(lo[d], v);
            hi[d] = std::max(hi[d], v);
          }
        sound[c] = inside;
      }
    });
    for (int64_t c = 0; c < chunks; ++c)
      STD_TORCH_CHECK(sound[c], "points must be finite and within 2^62 voxels of the origin");
    low_.assign(dim_, 0);
    high_.assign(dim_, 0);
    for (int64_t d = 0; chunks > 0 && d < dim_; ++d) {
      double lo = kFarthestVoxel, hi = -kFarthestVoxel;
      for (int64_t c = 0; c < chunks; ++c) {
        lo = std::min(lo, ends[2 * dim_ * c + d]);
        hi = std::max(hi, ends[2 * dim_ * c + dim_ + d]);
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
      for (int64_t c = begin; c < end; ++c)
        for (int64_t s = c * kGrain; s < std::min(n_, (c + 1) * kGrain); ++s)
          first[c + 1] += s == 0 || begins(s);
    });
    for (int64_t c = 0; c < chunks; ++c) first[c + 1] += first[c];
    starts.resize(first[chunks]);
    torch::stable::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        int64_t next = first[c];
        for (int64_t s = c * kGrain; s < std::min(n_, (c + 1) * kGrain); ++s) {
          if (s == 0 || begins(s)) starts[next++] = s;
          order[s] = point(s);
          group[order[s]] = next - 1;
        }
      }
    });
  }

  const T* points_;
  int64_t n_, dim_;
  const std::vector<int64_t>& ptr_;
  const double *size_, *origin_;
  std::vector<int64_t> low_, high_;
  std::vector<KeyWord> words_;
};

std::tuple<Tensor, Tensor, Tensor, Tensor> voxel_groups(Tensor points, std::optional<Tensor> ptr_in,
                                                        Tensor size, Tensor origin) {
  check_voxel_arguments(points, size, origin);
  const Tensor p = torch::stable::contiguous(points);
  const Tensor s = torch::stable::contiguous(size), o = torch::stable::contiguous(origin);
  const int64_t n = p.size(0), dim = p.size(1);
  const std::vector<int64_t> ptr = cloud_ptr(ptr_in, n);
  Tensor group = empty_of(p, {n}, ScalarType::Long);
  Tensor order = empty_of(p, {n}, ScalarType::Long);
  std::vector<int64_t> starts;
  auto run = [&](auto zero) {
    using T = decltype(zero);
    const Grouping<T> grouping(static_cast<const T*>(p.const_data_ptr()), n, dim, ptr,
                               static_cast<const double*>(s.const_data_ptr()),
                               static_cast<const double*>(o.const_data_ptr()));
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
template <typename T>
void centroids(const T* points, int64_t n, int64_t dim, const int64_t* order,
               const int64_t* rowptr, int64_t groups, T* mean, int64_t* nearest) {
  const int64_t grain = std::max<int64_t>(1, kGrain * groups / std::max<int64_t>(1, n));
  torch::stable::parallel_for(0, groups, grain, [=](int64_t begin, int64_t end) {
    std::vector<double> centre(dim);
    for (int64_t g = begin; g < end; ++g) {
      std::fill(centre.begin(), centre.end(), 0.0);
      for (int64_t e = rowptr[g]; e < rowptr[g + 1]; ++e)
        for (int64_t d = 0; d < dim; ++d)
          centre[d] += static_cast<double>(points[order[e] * dim + d]);
      const double count = static_cast<double>(rowptr[g + 1] - rowptr[g]);
      for (int64_t d = 0; d < dim; ++d) {
        centre[d] /= count;
        mean[g * dim + d] = static_cast<T>(centre[d]);
      }
      double best = std::numeric_limits<double>::infinity();
      nearest[g] = order[rowptr[g]];
      for (int64_t e = rowptr[g]; e < rowptr[g + 1]; ++e) {
        double dist2 = 0;
        for (int64_t d = 0; d < dim; ++d) {
          const double gap = static_cast<double>(points[order[e] * dim + d]) - centre[d];
          dist2 += gap * gap;
        }
        if (dist2 < best) {
          best = dist2;
          nearest[g] = order[e];
        }
      }
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

void check_range(const Tensor& values, int64_t limit, const char* name) {
  const int64_t* at = indices(values);
  bool inside = true;
  for (int64_t i = 0; i < values.numel(); ++i) inside &= at[i] >= 0 && at[i] < limit;
  STD_TORCH_CHECK(inside, name, " must lie in [0, ", limit, ")");
}

std::tuple<Tensor, Tensor> voxel_mean(Tensor points, Tensor group, Tensor order, Tensor rowptr) {
  STD_TORCH_CHECK(points.dim() == 2, "points must have shape (N, D)");
  const Tensor p = torch::stable::contiguous(points), o = torch::stable::contiguous(order);
  const Tensor r = torch::stable::contiguous(rowptr);
  const int64_t n = p.size(0), dim = p.size(1), groups = r.numel() - 1;
  check_groups(r, o, "order");
  STD_TORCH_CHECK(o.numel() == n && group.numel() == n, "order and group must have N entries");
  check_range(o, n, "order");
  Tensor mean = empty_of(p, {groups, dim}, p.scalar_type());
  Tensor nearest = empty_of(p, {groups}, ScalarType::Long);
  auto run = [&](auto zero) {
    using T = decltype(zero);
    centroids(static_cast<const T*>(p.const_data_ptr()), n, dim, indices(o), indices(r), groups,
              static_cast<T*>(mean.mutable_data_ptr()), mutable_indices(nearest));
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
  check_range(k, g.size(0), "group");
  Tensor out = empty_of(g, {n, dim}, g.scalar_type());
  auto run = [&](auto zero) {
    using T = decltype(zero);
    const T* from = static_cast<const T*>(g.const_data_ptr());
    T* to = static_cast<T*>(out.mutable_data_ptr());
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
