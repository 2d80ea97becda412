"""Malformed files of Gmsh: a small mesh of each version with exactly one thing wrong each."""

from __future__ import annotations

import struct

SUFFIX = ".msh"
V2 = """$MeshFormat
2.2 0 8
$EndMeshFormat
$PhysicalNames
1
1 9 "wall"
$EndPhysicalNames
$Nodes
4
1 0 0 0
2 1 0 0
3 1 1 0
7 0 1 0.5
$EndNodes
$Elements
3
1 2 2 0 4 1 2 3
2 3 2 0 4 1 2 3 7
3 1 4 9 2 1 3 1 2
$EndElements
$NodeData
1
"p"
1
0.5
3
0
1
4
1 1.5
2 2.5
3 3.5
7 nan
$EndNodeData
$ElementNodeData
1
"q"
1
0.5
3
0
1
1
1 3 1.5 2.5 3.5
$EndElementNodeData
"""
V4 = """$MeshFormat
4.1 0 8
$EndMeshFormat
$PhysicalNames
1
1 9 "wall"
$EndPhysicalNames
$Entities
1 1 1 0
1 0 0 0 0
4 0 0 0 1 0 0 2 9 -3 2 1 -2
5 0 0 0 1 1 0 0 1 4
$EndEntities
$Nodes
2 4 1 7
1 4 1 2
1
2
0 0 0 0.25
1 0 0 0.75
2 5 0 2
3
7
1 1 0
0 1 0.5
$EndNodes
$Elements
2 3 1 3
2 5 2 2
1 1 2 3
2 1 3 7
1 4 1 1
3 1 2
$EndElements
$ElementData
1
"p"
1
0.5
3
0
1
1
2 8.5
$EndElementData
"""
V40 = """$MeshFormat
4 0 8
$EndMeshFormat
$Entities
0 1 0 0
4 0 0 0 1 0 0 1 9 2 1 -2
$EndEntities
$PartitionedEntities
2
1
7 1
0 1 0 0
5 1 4 1 2 0 0 0 1 0 0 1 9 0
$EndPartitionedEntities
$Nodes
1 2
4 1 0 2
1 0 0 0
2 1 0 0
$EndNodes
$Elements
1 1
5 1 1 1
3 1 2
$EndElements
"""
V3 = """$MeshFormat
3 0 8
$EndMeshFormat
$Entities
0 1 0 0
4 2 1 2 1 9
$EndEntities
$Nodes
2
1 0 0 0 0
2 1 0 0 4 1 0.5
$EndNodes
$Elements
1
3 1 4 2 1 2
$EndElements
"""
V1 = """$NOD
3
1 0 0 0
2 1 0 0
3 1 1 0
$ENDNOD
$ELM
2
1 2 5 1 3 1 2 3
2 1 6 1 2 1 2
$ENDELM
"""
PARAMETRIC = V2[: V2.index("$Nodes")] + (
    "$ParametricNodes\n3\n1 0 0 0 0 1\n2 1 0 0 1 4 0.5\n3 1 1 0 2 1 0.5 0.5\n"
    "$EndParametricNodes\n$Elements\n1\n1 2 2 0 4 1 2 3\n$EndElements\n"
)
# name -> (file, replacements)
TEXT = {
    "v2_nodes_out_of_range": (V2, [("4 1 2 3\n", "4 1 2 5\n")]),
    "v2_nodes_negative": (V2, [("4 1 2 3\n", "4 1 2 -3\n")]),
    "v2_nodes_enormous": (V2, [("4 1 2 3\n", f"4 1 2 {2**62}\n")]),
    "v2_nodes_beyond_64_bits": (V2, [("4 1 2 3\n", f"4 1 2 {2**70}\n")]),
    "v2_nodes_floats": (V2, [("4 1 2 3\n", "4 1 2 3.5\n")]),
    "v2_nodes_missing": (V2, [("4 1 2 3\n", "4 1 2\n")]),
    "v2_nodes_too_many": (V2, [("4 1 2 3\n", "4 1 2 3 3\n")]),
    "v2_type_unknown": (V2, [("1 2 2 0", "1 200 2 0")]),
    "v2_type_that_vtk_lacks": (V2, [("1 2 2 0", "1 20 2 0")]),
    "v2_type_enormous": (V2, [("1 2 2 0", f"1 {2**62} 2 0")]),
    "v2_type_zero": (V2, [("1 2 2 0", "1 0 2 0")]),
    "v2_tags_negative": (V2, [("1 2 2 0", "1 2 -2 0")]),
    "v2_tags_many": (V2, [("1 2 2 0", f"1 2 {10**12} 0")]),
    "v2_elements_many": (V2, [("$Elements\n3", f"$Elements\n{10**12}")]),
    "v2_elements_negative": (V2, [("$Elements\n3", "$Elements\n-3")]),
    "v2_elements_too_few": (V2, [("$Elements\n3", "$Elements\n2")]),
    "v2_elements_too_many": (V2, [("$Elements\n3", "$Elements\n4")]),
    "v2_elements_text": (V2, [("$Elements\n3", "$Elements\nthree")]),
    "v2_elements_missing": (V2, [("$Elements", "$Something")]),
    "v2_elements_twice": (V2, [("$NodeData", "$Elements\n1\n1 2 2 0 4 1 2 3\n$EndElements\n$A")]),
    "v2_points_many": (V2, [("$Nodes\n4", f"$Nodes\n{10**12}")]),
    "v2_points_negative": (V2, [("$Nodes\n4", "$Nodes\n-4")]),
    "v2_points_too_few": (V2, [("$Nodes\n4", "$Nodes\n3")]),
    "v2_points_too_many": (V2, [("$Nodes\n4", "$Nodes\n5")]),
    "v2_points_missing": (V2, [("$Nodes", "$Something")]),
    "v2_points_nan": (V2, [("3 1 1 0", "3 1 nan 0")]),
    "v2_points_infinite": (V2, [("3 1 1 0", "3 1 inf 0")]),
    "v2_points_overflow": (V2, [("3 1 1 0", "3 1 1e999 0")]),
    "v2_points_text": (V2, [("3 1 1 0", "3 1 one 0")]),
    "v2_points_underscore": (V2, [("3 1 1 0", "3 1 1_0 0")]),
    "v2_points_tag_twice": (V2, [("3 1 1 0", "2 1 1 0")]),
    "v2_points_tag_float": (V2, [("3 1 1 0", "3.5 1 1 0")]),
    "v2_names_many": (V2, [("$PhysicalNames\n1", f"$PhysicalNames\n{10**10}")]),
    "v2_names_dimension": (V2, [("1 9 ", "4 9 ")]),
    "v2_names_no_quotes": (V2, [('1 9 "wall"', "1 9 wall")]),
    "v2_data_too_short": (V2, [("3 3.5\n", "")]),
    "v2_data_too_long": (V2, [("3 3.5\n", "3 3.5\n4 4.5\n")]),
    "v2_data_of_no_node": (V2, [("3 3.5\n", "4 3.5\n")]),
    "v2_data_components_many": (V2, [("0\n1\n4\n", f"0\n{2**31}\n4\n")]),
    "v2_data_components_many_and_no_rows": (
        V2[: V2.index("1 1.5\n")] + "$EndNodeData\n",
        [("0\n1\n4\n", f"0\n{2**40}\n0\n")],
    ),
    "v2_data_components_none": (V2, [("0\n1\n4\n", "0\n0\n4\n")]),
    "v2_data_rows_many": (V2, [("0\n1\n4\n", f"0\n1\n{10**12}\n")]),
    "v2_data_time_text": (V2, [("\n0.5\n", "\nnoon\n")]),
    "v2_data_time_nan": (V2, [("\n0.5\n", "\nnan\n")]),
    "v2_data_strings_many": (V2, [('1\n"p"', f'{10**12}\n"p"')]),
    "v2_nodal_data_count": (V2, [("1 3 1.5", "1 300 1.5")]),
    "v2_nodal_data_negative": (V2, [("1 3 1.5", "1 -3 1.5")]),
    "format_version": (V2, [("2.2 0 8", "5.5 0 8")]),
    "format_type": (V2, [("2.2 0 8", "2.2 2 8")]),
    "format_size": (V2, [("2.2 0 8", "2.2 0 3")]),
    "format_text": (V2, [("2.2 0 8", "new")]),
    "format_missing": (V2[V2.index("$Phys") :], []),
    "v4_blocks_many": (V4, [("2 3 1 3", f"{10**12} 3 1 3")]),
    "v4_blocks_too_few": (V4, [("2 3 1 3", "1 3 1 3")]),
    "v4_elements_declared": (V4, [("2 3 1 3", "2 4 1 3")]),
    "v4_block_many": (V4, [("2 5 2 2\n", f"2 5 2 {10**12}\n")]),
    "v4_block_negative": (V4, [("2 5 2 2\n", "2 5 2 -2\n")]),
    "v4_type_unknown": (V4, [("2 5 2 2\n", "2 5 222 2\n")]),
    "v4_nodes_out_of_range": (V4, [("1 1 2 3\n", "1 1 2 4\n")]),
    "v4_nodes_beyond_64_bits": (V4, [("1 1 2 3\n", f"1 1 2 {2**65}\n")]),
    "v4_node_blocks_many": (V4, [("2 4 1 7", f"{10**12} 4 1 7")]),
    "v4_node_block_many": (V4, [("1 4 1 2\n", f"1 4 1 {10**12}\n")]),
    "v4_node_block_negative": (V4, [("1 4 1 2\n", "1 4 1 -2\n")]),
    "v4_node_total": (V4, [("2 4 1 7", "2 5 1 7")]),
    "v4_node_tag_float": (V4, [("\n3\n7\n", "\n3.5\n7\n")]),
    "v4_entities_many": (V4, [("1 1 1 0\n", f"1 1 {10**12} 0\n")]),
    "v4_entities_negative": (V4, [("1 1 1 0\n", "1 1 -1 0\n")]),
    "v4_entity_groups_many": (V4, [("2 9 -3 2", f"{10**12} 9 -3 2")]),
    "v4_entity_groups_negative": (V4, [("2 9 -3 2", "-2 9 -3 2")]),
    "v4_data_of_no_element": (V4, [("2 8.5", "4 8.5")]),
    "v40_parts_many": (V40, [("5 1 4 1 2", f"5 1 4 {10**12} 2")]),
    "v40_ghosts_many": (V40, [("2\n1\n7 1", f"2\n{10**12}\n7 1")]),
    "v40_node_short": (V40, [("2 1 0 0\n$End", "2 1 0\n$End")]),
    "v3_values_many": (V3, [("3 1 4 2 1 2", f"3 1 4 {2**40} 1 2")]),
    "v3_values_too_few": (V3, [("3 1 4 2 1 2", "3 1 4 1 1")]),
    "v3_node_short": (V3, [("0 0 4 1 0.5", "0 0 4 1")]),
    "v1_nodes_many": (V1, [("5 1 3 1", f"5 1 {2**40} 1")]),
    "v1_nodes_wrong": (V1, [("5 1 3 1 2 3", "5 1 2 1 2")]),
    "v1_node_missing": (V1, [("3 1 1 0\n", "")]),
    "parametric_short": (PARAMETRIC, [("1 4 0.5\n", "1 4\n")]),
}


def binary(order: str = "<", **odd: object) -> bytes:
    """MSH 2.2: one block of two triangles, one of a line; `odd` replaces a part."""

    def pack(form: str, *values: float) -> bytes:
        return struct.pack(order + form, *values)

    part: dict[str, object] = {
        "one": pack("i", 1), "n_nodes": b"3", "n_elements": b"3", "kind": 2, "count": 2, "tags": 2,
        "node": 3, "x": 1.0, "n_rows": 3, "width": 1,
    }  # fmt: skip
    part |= odd
    data = b"$MeshFormat\n2.2 1 8\n" + part["one"] + b"\n$EndMeshFormat\n"
    data += b"$Nodes\n" + part["n_nodes"] + b"\n"
    xs = [(0, 0, 0), (part["x"], 0, 0), (0, 1, 0)]
    data += b"".join(pack("i3d", k, *x) for k, x in enumerate(xs, 1)) + b"\n$EndNodes\n"
    data += b"$Elements\n" + part["n_elements"] + b"\n"
    data += pack("3i", part["kind"], part["count"], part["tags"])
    data += pack("6i", 1, 9, 1, 1, 2, part["node"]) + pack("6i", 2, 9, 1, 3, 2, 1)
    data += pack("3i", 1, 1, 2) + pack("5i", 3, 8, 1, 1, 2) + b"\n$EndElements\n"
    data += b'$NodeData\n1\n"p"\n1\n0.0\n3\n0\n%d\n%d\n' % (part["width"], part["n_rows"])
    data += b"".join(pack("id", k, k / 2) for k in (1, 2, 3)) + b"\n$EndNodeData\n"
    data += b'$ElementNodeData\n1\n"q"\n1\n0.0\n3\n0\n1\n1\n' + pack("2i3d", 1, 3, 1, 2, 3)
    return data + b"\n$EndElementNodeData\n"


def binary4(order: str = "<", **odd: int) -> bytes:
    """MSH 4.1 with a group, one triangle."""

    def pack(form: str, *values: float) -> bytes:
        return struct.pack(order + form, *values)

    part = {
        "surfaces": 1, "groups": 1, "node_blocks": 1, "nodes": 3, "block_nodes": 3, "tag": 3,
        "blocks": 1, "elements": 1, "kind": 2, "count": 1, "node": 3,
    } | odd  # fmt: skip
    data = b"$MeshFormat\n4.1 1 8\n" + pack("i", 1) + b"\n$EndMeshFormat\n$Entities\n"
    data += pack("4Q", 0, 0, part["surfaces"], 0) + pack("i6d", 1, 0, 0, 0, 1, 1, 0)
    data += pack("QiQ", part["groups"], 9, 0) + b"\n$EndEntities\n$Nodes\n"
    data += pack("4Q", part["node_blocks"], part["nodes"], 1, 3)
    data += pack("3iQ", 2, 1, 0, part["block_nodes"]) + pack("3Q", 1, 2, part["tag"])
    data += pack("9d", 0, 0, 0, 1, 0, 0, 0, 1, 0) + b"\n$EndNodes\n$Elements\n"
    data += pack("4Q", part["blocks"], part["elements"], 1, 1)
    data += pack("3iQ", 2, 1, part["kind"], part["count"]) + pack("4Q", 1, 1, 2, part["node"])
    return data + b"\n$EndElements\n"


def binary3() -> bytes:
    """MSH 3 in binary, as Gmsh writes it."""
    data = b"$MeshFormat\n3 1 8\n\1\0\0\0\n$EndMeshFormat\n$Entities\n0 1 0 0\n4 2 1 2 1 9\n"
    data += b"$EndEntities\n$Nodes\n2\n" + struct.pack("<i3di", 1, 0, 0, 0, 0)
    data += struct.pack("<i3diid", 2, 1, 0, 0, 4, 1, 0.5) + b"\n$EndNodes\n$Elements\n1\n"
    return data + struct.pack("<6i", 3, 1, 4, 2, 1, 2) + b"\n$EndElements\n"


def seeds() -> dict[str, bytes]:
    """Good files: every version, ascii and binary of both byte orders."""
    return {
        "1 ascii": V1.encode(), "2.2 ascii": V2.encode(), "2.2 parametric": PARAMETRIC.encode(),
        "2.2 binary little": binary(), "2.2 binary big": binary(">"), "3 ascii": V3.encode(),
        "3 binary": binary3(), "4.0 ascii": V40.encode(), "4.1 ascii": V4.encode(),
        "4.1 binary little": binary4(), "4.1 binary big": binary4(">"),
    }  # fmt: skip


def corpus() -> dict[str, bytes]:
    """The files of the corpus by name."""
    files = {}
    for name, (text, replacements) in TEXT.items():
        for old, new in replacements:
            assert old in text, (name, old)
            text = text.replace(old, new, 1)
        files[name] = text.encode()
    files |= {
        "b2_no_one": binary(one=b"\7\0\0\0"),
        "b2_nodes_many": binary(n_nodes=b"1000000000000"),
        "b2_nodes_too_few": binary(n_nodes=b"2"),
        "b2_elements_many": binary(n_elements=b"1000000000000"),
        "b2_elements_too_few": binary(n_elements=b"2"),
        "b2_elements_too_many": binary(n_elements=b"4"),
        "b2_type_unknown": binary(kind=77),
        "b2_type_negative": binary(kind=-2),
        "b2_run_many": binary(count=2**31 - 1),
        "b2_run_negative": binary(count=-2),
        "b2_run_empty": binary(count=0),
        "b2_tags_many": binary(tags=2**31 - 1),
        "b2_tags_negative": binary(tags=-1),
        "b2_node_out_of_range": binary(node=4),
        "b2_node_negative": binary(node=-1),
        "b2_point_nan": binary(x=float("nan")),
        "b2_point_infinite": binary(x=float("inf")),
        "b2_data_many": binary(n_rows=10**12),
        "b2_data_components_many": binary(width=10**12),
        "b2_data_components_and_no_rows": binary(width=10**10, n_rows=0),
        "b4_entities_many": binary4(surfaces=2**62),
        "b4_groups_many": binary4(groups=2**63),
        "b4_node_blocks_many": binary4(node_blocks=2**64 - 1),
        "b4_nodes_declared": binary4(nodes=4),
        "b4_block_nodes_many": binary4(block_nodes=2**61),
        "b4_tag_twice": binary4(tag=2),
        "b4_blocks_many": binary4(blocks=2**63),
        "b4_elements_declared": binary4(elements=2),
        "b4_type_unknown": binary4(kind=2**31 - 1),
        "b4_block_many": binary4(count=2**62),
        "b4_node_out_of_range": binary4(node=2**63),
    }
    for name, data in (
        ("v2", V2.encode()),
        ("v4", V4.encode()),
        ("b2", binary()),
        ("b4", binary4()),
    ):
        for part in (0.1, 0.3, 0.5):
            files[f"{name}_cut_at_{part}"] = data[: int(len(data) * part)]
    files["empty"] = b""
    files["zeros"] = bytes(300)
    files["random"] = bytes((k * 7919 + 31) % 251 for k in range(500))
    files["sections_that_do_not_end"] = b"$MeshFormat\n2.2 0 8\n" + b"$x\n" * 300
    return files
