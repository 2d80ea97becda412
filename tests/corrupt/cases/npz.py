"""Malformed NPZ: archives of arrays that make no mesh, and archives that are none."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np

from .npy import HEAD, HEADERS, file_of

SUFFIX = ".npz"
POINTS = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
OWN = {
    "points": np.column_stack([POINTS, np.zeros(4)]),
    "cell_types": np.array([5, 5], np.uint8),
    "cell_offsets": np.array([0, 3, 6]),
    "cell_nodes": np.array([0, 1, 2, 0, 2, 3]),
    "point_data/p": np.arange(4.0),
    "regions/cell/wall": np.array([1]),
    "regions/facet/in": np.array([[0, 1]]),
    "components/point/p": np.array(["a"]),
}
CHANGED = {
    "types_unknown": ("cell_types", np.array([5, 250])),
    "types_beyond_a_byte": ("cell_types", np.array([5, 261])),
    "types_float": ("cell_types", np.array([5.0, 5.0])),
    "types_table": ("cell_types", np.array([[5, 5]])),
    "offsets_decrease": ("cell_offsets", np.array([0, 6, 3])),
    "offsets_negative": ("cell_offsets", np.array([0, -3, 6])),
    "offsets_enormous": ("cell_offsets", np.array([0, 3, 2**62])),
    "offsets_short": ("cell_offsets", np.array([0, 6])),
    "nodes_out_of_range": ("cell_nodes", np.array([0, 1, 2, 0, 2, 4])),
    "nodes_negative": ("cell_nodes", np.array([0, 1, 2, 0, 2, -1])),
    "nodes_unsigned": ("cell_nodes", np.array([0, 1, 2, 0, 2, 2**63], np.uint64)),
    "nodes_text": ("cell_nodes", np.array(list("012023"))),
    "points_nan": ("points", np.full((4, 3), np.nan)),
    "points_plane": ("points", POINTS),
    "points_text": ("points", np.full((4, 3), "a")),
    "data_short": ("point_data/p", np.arange(3.0)),
    "data_alone": ("point_data/p", np.array(1.0)),
    "region_out_of_range": ("regions/cell/wall", np.array([2])),
    "region_kind": ("regions/volume/wall", np.array([1])),
    "region_table": ("regions/cell/wall", np.array([[1]])),
    "polyhedron": ("cell_types", np.array([5, 42])),
}


def archive(arrays: dict[str, np.ndarray], packed: bool = True) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file:
        for name, values in arrays.items():
            content = io.BytesIO()
            np.save(content, values, allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue(), file.compression)
    return out.getvalue()


def raw(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def seeds() -> dict[str, bytes]:
    triangles = {"vertices": POINTS, "elements": np.array([[0, 1, 2], [0, 2, 3]]), "u": np.ones(4)}
    return {
        "own": archive(OWN),
        "stored": archive(OWN, packed=False),
        "usual": archive(triangles),
        "cloud": archive({"points": POINTS}),
        "columns": archive({"x": POINTS[:, 0], "y": POINTS[:, 1]}),
    }


def corpus() -> dict[str, bytes]:
    files = {name: archive(OWN | {key: values}) for name, (key, values) in CHANGED.items()}
    good = archive(OWN)
    for name in ("objects", "shape_many", "nested", "code", "type_unknown", "nothing"):
        files[f"member_{name}"] = raw({"points.npy": file_of(HEADERS[name])})
    cells = {"points": POINTS}
    files["cells_of_seven"] = archive(cells | {"cells": np.zeros((1, 7), int)})
    files["cells_out_of_range"] = archive(cells | {"triangles": np.array([[0, 1, 4]])})
    files["cells_negative"] = archive(cells | {"triangles": np.array([[0, 1, -1]])})
    files["no_points"] = archive({"a": np.ones(3), "b": np.ones(3)})
    files["nothing_inside"] = archive({})
    files["no_arrays"] = raw({"readme.txt": b"hello"})
    files["bomb"] = raw(
        {"points.npy": file_of(HEAD.format("'<f8'", False, (10**9, 3)), bytes(10**5))}
    )
    for length in (3, 30, 200, len(good) - 1, len(good) - 30):
        files[f"cut_{length}"] = good[:length]
    # The declared sizes of the first member, in the directory: 16 bytes behind "PK12".
    at = good.index(b"PK\1\2")
    for name, value in (("enormous", 2**31), ("small", 10)):
        word = struct.pack("<I", value)
        files[f"size_{name}"] = good[: at + 24] + word + good[at + 28 :]
    files["method"] = good[: at + 10] + b"\x63\0" + good[at + 12 :]
    files["encrypted"] = good[: at + 8] + b"\1\0" + good[at + 10 :]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as file:
        file.writestr("points.npy", file_of(HEAD.format("'<f8'", False, (3, 4))))
    files["method_without_bound"] = out.getvalue()
    files["text"] = b"hello, I am no mesh\n"
    files["random"] = b"PK\3\4" + bytes(range(256))
    return files
