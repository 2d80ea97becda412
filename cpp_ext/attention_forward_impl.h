// Softmax attention over the edges of a CSR, forward: one pass over the edges of a row, with the
// running maximum and sum of Milakov & Gimelshein (2018), so that nothing the size of the edges is
// kept. No include guard; see lanes_impl.h.
#include "attention_impl.h"

namespace meshop {
namespace MESHOP_ISA {

template <typename T>
struct Attend : AttendArgs<T> {
  using W = Wide<T>;
  using V = Vec<W>;
  static constexpr W kInfinity = std::numeric_limits<W>::infinity();

  using Args = AttendArgs<T>;
  using Args::bias, Args::centers, Args::coords, Args::index, Args::key, Args::lse, Args::out;
  using Args::out_coords, Args::query, Args::rowptr, Args::scale, Args::shape, Args::value;

  // What a task works in. Of each head: peak, total and shrink, repeated where a vector holds
  // several edges.
  struct Scratch {
    std::vector<W> query, sum, moved, weight, peak, total, shrink;
    Scratch(const AttentionShape& s, int64_t stride, int64_t lanes)
        : query(s.heads * padded<W>(s.depth)),
          sum(s.heads * padded<W>(s.width)),
          moved(s.heads * s.space),
          weight(padded<W>(kEdgeTile * stride)),
          peak(lanes),
          total(lanes),
          shrink(lanes) {}
  };

  MESHOP_INLINE void run(int64_t begin, int64_t end) const {
    const int64_t stride = head_stride<W>(shape.heads);
    Scratch scratch(shape, stride, padded<W>(stride));
    for (int64_t i = begin; i < end; ++i) attend(i, stride, scratch);
  }

  MESHOP_INLINE void attend(int64_t i, int64_t stride, Scratch& s) const {
    const int64_t first = rowptr[i], last = rowptr[i + 1];
    spread(query, i, scale, s.query.data());
    std::fill(s.sum.begin(), s.sum.end(), W(0));
    std::fill(s.moved.begin(), s.moved.end(), W(0));
    std::fill(s.peak.begin(), s.peak.end(), -kInfinity);
    std::fill(s.total.begin(), s.total.end(), W(0));
    for (int64_t e = first; e < last; e += kEdgeTile) {
      const int64_t edges = std::min(kEdgeTile, last - e);
      logits(e, edges, stride, s);
      weigh(edges, stride, e > first, s);
      add_weighted(value, index + e, edges, s.weight.data(), stride, s.sum.data());
      if (coords) move(i, index + e, edges, stride, s);
    }
    finish(i, stride, s);
  }

  // The tile's logits; -inf in what remains of the last vector.
  MESHOP_INLINE void logits(int64_t e, int64_t edges, int64_t stride, Scratch& s) const {
    const int64_t used = padded<W>(edges * stride);
    store_vec<W>(splat<W>(-kInfinity), s.weight.data() + used - kLanes<W>);
    for (int64_t k = e + kEdgesAhead; k < std::min(e + edges + kEdgesAhead, shape.edges); ++k) {
      fetch(key.row(index[k]), shape.heads * shape.depth);
      fetch(value.row(index[k]), shape.heads * shape.width);
      if (coords) fetch(coords + index[k] * shape.space, shape.space);
    }
    scores(s.query.data(), key, index + e, edges, stride, s.weight.data());
    if (!bias) return;
    for (int64_t k = 0; k < edges; ++k)
      for (int64_t h = 0; h < shape.heads; ++h)
        s.weight[k * stride + h] += static_cast<W>(bias[(e + k) * shape.heads + h]);
  }

  // Turns logits into exp(logit - peak); sums so far shrink where the peak has risen.
  MESHOP_INLINE void weigh(int64_t edges, int64_t stride, bool again, Scratch& s) const {
    const int64_t vectors = padded<W>(edges * stride) / kLanes<W>;
    const int64_t groups = static_cast<int64_t>(s.peak.size()) / kLanes<W>;
    for (int64_t g = 0; g < groups; ++g) {
      W* weight = s.weight.data() + g * kLanes<W>;
      const V old = load_vec(s.peak.data() + g * kLanes<W>);
      V peak = old;
      for (int64_t v = g; v < vectors; v += groups)
        peak = Larger{}(load_vec(s.weight.data() + v * kLanes<W>), peak);
      peak = fold<W>(peak, stride, Larger{});
      const V safe = peak == -kInfinity ? V{} : peak;  // all -inf: the weights are 0, not NaN
      V total = load_vec(s.total.data() + g * kLanes<W>);
      if (again) {
        const V shrink = exp_lanes<W, kLanes<W>>(old - safe);
        store_vec<W>(shrink, s.shrink.data() + g * kLanes<W>);
        total *= shrink;
      }
      for (int64_t v = g; v < vectors; v += groups, weight += groups * kLanes<W>) {
        const V x = exp_lanes<W, kLanes<W>>(load_vec(weight) - safe);
        store_vec<W>(x, weight);
        total += x;
      }
      store_vec<W>(peak, s.peak.data() + g * kLanes<W>);
      store_vec<W>(total, s.total.data() + g * kLanes<W>);
    }
    if (!again) return;
    gather_heads(s.sum.data(), s.shrink.data(), shape.heads, padded<W>(shape.width), s.sum.data());
    for (int64_t h = 0; h < shape.heads; ++h)
      for (int64_t p = 0; p < shape.space; ++p) s.moved[h * shape.space + p] *= s.shrink[h];
  }

  MESHOP_INLINE void move(int64_t i, const int64_t* at, int64_t edges, int64_t stride,
                          Scratch& s) const {
    W* moved = s.moved.data();
    const W* from = centers + i * shape.space;
    with_space(shape.space, [&](auto space) MESHOP_INLINE_LAMBDA {
      for (int64_t k = 0; k < edges; ++k) {
        const W* weight = s.weight.data() + k * stride;
        const W* to = coords + at[k] * space;
        for (int64_t p = 0; p < space; ++p) {
          const W gap = to[p] - from[p];
          for (int64_t h = 0; h < shape.heads; ++h) moved[h * space + p] += weight[h] * gap;
        }
      }
    });
  }

  MESHOP_INLINE void finish(int64_t i, int64_t stride, Scratch& s) const {
    for (size_t v = 0; v < s.total.size(); v += kLanes<W>) {
      const V total = fold<W>(load_vec(s.total.data() + v), stride, Plus{});
      const V log = load_vec(s.peak.data() + v) + log_lanes<W, kLanes<W>>(total);
      store_vec<W>(log, s.peak.data() + v);
      store_vec<W>(total == W(0) ? V{} : W(1) / total, s.shrink.data() + v);
    }
    gather_heads(s.sum.data(), s.shrink.data(), shape.heads, shape.width,
                 out + i * shape.heads * shape.width);
    for (int64_t h = 0; h < shape.heads; ++h) {
      lse[i * shape.heads + h] = s.peak[h];
      for (int64_t p = 0; p < shape.space; ++p)
        out_coords[(i * shape.heads + h) * shape.space + p] =
            s.moved[h * shape.space + p] * s.shrink[h];
    }
  }
};

template <typename T>
void attend_rows(const AttendArgs<T>& args) {
  run_rows(Attend<T>{args}, args.rowptr, args.shape.receivers);
}

}  // namespace MESHOP_ISA
}  // namespace meshop
