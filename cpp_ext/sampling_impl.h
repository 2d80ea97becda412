// One call of farthest.h for each instruction set. No include guard; see each_isa.h.

namespace meshop {
namespace MESHOP_ISA {

template <typename T, int D>
void sample(const FarthestTree<T, D>& tree, int64_t count, int64_t start, int64_t offset,
            int64_t* index, T* dist2) {
  tree.sample(count, start, offset, index, dist2);
}

}  // namespace MESHOP_ISA
}  // namespace meshop
