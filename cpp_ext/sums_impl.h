// Sums of CSR rows. After lanes_impl.h; no include guard, as there.

namespace meshop {
namespace MESHOP_ISA {

// out[i] = the sum of a row's values, or its mean.
template <typename T, typename Out>
struct SumRows {
  using Carried = Wide<T>;
  static constexpr int kVectors = 8;
  const T* x;
  Rows rows;
  int64_t channels;
  bool mean;
  Out* out;

  template <int N, int K, int M>
  MESHOP_INLINE void run(int64_t begin, int64_t end, int64_t c) const {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = rows.begin[i], last = rows.end[i];
      if (last - first > rows.longest) continue;
      Block<Carried, N, K, M> sum, value;
      sum.fill(0);
      for (int64_t e = first; e < last; ++e) {
        value.load(x + e * channels + c);
        MESHOP_UNROLL
        for (int k = 0; k < K; ++k) sum.v[k] += value.v[k];
      }
      if (mean) {
        const auto count = static_cast<Carried>(std::max<int64_t>(1, last - first));
        MESHOP_UNROLL
        for (int k = 0; k < K; ++k) sum.v[k] /= count;
      }
      sum.store(out + i * channels + c);
    }
  }
};

// The sums of the long rows' pieces, (pieces, channels), become rows of `out`.
template <typename W, typename T>
void add_pieces(const LongRows& tall, const int64_t* rowptr, const W* pieces, int64_t channels,
                bool mean, T* out) {
  std::vector<W> sums(tall.count() * channels);
  for_pieces(SumRows<W, W>{pieces, tall.of_pieces(), channels, false, sums.data()}, tall.count(),
             channels);
  for (int64_t k = 0; k < tall.count(); ++k) {
    const int64_t i = tall.row[k];
    const W count = mean ? static_cast<W>(rowptr[i + 1] - rowptr[i]) : W(1);
    for (int64_t c = 0; c < channels; ++c)
      out[i * channels + c] = static_cast<T>(sums[k * channels + c] / count);
  }
}

}  // namespace MESHOP_ISA
}  // namespace meshop
