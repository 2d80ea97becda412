"""Malformed lists of pieces: two triangles a piece, two boxes an image; the pieces are good."""

from __future__ import annotations

from pathlib import Path

from . import vtk_grids, vtp, vtu

SUFFIX = ".xml"  # of the files that are kept; `place` gives them their own


def _list(kind: str, attributes: str, *pieces: str) -> str:
    lines = "".join(f"<Piece {piece}/>\n" for piece in pieces)
    return (
        f'<?xml version="1.0"?>\n<VTKFile type="{kind}" version="1.0" byte_order="LittleEndian">\n'
        f'<{kind} GhostLevel="0"{attributes}>\n<PPointData/>\n{lines}</{kind}></VTKFile>\n'
    )


_BOX = 'WholeExtent="3 5 0 1 -1 0"'
GOOD = {
    "pvtu": _list("PUnstructuredGrid", "", 'Source="a.vtu"', 'Source="sub/../sub/b.vtu"'),
    "pvtp": _list("PPolyData", "", 'Source="a.vtp"', 'Source="sub/b.vtp"'),
    "pvti": _list(
        "PImageData", f' {_BOX} Origin="0 0 1" Spacing="1 2 3"',
        'Extent="3 5 0 1 -1 0" Source="a.vti"',
    ),
    "pvtr": _list("PRectilinearGrid", f" {_BOX}", 'Extent="3 5 0 1 -1 0" Source="a.vtr"'),
    "pvts": _list("PStructuredGrid", f" {_BOX}", 'Extent="3 5 0 1 -1 0" Source="a.vts"'),
}  # fmt: skip
TEXT = {
    "pvtu": {
        "piece_absent": ("a.vtu", "absent.vtu"),
        "piece_folder": ("a.vtu", "sub"),
        "piece_device": ("a.vtu", "/dev/zero"),
        "piece_unnamed": ('Source="a.vtu"', ""),
        "piece_name_empty": ("a.vtu", ""),
        "piece_name_endless": ("a.vtu", "a" * 5000 + ".vtu"),
        "piece_twice": ("sub/../sub/b.vtu", "./a.vtu"),
        "piece_is_the_list": ("a.vtu", "list.pvtu"),
        "piece_damaged": ("a.vtu", "bad.vtu"),
        "piece_empty": ("a.vtu", "empty.vtu"),
        "piece_text": ("a.vtu", "text.vtu"),
        "pieces_none": ("Piece", "Other"),
        "circle": ("a.vtu", "circle.pvtu"),
        "no_grid": ("<PUnstructuredGrid", "<Other"),
    },
    "pvtp": {"piece_absent": ("a.vtp", "../a.vtp"), "not_closed": ("</PPolyData>", "")},
    "pvti": {
        "whole_larger": (_BOX, 'WholeExtent="3 6 0 1 -1 0"'),
        "whole_smaller": (_BOX, 'WholeExtent="3 4 0 1 -1 0"'),
        "whole_enormous": (_BOX, 'WholeExtent="0 10000 0 10000 0 10000"'),
        "whole_missing": (_BOX, ""),
        "spacing_text": ('Spacing="1 2 3"', 'Spacing="wide"'),
        "piece_of_another_kind": ("a.vti", "a.vtr"),
        "piece_absent": ("a.vti", "absent.vti"),
        "piece_twice": ("<PPointData/>", '<Piece Source="./a.vti"/>'),
        "piece_is_a_list": ("a.vti", "list.pvti"),
    },
    "pvtr": {"whole_larger": (_BOX, 'WholeExtent="2 5 0 1 -1 0"')},
    "pvts": {"whole_larger": (_BOX, 'WholeExtent="3 5 0 1 -2 0"')},
}


def corpus() -> dict[str, bytes]:
    files = {"pvtu_empty": b"", "pvtu_random": bytes((i * 7919 + 13) % 251 for i in range(900))}
    for suffix, changes in TEXT.items():
        for name, (old, new) in changes.items():
            assert old in GOOD[suffix], (suffix, name)
            text = GOOD[suffix].replace(old, new)
            if name == "no_grid":
                text = text.replace("</PUnstructuredGrid", "</Other")
            files[f"{suffix}_{name}"] = text.encode()
        files[f"{suffix}_cut"] = GOOD[suffix][: len(GOOD[suffix]) * 2 // 3].encode()
    return files


def seeds() -> dict[str, bytes]:
    return {suffix: good.encode() for suffix, good in GOOD.items()}


def place(folder: Path, name: str, data: bytes) -> Path:
    suffix = name[:4] if name[:4] in GOOD else "pvtu"
    if not (folder / "sub").exists():
        _pieces(folder)
    (folder / "circle.pvtu").write_text(
        _list("PUnstructuredGrid", "", f'Source="list.{suffix}"', 'Source="circle.pvtu"')
    )
    path = folder / f"list.{suffix}"
    path.write_bytes(data)
    return path


def _pieces(folder: Path) -> None:
    (folder / "sub").mkdir()
    for piece in (folder / "a", folder / "sub" / "b"):
        piece.with_suffix(".vtu").write_text(vtu.ASCII)
        piece.with_suffix(".vtp").write_text(vtp.ASCII)
    for kind, good in vtk_grids.GOOD.items():
        (folder / f"a.{kind}").write_text(good)
    (folder / "bad.vtu").write_text(vtu.ASCII.replace("0 2 3<", "0 2 9<"))
    (folder / "empty.vtu").write_bytes(b"")
    (folder / "text.vtu").write_text("no mesh at all")
