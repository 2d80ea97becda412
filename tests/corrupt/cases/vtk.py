"""Malformed legacy VTK: a small mesh of two triangles (or one cell) with one thing wrong each."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import numpy as np

from meshop.io.vtk_legacy import write_vtk
from meshop.mesh import Mesh

SUFFIX = ".vtk"
HEAD = "# vtk DataFile Version 3.0\nsmall\nASCII\n"
POINTS = "POINTS 4 float\n0 0 0 1 0 0 1 1 0 0 1 0\n"
OLD = (
    HEAD + "DATASET UNSTRUCTURED_GRID\nFIELD FieldData 1\ntitle 1 1 string\nhello\n" + POINTS
    + "CELLS 2 8\n3 0 1 2\n3 0 2 3\nCELL_TYPES 2\n5 5\n"
    "CELL_DATA 2\nSCALARS id int 1\nLOOKUP_TABLE default\n7 8\n"
    "POINT_DATA 4\nFIELD FieldData 1\np 1 4 double\n1 2 3 4\n"
)  # fmt: skip
NEW = (
    HEAD.replace("3.0", "5.1") + "DATASET UNSTRUCTURED_GRID\n" + POINTS
    + "CELLS 3 6\nOFFSETS vtktypeint64\n0 3 6\nCONNECTIVITY vtktypeint64\n0 1 2 0 2 3\n"
    "CELL_TYPES 2\n5 5\nPOINT_DATA 4\nVECTORS u float\n1 2 3 4 5 6 7 8 9 10 11 12\n"
    "METADATA\nCOMPONENT_NAMES\nux\nuy\nuz\n\n"
)  # fmt: skip
SURFACE = (
    HEAD + "DATASET POLYDATA\n" + POINTS + "VERTICES 1 2\n1 3\nLINES 1 3\n2 0 1\n"
    "POLYGONS 2 9\n3 0 1 2 4 0 1 2 3\nTRIANGLE_STRIPS 1 5\n4 0 1 2 3\n"
    "CELL_DATA 5\nSCALARS id int 1\nLOOKUP_TABLE t\n1 2 3 4 5\nLOOKUP_TABLE t 1\n0 0 0 1\n"
)  # fmt: skip
STRUCTURED = (
    HEAD + "DATASET STRUCTURED_GRID\nDIMENSIONS 2 2 1\n" + POINTS
    + "POINT_DATA 4\nCOLOR_SCALARS c 1\n0 0.5 1 0.25\nNORMALS n float\n" + "0 0 1 " * 4 + "\n"
)  # fmt: skip
BOXES = (
    HEAD + "DATASET RECTILINEAR_GRID\nDIMENSIONS 2 2 2\nX_COORDINATES 2 float\n0 1\n"
    "Y_COORDINATES 2 float\n0 1\nZ_COORDINATES 2 float\n0 2\nCELL_DATA 1\n"
    "TENSORS t float\n1 2 3 4 5 6 7 8 9\n"
)  # fmt: skip
IMAGE = (
    HEAD + "DATASET STRUCTURED_POINTS\nDIMENSIONS 3 2 1\nSPACING 1 1 1\nORIGIN 0 0 0\n"
    "POINT_DATA 6\nSCALARS s unsigned_char 1\nLOOKUP_TABLE default\n1 2 3 4 5 6\n"
)
POLYHEDRON = (
    HEAD + "DATASET UNSTRUCTURED_GRID\nPOINTS 4 float\n0 0 0 1 0 0 0 1 0 0 0 1\n"
    "CELLS 1 18\n17 4 3 0 2 1 3 0 1 3 3 0 3 2 3 1 2 3\nCELL_TYPES 1\n42\n"
)
BLOCKS = (
    HEAD + "DATASET MULTIBLOCK\nCHILDREN 3\nCHILD 6 [an image]\n" + IMAGE
    + "ENDCHILD\nCHILD -1\nENDCHILD\nCHILD 13 [inner]\n" + HEAD
    + "DATASET MULTIBLOCK\nCHILDREN 1\nCHILD 4 [triangles]\n" + OLD + "ENDCHILD\nENDCHILD\n"
)  # fmt: skip
BIG = 10**11

# name -> (file, replacements in it)
TEXT: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "only_a_header": (HEAD, []),
    "header_wrong": (OLD, [("# vtk DataFile", "# vtu DataFile")]),
    "mode_unknown": (OLD, [("ASCII", "EBCDIC")]),
    "mode_missing": (OLD, [("ASCII\n", "")]),
    "dataset_unknown": (OLD, [("UNSTRUCTURED_GRID", "TREE")]),
    "dataset_missing": (OLD, [("DATASET UNSTRUCTURED_GRID\n", "")]),
    "nodes_out_of_range": (OLD, [("3 0 2 3", "3 0 2 4")]),
    "nodes_negative": (OLD, [("3 0 2 3", "3 0 2 -5")]),
    "nodes_enormous": (OLD, [("3 0 2 3", f"3 0 2 {2**62}")]),
    "nodes_beyond_64_bits": (OLD, [("3 0 2 3", f"3 0 2 {2**70}")]),
    "nodes_are_floats": (OLD, [("3 0 2 3", "3 0 2 3.5")]),
    "nodes_text": (OLD, [("3 0 2 3", "3 0 two 3")]),
    "nodes_underscore": (OLD, [("3 0 2 3", "3 0 2_0 3")]),
    "cell_size_enormous": (OLD, [("3 0 2 3", "9999999 0 2 3")]),
    "cell_size_negative": (OLD, [("3 0 2 3", "-3 0 2 3")]),
    "cell_size_too_small": (OLD, [("3 0 2 3", "2 0 2 3")]),
    "cell_size_wrong_for_type": (OLD, [("CELL_TYPES 2\n5 5", "CELL_TYPES 2\n5 12")]),
    "cells_many": (OLD, [("CELLS 2 8", f"CELLS {BIG} 8")]),
    "cells_size_many": (OLD, [("CELLS 2 8", f"CELLS 2 {BIG}")]),
    "cells_size_beyond_64_bits": (OLD, [("CELLS 2 8", f"CELLS 2 {10**30}")]),
    "cells_negative": (OLD, [("CELLS 2 8", "CELLS -2 8")]),
    "cells_too_few": (OLD, [("CELLS 2 8", "CELLS 1 4")]),
    "cells_none": (OLD, [("CELLS 2 8", "CELLS 0 8")]),
    "cells_no_number": (OLD, [("CELLS 2 8", "CELLS two 8")]),
    "cells_missing": (OLD, [("CELLS 2 8\n3 0 1 2\n3 0 2 3\n", "")]),
    "types_missing": (OLD, [("CELL_TYPES 2\n5 5\n", "")]),
    "types_too_many": (OLD, [("CELL_TYPES 2\n5 5\n", "CELL_TYPES 3\n5 5 5\n")]),
    "type_unknown": (OLD, [("5 5\n", "5 250\n")]),
    "type_beyond_byte": (OLD, [("5 5\n", "5 261\n")]),
    "type_negative": (OLD, [("5 5\n", "5 -5\n")]),
    "points_many": (OLD, [("POINTS 4", f"POINTS {BIG}")]),
    "points_beyond_64_bits": (OLD, [("POINTS 4", f"POINTS {10**30}")]),
    "points_endless_number": (OLD, [("POINTS 4", f"POINTS {'9' * 900}")]),
    "points_negative": (OLD, [("POINTS 4", "POINTS -4")]),
    "points_too_few": (OLD, [("POINTS 4", "POINTS 3")]),
    "points_nan": (OLD, [("1 1 0", "1 nan 0")]),
    "points_infinite": (OLD, [("1 1 0", "1 inf 0")]),
    "points_overflow": (OLD, [("1 1 0", "1 1e999 0")]),
    "points_text": (OLD, [("1 1 0", "1 one 0")]),
    "points_are_strings": (OLD, [("POINTS 4 float", "POINTS 0 string")]),
    "points_type_unknown": (OLD, [("POINTS 4 float", "POINTS 4 quad_double")]),
    "point_data_wrong_length": (OLD, [("POINT_DATA 4", "POINT_DATA 5")]),
    "cell_data_wrong_length": (OLD, [("CELL_DATA 2", f"CELL_DATA {BIG}")]),
    "field_many_arrays": (OLD, [("FIELD FieldData 1\np", f"FIELD FieldData {BIG}\np")]),
    "field_many_tuples": (OLD, [("p 1 4 double", f"p 1 {BIG} double")]),
    "field_many_components": (OLD, [("p 1 4 double", f"p {BIG} 4 double")]),
    "field_too_short": (OLD, [("1 2 3 4\n", "1 2 3\n")]),
    "field_too_long": (OLD, [("1 2 3 4\n", "1 2 3 4 5\n")]),
    "strings_many": (OLD, [("title 1 1 string", f"title 1 {BIG} string")]),
    "scalars_out_of_type": (OLD, [("7 8", "7 3000000000")]),
    "scalars_of_many_components": (OLD, [("SCALARS id int 1", f"SCALARS id int {BIG}")]),
    "scalars_of_no_components": (OLD, [("SCALARS id int 1", "SCALARS id int 0")]),
    "offsets_decrease": (NEW, [("0 3 6", "0 6 3")]),
    "offsets_start_late": (NEW, [("0 3 6", "1 3 6")]),
    "offsets_enormous": (NEW, [("0 3 6", f"0 {2**62} 6")]),
    "offsets_negative": (NEW, [("0 3 6", "0 -3 6")]),
    "offsets_float": (NEW, [("OFFSETS vtktypeint64", "OFFSETS double")]),
    "offsets_end_early": (NEW, [("0 3 6", "0 3 5")]),
    "connectivity_missing": (NEW, [("CONNECTIVITY", "CONNECTION")]),
    "connectivity_many": (NEW, [("CELLS 3 6", f"CELLS 3 {BIG}")]),
    "vectors_cut": (NEW, [(" 10 11 12", "")]),
    "surface_out_of_range": (SURFACE, [("2 0 1", "2 0 9")]),
    "surface_size_negative": (SURFACE, [("4 0 1 2 3\nCELL", "-4 0 1 2 3\nCELL")]),
    "strips_too_short": (SURFACE, [("STRIPS 1 5\n4 0 1 2 3", "STRIPS 1 3\n2 0 1")]),
    "lookup_table_many": (SURFACE, [("LOOKUP_TABLE t 1", f"LOOKUP_TABLE t {BIG}")]),
    "structured_wrong_count": (STRUCTURED, [("DIMENSIONS 2 2 1", "DIMENSIONS 2 3 1")]),
    "structured_no_dimensions": (STRUCTURED, [("DIMENSIONS 2 2 1\n", "")]),
    "rectilinear_axis_missing": (BOXES, [("Y_COORDINATES 2 float\n0 1\n", "")]),
    "rectilinear_axis_short": (BOXES, [("Z_COORDINATES 2 float\n0 2", "Z_COORDINATES 1 float\n0")]),
    "rectilinear_nan": (BOXES, [("0 2\n", "0 nan\n")]),
    "image_enormous": (
        IMAGE[: IMAGE.index("POINT_DATA")],
        [("DIMENSIONS 3 2 1", "DIMENSIONS 10000 10000 10000")],
    ),
    "image_beyond_64_bits": (
        IMAGE[: IMAGE.index("POINT_DATA")],
        [("DIMENSIONS 3 2 1", f"DIMENSIONS {2**50} {2**50} {2**50}")],
    ),
    "image_negative": (IMAGE, [("DIMENSIONS 3 2 1", "DIMENSIONS -3 -2 1")]),
    "image_infinite": (IMAGE, [("SPACING 1 1 1", "SPACING 1e308 1e999 1")]),
    "image_extent_backwards": (
        IMAGE[: IMAGE.index("POINT_DATA")],
        [("DIMENSIONS 3 2 1", "EXTENT 5 0 9 0 0 0")],
    ),
    "blocks_many": (BLOCKS, [("CHILDREN 3", f"CHILDREN {BIG}")]),
    "blocks_none": (BLOCKS, [("CHILDREN 3", "CHILDREN 0")]),
    "blocks_negative": (BLOCKS, [("CHILDREN 3", "CHILDREN -3")]),
    "blocks_without_head": (
        BLOCKS,
        [("[triangles]\n# vtk DataFile", "[triangles]\n# no DataFile")],
    ),
    "blocks_not_ended": (BLOCKS, [("ENDCHILD\nENDCHILD\n", "")]),
    "blocks_bad_inside": (BLOCKS, [("3 0 2 3", "3 0 2 4")]),
    "blocks_too_deep": (
        (HEAD + "DATASET MULTIBLOCK\nCHILDREN 1\nCHILD 13 [a]\n") * 20 + IMAGE + "ENDCHILD\n" * 20,
        [],
    ),
    "faces_size_enormous": (POLYHEDRON, [("4 3 0 2 1", "4 999999999999 0 2 1")]),
    "faces_count_enormous": (POLYHEDRON, [("17 4 3", "17 4000000000 3")]),
    "faces_count_negative": (POLYHEDRON, [("17 4 3", "17 -4 3")]),
    "faces_node_out_of_range": (POLYHEDRON, [("3 1 2 3", "3 1 2 9")]),
    "faces_too_few": (POLYHEDRON, [("17 4 3", "17 3 3")]),
}


def binary() -> bytes:
    """A mesh as `write_vtk` writes it, with strings."""
    mesh = Mesh.from_blocks(
        np.random.default_rng(0).random((8, 3)).round(3),
        [("hexahedron", [range(8)]), ("tetra", [[0, 1, 2, 3]]), ("polygon", [range(5)])],
        point_data={"U": np.arange(24, dtype=np.float32).reshape(8, 3)},
        cell_data={"word": np.array(["a", "", "three"])},
        field_data={"title": "a mesh", "aoa": 4.0},
    )
    mesh = Mesh(
        mesh.points, [*mesh.cell_types, 42], [*mesh.cell_offsets, mesh.cell_offsets[-1] + 4],
        [*mesh.cell_nodes, 0, 1, 2, 3], mesh.point_data,
        {**mesh.cell_data, "word": np.array(["a", "", "three", "d"])}, mesh.field_data,
        faces=np.array([4, 3, 0, 2, 1, 3, 0, 1, 3, 3, 0, 3, 2, 3, 1, 2, 3]),
        face_offsets=np.array([-1, -1, -1, 17]), storage={"point_data.Vectors": "U"},
        components={("point", "U"): ("x", "y", "z")},
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        write_vtk(mesh, Path(folder, "a.vtk"))
        return Path(folder, "a.vtk").read_bytes()


def old_binary() -> bytes:
    """Sizes before nodes, 32 bits, bits and ids, as old programs write."""
    return (
        HEAD.replace("ASCII", "BINARY").encode() + b"DATASET UNSTRUCTURED_GRID\nPOINTS 4 double\n"
        + struct.pack(">12d", 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0) + b"\nCELLS 2 8\n"
        + struct.pack(">8i", 3, 0, 1, 2, 3, 0, 2, 3) + b"\nCELL_TYPES 2\n"
        + struct.pack(">2i", 5, 5) + b"\nPOINT_DATA 4\nSCALARS s vtkIdType\nLOOKUP_TABLE default\n"
        + struct.pack(">4i", 1, 2, 3, 4) + b"\nFIELD f 1\nb 1 4 bit\n\xa0\n"
    )  # fmt: skip


def corpus() -> dict[str, bytes]:
    """File name -> content."""
    files = {}
    for name, (text, changes) in TEXT.items():
        for old, new in changes:
            assert old in text, (name, old)
            text = text.replace(old, new, 1)
        files[name] = text.encode()
    del files["only_a_header"]  # a mesh of nothing
    good, old = binary(), old_binary()
    at = good.index(b"POINTS")
    files |= {
        "image_empty_but_enormous": STRUCTURED.partition("DATASET")[0].encode()
        + b"DATASET STRUCTURED_POINTS\nDIMENSIONS 0 1000000000 9\nORIGIN 0 0 0\nSPACING 1 1 1\n",
        "binary_cut_in_points": good[: at + 100],
        "binary_cut_after_word": good[: at + 8],
        "binary_cut_in_cells": good[: good.index(b"CONNECTIVITY") + 40],
        "binary_points_many": good.replace(b"POINTS 8 ", b"POINTS 800000000000 "),
        "binary_offsets_missing": good.replace(b"OFFSETS", b"OFFSIDE"),
        "binary_unknown_section": good.replace(b"CELL_DATA", b"CALL_DATA"),
        "binary_string_enormous": good.replace(
            b"title 1 1 string\n\xc6", b"title 1 1 string\n\x3f"
        ),
        "binary_string_many": good.replace(b"word 1 4 string", b"word 1 99999999 string"),
        "binary_nan": good.replace(good[at + 16 : at + 24], b"\x7f\xf8" + bytes(6), 1),
        "old_binary_size_enormous": old.replace(
            struct.pack(">4i", 3, 0, 2, 3), struct.pack(">4i", 2**31 - 1, 0, 2, 3)
        ),
        "old_binary_size_negative": old.replace(
            struct.pack(">4i", 3, 0, 2, 3), struct.pack(">4i", -(2**31), 0, 2, 3)
        ),
        "old_binary_node": old.replace(
            struct.pack(">4i", 3, 0, 2, 3), struct.pack(">4i", 3, 0, 2**31 - 1, 3)
        ),
        "old_binary_cut_in_bits": old[: old.index(b"bit\n") + 4],
        "truncated_to_nothing": b"",
        "random_bytes": bytes((i * 7919 + 13) % 251 for i in range(1500)),
        "zeros": bytes(1500),
        "utf16": OLD.encode("utf-16"),
    }
    return files


def seeds() -> dict[str, bytes]:
    """Good files: every dataset, both modes, old and new cells."""
    texts = {
        "old": OLD, "new": NEW, "surface": SURFACE, "structured": STRUCTURED, "boxes": BOXES,
        "image": IMAGE, "polyhedron": POLYHEDRON,
        "blocks": BLOCKS,
    }  # fmt: skip
    files = {name: text.encode() for name, text in texts.items()}
    return {**files, "binary": binary(), "old binary": old_binary()}
