"""Malformed VTU: a small mesh of two triangles (or one cell) with exactly one thing wrong each."""

from __future__ import annotations

import base64
import lzma
import struct
import tempfile
import zlib
from pathlib import Path

import lz4.block
import numpy as np

from meshop.io.vtk_xml.vtu import write_vtu
from meshop.mesh import Mesh

SUFFIX = ".vtu"
ASCII = """<?xml version="1.0"?>
<VTKFile type="UnstructuredGrid" version="1.0" byte_order="LittleEndian" header_type="UInt64">
<UnstructuredGrid><Piece NumberOfPoints="4" NumberOfCells="2">
<PointData><DataArray type="Float64" Name="p" format="ascii">1 2 3 4</DataArray></PointData>
<CellData><DataArray type="Int32" Name="id" format="ascii">7 8</DataArray></CellData>
<Points><DataArray type="Float64" Name="Points" NumberOfComponents="3" format="ascii">
0 0 0 1 0 0 1 1 0 0 1 0</DataArray></Points>
<Cells><DataArray type="Int64" Name="connectivity" format="ascii">0 1 2 0 2 3</DataArray>
<DataArray type="Int64" Name="offsets" format="ascii">3 6</DataArray>
<DataArray type="UInt8" Name="types" format="ascii">5 5</DataArray></Cells>
</Piece></UnstructuredGrid></VTKFile>
"""

# name -> replacements in the file above
TEXT = {
    "nodes_out_of_range": [("0 2 3<", "0 2 4<")],
    "nodes_negative": [("0 2 3<", "0 2 -5<")],
    "nodes_enormous": [("0 2 3<", f"0 2 {2**62}<")],
    "nodes_beyond_64_bits": [("0 2 3<", f"0 2 {2**70}<")],
    "nodes_are_floats": [("0 2 3<", "0 2 3.5<")],
    "nodes_declared_float": [('type="Int64" Name="conn', 'type="Float64" Name="conn')],
    "nodes_missing": [('Name="connectivity"', 'Name="something"')],
    "offsets_decrease": [(">3 6<", ">6 3<")],
    "offsets_negative": [(">3 6<", ">3 -6<")],
    "offsets_enormous": [(">3 6<", f">3 {2**61}<")],
    "offsets_too_short": [(">3 6<", ">3 5<")],
    "offsets_missing": [('Name="offsets"', 'Name="something"')],
    "offsets_vectors": [('Name="offsets"', 'Name="offsets" NumberOfComponents="2"')],
    "hexahedron_with_three_nodes": [(">5 5<", ">5 12<")],
    "polyhedron_without_faces": [(">5 5<", ">5 42<")],
    "type_unknown": [(">5 5<", ">5 250<")],
    "type_beyond_byte": [(">5 5<", ">5 261<")],
    "types_missing": [('Name="types"', 'Name="something"')],
    "lagrange_triangle_of_no_order": [
        (">5 5<", ">69 5<"),
        (">3 6<", ">4 7<"),
        (">0 1 2 0 2 3<", ">0 1 2 3 0 2 3<"),
    ],
    "points_many": [('NumberOfPoints="4"', f'NumberOfPoints="{10**12}"')],
    "points_beyond_64_bits": [('NumberOfPoints="4"', f'NumberOfPoints="{10**30}"')],
    "points_negative": [('NumberOfPoints="4"', 'NumberOfPoints="-4"')],
    "points_too_few": [('NumberOfPoints="4"', 'NumberOfPoints="3"')],
    "points_no_number": [('NumberOfPoints="4"', 'NumberOfPoints="four"')],
    "points_endless_number": [('NumberOfPoints="4"', f'NumberOfPoints="{"9" * 9000}"')],
    "points_undeclared": [('NumberOfPoints="4"', "")],
    "points_nan": [("1 1 0", "1 nan 0")],
    "points_infinite": [("1 1 0", "1 inf 0")],
    "points_overflow": [("1 1 0", "1 1e999 0")],
    "points_text": [("1 1 0", "1 one 0")],
    "points_two_components": [('NumberOfComponents="3"', 'NumberOfComponents="2"')],
    "points_strings": [('type="Float64" Name="Points"', 'type="String" Name="Points"')],
    "points_missing": [("<Points>", "<Other>"), ("</Points>", "</Other>")],
    "points_twice": [("<Cells>", "<Points></Points><Cells>")],
    "cells_many": [('NumberOfCells="2"', f'NumberOfCells="{10**10}"')],
    "cells_negative": [('NumberOfCells="2"', 'NumberOfCells="-2"')],
    "cells_one_too_many": [('NumberOfCells="2"', 'NumberOfCells="3"')],
    "components_many": [('Name="p"', f'Name="p" NumberOfComponents="{2**31}"')],
    "components_negative": [('Name="p"', 'Name="p" NumberOfComponents="-3"')],
    "data_too_short": [(">1 2 3 4<", ">1 2 3<")],
    "data_too_long": [(">1 2 3 4<", ">1 2 3 4 5<")],
    "data_empty": [(">1 2 3 4<", "><")],
    "data_underscore": [(">1 2 3 4<", ">1 2 3 4_0<")],
    "data_out_of_its_type": [(">7 8<", ">7 3000000000<")],
    "data_type_unknown": [('type="Int32"', 'type="Int128"')],
    "data_type_missing": [('type="Int32"', "")],
    "data_entity": [(">7 8<", ">7 &#56;<")],
    "data_unknown_entity": [(">7 8<", ">7 &eight;<")],
    "appended_but_none": [('Name="id" format="ascii">7 8<', 'Name="id" offset="0"><')],
    "appended_offset_negative": [('Name="id" format="ascii">7 8<', 'Name="id" offset="-1"><')],
    "header_type": [("UInt64", "UInt128")],
    "byte_order": [("LittleEndian", "MiddleEndian")],
    "compressor": [("<VTKFile ", '<VTKFile compressor="vtkMagicCompressor" ')],
    "encoding": [('version="1.0"?', 'version="1.0" encoding="EBCDIC-42"?')],
    "encoding_of_escapes": [('version="1.0"?', 'version="1.0" encoding="unicode_escape"?')],
    "no_piece": [("<Piece", "<Other"), ("</Piece", "</Other")],
    "no_grid": [("UnstructuredGrid>", "Other>")],
    "other_grid": [("<VTKFile type", "<Other type"), ("</VTKFile", "</Other")],
    "tag_left_open": [("</Cells>", "")],
    "text_after_the_end": [("</VTKFile>", "</VTKFile>text")],
    "bad_utf8_name": [('Name="p"', 'Name="\udcff"')],
    "entity_bomb": [
        (
            "<VTKFile",
            "<!DOCTYPE a ["
            + '<!ENTITY b0 "1 ">'
            + "".join(f'<!ENTITY b{i} "{f"&b{i - 1};" * 10}">' for i in range(1, 10))
            + "]>\n<VTKFile",
        ),
        (">7 8<", ">&b9;<"),
    ],
    "external_entity": [
        ("<VTKFile", '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<VTKFile'),
        (">7 8<", ">&x;<"),
    ],
    "deep_nesting": [("<CellData>", "<CellData>" + "<a>" * 2000 + "</a>" * 2000)],
}


PACK = {
    "vtkZLibDataCompressor": zlib.compress,
    "vtkLZMADataCompressor": lzma.compress,
    "vtkLZ4DataCompressor": lambda raw: lz4.block.compress(raw, store_size=False),
}


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}Q", *values)


def appended(payloads: dict[str, bytes], compressor: str = "", encoding: str = "raw") -> bytes:
    """The same mesh with appended arrays; `payloads` replace those of the good file."""
    good = {
        "p": struct.pack("<4d", 1, 2, 3, 4),
        "Points": struct.pack("<12d", 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0),
        "connectivity": struct.pack("<6q", 0, 1, 2, 0, 2, 3),
        "offsets": struct.pack("<2q", 3, 6),
        "types": bytes([5, 5]),
    }
    blobs, place, offsets = [], 0, {}
    for name, raw in good.items():
        if compressor:
            packed = PACK[compressor](raw)
            head, body = words(1, len(raw), 0, len(packed)), packed
        else:
            head, body = words(len(raw)), raw
        blob = payloads.get(name, head + body)
        if encoding == "base64" and name not in payloads:
            blob = base64.b64encode(head) + base64.b64encode(body)
        offsets[name] = place
        place += len(blob)
        blobs.append(blob)

    def array(kind: str, name: str, extra: str = "") -> str:
        where = f'format="appended" offset="{offsets[name]}"'
        return f'<DataArray type="{kind}" Name="{name}" {extra} {where}/>'

    head = (
        '<VTKFile type="UnstructuredGrid" version="1.0" byte_order="LittleEndian" '
        f'header_type="UInt64" {compressor and f"compressor={compressor!r}"}><UnstructuredGrid>'
        '<Piece NumberOfPoints="4" NumberOfCells="2">'
        f"<PointData>{array('Float64', 'p')}</PointData><Points>"
        f"{array('Float64', 'Points', 'NumberOfComponents=' + repr('3'))}</Points><Cells>"
        f"{array('Int64', 'connectivity')}{array('Int64', 'offsets')}{array('UInt8', 'types')}"
        f'</Cells></Piece></UnstructuredGrid><AppendedData encoding="{encoding}">_'
    )
    return head.encode() + b"".join(blobs) + b"</AppendedData></VTKFile>"


def binary() -> dict[str, bytes]:
    """Faults of appended and compressed arrays."""
    zipped, xz = "vtkZLibDataCompressor", "vtkLZMADataCompressor"
    good = struct.pack("<4d", 1, 2, 3, 4)
    deflated = zlib.compress(good)
    bomb = zlib.compress(bytes(20_000_000), 9)
    xz_bomb = lzma.compress(bytes(50_000_000))
    half = appended({})
    nan = struct.pack("<12d", *[float("nan")] * 12)
    files = {
        "raw_size_enormous": appended({"p": words(2**63) + good}),
        "raw_size_too_small": appended({"p": words(24) + good}),
        "raw_size_too_large": appended({"p": words(40) + good}),
        "raw_cut_in_data": half[: half.index(b">_") + 90],
        "raw_cut_in_header": half[: half.index(b">_") + 6],
        "raw_cut_before_data": half[: half.index(b">_")],
        "raw_cut_in_xml": half[:300],
        "raw_nan_point": appended({"Points": words(96) + nan}),
        "appended_encoding": half.replace(b'encoding="raw"', b'encoding="rot13"'),
        "appended_no_underscore": half.replace(b">_", b"> "),
        "appended_offset_enormous": half.replace(b'offset="0"', b'offset="999999999999"'),
        "base64_bad_character": appended({}, encoding="base64").replace(b"AAAA", b"A*AA", 1),
        "base64_cut": appended({}, encoding="base64")[:-60],
        "base64_all_padding": appended({"p": b"=" * 60}, encoding="base64"),
        "zlib_block_count_enormous": appended({"p": words(2**61, 32, 0, 20) + deflated}, zipped),
        "zlib_block_count_overflows": appended({"p": words(2**64 - 3, 32, 0, 20)}, zipped),
        "zlib_block_size_enormous": appended({"p": words(1, 2**62, 0, 20) + deflated}, zipped),
        "zlib_block_size_zero": appended({"p": words(1, 0, 0, 20) + deflated}, zipped),
        "zlib_last_block_larger": appended({"p": words(1, 16, 32, 20) + deflated}, zipped),
        "zlib_compressed_size_enormous": appended({"p": words(1, 32, 0, 2**63) + deflated}, zipped),
        "zlib_no_blocks": appended({"p": words(0, 0, 0)}, zipped),
        "zlib_damaged": appended({"p": words(1, 32, 0, len(deflated)) + deflated[::-1]}, zipped),
        "zlib_cut": appended({"p": words(1, 32, 0, 12) + deflated[:12]}, zipped),
        "zlib_bomb": appended({"p": words(1, 32, 0, len(bomb)) + bomb}, zipped),
        "zlib_bomb_declared": appended({"p": words(1, 20_000_000, 0, len(bomb)) + bomb}, zipped),
        "lzma_bomb": appended({"p": words(1, 32, 0, len(xz_bomb)) + xz_bomb}, xz),
        "lzma_damaged": appended({"p": words(1, 32, 0, len(deflated)) + deflated}, xz),
        "lz4_damaged": appended(
            {"p": words(1, 32, 0, 8) + b"\xff" * 8}, "vtkLZ4DataCompressor"
        ),
        "truncated_to_nothing": b"",
        "random_bytes": bytes((i * 7919 + 13) % 251 for i in range(3000)),
        "zeros": bytes(3000),
        "utf16": ASCII.encode("utf-16"),
    }  # fmt: skip
    return files


def _shared() -> bytes:
    """Ten arrays that name the same bytes as theirs."""
    file = appended({"p": words(960) + bytes(960)})
    start, end = file.index(b"<PointData>") + 11, file.index(b"</PointData>")
    wide = file[start:end].replace(b'"p"', b'"p" NumberOfComponents="30"')
    return file[:start] + 10 * wide + file[end:]


def corpus() -> dict[str, bytes]:
    """File name -> content."""
    files = {"arrays_share_their_bytes": _shared()}
    for name, changes in TEXT.items():
        text = ASCII
        for old, new in changes:
            assert old in text, (name, old)
            text = text.replace(old, new)
        files[name] = text.encode("utf-8", "surrogateescape")
    files["several_pieces_disagree"] = _two_pieces("Float64", "ascii").encode()
    for name, (stream, ends) in FACES.items():
        files[name] = _polyhedron(stream, ends).encode()
    return {**files, **binary()}


# A tetrahedron as a polyhedron: face streams with one thing wrong.
FACES = {
    "faces_size_enormous": ("4 999999999999 0 2 1 3 0 1 3 3 0 3 2 3 1 2 3", "17"),
    "faces_count_enormous": ("4000000000 3 0 2 1 3 0 1 3 3 0 3 2 3 1 2 3", "17"),
    "faces_count_negative": ("-4 3 0 2 1 3 0 1 3 3 0 3 2 3 1 2 3", "17"),
    "faces_node_out_of_range": ("4 3 0 2 1 3 0 1 3 3 0 3 2 3 1 2 9", "17"),
    "faces_end_enormous": ("4 3 0 2 1 3 0 1 3 3 0 3 2 3 1 2 3", str(2**62)),
    "faces_end_missing": ("4 3 0 2 1 3 0 1 3 3 0 3 2 3 1 2 3", "-1"),
}


def _polyhedron(stream: str, ends: str) -> str:
    def array(kind: str, name: str, values: str) -> str:
        return f'<DataArray type="{kind}" Name="{name}" format="ascii">{values}</DataArray>'

    points = '<DataArray type="Float64" Name="Points" NumberOfComponents="3" format="ascii">'
    return (
        '<VTKFile type="UnstructuredGrid"><UnstructuredGrid><Piece NumberOfPoints="4" '
        f'NumberOfCells="1"><Points>{points}0 0 0 1 0 0 0 1 0 0 0 1</DataArray></Points><Cells>'
        + array("Int64", "connectivity", "0 1 2 3") + array("Int64", "offsets", "4")
        + array("UInt8", "types", "42") + array("Int64", "faces", stream)
        + array("Int64", "faceoffsets", ends)
        + "</Cells></Piece></UnstructuredGrid></VTKFile>"
    )  # fmt: skip


def _two_pieces(kind: str, form: str) -> str:
    start, end = ASCII.index("<Piece"), ASCII.index("</UnstructuredGrid>")
    other = ASCII[start:end].replace('Name="p"', 'Name="q"')
    return ASCII[:end] + other + ASCII[end:]


def seeds() -> dict[str, bytes]:
    """Good files in every encoding, with every kind of array."""
    mesh = Mesh.from_blocks(
        np.random.default_rng(0).random((8, 3)).round(3),
        [
            ("hexahedron", [range(8)]),
            ("tetra", [[0, 1, 2, 3], [4, 5, 6, 7]]),
            ("polygon", [range(5)]),
        ],
        point_data={"U": np.arange(24, dtype=np.float32).reshape(8, 3)},
        field_data={"title": "a mesh", "aoa": 4.0},
    )
    mesh = Mesh(
        mesh.points, [*mesh.cell_types, 42], [*mesh.cell_offsets, mesh.cell_offsets[-1] + 4],
        [*mesh.cell_nodes, 0, 1, 2, 3], mesh.point_data, {"id": np.arange(5)}, mesh.field_data,
        faces=np.array([4, 3, 0, 2, 1, 3, 0, 1, 3, 3, 0, 3, 2, 3, 1, 2, 3]),
        face_offsets=np.array([-1, -1, -1, -1, 17]),
    )  # fmt: skip
    files = {"ascii": ASCII.encode()}
    for encoding in ("raw", "base64"):
        for compressor in ("", *PACK):
            files[f"{encoding} {compressor}".strip()] = appended({}, compressor, encoding)
    with tempfile.TemporaryDirectory() as folder:
        for method in (None, "zlib", "lz4", "lzma"):
            write_vtu(mesh, Path(folder, "a.vtu"), compression=method)
            files[f"written {method}"] = Path(folder, "a.vtu").read_bytes()
    return files
