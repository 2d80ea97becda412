// The arrays that describe mixed cells: types and shapes, checked for CPU and GPU.
#pragma once

#include "common.h"

namespace meshop {

inline void check_cell_arrays(const Tensor& types, const Tensor& offsets, const Tensor& nodes,
                              const std::optional<Tensor>& faces,
                              const std::optional<Tensor>& face_offsets) {
  STD_TORCH_CHECK(types.scalar_type() == ScalarType::Byte && types.dim() == 1,
                  "cell_types must be 1-D uint8");
  check_indices(offsets, "cell_offsets", 1);
  check_indices(nodes, "cell_nodes", 1);
  STD_TORCH_CHECK(offsets.numel() == types.numel() + 1, "cell_offsets must have cells + 1 entries");
  STD_TORCH_CHECK(faces.has_value() == face_offsets.has_value(),
                  "faces and face_offsets go together");
  if (!faces) return;
  check_indices(*faces, "faces", 1);
  check_indices(*face_offsets, "face_offsets", 1);
  STD_TORCH_CHECK(face_offsets->numel() == types.numel(),
                  "face_offsets must have an entry for each cell");
}

}  // namespace meshop
