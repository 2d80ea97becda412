// The searches on the GPU: a warp takes the 32 queries of one leaf of the query tree and walks the
// points' tree with them together. It enters what any of them wants; each thread prunes, reads and
// keeps by its own query's measure.
//
// Exact to the last bit, and the same as the CPU's: a distance sums the squares in the order of the
// axes, without contraction (-fmad=false). A box's bound sums the same squares in the same order,
// and rounding is monotone, so a bound never exceeds a distance inside its box.
#pragma once

#include "kdtree.cuh"

namespace meshop {
namespace {

constexpr int kSearchThreads = 128;
constexpr int kDepth = 32;  // of a tree of 2^31 leaves, and more cannot be

template <typename T>
struct Ask {
  TreeView<T> points, queries;  // the same where the points are the queries
  const T* box;                 // (dim,) periods, infinite where there is none; or null
  const T* radii;               // (1,), or (stride 1) one a query; or null: max_distance for all
  int64_t radius_stride;
  T max_distance;
  bool exclude_self;

  __device__ T limit2(int64_t row) const {
    const T reach = radii ? radii[radius_stride * row] : max_distance;
    return reach * reach;
  }
};

// Rows of the answer by query.
template <typename T>
struct Rows {
  int64_t* rowptr;
  int64_t* dropped;  // or null
  int64_t* index;
  T* dist2;
  int64_t cap;  // most entries of a row; < 0 for all
};

// In one expression, so that no branch comes of it.
template <typename T, typename I>
__device__ bool comes_before(T d, I n, T other, I other_n) {
  return (d < other) | ((d == other) & (n < other_n));
}

// What a thread keeps for its query. `wants` says whether something at this distance or beyond,
// whose numbers are no lower than this, can still matter; nothing does to a thread without a query.

// The K best, in registers: ascending by distance and then number, right-aligned.
template <typename T, int K>
struct Best {
  T dist2[K];
  uint32_t number[K];

  __device__ Best(const Rows<T>& rows, int64_t row, T limit2) {
    const bool idle = row < 0 || rows.rowptr[row + 1] == rows.rowptr[row];
#pragma unroll
    for (int i = 0; i < K; ++i) {
      dist2[i] = idle || i < K - rows.cap ? T(-1) : limit2;  // nothing comes before the unused
      number[i] = kNobody;
    }
  }
  __device__ bool before(T d, uint32_t n, int i) const {
    return comes_before(d, n, dist2[i], number[i]);
  }
  __device__ T worst() const { return dist2[K - 1]; }
  __device__ bool wants(T d, uint32_t n) const { return before(d, n, K - 1); }
  __device__ void add(T d, uint32_t n) {
    bool here = before(d, n, K - 1);
    if (!here) return;
#pragma unroll
    for (int i = K - 1; i > 0; --i) {
      const bool earlier = before(d, n, i - 1);
      dist2[i] = earlier ? dist2[i - 1] : here ? d : dist2[i];
      number[i] = earlier ? number[i - 1] : here ? n : number[i];
      here = earlier;
    }
    dist2[0] = here ? d : dist2[0];
    number[0] = here ? n : number[0];
  }
  __device__ void finish(const Rows<T>& rows, int64_t row) const {
    const int64_t first = rows.rowptr[row], count = rows.rowptr[row + 1] - first;
#pragma unroll
    for (int i = 0; i < K; ++i) {
      const int64_t at = i - (K - rows.cap);
      if (at < 0 || at >= count) continue;
      rows.dist2[first + at] = dist2[i];
      rows.index[first + at] = number[i];
    }
  }
};

// How many there are within reach: all of them, or (kNearest) no more than the cap.
template <typename T, bool kNearest>
struct Count {
  int64_t count = 0, enough;
  T reach2;

  __device__ Count(const Rows<T>& rows, int64_t row, T limit2)
      : enough(rows.cap), reach2(row < 0 || (kNearest && rows.cap <= 0) ? T(-1) : limit2) {}
  __device__ T worst() const { return reach2; }
  __device__ bool wants(T d, uint32_t) const { return d <= reach2; }
  __device__ void add(T, uint32_t) {
    ++count;
    if (kNearest && count == enough) reach2 = -1;
  }
  __device__ void finish(const Rows<T>& rows, int64_t row) const {
    const int64_t kept = rows.cap >= 0 && count > rows.cap ? rows.cap : count;
    rows.rowptr[row + 1] = kept;
    if (rows.dropped) rows.dropped[row] = count - kept;
  }
};

// As many as the row has room for, in the output itself: in any order until it is full, then a heap
// with the worst in front. sort_kernel puts the rows in order.
template <typename T>
struct Heap {
  T* dist2;
  int64_t* index;
  int64_t count = 0, room = 0;
  T reach2 = -1;
  uint32_t last = kNobody;

  __device__ Heap(const Rows<T>& rows, int64_t row, T limit2) {
    if (row < 0) return;
    dist2 = rows.dist2 + rows.rowptr[row];
    index = rows.index + rows.rowptr[row];
    room = rows.rowptr[row + 1] - rows.rowptr[row];
    if (room > 0) reach2 = limit2;
  }
  __device__ T worst() const { return reach2; }
  __device__ bool wants(T d, uint32_t n) const { return comes_before(d, n, reach2, last); }
  __device__ void add(T d, uint32_t n) {
    if (!wants(d, n)) return;
    if (count < room) {
      dist2[count] = d;
      index[count++] = n;
      if (count < room) return;
      for (int64_t i = room / 2 - 1; i >= 0; --i) sink(i, dist2[i], index[i]);
    } else {
      sink(0, d, n);
    }
    reach2 = dist2[0];
    last = static_cast<uint32_t>(index[0]);
  }
  __device__ void finish(const Rows<T>&, int64_t) const {}

 private:
  // Puts an entry where it belongs in the heap below place i.
  __device__ void sink(int64_t i, T d, int64_t n) {
    for (int64_t child; (child = 2 * i + 1) < room; i = child) {
      if (child + 1 < room &&
          comes_before(dist2[child], index[child], dist2[child + 1], index[child + 1]))
        ++child;
      if (!comes_before(d, n, dist2[child], index[child])) break;
      dist2[i] = dist2[child];
      index[i] = index[child];
    }
    dist2[i] = d;
    index[i] = n;
  }
};

// One thread's query. D = 0: any dimension. What is common to all threads is decided outside of the
// loops, so that nothing keeps their loads from going out together.
template <typename T, int D>
struct Query {
  const Ask<T>& ask;
  const T* at;  // its coordinates
  T x[D > 0 ? D : 1];

  __device__ Query(const Ask<T>& a, int64_t place) : ask(a), at(a.queries.coords + place * dim()) {
#pragma unroll
    for (int d = 0; d < D; ++d) x[d] = at[d];
  }
  __device__ int64_t dim() const { return D > 0 ? D : ask.points.dim; }
  __device__ T coordinate(int64_t d) const { return D > 0 ? x[D > 0 ? d : 0] : at[d]; }

  // The places out of [begin, begin + count) that are no farther than this, as bits.
  __device__ uint32_t within(T reach2, int64_t begin, int count) const {
    return ask.box ? within<true>(reach2, begin, count) : within<false>(reach2, begin, count);
  }
  __device__ T dist2(int64_t place) const {
    return ask.box ? dist2<true>(place) : dist2<false>(place);
  }
  // No more than the distance to anything inside.
  __device__ T bound(int64_t node) const {
    return ask.box ? bound<true>(node) : bound<false>(node);
  }

 private:
  template <bool kPeriodic>
  __device__ uint32_t within(T reach2, int64_t begin, int count) const {
    uint32_t found = 0;
#pragma unroll 4
    for (int i = 0; i < count; ++i)
      found |= static_cast<uint32_t>(dist2<kPeriodic>(begin + i) <= reach2) << i;
    return found;
  }

  template <bool kPeriodic>
  __device__ T dist2(int64_t place) const {
    const T* p = ask.points.coords + place * dim();
    T sum = 0;
#pragma unroll
    for (int64_t d = 0; d < dim(); ++d) {
      T gap = coordinate(d) - __ldg(p + d);
      if constexpr (kPeriodic) {
        gap = most_of(gap, -gap);
        gap = least_of(__ldg(ask.box + d) - gap, gap);
      }
      sum += gap * gap;
    }
    return sum;
  }

  template <bool kPeriodic>
  __device__ T bound(int64_t node) const {
    const T* lo = ask.points.boxes + 2 * dim() * node;
    T sum = 0;
#pragma unroll
    for (int64_t d = 0; d < dim(); ++d) {
      const T q = coordinate(d), low = __ldg(lo + d), high = __ldg(lo + dim() + d);
      T gap = most_of(most_of(low - q, q - high), T(0));
      if constexpr (kPeriodic) {
        const T around = __ldg(ask.box + d) - most_of(q - low, high - q);
        gap = least_of(most_of(around, T(0)), gap);
      }
      sum += gap * gap;
    }
    return sum;
  }
};

// Finds what is near enough in one leaf, then adds each thread's finds: threads that find different
// points of it add them at the same time.
template <typename T, int D, typename Top>
__device__ void read_leaf(const Query<T, D>& query, int64_t begin, int64_t end, int64_t self,
                          Top& top) {
  uint32_t found = query.within(top.worst(), begin, static_cast<int>(end - begin));
  if (self >= begin && self < end) found &= ~(1u << (self - begin));
  while (found) {
    const int i = __ffs(static_cast<int>(found)) - 1;
    found &= found - 1;
    top.add(query.dist2(begin + i), __ldg(query.ask.points.order + begin + i));
  }
}

// Depth first, the child first that more of the queries are nearer to, else the left one: among
// equals it has the lower numbers.
template <typename T, int D, typename Top>
__device__ void walk(const Query<T, D>& query, int64_t cloud, int64_t self, Top& top) {
  struct Pending {
    Node node;
    T bound;
    uint32_t least;
  } stack[kDepth];
  const TreeView<T>& tree = query.ask.points;
  Node node = tree.root(cloud);
  if (node.leaves == 0) return;
  for (int depth = 0;;) {
    bool down = false;
    if (node.is_leaf()) {
      read_leaf(query, tree.begin(node.first, cloud), tree.end(node.first, cloud), self, top);
    } else {
      Pending near, far;
      near.node = node.left();
      far.node = node.right();
      const int64_t left = near.node.id(), right = far.node.id();
      near.bound = query.bound(left);
      far.bound = query.bound(right);
      near.least = __ldg(tree.least + left);
      far.least = __ldg(tree.least + right);
      bool want_near = top.wants(near.bound, near.least);
      bool want_far = top.wants(far.bound, far.least);
      const bool rather_right = far.bound < near.bound;
      const int for_right = __popc(__ballot_sync(kAllLanes, want_far && rather_right));
      const int for_left = __popc(__ballot_sync(kAllLanes, want_near && !rather_right));
      if (for_right > for_left) {
        const Pending other = near;
        near = far;
        far = other;
        const bool want_other = want_near;
        want_near = want_far;
        want_far = want_other;
      }
      if (__any_sync(kAllLanes, want_far)) stack[depth++] = far;
      if (__any_sync(kAllLanes, want_near)) {
        node = near.node;
        down = true;
      }
    }
    while (!down && depth > 0) {
      const Pending& next = stack[--depth];
      node = next.node;
      down = __any_sync(kAllLanes, top.wants(next.bound, next.least));
    }
    if (!down) return;
  }
}

template <typename T, int D, typename Top>
__global__ void __launch_bounds__(kSearchThreads) search_kernel(Ask<T> ask, Rows<T> rows) {
  const TreeView<T>& from = ask.queries;
  const int lane = threadIdx.x % kWarp;
  for (int64_t leaf = first_item() / kWarp; leaf < from.leaves; leaf += item_stride() / kWarp) {
    const int64_t cloud = row_of(from.leaf_ptr, from.clouds, leaf);
    const int64_t begin = from.begin(leaf, cloud), place = begin + lane;
    const bool mine = place < from.end(leaf, cloud);  // the others walk along
    const Query<T, D> query(ask, mine ? place : begin);
    const int64_t row = mine ? static_cast<int64_t>(from.order[place]) : -1;
    Top top(rows, row, mine ? ask.limit2(row) : T(-1));
    walk(query, cloud, mine && ask.exclude_self ? place : -1, top);
    if (mine) top.finish(rows, row);
  }
}

// Sorts each row by distance, then index, in place. Batcher's bitonic network with every comparator
// pointing up: places beyond the row's end count as the largest of all and never move. A warp takes
// each short row, a block each long one.
constexpr int64_t kLongRow = 1024;

template <typename T, bool kBlock>
__global__ void sort_kernel(const int64_t* rowptr, int64_t rows, T* dist2, int64_t* index) {
  const int team = kBlock ? blockDim.x : kWarp;
  const int64_t first = kBlock ? blockIdx.x : first_item() / kWarp;
  const int64_t step = kBlock ? gridDim.x : item_stride() / kWarp;
  for (int64_t row = first; row < rows; row += step) {
    const int64_t count = rowptr[row + 1] - rowptr[row];
    if (count < 2 || (count > kLongRow) != kBlock) continue;
    T* const d = dist2 + rowptr[row];
    int64_t* const n = index + rowptr[row];
    int64_t half = 1;  // of the smallest power of two that holds the row
    while (2 * half < count) half *= 2;
    for (int64_t size = 1; size <= half; size *= 2)
      for (int64_t stride = size; stride > 0; stride /= 2) {
        for (int64_t pair = threadIdx.x % team; pair < half; pair += team) {
          const int64_t low = pair & (stride - 1), a = 2 * pair - low;
          // The first pass of each merge folds the halves face to face.
          const int64_t b = stride == size ? a + 2 * (stride - low) - 1 : a + stride;
          if (b >= count || comes_before(d[a], n[a], d[b], n[b])) continue;
          const T dist = d[a];
          const int64_t number = n[a];
          d[a] = d[b];
          n[a] = n[b];
          d[b] = dist;
          n[b] = number;
        }
        if constexpr (kBlock)
          __syncthreads();
        else
          __syncwarp();
      }
  }
}

}  // namespace
}  // namespace meshop
