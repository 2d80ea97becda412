"""Malformed OpenFOAM cases: one file of a small good case (a hexahedron and a pyramid) is replaced.

The name's part before the first _ says which file: "points_nan", "owner.gz_bomb", "U_cut".
"""

from __future__ import annotations

import gzip
import re
import tempfile
import zlib
from functools import cache
from pathlib import Path

import numpy as np

from meshop.io.openfoam import write_foam
from meshop.mesh import Mesh, Region

SUFFIX = ".foamfile"
HEADER = "FoamFile\n{{\n version 2.0;\n format {};\n{} class {};\n object x;\n}}\n"
ARCH = ' arch "{}";\n'
MESH = ("points", "faces", "owner", "neighbour", "boundary", "cellZones", "faceZones", "pointZones")
FIELDS = ("p", "U", "T", "R")


def _mesh() -> Mesh:
    cube = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]
    rng = np.random.default_rng(0)
    return Mesh.from_blocks(
        [*cube, [0.5, 0.5, 1.5]],
        [("hexahedron", [range(8)]), ("pyramid", [[4, 5, 6, 7, 8]])],
        point_data={"T": rng.random(9).round(2)},
        cell_data={
            "p": np.array([1.5, -2.0]),
            "U": np.arange(6.0).reshape(2, 3),
            "R": rng.random((2, 6)).round(2),
        },
        field_data={"TimeValue": 1.0, "dimensions U": "[0 1 -1 0 0 0 0]"},
        regions={
            "inlet": Region("facet", [[0, 4, 7, 3]]),
            "walls": Region("facet", [[1, 2, 6, 5], [0, 3, 2, 1]]),
            "top": Region("facet", [[4, 5, 8, -1], [5, 6, 8, -1], [4, 5, 6, 7]]),
            "hot": Region("cell", [1]),
            "probe": Region("point", [3, 8]),
        },
    )


@cache
def good(binary: bool) -> dict[str, bytes]:
    """The files of the good case, by name."""
    with tempfile.TemporaryDirectory() as folder:
        write_foam(_mesh(), Path(folder, "case"), binary=binary)
        place = {name: f"constant/polyMesh/{name}" for name in MESH}
        place |= {name: f"1/{name}" for name in FIELDS}
        return {name: Path(folder, "case", path).read_bytes() for name, path in place.items()}


@cache
def decomposed() -> dict[str, bytes]:
    """The same case in two pieces, a cell each: "processor0-points" and so on."""
    whole = _mesh()
    faces = {frozenset(face): number + 1 for number, face in enumerate(_faces())}
    files = {}
    for piece, (size, kind) in enumerate(((8, "hexahedron"), (5, "pyramid"))):
        used = np.unique(
            whole.cell_nodes[whole.cell_offsets[piece] : whole.cell_offsets[piece + 1]]
        )
        nodes = np.searchsorted(used, whole.cell_nodes[whole.cell_offsets[piece] :])
        shared = np.searchsorted(used, [[4, 5, 6, 7]])
        mesh = Mesh.from_blocks(
            whole.points[used],
            [(kind, [nodes[:size]])],
            cell_data={"p": whole.cell_data["p"][[piece]]},
            field_data={"foam_patch between": ["processor"], "TimeValue": 1.0},
            regions={"between": Region("facet", shared)},
        )
        if piece == 0:
            walls = {name: whole.regions[name] for name in ("inlet", "walls")}
            mesh.regions = walls | mesh.regions
        with tempfile.TemporaryDirectory() as folder:
            write_foam(mesh, Path(folder, "case"), binary=False)
            names = [f"constant/polyMesh/{name}" for name in MESH[:5]] + ["1/p"]
            for name in names:
                content = Path(folder, "case", name).read_bytes()
                files[f"processor{piece}-{Path(name).name}"] = content
        local = [used[face] for face in _faces(files[f"processor{piece}-faces"])]
        signed = [faces[frozenset(face.tolist())] for face in local]
        signed = [-n if n == 1 and piece else n for n in signed]
        for name, ids in (("point", used), ("face", signed), ("cell", [piece])):
            text = f"{len(ids)}({' '.join(map(str, ids))})"
            name = f"processor{piece}-{name}ProcAddressing"
            files[name] = _header("labelList") + text.encode()
    return files


@cache
def collated() -> dict[str, bytes]:
    """The files of both pieces in one: "processors2-points" and so on."""
    files = {}
    for name, one in decomposed().items():
        if name.startswith("processor0"):
            two = decomposed()[name.replace("0", "1", 1)]
            blocks = [f"\n// Processor{i}\n\n{len(b)}\n(".encode() + b + b")\n"
                      for i, b in enumerate((one, two))]  # fmt: skip
            whole = _header("decomposedBlockData", "binary") + b"".join(blocks)
            files[name.replace("processor0", "processors2")] = whole
    return files


def place(folder: Path, name: str, data: bytes) -> Path:
    """The good case with one file replaced."""
    changed = name.split("_")[0]
    files, case = good(False), folder / "case"
    if "-" in changed:
        files = collated() if changed.startswith("processors") else decomposed()
        case = folder / changed.partition("-")[0][:10]
    for file, content in files.items():
        root, _, file_name = file.rpartition("-")
        path = case / root / ("1" if file_name in FIELDS else "constant/polyMesh") / file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        packed = path.with_name(f"{file_name}.gz")
        path.unlink(missing_ok=True)
        packed.unlink(missing_ok=True)
        if changed == f"{file}.gz":
            packed.write_bytes(data)
        else:
            path.write_bytes(data if changed == file else content)
    return case


def _header(kind: str, form: str = "ascii", arch: str = "") -> bytes:
    return HEADER.format(form, ARCH.format(arch) if arch else "", kind).encode()


def _binary(kind: str, values: np.ndarray, dtype: str, arch: str = "") -> bytes:
    raw = np.ascontiguousarray(values, dtype).tobytes()
    return _header(kind, "binary", arch) + f"{len(values)}\n(".encode() + raw + b")"


def seeds() -> dict[str, bytes]:
    """Every file in ascii and binary, of other byte orders and word sizes, packed, and by hand."""
    files = {f"{name}_ascii": data for name, data in good(False).items()}
    files |= {f"{name}_binary": data for name, data in good(True).items()}
    for name in ("points", "faces", "U"):
        files[f"{name}.gz_packed"] = gzip.compress(good(False)[name], mtime=0)
    points = _mesh().points
    owner = np.array([0] * 6 + [1] * 4)
    files["points_msb"] = _binary("vectorField", points, ">f8", "MSB;label=32;scalar=64")
    files["points_single"] = _binary("vectorField", points, "<f4", "LSB;label=32;scalar=32")
    files["points_single_unsaid"] = _binary("vectorField", points, "<f4")
    files["owner_long"] = _binary("labelList", owner, "<i8", "LSB;label=64;scalar=64")
    files["owner_long_unsaid"] = _binary("labelList", owner, "<i8")
    files["neighbour_one_value"] = _header("labelList") + b"1{1}"
    files["neighbour_padded"] = _header("labelList") + b"10(1" + b" -1" * 9 + b")"
    faces = [b"4\n(" + np.array(f, "<i4").tobytes() + b")" for f in _faces() if len(f) == 4]
    faces += [b"3\n(" + np.array(f, "<i4").tobytes() + b")" for f in _faces() if len(f) == 3]
    files["faces_of_old_versions"] = (
        _header("faceList", "binary") + b"10\n(\n" + b"\n".join(faces) + b")"
    )
    ends = np.cumsum([0, *map(len, _faces())])
    nodes = [node for face in _faces() for node in face]
    files["faces_compact"] = (
        _header("faceCompactList")
        + f"{len(ends)} ({' '.join(map(str, ends))})\n".encode()
        + f"{len(nodes)} ({' '.join(map(str, nodes))})".encode()
    )
    files["p_macros"] = _header("volScalarField") + (
        b'#include "none"\n/* a (comment */ start 3; // and { one\nboundaryField { "(a|b)" { type '
        b"zeroGradient; value $internalField; } c { value nonuniform List<scalar> 2(1 2); }\n"
        b" d { type coded; code #{ if (x) { return; #} ; } }\n"
        b"internalField uniform $start; dimensions [0 2 -2 0 0 0 0];"
    )
    files["p_binary_boundary_first"] = (
        _header("volScalarField", "binary")
        + b"boundaryField { a { value nonuniform List<vector> 1 ("
        + np.array([1e300, 2e-300, 3.0]).tobytes()
        + b"); } }\ninternalField nonuniform List<scalar> 2\n("
        + np.array([1.0, 2.0]).tobytes()
        + b");"
    )
    files["U_uniform"] = _header("volVectorField") + b"internalField uniform (1 2 3e0);"
    files["p_one_value"] = (
        _header("volScalarField") + b"internalField nonuniform List<scalar> 2{7};"
    )
    files["p_uncounted"] = _header("volScalarField") + b"internalField nonuniform (7 /* a */ 8);"
    files |= {f"{name}_ascii": data for name, data in decomposed().items() if "1-" in name}
    files |= {f"processors2-{name}_binary": collated()[f"processors2-{name}"]
              for name in ("points", "boundary", "p")}  # fmt: skip
    return files


def _faces(file: bytes = b"") -> list[list[int]]:
    text = (file or good(False)["faces"]).decode().partition("\n(")[2]
    return [list(map(int, row.split())) for row in re.findall(r"\d\(([\d ]+)\)", text)]


# name -> (what to replace in the good ascii file, by what)
TEXT: dict[str, tuple[str, str]] = {
    "points_count_enormous": ("\n9\n(", f"\n{10**12}\n("),
    "points_count_beyond_64_bits": ("\n9\n(", f"\n{10**40}\n("),
    "points_count_negative": ("\n9\n(", "\n-9\n("),
    "points_count_too_small": ("\n9\n(", "\n8\n("),
    "points_count_too_large": ("\n9\n(", "\n10\n("),
    "points_count_text": ("\n9\n(", "\nnine\n("),
    "points_nan": ("(1.0 0.0 0.0)", "(nan 0.0 0.0)"),
    "points_infinite": ("(1.0 0.0 0.0)", "(inf 0.0 0.0)"),
    "points_overflow": ("(1.0 0.0 0.0)", "(1e999 0.0 0.0)"),
    "points_text": ("(1.0 0.0 0.0)", "(one 0.0 0.0)"),
    "points_underscore": ("(1.0 0.0 0.0)", "(1_0 0.0 0.0)"),
    "points_two_components": ("(1.0 0.0 0.0)", "(1.0 0.0)"),
    "points_uneven": ("(1.0 0.0 0.0)\n(1.0 1.0 0.0)", "(1.0 0.0)\n(1.0 1.0 0.0 0.0)"),
    "points_outside_parentheses": ("(1.0 0.0 0.0)", "1.0 0.0 0.0"),
    "points_unclosed": ("\n)", ""),
    "points_nested": ("(1.0 0.0 0.0)", "((1.0 0.0 0.0)"),
    "points_uniform_enormous": ("\n9\n(", f"\n{10**9}{{(0 0 0)}}\n("),
    "points_class_lies": ("vectorField", "labelList"),
    "points_class_missing": ("class       vectorField;", ""),
    "points_format_unknown": ("ascii", "hex"),
    "points_format_lies": ("format      ascii", "format      binary"),
    "points_arch_lies": ("format      ascii;", 'format binary; arch "LSB;label=32;scalar=128";'),
    "points_header_missing": ("FoamFile", "Foam"),
    "points_header_unclosed": ("}", ""),
    "points_comment_unclosed": ("\n9\n", "\n/* 9\n"),
    "points_string_unclosed": ("object      points;", 'object "points;'),
    "faces_node_out_of_range": ("4(0 4 7 3)", "4(0 4 9 3)"),
    "faces_node_negative": ("4(0 4 7 3)", "4(0 4 -7 3)"),
    "faces_node_enormous": ("4(0 4 7 3)", f"4(0 4 {2**62} 3)"),
    "faces_node_beyond_64_bits": ("4(0 4 7 3)", f"4(0 4 {2**70} 3)"),
    "faces_node_float": ("4(0 4 7 3)", "4(0 4 7.5 3)"),
    "faces_of_two_nodes": ("4(0 4 7 3)", "2(0 4)"),
    "faces_of_one_node": ("4(0 4 7 3)", "1(0)"),
    "faces_of_no_node": ("4(0 4 7 3)", "0()"),
    "faces_size_lies": ("4(0 4 7 3)", "5(0 4 7 3)"),
    "faces_size_enormous": ("4(0 4 7 3)", f"{10**9}(0 4 7 3)"),
    "faces_size_twice": ("4(0 4 7 3)", "4 4(0 4 7 3)"),
    "faces_count_enormous": ("\n10\n(", f"\n{10**12}\n("),
    "faces_count_too_small": ("\n10\n(", "\n9\n("),
    "faces_unclosed": (")\n)", ")\n"),
    "owner_too_short": ("10\n(\n0\n", "9\n("),
    "owner_too_long": ("10\n(\n0\n", "11\n(\n0\n0\n"),
    "owner_out_of_range": ("\n1\n)", "\n1000000000\n)"),
    "owner_negative": ("\n1\n)", "\n-2\n)"),
    "owner_enormous": ("\n1\n)", f"\n{2**62}\n)"),
    "owner_skips_a_cell": ("\n1\n1\n1\n1\n)", "\n2\n2\n2\n2\n)"),
    "owner_uniform_enormous": ("10\n(\n0\n", f"{10**12}{{0}}\n("),
    "owner_cell_of_three_faces": ("\n1\n1\n)", "\n0\n0\n)"),
    "neighbour_itself": ("\n1\n)", "\n0\n)"),
    "neighbour_too_long": ("\n1\n(\n1\n)", "\n11\n(1 1 1 1 1 1 1 1 1 1 1)"),
    "neighbour_text": ("\n1\n)", "\none\n)"),
    "boundary_count_negative": ("nFaces          1;", "nFaces          -1;"),
    "boundary_behind_the_end": ("startFace       1;", "startFace       10;"),
    "boundary_start_enormous": ("startFace       1;", f"startFace       {10**30};"),
    "boundary_start_inside": ("startFace       1;", "startFace       0;"),
    "boundary_overlaps": ("startFace       2;", "startFace       1;"),
    "boundary_no_number": ("startFace       1;", "startFace       one;"),
    "boundary_without_start": ("startFace       1;", ""),
    "boundary_count_too_large": ("\n3\n(", "\n4\n("),
    "boundary_count_too_small": ("\n3\n(", "\n2\n("),
    "boundary_unclosed": ("    }\n)", ""),
    "boundary_bracket_unmatched": ("type            patch;", "type            (patch};"),
    "boundary_deep": ("type            patch;", f"type {'(' * 1000};"),
    "boundary_class": ("polyBoundaryMesh", "dictionary"),
    "cellZones_out_of_range": ("(\n1\n)", "(\n2\n)"),
    "cellZones_negative": ("(\n1\n)", "(\n-1\n)"),
    "cellZones_enormous": ("List<label> 1\n", f"List<label> {10**12}\n"),
    "cellZones_uniform_enormous": ("1\n(\n1\n)", f"{10**12}{{0}}"),
    "faceZones_out_of_range": ("(\n6\n", "(\n99\n"),
    "pointZones_unclosed": ("}\n)", ""),
    "p_too_short": ("2\n(\n1.5\n", "1\n("),
    "p_too_long": ("2\n(\n1.5\n", "3\n(\n1.5\n1\n"),
    "p_count_lies": ("2\n(\n1.5\n", "2\n(\n"),
    "p_uniform_enormous": ("2\n(\n1.5\n", f"{10**12}{{1}}\n("),
    "p_text": ("1.5", "high"),
    "p_vectors": ("1.5", "(1 2 3)"),
    "p_neither": ("nonuniform", "somehow"),
    "p_missing": ("internalField", "externalField"),
    "p_unclosed": ("\n);", "\n"),
    "U_two_components": ("(0.0 1.0 2.0)", "(0.0 1.0)"),
    "U_scalars": ("(0.0 1.0 2.0)", "0.0 1.0 2.0"),
    "U_uniform_of_two": ("nonuniform List<vector> 2", "uniform (1 2); x 2"),
    "R_five_components": (")\n)", " 1)\n)"),
}  # fmt: skip


PIECES = {
    "processor1-cellProcAddressing_enormous": ("1(1)", f"1({2**40})"),
    "processor1-cellProcAddressing_negative": ("1(1)", "1(-1)"),
    "processor1-cellProcAddressing_taken": ("1(1)", "1(0)"),
    "processor1-cellProcAddressing_long": ("1(1)", "2(1 2)"),
    "processor1-pointProcAddressing_gap": ("8)", "9)"),
    "processor1-pointProcAddressing_short": ("5(4 ", "4("),
    "processor1-faceProcAddressing_zero": ("(-1 7", "(0 7"),
    "processor1-faceProcAddressing_enormous": ("(-1 7", f"({-(2**63)} 7"),
    "processor1-faceProcAddressing_twice": ("(-1 7", "(-1 8"),
    "processor1-faceProcAddressing_inside": ("(-1 7", "(-1 2"),
    "processor1-p_short": ("1\n(\n-2.0\n)", "0()"),
    "processor1-p_other_class": ("volScalarField", "volVectorField"),
    "processors2-points_size_enormous": ("// Processor1\n\n", "// Processor1\n\n9999999"),
    "processors2-points_one_piece": ("\n// Processor1", "/*"),
    "processors2-points_class": ("decomposedBlockData", "vectorField"),
}


def corpus() -> dict[str, bytes]:
    files = {}
    for name, (old, new) in TEXT.items():
        text = good(False)[name.split("_")[0]].decode()
        assert old in text, name
        files[name] = text.replace(old, new, 1).encode()
    for name, (old, new) in PIECES.items():
        text = (decomposed() | collated())[name.split("_")[0]].decode()
        assert old in text, name
        files[name] = text.replace(old, new, 1).encode()
    plain, packed = good(True)["points"], gzip.compress(good(False)["points"], mtime=0)
    files["boundary_cut_before_its_list"] = good(False)["boundary"].partition(b"\n3\n(")[0]
    files["boundary_cut_behind_its_count"] = good(False)["boundary"].partition(b"\n(")[0]
    files["points_empty"] = b""
    files["points_random"] = np.random.default_rng(0).bytes(300)
    files["points_binary_cut"] = plain[:-60]
    files["points_binary_count_enormous"] = plain.replace(b"\n9\n(", b"\n%d\n(" % 10**12)
    files["points_binary_count_small"] = plain.replace(b"\n9\n(", b"\n8\n(")
    files["points_binary_nan"] = plain[:-9] + np.array([np.nan]).tobytes() + b")"
    files["points_binary_of_other_order"] = plain.replace(b"LSB", b"MSB").replace(b"=64", b"=32")
    files["faces_binary_cut"] = good(True)["faces"][:-30]
    files["faces_binary_offsets_decrease"] = good(True)["faces"].replace(
        np.array([4, 8], "<i4").tobytes(), np.array([8, 4], "<i4").tobytes(), 1
    )
    files["owner_binary_negative"] = good(True)["owner"][:-5] + b"\xff\xff\xff\xff)"
    files["U_binary_cut"] = good(True)["U"].partition(b"2\n(")[0] + b"2\n(" + bytes(40)
    files["points.gz_cut"] = packed[: len(packed) // 2]
    files["points.gz_damaged"] = packed[:30] + b"\0\0\0\0" + packed[34:]
    files["points.gz_no_gzip"] = good(False)["points"]
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    files["points.gz_bomb"] = packer.compress(b" " * (12 << 20)) + packer.flush()
    return files
