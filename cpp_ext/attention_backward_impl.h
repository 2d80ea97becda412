// Softmax attention over the edges of a CSR, backward, as in FlashAttention-2 (Dao 2023): weights
// come back from the logsumexp of each row, and nothing the size of the edges' channels is kept. Of
// an edge with weight p and slope g = d loss / d p, the logit's slope is p (g - sum of p g over the
// row).
//
// Two passes: over the rows, for query, bias and centers, which also leaves each row's
// logsumexp and sum of p g behind; then over the transposed CSR, for key, value and coords. Both
// look at each edge from the side that they sum on, so that no two threads write to one place.
//
// No include guard; see lanes_impl.h.
#include "attention_impl.h"

namespace meshop {
namespace MESHOP_ISA {

template <typename T>
struct Backward : BackwardArgs<T> {
  using W = Wide<T>;
  using V = Vec<W>;
  static constexpr W kInfinity = std::numeric_limits<W>::infinity();

  using Args = BackwardArgs<T>;
  using Args::centers, Args::coords, Args::rows, Args::shape;

  // Weights and slopes of a tile of edges, and the two nodes' features and sums, spread.
  struct Scratch {
    std::vector<W> left, right, sum, sum2, weight, slope, lse, dot, ones;
    Scratch(const AttentionShape& s, int64_t stride)
        : left(s.heads * padded<W>(s.depth)),
          right(s.heads * padded<W>(s.width)),
          sum(left.size()),
          sum2(right.size()),
          weight(padded<W>(kEdgeTile * stride)),
          slope(weight.size()),
          lse(weight.size()),
          dot(weight.size()),
          ones(s.heads, W(1)) {}
  };

  int64_t kept() const { return shape.heads * (2 + shape.space); }
  // The slopes of row i's out_coords, (heads, P).
  MESHOP_INLINE const W* push(int64_t i) const { return rows + i * kept() + 2 * shape.heads; }

  // slope[h] += push[h] . (coords[j] - centers[i]) for an edge from j to i
  template <typename Space>
  MESHOP_INLINE void add_coords(Space space, int64_t i, int64_t j, W* slope) const {
    const W *from = centers + i * space, *to = coords + j * space, *along = push(i);
    for (int64_t h = 0; h < shape.heads; ++h, along += space) {
      W sum = 0;
      for (int64_t p = 0; p < space; ++p) sum += along[p] * (to[p] - from[p]);
      slope[h] += sum;
    }
  }

  // Sets what lies behind the last edge in the last vector, so that its weight is 0.
  MESHOP_INLINE void close(int64_t used, Scratch& s) const {
    store_vec<W>(splat<W>(-kInfinity), s.weight.data() + used - kLanes<W>);
    store_vec<W>(V{}, s.slope.data() + used - kLanes<W>);
  }
};

// A row without a finite logit has lse -inf; its weights are 0.
template <typename W>
MESHOP_INLINE W usable(W lse) {
  return lse == -std::numeric_limits<W>::infinity() ? std::numeric_limits<W>::infinity() : lse;
}

template <typename T>
struct ToReceivers : Backward<T> {
  using Base = Backward<T>;
  using typename Base::Scratch;
  using typename Base::V;
  using typename Base::W;

  MESHOP_INLINE void run(int64_t begin, int64_t end) const {
    const int64_t stride = head_stride<W>(this->shape.heads);
    Scratch scratch(this->shape, stride);
    for (int64_t i = begin; i < end; ++i) row(i, stride, scratch);
  }

  MESHOP_INLINE void row(int64_t i, int64_t stride, Scratch& s) const {
    const AttentionShape& shape = this->shape;
    const int64_t first = this->rowptr[i], last = this->rowptr[i + 1], lanes = padded<W>(stride);
    spread(this->query, i, this->scale, s.left.data());
    spread(this->grad, i, W(1), s.right.data());
    std::fill(s.sum.begin(), s.sum.end(), W(0));
    // Heads beyond the last weigh nothing; each is repeated where a vector holds several edges.
    for (int64_t l = 0; l < lanes; ++l) {
      const int64_t h = l % stride;
      s.lse[l] = h < shape.heads ? usable(this->lse[i * shape.heads + h])
                                 : std::numeric_limits<W>::infinity();
    }
    W* kept = this->rows + i * this->kept();
    for (int64_t c = 0; c < shape.heads * shape.space; ++c)
      kept[2 * shape.heads + c] = this->grad_coords[i * shape.heads * shape.space + c];
    W* total = s.dot.data();          // sum of p g
    W* whole = s.dot.data() + lanes;  // sum of p
    std::fill(total, total + 2 * lanes, W(0));
    for (int64_t e = first; e < last; e += kEdgeTile) {
      const int64_t edges = std::min(kEdgeTile, last - e);
      tile(i, e, edges, stride, s);
      const int64_t used = padded<W>(edges * stride);
      for (int64_t v = 0, g = 0; v < used;
           v += kLanes<W>, g = g + kLanes<W> < lanes ? g + kLanes<W> : 0) {
        const V p = load_vec(s.weight.data() + v);
        store_vec<W>(load_vec(total + g) + p * load_vec(s.slope.data() + v), total + g);
        store_vec<W>(load_vec(whole + g) + p, whole + g);
      }
    }
    for (int64_t l = 0; l < 2 * lanes; l += kLanes<W>)
      store_vec<W>(fold<W>(load_vec(total + l), stride, Plus{}), total + l);
    centers_of(i, whole);
    for (int64_t l = 0; l < lanes; ++l) {
      const int64_t h = l % stride;
      if (h < shape.heads) total[l] -= this->grad_lse[i * shape.heads + h];
    }
    for (int64_t h = 0; h < shape.heads; ++h) {
      kept[h] = s.lse[h];
      kept[shape.heads + h] = total[h];
    }
    for (int64_t e = first; e < last; e += kEdgeTile) {
      const int64_t edges = std::min(kEdgeTile, last - e);
      if (last - first > kEdgeTile) tile(i, e, edges, stride, s);
      logit_slopes(e, edges, stride, total, s);
    }
    std::fill(s.ones.begin(), s.ones.end(), this->scale);
    gather_heads(s.sum.data(), s.ones.data(), shape.heads, shape.depth,
                 this->to_query + i * shape.heads * shape.depth);
  }

  // Weights p and slopes g of a tile.
  MESHOP_INLINE void tile(int64_t i, int64_t e, int64_t edges, int64_t stride, Scratch& s) const {
    const AttentionShape& shape = this->shape;
    const int64_t used = padded<W>(edges * stride), lanes = padded<W>(stride);
    this->close(used, s);
    for (int64_t k = e + kEdgesAhead; k < std::min(e + edges + kEdgesAhead, shape.edges); ++k) {
      fetch(this->key.row(this->index[k]), shape.heads * shape.depth);
      fetch(this->value.row(this->index[k]), shape.heads * shape.width);
    }
    scores(s.left.data(), this->key, this->index + e, edges, stride, s.weight.data());
    scores(s.right.data(), this->value, this->index + e, edges, stride, s.slope.data());
    for (int64_t k = 0; this->bias && k < edges; ++k)
      for (int64_t h = 0; h < shape.heads; ++h)
        s.weight[k * stride + h] += static_cast<W>(this->bias[(e + k) * shape.heads + h]);
    with_space(shape.space, [&](auto space) MESHOP_INLINE_LAMBDA {
      for (int64_t k = 0; space && k < edges; ++k)
        this->add_coords(space, i, this->index[e + k], s.slope.data() + k * stride);
    });
    for (int64_t v = 0, g = 0; v < used;
         v += kLanes<W>, g = g + kLanes<W> < lanes ? g + kLanes<W> : 0)
      store_vec<W>(
          exp_lanes<W, kLanes<W>>(load_vec(s.weight.data() + v) - load_vec(s.lse.data() + g)),
          s.weight.data() + v);
  }

  // p (g - sum of p g), summed over keys for the query.
  MESHOP_INLINE void logit_slopes(int64_t e, int64_t edges, int64_t stride, const W* total,
                                  Scratch& s) const {
    const int64_t used = padded<W>(edges * stride), lanes = padded<W>(stride);
    const int64_t heads = this->shape.heads;
    for (int64_t v = 0, g = 0; v < used;
         v += kLanes<W>, g = g + kLanes<W> < lanes ? g + kLanes<W> : 0)
      store_vec<W>(
          load_vec(s.weight.data() + v) * (load_vec(s.slope.data() + v) - load_vec(total + g)),
          s.slope.data() + v);
    add_weighted(this->key, this->index + e, edges, s.slope.data(), stride, s.sum.data());
    if (!this->to_bias) return;
    for (int64_t k = 0; k < edges; ++k)
      for (int64_t h = 0; h < heads; ++h)
        this->to_bias[(e + k) * heads + h] = static_cast<T>(s.slope[k * stride + h]);
  }

  MESHOP_INLINE void centers_of(int64_t i, const W* whole) const {
    const int64_t heads = this->shape.heads, space = this->shape.space;
    for (int64_t p = 0; p < space; ++p) {
      W sum = 0;
      for (int64_t h = 0; h < heads; ++h) sum -= this->push(i)[h * space + p] * whole[h];
      this->to_centers[i * space + p] = sum;
    }
  }
};

template <typename T>
struct ToSenders : Backward<T> {
  using Base = Backward<T>;
  using typename Base::Scratch;
  using typename Base::V;
  using typename Base::W;

  MESHOP_INLINE void run(int64_t begin, int64_t end) const {
    const int64_t stride = head_stride<W>(this->shape.heads);
    Scratch scratch(this->shape, stride);
    for (int64_t j = begin; j < end; ++j) column(j, stride, scratch);
  }

  MESHOP_INLINE void column(int64_t j, int64_t stride, Scratch& s) const {
    const AttentionShape& shape = this->shape;
    const int64_t first = this->rowptr_t[j], last = this->rowptr_t[j + 1];
    spread(this->key, j, this->scale, s.left.data());
    spread(this->value, j, W(1), s.right.data());
    std::fill(s.sum.begin(), s.sum.end(), W(0));
    std::fill(s.sum2.begin(), s.sum2.end(), W(0));
    for (int64_t p = 0; p < shape.space; ++p) this->to_coords[j * shape.space + p] = 0;
    for (int64_t t = first; t < last; t += kEdgeTile) {
      const int64_t edges = std::min(kEdgeTile, last - t);
      const int64_t* at = this->row_t + t;
      tile(j, t, edges, stride, s);
      add_weighted(this->grad, at, edges, s.weight.data(), stride, s.sum2.data());
      add_weighted(this->query, at, edges, s.slope.data(), stride, s.sum.data());
      if (shape.space) coords_of(j, at, edges, stride, s);
    }
    std::fill(s.ones.begin(), s.ones.end(), W(1));
    gather_heads(s.sum2.data(), s.ones.data(), shape.heads, shape.width,
                 this->to_value + j * shape.heads * shape.width);
    std::fill(s.ones.begin(), s.ones.end(), this->scale);
    gather_heads(s.sum.data(), s.ones.data(), shape.heads, shape.depth,
                 this->to_key + j * shape.heads * shape.depth);
  }

  // Weights p and slopes of the logits of a tile.
  MESHOP_INLINE void tile(int64_t j, int64_t t, int64_t edges, int64_t stride, Scratch& s) const {
    const AttentionShape& shape = this->shape;
    const int64_t* at = this->row_t + t;
    const int64_t used = padded<W>(edges * stride), heads = shape.heads;
    this->close(used, s);
    for (int64_t k = kEdgesAhead; k < std::min(edges + kEdgesAhead, shape.edges - t); ++k) {
      fetch(this->query.row(at[k]), heads * shape.depth);
      fetch(this->grad.row(at[k]), heads * shape.width);
      fetch(this->rows + at[k] * this->kept(), this->kept());
      if (this->bias) __builtin_prefetch(this->bias + this->order_t[t + k] * heads);
      if (shape.space) __builtin_prefetch(this->centers + at[k] * shape.space);
    }
    scores(s.left.data(), this->query, at, edges, stride, s.weight.data());
    scores(s.right.data(), this->grad, at, edges, stride, s.slope.data());
    for (int64_t k = 0; k < edges; ++k) {
      const W* row = this->rows + at[k] * this->kept();
      for (int64_t h = 0; h < heads; ++h) {
        s.lse[k * stride + h] = row[h];
        s.dot[k * stride + h] = row[heads + h];
      }
    }
    for (int64_t k = 0; this->bias && k < edges; ++k)
      for (int64_t h = 0; h < heads; ++h)
        s.weight[k * stride + h] += static_cast<W>(this->bias[this->order_t[t + k] * heads + h]);
    with_space(shape.space, [&](auto space) MESHOP_INLINE_LAMBDA {
      for (int64_t k = 0; space && k < edges; ++k)
        this->add_coords(space, at[k], j, s.slope.data() + k * stride);
    });
    for (int64_t v = 0; v < used; v += kLanes<W>) {
      const V p =
          exp_lanes<W, kLanes<W>>(load_vec(s.weight.data() + v) - load_vec(s.lse.data() + v));
      store_vec<W>(p, s.weight.data() + v);
      store_vec<W>(p * (load_vec(s.slope.data() + v) - load_vec(s.dot.data() + v)),
                   s.slope.data() + v);
    }
  }

  MESHOP_INLINE void coords_of(int64_t j, const int64_t* at, int64_t edges, int64_t stride,
                               const Scratch& s) const {
    W* sum = this->to_coords + j * this->shape.space;
    with_space(this->shape.space, [&](auto space) MESHOP_INLINE_LAMBDA {
      for (int64_t k = 0; k < edges; ++k) {
        const W* along = this->push(at[k]);
        for (int64_t h = 0; h < this->shape.heads; ++h, along += space)
          for (int64_t p = 0; p < space; ++p) sum[p] += s.weight[k * stride + h] * along[p];
      }
    });
  }
};

template <typename T>
void attend_rows_backward(const BackwardArgs<T>& args) {
  run_rows(ToReceivers<T>{{args}}, args.rowptr, args.shape.receivers);
  run_rows(ToSenders<T>{{args}}, args.rowptr_t, args.shape.senders);
}

}  // namespace MESHOP_ISA
}  // namespace meshop
