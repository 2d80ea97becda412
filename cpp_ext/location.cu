// Location on the GPU: the tree of cell boxes is built on the host, as on the CPU, and each query
// walks it in one thread. Compiled with -fmad=false, so answers equal the CPU's.
#include <limits>

#include "cuda_common.h"
#include "location_slopes.h"
#include "location_tree.h"

namespace meshop {
namespace {

constexpr int64_t kLeaf = 4;  // cells

template <typename V>
std::vector<V> to_host(const Tensor& t, cudaStream_t stream) {
  std::vector<V> out(t.numel());
  STD_CUDA_CHECK(cudaMemcpyAsync(out.data(), t.const_data_ptr(), t.numel() * sizeof(V),
                                 cudaMemcpyDeviceToHost, stream));
  STD_CUDA_CHECK(cudaStreamSynchronize(stream));
  return out;
}

template <typename V>
Tensor to_device(const V* from, int64_t count, const Tensor& like, cudaStream_t stream) {
  const int64_t bytes = count * static_cast<int64_t>(sizeof(V));
  Tensor out = empty_of(like, {bytes}, ScalarType::Byte);
  STD_CUDA_CHECK(
      cudaMemcpyAsync(out.mutable_data_ptr(), from, bytes, cudaMemcpyHostToDevice, stream));
  STD_CUDA_CHECK(cudaStreamSynchronize(stream));  // the host's copy may go
  return out;
}

template <typename T, int D>
struct Walk {
  CellMesh mesh;
  Points<T> points;
  Grid<D> grid;
  const TreeNode<D>* nodes;
  const BoxItem<D>* items;
  int64_t node_count;
  double reach2;
  bool nearest;

  // The lowest cell that holds q, or -1. Subtrees are left by their size, so no stack is needed.
  __device__ int64_t holder(const Vec& q, const double* at) const {
    int32_t x[D];
    for (int d = 0; d < D; ++d) x[d] = grid(d, at[d]);
    int64_t best = -1;
    for (int64_t i = 0; i < node_count;) {
      const TreeNode<D>& node = nodes[i];
      bool in = true;
      for (int d = 0; d < D; ++d) in = in && x[d] >= node.box.lo[d] && x[d] <= node.box.hi[d];
      if (in && node.size == 1)
        for (int64_t c = node.begin; c < static_cast<int64_t>(node.begin) + node.count; ++c) {
          const int64_t cell = items[c].id;
          if (best >= 0 && cell >= best) continue;
          for_each_simplex(mesh, cell, [&](const int64_t* id, int count) {
            Vec v[4];
            for (int j = 0; j < count; ++j) v[j] = points(id[j]);
            double w[4];
            Vec residual;
            if (holds(Frame(v, count - 1), D, q, reach2, w, &residual)) best = cell;
          });
        }
      i += in ? 1 : node.size;
    }
    return best;
  }

  // The lowest of the closest cells within the limit, or -1.
  __device__ int64_t closest(const Vec& q, const double* at) const {
    double best2 = nearest ? INFINITY : reach2;
    int64_t best = -1;
    int64_t stack[kMaxDepth + 2];
    double bound2[kMaxDepth + 2];
    int depth = 0;
    if (node_count > 0) {
      stack[0] = 0;
      bound2[0] = grid.bound2(nodes[0].box, at);
      depth = 1;
    }
    while (depth > 0) {
      --depth;
      if (bound2[depth] > best2) continue;
      const int64_t id = stack[depth];
      const TreeNode<D>& node = nodes[id];
      if (node.size > 1) {
        const int64_t left = id + 1, right = left + nodes[left].size;
        const double left2 = grid.bound2(nodes[left].box, at);
        const double right2 = grid.bound2(nodes[right].box, at);
        const bool swap = right2 < left2;  // the nearer one goes on top
        stack[depth] = swap ? left : right;
        bound2[depth++] = swap ? left2 : right2;
        stack[depth] = swap ? right : left;
        bound2[depth++] = swap ? right2 : left2;
        continue;
      }
      for (int64_t c = node.begin; c < static_cast<int64_t>(node.begin) + node.count; ++c) {
        const int64_t cell = items[c].id;
        const double dist2 = cell_distance2(mesh, cell, points, q);
        if (dist2 == INFINITY) continue;  // no simplices
        if (dist2 < best2 || (dist2 == best2 && (best < 0 || cell < best))) {
          best2 = dist2;
          best = cell;
        }
      }
    }
    return best;
  }
};

template <typename T, int D>
__global__ void locate_kernel(Walk<T, D> walk, const T* queries, int64_t rows, Answer<T> all) {
  for (int64_t row = first_item(); row < rows; row += item_stride()) {
    const Vec q = Points<T>{queries, D}(row);
    const double at[3] = {q.x, q.y, q.z};
    const Answer<T> out{all.weights + row * all.width,
                        all.nodes + row * all.width,
                        all.distance2 + row,
                        all.cell + row,
                        all.inside + row,
                        all.width};
    int64_t cell = walk.holder(q, at);
    if (cell >= 0 && answer_inside(walk.mesh, cell, walk.points, q, walk.reach2, out)) continue;
    cell = walk.closest(q, at);
    if (cell < 0)
      out.nothing();
    else
      answer_nearest(walk.mesh, cell, walk.points, q, walk.reach2, out);
  }
}

template <typename T>
__global__ void finite_values_kernel(const T* values, int64_t count, int64_t* bad) {
  for (int64_t i = first_item(); i < count; i += item_stride())
    if (!isfinite(values[i])) *bad = 1;
}

template <typename T, int D>
Found locate_in(const LocationInput& ask) {
  const int64_t rows = ask.queries.size(0), width = D + 1, count = ask.points.size(0);
  const cudaStream_t stream = current_stream(ask.points);
  const auto points = to_host<T>(ask.points, stream);
  const auto types = to_host<uint8_t>(ask.types, stream);
  const auto offsets = to_host<int64_t>(ask.offsets, stream);
  const auto nodes = to_host<int64_t>(ask.nodes, stream);
  std::vector<int64_t> faces, ends;
  if (ask.faces) {
    faces = to_host<int64_t>(*ask.faces, stream);
    ends = to_host<int64_t>(*ask.face_ends, stream);
  }
  const HostCells host(types.data(), offsets.data(), nodes.data(), faces.data(), faces.size(),
                       ends.data(), types.size(), nodes.size(), count, D);
  const Locator<T, D> tree(points.data(), count, host, ask.tolerance, kLeaf);

  const Flag bad(ask.queries, stream);
  const T* q = data<T>(ask.queries);
  finite_values_kernel<<<blocks_for(rows * D + 1), kThreads, 0, stream>>>(q, rows * D, bad.raised);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  bad.check("queries must be finite");

  const Tensor& like = ask.points;
  const Tensor kinds = to_device(host.cells.kinds, 256, like, stream);
  const Tensor begin = to_device(host.face_begin.data(), host.face_begin.size(), like, stream);
  const Tensor boxes = to_device(tree.nodes.data(), tree.nodes.size(), like, stream);
  const Tensor items = to_device(tree.items.data(), tree.items.size(), like, stream);
  Walk<T, D> walk{{data<CellKind>(kinds), data<uint8_t>(ask.types), indices(ask.offsets),
                   indices(ask.nodes), ask.faces ? indices(*ask.faces) : nullptr,
                   host.face_begin.empty() ? nullptr : indices(begin), host.cells.dim},
                  {data<T>(ask.points), D},
                  tree.grid,
                  static_cast<const TreeNode<D>*>(boxes.const_data_ptr()),
                  static_cast<const BoxItem<D>*>(items.const_data_ptr()),
                  static_cast<int64_t>(tree.nodes.size()),
                  tree.reach2,
                  ask.nearest};
  const auto dtype = like.scalar_type();
  Tensor weights = empty_of(like, {rows, width}, dtype);
  Tensor distance2 = empty_of(like, {rows}, dtype);
  Tensor cell = empty_of(like, {rows}, ScalarType::Long);
  Tensor carriers = empty_of(like, {rows, width}, ScalarType::Long);
  Tensor inside = empty_of(like, {rows}, ScalarType::Bool);
  if (rows > 0) {
    const Answer<T> all{mutable_data<T>(weights),   mutable_indices(carriers),
                        mutable_data<T>(distance2), mutable_indices(cell),
                        mutable_data<bool>(inside), width};
    locate_kernel<T, D><<<blocks_for(rows), kThreads, 0, stream>>>(walk, q, rows, all);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  }
  return {weights, distance2, cell, carriers, inside};
}

template <typename T>
Found locate_any(const LocationInput& ask) {
  switch (ask.points.size(1)) {
    case 1: return locate_in<T, 1>(ask);
    case 2: return locate_in<T, 2>(ask);
    default: return locate_in<T, 3>(ask);
  }
}

Found locate(Tensor points, Tensor cell_types, Tensor cell_offsets, Tensor cell_nodes,
             std::optional<Tensor> faces, std::optional<Tensor> face_offsets, Tensor queries,
             bool nearest, double tolerance) {
  const OnDevice guard(points, cell_types, cell_offsets, cell_nodes, faces, face_offsets, queries);
  const LocationInput ask(points, cell_types, cell_offsets, cell_nodes, faces, face_offsets,
                          queries, nearest, tolerance);
  return points.scalar_type() == ScalarType::Float ? locate_any<float>(ask)
                                                   : locate_any<double>(ask);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) { m.impl("locate", TORCH_BOX(&locate)); }

}  // namespace meshop
