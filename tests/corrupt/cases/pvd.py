"""Malformed lists of times; the files are good."""

from __future__ import annotations

from pathlib import Path

from . import vtk_parallel, vtm

SUFFIX = ".pvd"
GOOD = """<?xml version="1.0"?>
<VTKFile type="Collection" version="0.1" byte_order="LittleEndian">
<Collection>
<DataSet timestep="0" group="" part="0" file="a.vtu"/>
<DataSet timestep="0.5" group="" part="0" file="a.vtp"/>
<DataSet timestep="1" group="" part="0" file="a.vtu"/>
<DataSet timestep="1" group="" part="1" name="other" file="sub/b.vtu"/>
</Collection></VTKFile>
"""
_LAST = 'timestep="1" group="" part="0" file="a.vtu"'
TEXT = {
    "time_text": ('timestep="0.5"', 'timestep="half"'),
    "time_nan": ('timestep="0.5"', 'timestep="nan"'),
    "time_infinite": ('timestep="0.5"', 'timestep="inf"'),
    "time_overflows": ('timestep="0.5"', 'timestep="1e999"'),
    "time_two": ('timestep="0.5"', 'timestep="0.5 1"'),
    "time_endless": ('timestep="0.5"', f'timestep="{"9" * 5000}"'),
    "file_absent": (_LAST, _LAST.replace("a.vtu", "absent.vtu")),
    "file_missing": (_LAST, _LAST.replace('file="a.vtu"', "")),
    "file_name_empty": (_LAST, _LAST.replace("a.vtu", "")),
    "file_folder": (_LAST, _LAST.replace("a.vtu", "sub")),
    "file_device": (_LAST, _LAST.replace("a.vtu", "/dev/zero")),
    "file_is_the_list": (_LAST, _LAST.replace("a.vtu", "list.pvd")),
    "file_twice_at_a_time": ("sub/b.vtu", "a.vtu"),
    "file_damaged": (_LAST, _LAST.replace("a.vtu", "bad.vtu")),
    "file_empty": (_LAST, _LAST.replace("a.vtu", "empty.vtu")),
    "file_text": (_LAST, _LAST.replace("a.vtu", "text.vtu")),
    "file_in_a_circle": (_LAST, _LAST.replace("a.vtu", "circle.pvtu")),
    "parts_disagree": ("sub/b.vtu", "vectors.vtu"),
    "list_of_nothing": ("DataSet", "Other"),
    "list_missing": ("Collection>", "Other>"),
    "list_twice": ("</VTKFile>", "<Collection/></VTKFile>"),
    "list_left_open": ("</Collection>", ""),
    "kind_missing": (' type="Collection"', ""),
    "kind_unknown": ('"Collection"', '"Selection"'),
    "doctype": ("<VTKFile", '<!DOCTYPE a [<!ENTITY b "a">]><VTKFile'),
}


def corpus() -> dict[str, bytes]:
    files = {"empty": b"", "random": bytes((i * 7919 + 13) % 251 for i in range(900))}
    for name, (old, new) in TEXT.items():
        assert old in GOOD, name
        files[name] = GOOD.replace(old, new).encode()
    for part in (0.2, 0.5, 0.8):
        files[f"cut_at_{part:.0%}"] = GOOD[: int(part * len(GOOD))].encode()
    return files


def seeds() -> dict[str, bytes]:
    last = '1" group="" part="0" file="a.vt'
    untimed = GOOD.replace(f"{last}u", f"{last}s").replace("timestep", "when")
    return {"list": GOOD.encode(), "no times": untimed.encode()}


def place(folder: Path, name: str, data: bytes) -> Path:
    vtm.place(folder, "blocks", vtm.GOOD.encode())
    vtk_parallel.place(folder, "pvtu", vtk_parallel.GOOD["pvtu"].encode())
    path = folder / "list.pvd"
    path.write_bytes(data)
    return path
