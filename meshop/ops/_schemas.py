"""The signatures of every op, for machines without the compiled library.

cpp_ext/schema.cpp has the same; tests/ops/test_library.py compares the two.
"""

SCHEMAS: dict[str, str] = {
    "knn": "(Tensor points, Tensor? queries, Tensor? ptr, Tensor? query_ptr, Tensor? box, int k, "
    "float max_distance, bool exclude_self) -> (Tensor dist2, Tensor rowptr, Tensor index)",
    "radius": "(Tensor points, Tensor? queries, Tensor? ptr, Tensor? query_ptr, Tensor? box, "
    "Tensor r, int max_neighbors, bool exclude_self) "
    "-> (Tensor dist2, Tensor rowptr, Tensor index, Tensor dropped)",
    "dist2_backward": "(Tensor grad, Tensor points, Tensor? queries, Tensor? offset, "
    "Tensor rowptr, Tensor index) -> (Tensor grad_points, Tensor grad_queries)",
    "segment_reduce": "(Tensor values, Tensor rowptr, str reduce) -> (Tensor out, Tensor arg)",
    "segment_reduce_backward": "(Tensor grad, Tensor rowptr, Tensor arg, SymInt num_values, "
    "str reduce) -> Tensor",
    "farthest_points": "(Tensor points, Tensor? ptr, Tensor? counts, SymInt count, Tensor? start) "
    "-> (Tensor dist2, Tensor index, Tensor out_ptr)",
    "voxel_groups": "(Tensor points, Tensor? ptr, Tensor size, Tensor origin) "
    "-> (Tensor group, Tensor order, Tensor rowptr, Tensor voxel_ptr)",
    "voxel_mean": "(Tensor points, Tensor group, Tensor order, Tensor rowptr) "
    "-> (Tensor mean, Tensor nearest)",
    "voxel_mean_backward": "(Tensor grad, Tensor group, Tensor rowptr) -> Tensor",
    "cell_edges": "(Tensor cell_types, Tensor cell_offsets, Tensor cell_nodes, Tensor? faces, "
    "Tensor? face_offsets) -> Tensor",
    "cell_facets": "(Tensor cell_types, Tensor cell_offsets, Tensor cell_nodes, Tensor? faces, "
    "Tensor? face_offsets, int dim) "
    "-> (Tensor ptr, Tensor nodes, Tensor owner, Tensor neighbor, Tensor further)",
    "segment_softmax": "(Tensor values, Tensor rowptr) -> Tensor",
    "segment_softmax_backward": "(Tensor grad, Tensor out, Tensor rowptr) -> Tensor",
    "segment_logsumexp_backward": "(Tensor grad, Tensor values, Tensor rowptr) -> Tensor",
    "csr_transpose": "(Tensor rowptr, Tensor index, SymInt num_columns) "
    "-> (Tensor rowptr_t, Tensor index_t, Tensor order_t)",
    "gather_reduce": "(Tensor x, Tensor? weight, Tensor rowptr, Tensor index, Tensor? order, "
    "Tensor? rowptr_t, Tensor? index_t, Tensor? order_t, str reduce) -> Tensor",
    "gather_dot": "(Tensor a, Tensor b, SymInt heads, Tensor rowptr, Tensor index, "
    "Tensor? rowptr_t, Tensor? index_t, Tensor? order_t) -> Tensor",
    "edge_attention": "(Tensor query, Tensor key, Tensor value, Tensor index, Tensor rowptr, "
    "Tensor? bias, Tensor? coords, Tensor? centers, float scale) "
    "-> (Tensor out, Tensor out_coords, Tensor lse)",
    "edge_attention_backward": "(Tensor grad, Tensor grad_coords, Tensor grad_lse, Tensor query, "
    "Tensor key, Tensor value, Tensor index, Tensor rowptr, Tensor? bias, Tensor? coords, "
    "Tensor? centers, Tensor lse, float scale) -> (Tensor grad_query, Tensor grad_key, "
    "Tensor grad_value, Tensor grad_bias, Tensor to_coords, Tensor to_centers)",
    "locate": "(Tensor points, Tensor cell_types, Tensor cell_offsets, Tensor cell_nodes, "
    "Tensor? faces, Tensor? face_offsets, Tensor queries, bool nearest, float tolerance) "
    "-> (Tensor weights, Tensor distance2, Tensor cell, Tensor nodes, Tensor inside)",
    "locate_backward": "(Tensor grad_weights, Tensor grad_distance2, Tensor points, "
    "Tensor queries, Tensor nodes, bool with_points) -> (Tensor grad_points, Tensor grad_queries)",
    "interpolate": "(Tensor values, Tensor weights, Tensor nodes) -> Tensor",
    "interpolate_transpose": "(Tensor grad, Tensor weights, Tensor nodes, SymInt num_nodes) "
    "-> Tensor",
    "interpolate_dot": "(Tensor grad, Tensor values, Tensor nodes) -> Tensor",
    "aggregate": "(Tensor rowptr, Tensor index, Tensor? value, float theta) "
    "-> (Tensor cluster, Tensor root)",
    "front_depth": "(Tensor rowptr, Tensor index, Tensor seeds) -> Tensor",
    "csr_apply": "(Tensor rowptr, Tensor index, Tensor value, Tensor x, Tensor? add, float alpha) "
    "-> Tensor",
    "csr_diagonal": "(Tensor rowptr, Tensor index, Tensor value) "
    "-> (Tensor diagonal, Tensor row_sum)",
    "csr_matmul": "(Tensor rowptr_a, Tensor index_a, Tensor value_a, Tensor rowptr_b, "
    "Tensor index_b, Tensor value_b, SymInt num_columns, bool sort) "
    "-> (Tensor rowptr, Tensor index, Tensor value)",
    "chebyshev": "(Tensor rowptr, Tensor index, Tensor value, Tensor scale, Tensor b, Tensor? x, "
    "Tensor beta, float rho, bool residual) -> (Tensor x, Tensor residual)",
    "step_limit": "(Tensor points, Tensor displacement, Tensor simplices, Tensor? least) -> Tensor",
    "simplex_sign": "(Tensor points, Tensor simplices) -> Tensor",
    "simplex_width": "(Tensor points, Tensor simplices) -> Tensor",
    "node_least": "(Tensor values, Tensor simplices, SymInt num_nodes) "
    "-> (Tensor least, Tensor simplex)",
}
