"""Malformed VTP: a vertex, a line, a triangle, a quad and a strip with one thing wrong each."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from meshop.io.vtk_xml.vtp import write_vtp
from meshop.mesh import Mesh

SUFFIX = ".vtp"
_LISTS = {"Verts": ("0", "1"), "Lines": ("0 1 1 2 3", "2 5"), "Strips": ("0 1 2 3", "4"),
          "Polys": ("0 1 2 0 1 2 3", "3 7")}  # fmt: skip
ASCII = (
    """<?xml version="1.0"?>
<VTKFile type="PolyData" version="1.0" byte_order="LittleEndian" header_type="UInt64">
<PolyData><Piece NumberOfPoints="4" NumberOfVerts="1" NumberOfLines="2" NumberOfStrips="1"
 NumberOfPolys="2">
<PointData><DataArray type="Float64" Name="p" format="ascii">1 2 3 4</DataArray></PointData>
<CellData><DataArray type="Int32" Name="id" format="ascii">7 8 9 6 5 4</DataArray></CellData>
<Points><DataArray type="Float64" Name="Points" NumberOfComponents="3" format="ascii">
0 0 0 1 0 0 1 1 0 0 1 0</DataArray></Points>
"""
    + "".join(
        f'<{tag}><DataArray type="Int64" Name="connectivity" format="ascii">{nodes}</DataArray>\n'
        f'<DataArray type="Int64" Name="offsets" format="ascii">{ends}</DataArray></{tag}>\n'
        for tag, (nodes, ends) in _LISTS.items()
    )
    + "</Piece></PolyData></VTKFile>\n"
)
TEXT = {
    "node_out_of_range": (">0 1 2 0 1 2 3<", ">0 1 2 0 1 2 4<"),
    "node_negative": (">0 1 2 0 1 2 3<", ">0 1 2 0 1 2 -3<"),
    "node_enormous": (">0 1 2 0 1 2 3<", f">0 1 2 0 1 2 {2**62}<"),
    "node_beyond_64_bits": (">0 1 2 0 1 2 3<", f">0 1 2 0 1 2 {2**70}<"),
    "node_float": (">0 1 2 0 1 2 3<", ">0 1 2 0 1 2 3.5<"),
    "node_underscore": (">0 1 2 0 1 2 3<", ">0 1 2 0 1 2 0_3<"),
    "nodes_too_few": (">0 1 2 0 1 2 3<", ">0 1 2 0 1 2<"),
    "nodes_too_many": (">0 1 2 0 1 2 3<", ">0 1 2 0 1 2 3 3<"),
    "offsets_decrease": (">3 7<", ">7 3<"),
    "offsets_negative": (">3 7<", ">3 -7<"),
    "offsets_start_negative": (">3 7<", ">-3 7<"),
    "offsets_enormous": (">3 7<", f">3 {2**61}<"),
    "offsets_too_short": (">3 7<", ">7<"),
    "offsets_too_long": (">3 7<", ">3 7 7<"),
    "polys_many": ('NumberOfPolys="2"', f'NumberOfPolys="{10**12}"'),
    "polys_negative": ('NumberOfPolys="2"', 'NumberOfPolys="-2"'),
    "polys_text": ('NumberOfPolys="2"', 'NumberOfPolys="two"'),
    "polys_too_few": ('NumberOfPolys="2"', 'NumberOfPolys="1"'),
    "polys_too_many": ('NumberOfPolys="2"', 'NumberOfPolys="3"'),
    "polys_missing": ("Polys>", "Other>"),
    "lines_missing": ("Lines>", "Other>"),
    "verts_twice": ("<Lines>", "<Verts></Verts><Lines>"),
    "points_many": ('NumberOfPoints="4"', f'NumberOfPoints="{10**11}"'),
    "points_undeclared": ('NumberOfPoints="4"', ""),
    "points_missing": ("Points>", "Other>"),
    "points_nan": ("1 1 0", "1 nan 0"),
    "points_overflow": ("1 1 0", "1 1e999 0"),
    "points_text": ("1 1 0", "1 one 0"),
    "cell_data_too_short": (">7 8 9 6 5 4<", ">7 8 9 6 5<"),
    "cell_data_too_long": (">7 8 9 6 5 4<", ">7 8 9 6 5 4 3<"),
    "no_grid": ("PolyData>", "Other>"),
    "no_piece": ("Piece", "Other"),
    "type_unknown": ('type="PolyData"', 'type="HyperTreeGrid"'),
    "type_of_a_list": ('type="PolyData"', 'type="PPolyData"'),
    "time_values_text": ("<PolyData>", '<PolyData TimeValues="0 one">'),
    "time_values_nan": ("<PolyData>", '<PolyData TimeValues="0 nan">'),
    "time_values_decrease": ("<PolyData>", '<PolyData TimeValues="1 0">'),
}


def corpus() -> dict[str, bytes]:
    files = {"empty": b"", "random_bytes": bytes((i * 7919 + 13) % 251 for i in range(900))}
    for name, (old, new) in TEXT.items():
        assert old in ASCII, name
        files[name] = ASCII.replace(old, new).encode()
    for part in (0.1, 0.4, 0.7, 0.95):
        files[f"cut_at_{part:.0%}"] = ASCII[: int(part * len(ASCII))].encode()
    good = seeds()["written None"]
    files["raw_cut"] = good[:-120]
    files["raw_no_data"] = good[: good.index(b"   _") + 4]
    return files


def seeds() -> dict[str, bytes]:
    mesh = Mesh.from_blocks(
        np.random.default_rng(0).random((8, 3)).round(3),
        [("vertex", [[0]]), ("triangle", [[0, 1, 2]]), ("poly_line", [[3, 4, 5]]),
         ("quad", [[0, 1, 2, 3]]), ("polygon", [range(5)]), ("triangle_strip", [range(4)])],
        point_data={"U": np.arange(24, dtype=np.float32).reshape(8, 3)},
        cell_data={"id": np.arange(6)},
        field_data={"TimeValue": 0.5},
    )  # fmt: skip
    steps = ASCII.replace("<PolyData>", '<PolyData TimeValues="0 0.5">').replace(
        'Name="p"', 'Name="p" TimeStep="0 1"'
    )
    files = {"ascii": ASCII.encode(), "steps": steps.encode()}
    with tempfile.TemporaryDirectory() as folder:
        for method in (None, "zlib"):
            write_vtp(mesh, Path(folder, "a.vtp"), compression=method)
            files[f"written {method}"] = Path(folder, "a.vtp").read_bytes()
    return files
