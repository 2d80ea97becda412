// The signatures, once. Each kernel file registers itself; a new backend edits none of the others.
// meshop/ops/_schemas.py repeats them for machines without this library; a test compares the two.
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY(meshop, m) {
  m.def(
      "knn(Tensor points, Tensor? queries, Tensor? ptr, Tensor? query_ptr, Tensor? box, int k, "
      "float max_distance, bool exclude_self) -> (Tensor dist2, Tensor rowptr, Tensor index)");
  m.def(
      "radius(Tensor points, Tensor? queries, Tensor? ptr, Tensor? query_ptr, Tensor? box, "
      "Tensor r, int max_neighbors, bool exclude_self) "
      "-> (Tensor dist2, Tensor rowptr, Tensor index, Tensor dropped)");
  m.def(
      "dist2_backward(Tensor grad, Tensor points, Tensor? queries, Tensor? offset, Tensor rowptr, "
      "Tensor index) -> (Tensor grad_points, Tensor grad_queries)");
  m.def("segment_reduce(Tensor values, Tensor rowptr, str reduce) -> (Tensor out, Tensor arg)");
  m.def(
      "segment_reduce_backward(Tensor grad, Tensor rowptr, Tensor arg, SymInt num_values, "
      "str reduce) -> Tensor");
  m.def(
      "farthest_points(Tensor points, Tensor? ptr, Tensor? counts, SymInt count, Tensor? start) "
      "-> (Tensor dist2, Tensor index, Tensor out_ptr)");
  m.def(
      "voxel_groups(Tensor points, Tensor? ptr, Tensor size, Tensor origin) "
      "-> (Tensor group, Tensor order, Tensor rowptr, Tensor voxel_ptr)");
  m.def(
      "voxel_mean(Tensor points, Tensor group, Tensor order, Tensor rowptr) "
      "-> (Tensor mean, Tensor nearest)");
  m.def("voxel_mean_backward(Tensor grad, Tensor group, Tensor rowptr) -> Tensor");
  m.def(
      "cell_edges(Tensor cell_types, Tensor cell_offsets, Tensor cell_nodes, Tensor? faces, "
      "Tensor? face_offsets) -> Tensor");
  m.def(
      "cell_facets(Tensor cell_types, Tensor cell_offsets, Tensor cell_nodes, Tensor? faces, "
      "Tensor? face_offsets, int dim) "
      "-> (Tensor ptr, Tensor nodes, Tensor owner, Tensor neighbor, Tensor further)");
  m.def("segment_softmax(Tensor values, Tensor rowptr) -> Tensor");
  m.def("segment_softmax_backward(Tensor grad, Tensor out, Tensor rowptr) -> Tensor");
  m.def("segment_logsumexp_backward(Tensor grad, Tensor values, Tensor rowptr) -> Tensor");
  m.def(
      "csr_transpose(Tensor rowptr, Tensor index, SymInt num_columns) "
      "-> (Tensor rowptr_t, Tensor index_t, Tensor order_t)");
  m.def(
      "gather_reduce(Tensor x, Tensor? weight, Tensor rowptr, Tensor index, Tensor? order, "
      "Tensor? rowptr_t, Tensor? index_t, Tensor? order_t, str reduce) -> Tensor");
  m.def(
      "gather_dot(Tensor a, Tensor b, SymInt heads, Tensor rowptr, Tensor index, "
      "Tensor? rowptr_t, Tensor? index_t, Tensor? order_t) -> Tensor");
  m.def(
      "edge_attention(Tensor query, Tensor key, Tensor value, Tensor index, Tensor rowptr, "
      "Tensor? bias, Tensor? coords, Tensor? centers, float scale) "
      "-> (Tensor out, Tensor out_coords, Tensor lse)");
  m.def(
      "edge_attention_backward(Tensor grad, Tensor grad_coords, Tensor grad_lse, Tensor query, "
      "Tensor key, Tensor value, Tensor index, Tensor rowptr, Tensor? bias, Tensor? coords, "
      "Tensor? centers, Tensor lse, float scale) -> (Tensor grad_query, Tensor grad_key, "
      "Tensor grad_value, Tensor grad_bias, Tensor to_coords, Tensor to_centers)");
  m.def(
      "locate(Tensor points, Tensor cell_types, Tensor cell_offsets, Tensor cell_nodes, "
      "Tensor? faces, Tensor? face_offsets, Tensor queries, bool nearest, float tolerance) "
      "-> (Tensor weights, Tensor distance2, Tensor cell, Tensor nodes, Tensor inside)");
  m.def(
      "locate_backward(Tensor grad_weights, Tensor grad_distance2, Tensor points, Tensor queries, "
      "Tensor nodes, bool with_points) -> (Tensor grad_points, Tensor grad_queries)");
  m.def("interpolate(Tensor values, Tensor weights, Tensor nodes) -> Tensor");
  m.def(
      "interpolate_transpose(Tensor grad, Tensor weights, Tensor nodes, SymInt num_nodes) -> "
      "Tensor");
  m.def("interpolate_dot(Tensor grad, Tensor values, Tensor nodes) -> Tensor");
  m.def(
      "aggregate(Tensor rowptr, Tensor index, Tensor? value, float theta) "
      "-> (Tensor cluster, Tensor root)");
  m.def("front_depth(Tensor rowptr, Tensor index, Tensor seeds) -> Tensor");
  m.def(
      "csr_apply(Tensor rowptr, Tensor index, Tensor value, Tensor x, Tensor? add, float alpha) "
      "-> Tensor");
  m.def(
      "csr_diagonal(Tensor rowptr, Tensor index, Tensor value) "
      "-> (Tensor diagonal, Tensor row_sum)");
  m.def(
      "csr_matmul(Tensor rowptr_a, Tensor index_a, Tensor value_a, Tensor rowptr_b, "
      "Tensor index_b, Tensor value_b, SymInt num_columns, bool sort) "
      "-> (Tensor rowptr, Tensor index, Tensor value)");
  m.def(
      "chebyshev(Tensor rowptr, Tensor index, Tensor value, Tensor scale, Tensor b, Tensor? x, "
      "Tensor beta, float rho, bool residual) -> (Tensor x, Tensor residual)");
  m.def(
      "step_limit(Tensor points, Tensor displacement, Tensor simplices, Tensor? least) -> Tensor");
  m.def("simplex_sign(Tensor points, Tensor simplices) -> Tensor");
  m.def("simplex_width(Tensor points, Tensor simplices) -> Tensor");
  m.def(
      "node_least(Tensor values, Tensor simplices, SymInt num_nodes) "
      "-> (Tensor least, Tensor simplex)");
}
