"""The signatures of every op, for machines without the compiled library.

cpp_ext/schema.cpp has the same; tests/ops/test_library.py compares the two.
"""

SCHEMAS: dict[str, str] = {
    "knn": "(Tensor points, Tensor? queries, Tensor? ptr, Tensor? query_ptr, int k, "
    "float max_distance, bool exclude_self) -> (Tensor dist2, Tensor rowptr, Tensor index)",
    "radius": "(Tensor points, Tensor? queries, Tensor? ptr, Tensor? query_ptr, Tensor r, "
    "int max_neighbors, bool exclude_self) "
    "-> (Tensor dist2, Tensor rowptr, Tensor index, Tensor dropped)",
    "dist2_backward": "(Tensor grad, Tensor points, Tensor? queries, Tensor rowptr, Tensor index) "
    "-> (Tensor grad_points, Tensor grad_queries)",
    "segment_reduce": "(Tensor values, Tensor rowptr, str reduce) -> (Tensor out, Tensor arg)",
    "segment_reduce_backward": "(Tensor grad, Tensor rowptr, Tensor arg, SymInt num_values, "
    "str reduce) -> Tensor",
    "cell_edges": "(Tensor cell_types, Tensor cell_offsets, Tensor cell_nodes) -> Tensor",
    "edge_attention": "(Tensor query, Tensor key, Tensor value, Tensor index, Tensor rowptr, "
    "Tensor? bias, Tensor? coords, Tensor? centers, float scale) "
    "-> (Tensor out, Tensor out_coords, Tensor lse)",
    "edge_attention_backward": "(Tensor grad, Tensor grad_coords, Tensor grad_lse, Tensor query, "
    "Tensor key, Tensor value, Tensor index, Tensor rowptr, Tensor? bias, Tensor? coords, "
    "Tensor? centers, Tensor lse, float scale) -> (Tensor grad_query, Tensor grad_key, "
    "Tensor grad_value, Tensor grad_bias, Tensor to_coords, Tensor to_centers)",
}
