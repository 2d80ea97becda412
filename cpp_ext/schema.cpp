// The signatures, once. Each kernel file registers itself; a new backend edits none of the others.
// meshop/ops/_schemas.py repeats them for machines without this library; a test compares the two.
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY(meshop, m) {
  m.def(
      "knn(Tensor points, Tensor? queries, Tensor? ptr, Tensor? query_ptr, int k, "
      "float max_distance, bool exclude_self) -> (Tensor dist2, Tensor rowptr, Tensor index)");
  m.def(
      "radius(Tensor points, Tensor? queries, Tensor? ptr, Tensor? query_ptr, Tensor r, "
      "int max_neighbors, bool exclude_self) "
      "-> (Tensor dist2, Tensor rowptr, Tensor index, Tensor dropped)");
  m.def(
      "dist2_backward(Tensor grad, Tensor points, Tensor? queries, Tensor rowptr, Tensor index) "
      "-> (Tensor grad_points, Tensor grad_queries)");
  m.def("segment_reduce(Tensor values, Tensor rowptr, str reduce) -> (Tensor out, Tensor arg)");
  m.def(
      "segment_reduce_backward(Tensor grad, Tensor rowptr, Tensor arg, SymInt num_values, "
      "str reduce) -> Tensor");
  m.def("cell_edges(Tensor cell_types, Tensor cell_offsets, Tensor cell_nodes) -> Tensor");
  m.def(
      "locate(Tensor points, Tensor cell_types, Tensor cell_offsets, Tensor cell_nodes, "
      "Tensor? faces, Tensor? face_offsets, Tensor queries, bool nearest, float tolerance) "
      "-> (Tensor weights, Tensor distance2, Tensor cell, Tensor nodes, Tensor inside)");
  m.def(
      "locate_backward(Tensor grad_weights, Tensor grad_distance2, Tensor points, Tensor queries, "
      "Tensor nodes, bool with_points) -> (Tensor grad_points, Tensor grad_queries)");
  m.def("interpolate(Tensor values, Tensor weights, Tensor nodes) -> Tensor");
  m.def(
      "interpolate_transpose(Tensor grad, Tensor weights, Tensor nodes, SymInt num_nodes) -> Tensor");
  m.def("interpolate_dot(Tensor grad, Tensor values, Tensor nodes) -> Tensor");
}
