// The checks that both CUDA kernels of cells make.
#include "cell_input_cuda.h"

#include <cub/cub.cuh>

#include <limits>
#include <vector>

#include "cell_arrays.h"

namespace meshop {
namespace {

// What the kernels report: the types that occur, one more than the largest node, and faults.
enum Report {
  kNodes = 256,
  kEnds,
  kSizes,
  kNegative,
  kTellsPolyhedra,
  kFaceEnds,
  kStream,
  kReports
};

struct Largest {
  __host__ __device__ int64_t operator()(int64_t a, int64_t b) const { return a < b ? b : a; }
};

__device__ void raise_to(int64_t* at, int64_t value) {
  atomicMax(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(value));
}

__global__ void check_cells_kernel(const uint8_t* types, const int64_t* offsets, int64_t cells,
                                   int64_t total, int64_t* report) {
  for (int64_t m = first_item(); m < cells; m += item_stride()) {
    const CellShape& shape = kDeviceTable.rows[kDeviceTable.row[types[m]]];
    const bool rises = offsets[m] >= 0 && offsets[m] <= offsets[m + 1];
    const int64_t size = rises ? offsets[m + 1] - offsets[m] : -1;
    const bool fixed = shape.size || types[m] == 0;
    bool good = rises && shape.dim >= 0 && (fixed ? size == shape.size : size >= shape.min_size);
    if (types[m] == kQuadraticPolygon) good = good && size % 2 == 0;
    if (!good) report[kSizes] = 1;
    report[types[m]] = 1;
  }
  if (first_item() == 0 && (offsets[0] != 0 || offsets[cells] != total)) report[kEnds] = 1;
}

__global__ void check_nodes_kernel(const int64_t* nodes, int64_t total, int64_t* report) {
  int64_t highest = -1;
  for (int64_t i = first_item(); i < total; i += item_stride()) {
    if (nodes[i] < 0) report[kNegative] = 1;
    highest = nodes[i] > highest ? nodes[i] : highest;
  }
  if (highest >= 0) raise_to(report + kNodes, highest + 1);
}

__global__ void check_faces_kernel(const uint8_t* types, const int64_t* faces, int64_t length,
                                   const int64_t* begins, const int64_t* ends, int64_t cells,
                                   int64_t* report) {
  for (int64_t m = first_item(); m < cells; m += item_stride()) {
    const bool solid = types[m] == kPolyhedron;
    if ((ends[m] >= 0) != solid) report[kTellsPolyhedra] = 1;
    if (m == cells - 1 && (ends[m] > begins[m] ? ends[m] : begins[m]) != length)
      report[kFaceEnds] = 1;
    if (ends[m] < 0) continue;
    if (ends[m] <= begins[m] || ends[m] > length) {
      report[kFaceEnds] = 1;
      continue;
    }
    int64_t at = begins[m], left = faces[at++], highest = 0;
    bool good = left >= 0;
    for (; good && left > 0; --left) {
      const int64_t size = at < ends[m] ? faces[at++] : 0;
      good = size >= 3 && size <= ends[m] - at;
      for (int64_t i = 0; good && i < size; ++i) {
        const int64_t node = faces[at + i];
        if (node < 0) report[kNegative] = 1;
        highest = node > highest ? node : highest;
      }
      at += good ? size : 0;
    }
    if (!good || at != ends[m]) report[kStream] = 1;
    if (highest > 0) raise_to(report + kNodes, highest + 1);
  }
}

}  // namespace

Tensor running_sum(const Tensor& counts, cudaStream_t stream, int64_t* sum) {
  const int64_t count = counts.numel();
  Tensor out = new_indices(counts, count);
  with_storage(counts, [&](void* storage, size_t& bytes) {
    return cub::DeviceScan::ExclusiveSum(storage, bytes, indices(counts), mutable_indices(out),
                                         count, stream);
  });
  *sum = read_back(indices(out) + count - 1, stream);
  return out;
}

DeviceCells checked_device_cells(const Tensor& types, const Tensor& offsets, const Tensor& nodes,
                                 const std::optional<Tensor>& faces,
                                 const std::optional<Tensor>& face_offsets, bool edges) {
  check_cell_arrays(types, offsets, nodes, faces, face_offsets);
  const int64_t cells = types.numel(), total = nodes.numel();
  DeviceCells in;
  in.stream = current_stream(nodes);
  in.types = torch::stable::contiguous(types);
  in.offsets = torch::stable::contiguous(offsets);
  in.cell_nodes = torch::stable::contiguous(nodes);
  in.cells = {data<uint8_t>(in.types),
              indices(in.offsets),
              indices(in.cell_nodes),
              nullptr,
              nullptr,
              cells};

  Tensor reports = torch::stable::new_zeros(nodes, {kReports}, ScalarType::Long);
  int64_t* report = mutable_indices(reports);
  check_cells_kernel<<<blocks_for(cells + 1), kThreads, 0, in.stream>>>(
      in.cells.types, in.cells.offsets, cells, total, report);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  check_nodes_kernel<<<blocks_for(total / 16 + 1), kThreads, 0, in.stream>>>(in.cells.nodes, total,
                                                                             report);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  int64_t length = 0;
  if (faces.has_value()) {
    in.faces = torch::stable::contiguous(*faces);
    length = in.faces.numel();
    const Tensor ends = torch::stable::contiguous(*face_offsets);
    in.face_begin = new_indices(nodes, cells);
    if (cells > 0) {
      with_storage(nodes, [&](void* storage, size_t& bytes) {
        return cub::DeviceScan::ExclusiveScan(storage, bytes, indices(ends),
                                              mutable_indices(in.face_begin), Largest(), int64_t(0),
                                              cells, in.stream);
      });
      check_faces_kernel<<<blocks_for(cells), kThreads, 0, in.stream>>>(
          in.cells.types, indices(in.faces), length, indices(in.face_begin), indices(ends), cells,
          report);
      STD_CUDA_KERNEL_LAUNCH_CHECK();
    }
    in.cells.faces = indices(in.faces);
    in.cells.face_begin = indices(in.face_begin);
  }

  std::vector<int64_t> found(kReports);
  STD_CUDA_CHECK(cudaMemcpyAsync(found.data(), report, kReports * sizeof(int64_t),
                                 cudaMemcpyDeviceToHost, in.stream));
  STD_CUDA_CHECK(cudaStreamSynchronize(in.stream));
  STD_TORCH_CHECK(!found[kEnds], "cell_offsets must run from 0 to ", total);
  STD_TORCH_CHECK(!found[kSizes], "a cell has an unknown type or not its type's number of nodes");
  STD_TORCH_CHECK(!found[kNegative], "cell_nodes and faces must not have negative nodes");
  for (int t = 0; t < 256; ++t) {
    in.present[t] = found[t] != 0;
    STD_TORCH_CHECK(!edges || !found[t] || kCellTable.rows[kCellTable.row[t]].edges >= 0,
                    "the edges of VTK type ", t, " are not known");
  }
  STD_TORCH_CHECK(faces.has_value() || !in.present[kPolyhedron],
                  "a polyhedron is defined through its faces");
  STD_TORCH_CHECK(!found[kTellsPolyhedra],
                  "face_offsets must be an end for polyhedra and -1 for other cells");
  STD_TORCH_CHECK(!found[kFaceEnds] && (cells > 0 || length == 0),
                  "face_offsets must increase and end at ", length);
  STD_TORCH_CHECK(!found[kStream],
                  "the faces of a polyhedron do not fill their part, or have fewer than 3 nodes");
  in.nodes = found[kNodes];
  return in;
}

}  // namespace meshop
