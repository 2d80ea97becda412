// The searches themselves, for the instruction set that they are compiled for.
//
// Queries are taken a leaf at a time. A group first looks where it lies itself, which bounds how
// far each of its queries must see; one walk of the tree lists the leaves within the farthest of
// those bounds; then each query tests that list, several boxes at once, and reads the leaves it
// cannot rule out.
//
// Exact to the last bit: a box's bound sums the same squares in the same order as a point's
// distance does, and rounding is monotone, so a bound never exceeds a distance inside its box.
//
// No include guard; see each_isa.h.
#include "search_lanes_impl.h"

namespace meshop {
namespace MESHOP_ISA {
namespace {

constexpr int kList = 512;  // leaves in a group's list; beyond, each query walks the tree

template <typename T>
struct Entry {
  T dist2;
  uint32_t index;
  friend bool operator<(const Entry& a, const Entry& b) {
    return a.dist2 < b.dist2 || (a.dist2 == b.dist2 && a.index < b.index);
  }
};

// The k best so far, by distance and then by number. Each of the holders below starts with k
// entries of nobody at the limit, can be put down (`keep`) and taken up again (`load`), and ignores
// what is no better than its worst.
template <typename T, bool kHeap>
struct InMemory {
  Entry<T>* at;  // ascending, or a heap with the worst in front
  int64_t k;

  static int64_t bytes(int64_t k) { return k * static_cast<int64_t>(sizeof(Entry<T>)); }
  InMemory(void* memory, int64_t count) : at(static_cast<Entry<T>*>(memory)), k(count) {}
  void clear(T limit2) { std::fill(at, at + k, Entry<T>{limit2, kNobody}); }
  void load() {}
  void keep() {}
  const Entry<T>& last() const { return at[kHeap ? 0 : k - 1]; }
  T worst() const { return last().dist2; }
  uint32_t worst_index() const { return last().index; }
  void add(T dist2, uint32_t index) {
    const Entry<T> x{dist2, index};
    if (!(x < last())) return;
    if constexpr (kHeap) {
      std::pop_heap(at, at + k);
      at[k - 1] = x;
      std::push_heap(at, at + k);
    } else {
      int64_t i = k - 1;
      for (; i > 0 && x < at[i - 1]; --i) at[i] = at[i - 1];
      at[i] = x;
    }
  }
  int64_t take(T* dist2, int64_t* index, int64_t first) {
    if (kHeap) std::sort_heap(at, at + k);
    int64_t count = 0;
    for (; count < k && at[count].index != kNobody; ++count) {
      dist2[count] = at[count].dist2;
      index[count] = first + at[count].index;
    }
    return count;
  }
};

#if MESHOP_BYTES == 64

inline __m512i shifted(__m512i here, __m512i before) {
  return _mm512_alignr_epi64(here, before, 7);
}

// In R registers of eight, ascending and right-aligned. A distance that is not negative orders as
// its bits do.
template <int R>
struct FloatRegisters {
  __m512i at[R];  // distance above, number below
  uint64_t* memory;
  int64_t k;

  static int64_t bytes(int64_t) { return R * 64; }
  FloatRegisters(void* m, int64_t count) : memory(static_cast<uint64_t*>(m)), k(count) {}
  static uint64_t join(float dist2, uint32_t index) {
    uint32_t bits;
    std::memcpy(&bits, &dist2, 4);
    return static_cast<uint64_t>(bits) << 32 | index;
  }
  void clear(float limit2) {
    const uint64_t empty = join(limit2, kNobody);
    for (int64_t i = 0; i < 8 * R; ++i) memory[i] = i < 8 * R - k ? 0 : empty;
  }
  void load() {
    for (int r = 0; r < R; ++r) at[r] = _mm512_loadu_si512(memory + 8 * r);
  }
  void keep() {
    for (int r = 0; r < R; ++r) _mm512_storeu_si512(memory + 8 * r, at[r]);
  }
  float worst() const {
    return _mm512_cvtss_f32(
        _mm512_permutexvar_ps(_mm512_set1_epi32(15), _mm512_castsi512_ps(at[R - 1])));
  }
  uint32_t worst_index() const {
    return _mm512_cvtsi512_si32(_mm512_permutexvar_epi32(_mm512_set1_epi32(14), at[R - 1]));
  }
  MESHOP_INLINE void add(float dist2, uint32_t index) {
    const __m512i x = _mm512_set1_epi64(static_cast<int64_t>(join(dist2, index)));
    for (int r = R - 1; r >= 0; --r) {
      const __m512i before = r > 0 ? at[r - 1] : _mm512_setzero_si512();
      at[r] = _mm512_min_epu64(at[r], _mm512_max_epu64(shifted(at[r], before), x));
    }
  }
  int64_t take(float* dist2, int64_t* index, int64_t first) {
    keep();
    const uint64_t* from = memory + 8 * R - k;
    int64_t count = k;
    while (count > 0 && static_cast<uint32_t>(from[count - 1]) == kNobody) --count;
    for (int64_t i = 0; i < count; ++i) {
      const uint32_t bits = static_cast<uint32_t>(from[i] >> 32);
      std::memcpy(dist2 + i, &bits, 4);
      index[i] = first + static_cast<uint32_t>(from[i]);
    }
    return count;
  }
};

template <int R>
struct DoubleRegisters {
  __m512d dist2_[R];
  __m512i index_[R];
  double* memory;
  int64_t k;

  static int64_t bytes(int64_t) { return R * 128; }
  DoubleRegisters(void* m, int64_t count) : memory(static_cast<double*>(m)), k(count) {}
  int64_t* numbers() const { return reinterpret_cast<int64_t*>(memory + 8 * R); }
  void clear(double limit2) {
    for (int64_t i = 0; i < 8 * R; ++i) {
      memory[i] = i < 8 * R - k ? -1.0 : limit2;  // nothing comes before the unused ones
      numbers()[i] = kNobody;
    }
  }
  void load() {
    for (int r = 0; r < R; ++r) {
      dist2_[r] = _mm512_loadu_pd(memory + 8 * r);
      index_[r] = _mm512_loadu_si512(numbers() + 8 * r);
    }
  }
  void keep() {
    for (int r = 0; r < R; ++r) {
      _mm512_storeu_pd(memory + 8 * r, dist2_[r]);
      _mm512_storeu_si512(numbers() + 8 * r, index_[r]);
    }
  }
  double worst() const {
    return _mm512_cvtsd_f64(_mm512_permutexvar_pd(_mm512_set1_epi64(7), dist2_[R - 1]));
  }
  uint32_t worst_index() const {
    return _mm512_cvtsi512_si32(_mm512_permutexvar_epi64(_mm512_set1_epi64(7), index_[R - 1]));
  }
  MESHOP_INLINE void add(double dist2, uint32_t index) {
    const __m512d x = _mm512_set1_pd(dist2);
    const __m512i n = _mm512_set1_epi64(index);
    __mmask8 equal = 0;
    for (int r = 0; r < R; ++r) equal |= _mm512_cmp_pd_mask(x, dist2_[r], _CMP_EQ_OQ);
    for (int r = R - 1; r >= 0; --r) {
      // The entries before each; before the first stands what nothing comes before.
      const __m512d d_before = _mm512_castsi512_pd(
          shifted(_mm512_castpd_si512(dist2_[r]),
                  r > 0 ? _mm512_castpd_si512(dist2_[r - 1]) : _mm512_set1_epi64(-1)));
      const __m512i i_before = shifted(index_[r], r > 0 ? index_[r - 1] : n);
      // The entries that x comes before shift by one; the first of them makes room for x.
      __mmask8 after = _mm512_cmp_pd_mask(x, dist2_[r], _CMP_LT_OQ);
      __mmask8 moved = _mm512_cmp_pd_mask(x, d_before, _CMP_LT_OQ);
      if (__builtin_expect(equal != 0, 0)) {  // ties go by number
        after |= _mm512_mask_cmplt_epu64_mask(_mm512_cmp_pd_mask(x, dist2_[r], _CMP_EQ_OQ), n,
                                              index_[r]);
        moved |=
            _mm512_mask_cmplt_epu64_mask(_mm512_cmp_pd_mask(x, d_before, _CMP_EQ_OQ), n, i_before);
      }
      dist2_[r] = _mm512_mask_mov_pd(_mm512_mask_mov_pd(dist2_[r], after, x), moved, d_before);
      index_[r] =
          _mm512_mask_mov_epi64(_mm512_mask_mov_epi64(index_[r], after, n), moved, i_before);
    }
  }
  int64_t take(double* dist2, int64_t* index, int64_t first) {
    keep();
    const double* from = memory + 8 * R - k;
    const int64_t* number = numbers() + 8 * R - k;
    int64_t count = k;
    while (count > 0 && number[count - 1] == kNobody) --count;
    for (int64_t i = 0; i < count; ++i) {
      dist2[i] = from[i];
      index[i] = first + number[i];
    }
    return count;
  }
};

template <typename T, int R>
using Registers =
    std::conditional_t<std::is_same_v<T, float>, FloatRegisters<R>, DoubleRegisters<R>>;

#endif

// Everything within reach, in no order yet.
template <typename T>
struct Collect {
  Found<T>* to;
  T limit2;
  int64_t count = 0;

  T worst() const { return limit2; }
  uint32_t worst_index() const { return kNobody; }
};

// Gives `top` those of one vector's points that `mask` names, but for `self`.
template <typename Top, typename V>
MESHOP_INLINE void offer(Top& top, V dist2, const uint32_t* index, uint32_t mask, uint32_t self) {
  alignas(64) decltype(top.worst()) values[V::kLanes];
  dist2.store(values);
  do {
    const int lane = __builtin_ctz(mask);
    mask &= mask - 1;
    if (index[lane] != self) top.add(values[lane], index[lane]);
  } while (mask);
}

template <typename T, typename V>
MESHOP_INLINE void offer(Collect<T>& top, V dist2, const uint32_t* index, uint32_t mask,
                         uint32_t self) {
  constexpr int kLanes = V::kLanes;
  Found<T>& to = *top.to;
  if (static_cast<int64_t>(to.dist2.size()) < top.count + kLanes) {
    to.dist2.resize(2 * top.count + kLanes);
    to.index.resize(2 * top.count + kLanes);
  }
  T* const d = to.dist2.data() + top.count;
  uint32_t* const n = to.index.data() + top.count;
#if MESHOP_BYTES == 64
  if constexpr (std::is_same_v<T, float>) {
    const __m512i number = _mm512_loadu_si512(index);
    mask &= _mm512_cmpneq_epi32_mask(number, _mm512_set1_epi32(self));
    _mm512_storeu_ps(d, _mm512_maskz_compress_ps(mask, dist2.v));
    _mm512_storeu_si512(n, _mm512_maskz_compress_epi32(mask, number));
  } else {
    const __m256i number = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index));
    mask &= _mm256_cmpneq_epi32_mask(number, _mm256_set1_epi32(self));
    _mm512_storeu_pd(d, _mm512_maskz_compress_pd(mask, dist2.v));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(n), _mm256_maskz_compress_epi32(mask, number));
  }
  top.count += __builtin_popcount(mask);
#else
  alignas(64) T values[kLanes];
  dist2.store(values);
  int64_t kept = 0;
  for (; mask; mask &= mask - 1) {
    const int lane = __builtin_ctz(mask);
    d[kept] = values[lane];
    n[kept] = index[lane];
    kept += index[lane] != self;
  }
  top.count += kept;
#endif
}

// One group of queries: a leaf of the query tree.
template <typename T, int D>
class Group {
 public:
  Group(const Search<T>& ask) : ask_(ask), points_(*ask.points), dim_(points_.dim) {
    const int64_t room = 2 * dim() * kList + 8 * dim();
    memory_ = Buffer<T>(room);
    lo_ = memory_.get();
    hi_ = lo_ + dim() * kList;
    query_ = hi_ + dim() * kList;
  }

  // The cloud that a leaf of the query tree belongs to; leaves come in ascending order.
  void enter(int64_t query_leaf) {
    const Trees<T>& q = *ask_.queries;
    while (query_leaf >= q.leaf_ptr[cloud_ + 1]) ++cloud_;
    leaf_ = query_leaf;
    first_leaf_ = points_.leaf_ptr[cloud_];
    leaves_ = points_.leaf_ptr[cloud_ + 1] - first_leaf_;
    coords_ = q.coords.get() + query_leaf * dim() * kLeaf;
    index_ = q.index.get() + query_leaf * kLeaf;
    size_ = 0;
    while (size_ < kLeaf && index_[size_] != kNobody) ++size_;
    for (int64_t d = 0; d < dim(); ++d) {
      T lo = coords_[d * kLeaf], hi = lo;
      for (int i = 1; i < size_; ++i) {
        lo = std::min(lo, coords_[d * kLeaf + i]);
        hi = std::max(hi, coords_[d * kLeaf + i]);
      }
      query_[dim() + d] = lo;
      query_[2 * dim() + d] = hi;
    }
    listed_ = 0;
    seed_first_ = seed_last_ = 0;
  }

  int size() const { return size_; }
  int64_t row(int i) const { return ask_.queries->ptr[cloud_] + index_[i]; }
  // Where row i starts when all rows of a cloud have one length. Does not touch rowptr[row], which
  // would be a cache miss for each query.
  int64_t row_start(int i, const int64_t* rowptr) const {
    const int64_t* const cloud = rowptr + ask_.queries->ptr[cloud_];
    return cloud[0] + index_[i] * (cloud[1] - cloud[0]);
  }
  int64_t first_point() const { return points_.ptr[cloud_]; }
  bool empty() const { return leaves_ == 0; }
  T limit2(int i) const { return ask_.limit2[ask_.limit_stride * row(i)]; }

  void aim(int i) {
    for (int64_t d = 0; d < dim(); ++d) query_[d] = coords_[d * kLeaf + i];
    self_ = ask_.exclude_self ? index_[i] : kNobody;
  }

  // The smallest subtree around the group's middle with at least `need` points, as leaves.
  void seed(int64_t need) {
    T* middle = query_ + 3 * dim();
    for (int64_t d = 0; d < dim(); ++d) {
      const T lo = query_[dim() + d], hi = query_[2 * dim() + d];
      middle[d] = std::min(std::max(lo + (hi - lo) / 2, lo), hi);
    }
    int64_t node = points_.root(cloud_), first = first_leaf_, leaves = leaves_;
    bool enough = true;
    while (leaves > 1) {
      const int64_t half = left_leaves(leaves), left = node + 1, right = node + 2 * half;
      const bool go_left = !(bound(right, middle) < bound(left, middle));
      // All leaves but a cloud's last are full.
      const int64_t inside = ((go_left ? half : leaves - half) - 1) * kLeaf + 1;
      if (enough && inside < need && (leaves - half < 2 || inside + kLeaf - 1 < need)) {
        enough = false;
        seed_first_ = first;
        seed_last_ = first + leaves;
      }
      node = go_left ? left : right;
      first += go_left ? 0 : half;
      leaves = go_left ? half : leaves - half;
    }
    middle_leaf_ = first;
    if (enough) {
      seed_first_ = first;
      seed_last_ = first + leaves;
    }
  }

  template <typename Top>
  MESHOP_INLINE void read_seed(Top& top) const {
    if (seed_first_ == seed_last_) return;
    read(middle_leaf_, top);  // first, since what comes later then rarely gets in
    for (int64_t leaf = seed_first_; leaf < middle_leaf_; ++leaf) read(leaf, top);
    for (int64_t leaf = middle_leaf_ + 1; leaf < seed_last_; ++leaf) read(leaf, top);
  }

  // Lists the leaves, outside the seed, that come within sqrt(reach2) of the group's box.
  // False where there are too many.
  bool list(T reach2) {
    listed_ = 0;
    struct Item {
      int64_t node, first, leaves;
    };
    Item stack[128];
    int depth = 0;
    if (leaves_ > 0) stack[depth++] = {points_.root(cloud_), first_leaf_, leaves_};
    while (depth > 0) {
      const Item at = stack[--depth];
      if (gap2(at.node) > reach2) continue;
      if (at.leaves == 1) {
        if (at.first >= seed_first_ && at.first < seed_last_) continue;
        if (listed_ == kList) return false;
        const T* lo = points_.lo(at.node);
        for (int64_t d = 0; d < dim(); ++d) {
          lo_[d * kList + listed_] = lo[d];
          hi_[d * kList + listed_] = lo[dim() + d];
        }
        list_[listed_++] = at.first;
        continue;
      }
      const int64_t half = left_leaves(at.leaves);
      stack[depth++] = {at.node + 2 * half, at.first + half, at.leaves - half};
      stack[depth++] = {at.node + 1, at.first, half};
    }
    return true;
  }

  // Reads the listed leaves that may hold something better, near ones first.
  template <typename Top>
  MESHOP_INLINE void read_list(Top& top) const {
    using V = Vector<T>;
    alignas(64) T bounds[kList];
    uint32_t masks[kList / V::kLanes];
    const T worst = top.worst();
    const int blocks = (listed_ + V::kLanes - 1) / V::kLanes;
    for (int b = 0; b < blocks; ++b) {
      V sum = V::all(0);
      for (int64_t d = 0; d < dim(); ++d) {
        const V lo = V::load(lo_ + d * kList + b * V::kLanes);
        const V hi = V::load(hi_ + d * kList + b * V::kLanes);
        const V q = V::all(query_[d]);
        V gap = max(max(lo - q, q - hi), V::all(0));
        if (ask_.box) {
          const V far = max(V::all(ask_.box[d]) - max(q - lo, hi - q), V::all(0));
          gap = min(far, gap);
        }
        sum = sum + gap * gap;
      }
      sum.store(bounds + b * V::kLanes);
      masks[b] = at_most(sum, V::all(worst));
    }
    const int rest = listed_ % V::kLanes;  // the last boxes of the last vector are nobody's
    if (rest) masks[blocks - 1] &= (1u << rest) - 1;
    const T close = worst / 4;
    for (int round = 0; round < 2; ++round)
      for (int b = 0; b < blocks; ++b) {
        uint32_t again = 0;
        for (uint32_t mask = masks[b]; mask; mask &= mask - 1) {
          const int lane = __builtin_ctz(mask);
          const T bound = bounds[b * V::kLanes + lane];
          if (round == 0 && bound > close) {
            again |= 1u << lane;
          } else if (bound <= top.worst()) {
            read(list_[b * V::kLanes + lane], top);
          }
        }
        masks[b] = again;
      }
  }

  // Walks the tree for one query, the nearer child first; ties go by the lowest number inside, so
  // that a pile of duplicates is not opened over and over.
  template <typename Top>
  void walk(Top& top) const {
    Top held = top;  // what a recursion refers to cannot stay in registers
    if (leaves_ > 0) walk(points_.root(cloud_), first_leaf_, leaves_, held);
    top = held;
  }

 private:
  int64_t dim() const { return D ? D : dim_; }

  T bound(int64_t node, const T* query) const {
    const T* lo = points_.lo(node);
    const T* hi = lo + dim();
    T sum = 0;
    for (int64_t d = 0; d < dim(); ++d) {
      T gap = std::max(std::max(lo[d] - query[d], query[d] - hi[d]), T(0));
      if (ask_.box)
        gap = std::min(gap,
                       std::max(ask_.box[d] - std::max(query[d] - lo[d], hi[d] - query[d]), T(0)));
      sum += gap * gap;
    }
    return sum;
  }

  // As bound(), for the whole group.
  T gap2(int64_t node) const {
    const T* lo = points_.lo(node);
    const T* hi = lo + dim();
    const T* from = query_ + dim();
    const T* to = from + dim();
    T sum = 0;
    for (int64_t d = 0; d < dim(); ++d) {
      T gap = std::max(std::max(lo[d] - to[d], from[d] - hi[d]), T(0));
      if (ask_.box)
        gap = std::min(gap, std::max(ask_.box[d] - std::max(to[d] - lo[d], hi[d] - from[d]), T(0)));
      sum += gap * gap;
    }
    return sum;
  }

  template <typename Top>
  MESHOP_INLINE void read(int64_t leaf, Top& top) const {
    using V = Vector<T>;
    const T* coords = points_.coords.get() + leaf * dim() * kLeaf;
    const uint32_t* index = points_.index.get() + leaf * kLeaf;
    for (int s = 0; s < kLeaf; s += V::kLanes) {
      V sum = V::all(0);
      for (int64_t d = 0; d < dim(); ++d) {
        V gap = V::all(query_[d]) - V::load(coords + d * kLeaf + s);
        if (ask_.box) {
          gap = max(gap, V::all(0) - gap);
          gap = min(V::all(ask_.box[d]) - gap, gap);
        }
        sum = sum + gap * gap;
      }
      const uint32_t mask = at_most(sum, V::all(top.worst()));  // NaN, the padding, is not
      if (mask) offer(top, sum, index + s, mask, self_);
    }
  }

  template <typename Top>
  void walk(int64_t node, int64_t first, int64_t leaves, Top& top) const {
    if (first >= seed_first_ && first + leaves <= seed_last_) return;  // read already
    if (leaves == 1) return read(first, top);
    const int64_t half = left_leaves(leaves);
    const int64_t left = node + 1, right = node + 2 * half;
    const T to_left = bound(left, query_), to_right = bound(right, query_);
    auto enter = [&](int64_t child, T at) {
      if (at > top.worst() || (at == top.worst() && points_.least[child] > top.worst_index()))
        return;
      if (child == left) {
        walk(left, first, half, top);
      } else {
        walk(right, first + half, leaves - half, top);
      }
    };
    if (to_right < to_left) {
      enter(right, to_right);
      enter(left, to_left);
    } else {
      enter(left, to_left);
      enter(right, to_right);
    }
  }

  const Search<T>& ask_;
  const Trees<T>& points_;
  int64_t dim_;
  int64_t cloud_ = 0, leaf_ = 0, first_leaf_ = 0, leaves_ = 0;
  const T* coords_ = nullptr;
  const uint32_t* index_ = nullptr;
  int size_ = 0;
  uint32_t self_ = kNobody;
  int64_t seed_first_ = 0, seed_last_ = 0, middle_leaf_ = 0;
  int listed_ = 0;
  int64_t list_[kList];
  Buffer<T> memory_;
  T *lo_, *hi_;  // boxes of the list, by dimension
  T* query_;     // the query, then the group's box, then its middle
};

template <typename T, int D, typename Top>
void nearest_in(const Search<T>& ask, int64_t k, int64_t begin, int64_t end, const int64_t* rowptr,
                T* dist2, int64_t* index, int64_t* count, Found<T>* found) {
  Group<T, D> group(ask);
  const int64_t state = (Top::bytes(k) + 63) / 64 * 64;
  Buffer<char> memory(kLeaf * state);
  std::vector<int64_t> row_index(rowptr ? 0 : k);
  std::vector<T> row_dist2(rowptr ? 0 : k);
  for (int64_t leaf = begin; leaf < end; ++leaf) {
    group.enter(leaf);
    group.seed(k + ask.exclude_self);
    T reach2 = 0;
    for (int i = 0; i < group.size(); ++i) {
      Top top(memory.get() + i * state, k);
      top.clear(group.limit2(i));
      if (!group.empty()) {
        group.aim(i);
        top.load();
        group.read_seed(top);
        reach2 = std::max(reach2, top.worst());
        top.keep();
      }
      if (rowptr) {  // written further below
        const int64_t start = group.row_start(i, rowptr);
        for (int64_t e = 0; e < k; e += 8) __builtin_prefetch(index + start + e, 1);
        for (int64_t e = 0; e < k; e += 16) __builtin_prefetch(dist2 + start + e, 1);
      }
    }
    const bool listed = group.list(reach2);
    for (int i = 0; i < group.size(); ++i) {
      Top top(memory.get() + i * state, k);
      top.load();
      group.aim(i);
      if (listed) {
        group.read_list(top);
      } else {
        group.walk(top);
      }
      if (rowptr) {
        const int64_t start = group.row_start(i, rowptr);
        top.take(dist2 + start, index + start, group.first_point());
      } else {
        const int64_t row = group.row(i);
        count[row] = top.take(row_dist2.data(), row_index.data(), 0);
        found->dist2.insert(found->dist2.end(), row_dist2.begin(), row_dist2.begin() + count[row]);
        found->index.insert(found->index.end(), row_index.begin(), row_index.begin() + count[row]);
      }
    }
  }
}

template <typename T, int D>
void nearest_by_k(const Search<T>& ask, int64_t k, int64_t begin, int64_t end,
                  const int64_t* rowptr, T* dist2, int64_t* index, int64_t* count,
                  Found<T>* found) {
#if MESHOP_BYTES == 64
  if constexpr (D > 0) {
    auto with = [&](auto top) {
      nearest_in<T, D, decltype(top)>(ask, k, begin, end, rowptr, dist2, index, count, found);
    };
    if (k <= 8) return with(Registers<T, 1>(nullptr, 0));
    if (k <= 16) return with(Registers<T, 2>(nullptr, 0));
    if (k <= 32) return with(Registers<T, 4>(nullptr, 0));
  }
#endif
  if (k <= 64)
    return nearest_in<T, D, InMemory<T, false>>(ask, k, begin, end, rowptr, dist2, index, count,
                                                found);
  nearest_in<T, D, InMemory<T, true>>(ask, k, begin, end, rowptr, dist2, index, count, found);
}

// Sorts a row by (distance, number) into the end of `found`, the first `keep` of it.
template <typename T>
void sort_row(const T* dist2, const uint32_t* index, int64_t n, int64_t keep, Found<T>& found,
              std::vector<std::pair<T, uint32_t>>& pairs) {
  const size_t at = found.dist2.size();
  found.dist2.resize(at + keep);
  found.index.resize(at + keep);
  if (n <= 64) {  // everyone's rank at once beats sorting
    alignas(64) int32_t rank[64] = {};
    for (int64_t j = 0; j < n; ++j) {
      const T d = dist2[j];
      const uint32_t m = index[j];
      for (int64_t i = 0; i < n; ++i)
        rank[i] += (d < dist2[i]) | ((d == dist2[i]) & (m < index[i]));
    }
    for (int64_t i = 0; i < n; ++i)
      if (rank[i] < keep) {
        found.dist2[at + rank[i]] = dist2[i];
        found.index[at + rank[i]] = index[i];
      }
    return;
  }
  pairs.resize(n);
  for (int64_t i = 0; i < n; ++i) pairs[i] = {dist2[i], index[i]};
  if (keep < n) std::nth_element(pairs.begin(), pairs.begin() + keep, pairs.end());
  std::sort(pairs.begin(), pairs.begin() + keep);
  for (int64_t i = 0; i < keep; ++i) {
    found.dist2[at + i] = pairs[i].first;
    found.index[at + i] = pairs[i].second;
  }
}

template <typename T, int D>
void within_in(const Search<T>& ask, int64_t cap, int64_t begin, int64_t end, int64_t* count,
               int64_t* dropped, Found<T>* found) {
  Group<T, D> group(ask);
  Found<T> row_found;
  std::vector<std::pair<T, uint32_t>> pairs;
  for (int64_t leaf = begin; leaf < end; ++leaf) {
    group.enter(leaf);
    T reach2 = 0;
    for (int i = 0; i < group.size(); ++i) reach2 = std::max(reach2, group.limit2(i));
    const bool listed = group.list(reach2);
    for (int i = 0; i < group.size(); ++i) {
      Collect<T> all{&row_found, group.limit2(i)};
      group.aim(i);
      if (listed) {
        group.read_list(all);
      } else {
        group.walk(all);
      }
      const int64_t keep = cap < 0 ? all.count : std::min(cap, all.count), row = group.row(i);
      sort_row(row_found.dist2.data(), row_found.index.data(), all.count, keep, *found, pairs);
      count[row] = keep;
      dropped[row] = all.count - keep;
    }
  }
}

template <typename T>
void nearest(const Search<T>& ask, int64_t k, int64_t begin, int64_t end, const int64_t* rowptr,
             T* dist2, int64_t* index, int64_t* count, Found<T>* found) {
  const int64_t dim = ask.points->dim;
  const auto in = dim == 2   ? nearest_by_k<T, 2>
                  : dim == 3 ? nearest_by_k<T, 3>
                             : nearest_by_k<T, 0>;
  in(ask, k, begin, end, rowptr, dist2, index, count, found);
}

template <typename T>
void within(const Search<T>& ask, int64_t cap, int64_t begin, int64_t end, int64_t* count,
            int64_t* dropped, Found<T>* found) {
  const int64_t dim = ask.points->dim;
  const auto in = dim == 2 ? within_in<T, 2> : dim == 3 ? within_in<T, 3> : within_in<T, 0>;
  in(ask, cap, begin, end, count, dropped, found);
}

}  // namespace
}  // namespace MESHOP_ISA
}  // namespace meshop
