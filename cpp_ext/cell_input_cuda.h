// Cells as the CUDA kernels take them: every value checked, on the device.
#pragma once

#include <algorithm>

#include "cells.h"
#include "cuda_common.h"

namespace meshop {

namespace {
__constant__ CellTable kDeviceTable = table::make();
}

struct DeviceCells {
  Cells cells;
  int64_t nodes = 0;       // node numbers are below this
  bool present[256] = {};  // which types occur
  cudaStream_t stream;

  // What `cells` points into.
  Tensor types, offsets, cell_nodes, faces, face_begin;

  int node_bits() const {  // enough for `nodes` itself
    int bits = 1;
    while (bits < 64 && static_cast<uint64_t>(nodes) >> bits) ++bits;
    return bits;
  }
};

// Throws where a value is out of range; edges: also where the edges of a type are not known.
DeviceCells checked_device_cells(const Tensor& types, const Tensor& offsets, const Tensor& nodes,
                                 const std::optional<Tensor>& faces,
                                 const std::optional<Tensor>& face_offsets, bool edges);

// counts (n + 1, the last one 0) to where each one begins; returns the sum.
Tensor running_sum(const Tensor& counts, cudaStream_t stream, int64_t* sum);

}  // namespace meshop
