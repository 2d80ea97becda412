// Facets of mixed cells on the GPU, with the cells on both sides.
//
// Every facet of every cell ("use") is reduced to its sorted set of nodes. The uses are sorted by
// their sets, a few nodes of them at a time and the last ones first, which leaves equal sets side
// by side, each in the order of uses. The first use of a facet is its owner's.
#include <cub/cub.cuh>

#include <tuple>

#include "cell_input_cuda.h"

namespace meshop {
namespace {

__device__ bool wanted(const Cells& cells, int64_t m, int dim) {
  return kDeviceTable.rows[kDeviceTable.row[cells.types[m]]].dim == dim;
}

// uses[m] and corners[m]: the facets of cell m, and their nodes.
__global__ void count_uses_kernel(Cells cells, int dim, int64_t* uses, int64_t* corners) {
  for (int64_t m = first_item(); m < cells.count; m += item_stride()) {
    int64_t count = 0, sum = 0;
    if (wanted(cells, m, dim))
      for_each_facet(kDeviceTable, cells, m, [&](const Facet& facet) {
        ++count;
        sum += facet.size;
      });
    uses[m] = count;
    corners[m] = sum;
  }
}

// The uses; collapsed ones have a set of size 0.
struct Uses {
  int64_t count;
  int64_t* cell;
  int64_t* begin;  // of the set, in nodes
  int64_t* size;
  int64_t* nodes;
};

__global__ void list_uses_kernel(Cells cells, int dim, const int64_t* first_use,
                                 const int64_t* first_corner, Uses uses, int64_t* widest) {
  int64_t width = 0;
  for (int64_t m = first_item(); m < cells.count; m += item_stride()) {
    if (!wanted(cells, m, dim)) continue;
    int64_t use = first_use[m], at = first_corner[m];
    for_each_facet(kDeviceTable, cells, m, [&](const Facet& facet) {
      int64_t* set = uses.nodes + at;
      int64_t size = 0;
      for (int64_t i = 0; i < facet.size; ++i) {  // insert, unless it is there
        const int64_t node = facet.node(i);
        int64_t j = size;
        while (j > 0 && set[j - 1] > node) --j;
        if (j > 0 && set[j - 1] == node) continue;
        for (int64_t k = size; k > j; --k) set[k] = set[k - 1];
        set[j] = node;
        ++size;
      }
      uses.cell[use] = m;
      uses.begin[use] = at;
      uses.size[use] = size < dim ? 0 : size;
      width = size > width ? size : width;
      at += facet.size;
      ++use;
    });
  }
  if (width)
    atomicMax(reinterpret_cast<unsigned long long*>(widest),
              static_cast<unsigned long long>(width));
}

__global__ void number_kernel(int64_t* values, int64_t count) {
  for (int64_t i = first_item(); i < count; i += item_stride()) values[i] = i;
}

// key[i]: nodes [from, to) of the set of use order[i], plus one; zeros beyond its end.
__global__ void pack_kernel(Uses uses, const int64_t* order, int64_t from, int64_t to, int bits,
                            uint64_t* key) {
  for (int64_t i = first_item(); i < uses.count; i += item_stride()) {
    const int64_t use = order[i];
    uint64_t packed = 0;
    for (int64_t j = from; j < to; ++j) {
      const uint64_t node = j < uses.size[use] ? uses.nodes[uses.begin[use] + j] + 1 : 0;
      packed = (j > from ? packed << bits : 0) | node;
    }
    key[i] = packed;
  }
}

// group[i]: i where a facet begins, else -1. A running maximum makes it where its facet began.
__global__ void mark_groups_kernel(Uses uses, const int64_t* order, int64_t* group) {
  for (int64_t i = first_item(); i < uses.count; i += item_stride()) {
    const int64_t use = order[i], size = uses.size[use];
    bool first = size > 0;
    if (first && i > 0) {
      const int64_t before = order[i - 1];
      bool same = uses.size[before] == size;
      for (int64_t j = 0; same && j < size; ++j)
        same = uses.nodes[uses.begin[before] + j] == uses.nodes[uses.begin[use] + j];
      first = !same;
    }
    group[i] = first ? i : -1;
  }
}

// By use: is it the first of its facet, the nodes of that, and the cell on the other side. By
// place: is it beyond the second.
__global__ void match_kernel(Uses uses, const int64_t* order, const int64_t* group, int64_t* first,
                             int64_t* nodes, int64_t* other, int64_t* beyond) {
  for (int64_t i = first_item(); i < uses.count; i += item_stride()) {
    const int64_t use = order[i];
    const bool owns = group[i] == i;
    const bool shared = owns && i + 1 < uses.count && group[i + 1] == i;
    first[use] = owns;
    nodes[use] = owns ? uses.size[use] : 0;
    other[use] = shared ? uses.cell[order[i + 1]] : -1;
    beyond[i] = group[i] >= 0 && i - group[i] >= 2;
  }
  if (first_item() == 0) first[uses.count] = nodes[uses.count] = beyond[uses.count] = 0;
}

struct Out {
  int64_t* ptr;
  int64_t* nodes;
  int64_t* owner;
  int64_t* neighbor;
};

// number[use] and place[use]: the facets, and their nodes, before that use.
__global__ void write_kernel(Cells cells, int dim, const int64_t* first_use, const int64_t* number,
                             const int64_t* place, const int64_t* other, int64_t facets, Out out) {
  for (int64_t m = first_item(); m < cells.count; m += item_stride()) {
    if (!wanted(cells, m, dim)) continue;
    int64_t use = first_use[m];
    for_each_facet(kDeviceTable, cells, m, [&](const Facet& facet) {
      const int64_t f = number[use], begin = place[use], end = place[use + 1];
      if (number[use + 1] > f) {
        int64_t* to = out.nodes + begin;
        int64_t n = 0;
        for (int64_t i = 0; i < facet.size; ++i) {
          const int64_t node = facet.node(i);
          bool again = false;
          for (int64_t j = 0; facet.size > end - begin && j < n; ++j) again |= to[j] == node;
          if (!again) to[n++] = node;
        }
        out.ptr[f] = begin;
        out.owner[f] = m;
        out.neighbor[f] = other[use];
        if (f == facets - 1) out.ptr[facets] = end;
      }
      ++use;
    });
  }
}

__global__ void list_beyond_kernel(Uses uses, const int64_t* order, const int64_t* group,
                                   const int64_t* number, const int64_t* place, uint64_t* facet,
                                   int64_t* cell) {
  for (int64_t i = first_item(); i < uses.count; i += item_stride()) {
    if (place[i + 1] == place[i]) continue;
    facet[place[i]] = number[order[group[i]]];
    cell[place[i]] = uses.cell[order[i]];
  }
}

__global__ void write_beyond_kernel(const uint64_t* facet, const int64_t* cell, int64_t count,
                                    int64_t* out) {
  for (int64_t i = first_item(); i < count; i += item_stride()) {
    out[2 * i] = facet[i];
    out[2 * i + 1] = cell[i];
  }
}

struct Largest {
  __host__ __device__ int64_t operator()(int64_t a, int64_t b) const { return a < b ? b : a; }
};

uint64_t* keys(const Tensor& t) { return mutable_data<uint64_t>(t); }

void sort_by(const Tensor& key, const Tensor& key_out, const Tensor& value, const Tensor& value_out,
             int bits, cudaStream_t stream) {
  with_storage(key, [&](void* storage, size_t& bytes) {
    return cub::DeviceRadixSort::SortPairs(storage, bytes, keys(key), keys(key_out), indices(value),
                                           mutable_indices(value_out), key.numel(), 0, bits,
                                           stream);
  });
}

// The uses in the order of their sets.
Tensor sorted_uses(const Tensor& like, const Uses& uses, int64_t widest, int bits,
                   cudaStream_t stream) {
  Tensor order = new_indices(like, uses.count), order_next = new_indices(like, uses.count);
  Tensor key = new_indices(like, uses.count), key_next = new_indices(like, uses.count);
  const int blocks = blocks_for(uses.count);
  number_kernel<<<blocks, kThreads, 0, stream>>>(mutable_indices(order), uses.count);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  const int64_t per_key = std::max(1, 64 / bits);
  for (int64_t from = (widest - 1) / per_key * per_key; from >= 0; from -= per_key) {
    const int64_t to = std::min(from + per_key, widest);
    pack_kernel<<<blocks, kThreads, 0, stream>>>(uses, indices(order), from, to, bits, keys(key));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
    sort_by(key, key_next, order, order_next, static_cast<int>(to - from) * bits, stream);
    std::swap(order, order_next);
  }
  return order;
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> cell_facets(Tensor types, Tensor offsets,
                                                               Tensor nodes,
                                                               std::optional<Tensor> faces,
                                                               std::optional<Tensor> face_offsets,
                                                               int64_t asked) {
  const OnDevice guard(nodes, types, offsets, faces, face_offsets);
  const DeviceCells in = checked_device_cells(types, offsets, nodes, faces, face_offsets, false);
  STD_TORCH_CHECK(asked <= 3, "dim must be at most 3, got ", asked);
  const cudaStream_t stream = in.stream;
  const int64_t cells = in.cells.count;
  int dim = static_cast<int>(asked);
  for (int t = 0; asked < 0 && t < 256; ++t)
    if (in.present[t]) dim = std::max<int>(dim, kCellTable.rows[kCellTable.row[t]].dim);

  int64_t count = 0, corners = 0;
  Tensor per_cell = torch::stable::new_zeros(nodes, {2, cells + 1}, ScalarType::Long);
  int64_t* counts = mutable_indices(per_cell);
  count_uses_kernel<<<blocks_for(cells + 1), kThreads, 0, stream>>>(in.cells, dim, counts,
                                                                    counts + cells + 1);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  const Tensor first_use = running_sum(torch::stable::select(per_cell, 0, 0), stream, &count);
  const Tensor first_corner = running_sum(torch::stable::select(per_cell, 0, 1), stream, &corners);
  if (count == 0) {
    auto none = [&] { return new_indices(nodes, 0); };
    return {torch::stable::new_zeros(nodes, {1}, ScalarType::Long), none(), none(), none(),
            empty_of(nodes, {0, 2}, ScalarType::Long)};
  }

  Tensor cell_of = new_indices(nodes, count), begin = new_indices(nodes, count);
  Tensor size = new_indices(nodes, count), sets = new_indices(nodes, corners);
  Tensor widest = torch::stable::new_zeros(nodes, {1}, ScalarType::Long);
  const Uses uses{count, mutable_indices(cell_of), mutable_indices(begin), mutable_indices(size),
                  mutable_indices(sets)};
  list_uses_kernel<<<blocks_for(cells), kThreads, 0, stream>>>(
      in.cells, dim, indices(first_use), indices(first_corner), uses, mutable_indices(widest));
  STD_CUDA_KERNEL_LAUNCH_CHECK();

  const Tensor order =
      sorted_uses(nodes, uses, read_back(indices(widest), stream), in.node_bits(), stream);
  Tensor begins = new_indices(nodes, count), group = new_indices(nodes, count);
  const int blocks = blocks_for(count);
  mark_groups_kernel<<<blocks, kThreads, 0, stream>>>(uses, indices(order),
                                                      mutable_indices(begins));
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  with_storage(nodes, [&](void* storage, size_t& bytes) {
    return cub::DeviceScan::InclusiveScan(storage, bytes, indices(begins), mutable_indices(group),
                                          Largest(), count, stream);
  });

  Tensor first = new_indices(nodes, count + 1), first_nodes = new_indices(nodes, count + 1);
  Tensor beyond = new_indices(nodes, count + 1), other = new_indices(nodes, count);
  match_kernel<<<blocks, kThreads, 0, stream>>>(
      uses, indices(order), indices(group), mutable_indices(first), mutable_indices(first_nodes),
      mutable_indices(other), mutable_indices(beyond));
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  int64_t facets = 0, total = 0, more = 0;
  const Tensor number = running_sum(first, stream, &facets);
  const Tensor place = running_sum(first_nodes, stream, &total);
  const Tensor beyond_place = running_sum(beyond, stream, &more);

  Tensor ptr = torch::stable::new_zeros(nodes, {facets + 1}, ScalarType::Long);
  Tensor out_nodes = new_indices(nodes, total), owner = new_indices(nodes, facets);
  Tensor neighbor = new_indices(nodes, facets);
  Tensor further = empty_of(nodes, {more, 2}, ScalarType::Long);
  const Out out{mutable_indices(ptr), mutable_indices(out_nodes), mutable_indices(owner),
                mutable_indices(neighbor)};
  write_kernel<<<blocks_for(cells), kThreads, 0, stream>>>(in.cells, dim, indices(first_use),
                                                           indices(number), indices(place),
                                                           indices(other), facets, out);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  if (more > 0) {
    Tensor facet = new_indices(nodes, more), facet_sorted = new_indices(nodes, more);
    Tensor cell = new_indices(nodes, more), cell_sorted = new_indices(nodes, more);
    list_beyond_kernel<<<blocks, kThreads, 0, stream>>>(uses, indices(order), indices(group),
                                                        indices(number), indices(beyond_place),
                                                        keys(facet), mutable_indices(cell));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
    sort_by(facet, facet_sorted, cell, cell_sorted, 64, stream);
    write_beyond_kernel<<<blocks_for(more), kThreads, 0, stream>>>(
        keys(facet_sorted), indices(cell_sorted), more, mutable_indices(further));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  }
  return {ptr, out_nodes, owner, neighbor, further};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(meshop, CUDA, m) { m.impl("cell_facets", TORCH_BOX(&cell_facets)); }

}  // namespace meshop
