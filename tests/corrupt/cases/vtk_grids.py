"""Malformed VTI, VTR and VTS: two by one by one boxes with one thing wrong each."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

SUFFIX = ".xml"  # of the files that are kept; `place` gives them their own
_HEAD = '<?xml version="1.0"?>\n<VTKFile type="{0}" version="1.0" byte_order="LittleEndian">\n'
_DATA = """<PointData><DataArray type="Float64" Name="p" format="ascii">
1 2 3 4 5 6 7 8 9 10 11 12</DataArray></PointData>
<CellData><DataArray type="Int32" Name="id" format="ascii">7 8</DataArray>
<DataArray type="UInt8" Name="vtkGhostType" format="ascii">32 0</DataArray></CellData>
"""
_EXTENT = "3 5 0 1 -1 0"


def _file(kind: str, attributes: str, inside: str) -> str:
    return (
        f'{_HEAD.format(kind)}<{kind} WholeExtent="{_EXTENT}"{attributes}>\n'
        f'<Piece Extent="{_EXTENT}">\n{_DATA}{inside}</Piece></{kind}></VTKFile>\n'
    )


def _axis(values: str) -> str:
    return f'<DataArray type="Float32" Name="axis" format="ascii">{values}</DataArray>\n'


_POINTS = "\n".join(f"{x} {y} {z}" for z in (0, 1) for y in (0, 1) for x in (0, 1, 2))
GOOD = {
    "vti": _file(
        "ImageData", ' Origin="0 0 1" Spacing="1 2 3" Direction="1 0 0 0 1 0 0 0 1"', ""
    ),
    "vtr": _file(
        "RectilinearGrid", "",
        f"<Coordinates>{_axis('0 1 3')}{_axis('0 1')}{_axis('0 2')}</Coordinates>",
    ),
    "vts": _file(
        "StructuredGrid", "",
        '<Points><DataArray type="Float64" Name="Points" NumberOfComponents="3" format="ascii">\n'
        f"{_POINTS}</DataArray></Points>",
    ),
}  # fmt: skip
_ALL = {
    "whole_larger": (f'WholeExtent="{_EXTENT}"', 'WholeExtent="3 6 0 1 -1 0"'),
    "whole_smaller": (f'WholeExtent="{_EXTENT}"', 'WholeExtent="3 4 0 1 -1 0"'),
    "whole_moved": (f'WholeExtent="{_EXTENT}"', 'WholeExtent="4 6 0 1 -1 0"'),
    "whole_missing": (f'WholeExtent="{_EXTENT}"', ""),
    "whole_text": (f'WholeExtent="{_EXTENT}"', 'WholeExtent="3 5 0 1 -1 zero"'),
    "whole_five": (f'WholeExtent="{_EXTENT}"', 'WholeExtent="3 5 0 1 -1"'),
    "both_enormous": (f'Extent="{_EXTENT}"', 'Extent="0 10000 0 10000 0 10000"'),
    "both_beyond_32_bits": (f'Extent="{_EXTENT}"', f'Extent="0 {2**40} 0 {2**40} 0 {2**40}"'),
    "piece_missing": ("Piece", "Other"),
    "data_too_short": ("10 11 12", "10 11"),
    "data_too_long": ("10 11 12", "10 11 12 13"),
    "data_underscore": ("10 11 12", "10 11 1_2"),
    "ghosts_too_few": (">32 0<", ">32<"),
}
_OWN = {
    "vti": {
        "origin_nan": ('Origin="0 0 1"', 'Origin="0 nan 1"'),
        "origin_two": ('Origin="0 0 1"', 'Origin="0 0"'),
        "spacing_infinite": ('Spacing="1 2 3"', 'Spacing="1 inf 3"'),
        "spacing_overflows": ('Spacing="1 2 3"', 'Spacing="1e308 2 3"'),
        "spacing_text": ('Spacing="1 2 3"', 'Spacing="a b c"'),
        "direction_eight": (' 0 0 1">', ' 0 0">'),
    },
    "vtr": {
        "axis_too_short": (">0 1 3<", ">0 1<"),
        "axis_too_long": (">0 1 3<", ">0 1 3 4<"),
        "axis_nan": (">0 1 3<", ">0 nan 3<"),
        "axis_text": (">0 1 3<", ">0 one 3<"),
        "axis_vectors": ('Name="axis"', 'Name="axis" NumberOfComponents="3"'),
        "axes_missing": ("Coordinates>", "Other>"),
        "axes_two": (_axis("0 2"), ""),
    },
    "vts": {
        "points_too_few": ("2 1 1<", "2 1<"),
        "points_nan": ("2 1 1<", "2 1 nan<"),
        "points_missing": ("Points>", "Other>"),
        "points_vectors_of_two": ('NumberOfComponents="3"', 'NumberOfComponents="2"'),
    },
}


def _bomb() -> bytes:
    """An image of 1.8 10^8 points whose only array declares as many zeros, and has a few."""
    packed = zlib.compress(bytes(180_000), 9)
    words = struct.pack("<4I", 1, 180_000_000, 0, len(packed))
    text = (
        '<VTKFile type="ImageData" byte_order="LittleEndian" compressor="vtkZLibDataCompressor">'
        '<ImageData WholeExtent="0 999 0 999 0 179"><Piece Extent="0 999 0 999 0 179"><PointData>'
        '<DataArray type="UInt8" Name="p" format="appended" offset="0"/></PointData></Piece>'
        '</ImageData><AppendedData encoding="raw">_'
    )
    return text.encode() + words + packed + b"</AppendedData></VTKFile>"


def corpus() -> dict[str, bytes]:
    files = {"vti_bomb": _bomb(), "vti_empty": b""}
    empty = GOOD["vti"].replace(_DATA, "")
    files["vti_enormous_without_data"] = empty.replace(_EXTENT, "0 10000 0 10000 0 10000").encode()
    files["vti_large_without_data"] = empty.replace(_EXTENT, "0 199 0 199 0 99").encode()
    files["vtr_random_bytes"] = bytes((i * 7919 + 13) % 251 for i in range(900))
    for suffix, good in GOOD.items():
        for name, (old, new) in {**_ALL, **_OWN[suffix]}.items():
            assert old in good, (suffix, name)
            if name.startswith("both") or name in _OWN[suffix] or suffix == "vti":
                files[f"{suffix}_{name}"] = good.replace(old, new).encode()
        files[f"{suffix}_cut"] = good[: len(good) * 2 // 3].encode()
    return files


def seeds() -> dict[str, bytes]:
    files = {f"{suffix} ascii": good.encode() for suffix, good in GOOD.items()}
    good = GOOD["vti"]
    start, end = good.index("<Piece"), good.index("</ImageData>")
    files["vti pieces"] = (good[:end] + good[start:end] + good[end:]).encode()
    packed = zlib.compress(bytes(range(12)))
    words = struct.pack("<4I", 1, 12, 0, len(packed))
    text = good.replace("LittleEndian", 'LittleEndian" compressor="vtkZLibDataCompressor')
    array = '<PointData><DataArray type="UInt8" Name="z" format="appended" offset="0"/>'
    text = text.replace("<PointData>", array).replace("</VTKFile>\n", "")
    raw = text.encode() + b'<AppendedData encoding="raw">_' + words + packed
    files["vti zlib"] = raw + b"</AppendedData></VTKFile>"
    return files


def place(folder: Path, name: str, data: bytes) -> Path:
    suffix = name[:3] if name[:3] in GOOD else "vti"
    path = folder / f"{name.replace(' ', '_')}.{suffix}"
    path.write_bytes(data)
    return path
