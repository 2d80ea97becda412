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
    "locate": "(Tensor points, Tensor cell_types, Tensor cell_offsets, Tensor cell_nodes, "
    "Tensor? faces, Tensor? face_offsets, Tensor queries, bool nearest, float tolerance) "
    "-> (Tensor weights, Tensor distance2, Tensor cell, Tensor nodes, Tensor inside)",
    "locate_backward": "(Tensor grad_weights, Tensor grad_distance2, Tensor points, "
    "Tensor queries, Tensor nodes, bool with_points) -> (Tensor grad_points, Tensor grad_queries)",
    "interpolate": "(Tensor values, Tensor weights, Tensor nodes) -> Tensor",
    "interpolate_transpose": "(Tensor grad, Tensor weights, Tensor nodes, SymInt num_nodes) "
    "-> Tensor",
    "interpolate_dot": "(Tensor grad, Tensor values, Tensor nodes) -> Tensor",
}
