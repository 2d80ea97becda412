// nanoflann (BSD) behind a C face, as a peer: build the tree, then query in threads.
#include <nanoflann.hpp>

#include <cstdint>
#include <thread>
#include <vector>

namespace {

template <typename T, int D>
struct Cloud {
  const T* x;
  size_t n;
  size_t kdtree_get_point_count() const { return n; }
  T kdtree_get_pt(size_t i, size_t d) const { return x[i * D + d]; }
  template <class B>
  bool kdtree_get_bbox(B&) const {
    return false;
  }
};

template <typename T, int D>
using Tree = nanoflann::KDTreeSingleIndexAdaptor<nanoflann::L2_Simple_Adaptor<T, Cloud<T, D>>,
                                                 Cloud<T, D>, D, size_t>;

template <typename F>
void in_threads(int64_t n, int threads, F&& f) {
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t)
    all.emplace_back([=] { f(n * t / threads, n * (t + 1) / threads); });
  for (auto& t : all) t.join();
}

template <typename T, int D>
void knn(const T* x, int64_t n, int64_t k, int threads, int64_t* index, T* dist2) {
  const Cloud<T, D> cloud{x, static_cast<size_t>(n)};
  Tree<T, D> tree(D, cloud, nanoflann::KDTreeSingleIndexAdaptorParams(10));
  tree.buildIndex();
  in_threads(n, threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      tree.knnSearch(x + i * D, k, reinterpret_cast<size_t*>(index + i * k), dist2 + i * k);
  });
}

template <typename T, int D>
int64_t radius(const T* x, int64_t n, double r, const T* radii, int threads) {
  const Cloud<T, D> cloud{x, static_cast<size_t>(n)};
  Tree<T, D> tree(D, cloud, nanoflann::KDTreeSingleIndexAdaptorParams(10));
  tree.buildIndex();
  std::vector<int64_t> found(n);
  std::vector<std::vector<std::pair<size_t, T>>> rows(n);
  in_threads(n, threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      found[i] = tree.radiusSearch(
          x + i * D, radii ? radii[i] * radii[i] : static_cast<T>(r * r), rows[i],
          nanoflann::SearchParams());
  });
  int64_t total = 0;
  for (int64_t f : found) total += f;
  return total;
}

}  // namespace

#define FACE(T, name, D)                                                                     \
  extern "C" void knn_##name##D(const T* x, int64_t n, int64_t k, int threads, int64_t* index, \
                                T* dist2) {                                                  \
    knn<T, D>(x, n, k, threads, index, dist2);                                               \
  }                                                                                          \
  extern "C" int64_t radius_##name##D(const T* x, int64_t n, double r, const T* radii,       \
                                      int threads) {                                         \
    return radius<T, D>(x, n, r, radii, threads);                                                   \
  }
FACE(float, f, 2)
FACE(float, f, 3)
FACE(double, d, 2)
FACE(double, d, 3)
