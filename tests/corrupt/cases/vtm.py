"""Malformed lists of blocks; the files of the blocks are good."""

from __future__ import annotations

from pathlib import Path

from . import vtk_grids, vtk_parallel, vtu

SUFFIX = ".vtm"
GOOD = """<?xml version="1.0"?>
<VTKFile type="vtkMultiBlockDataSet" version="1.0" byte_order="LittleEndian">
<vtkMultiBlockDataSet>
<Block index="0" name="car"><DataSet index="0" name="wheel" file="a.vtu"/>
<DataSet index="1" file="sub/b.vtp"/></Block>
<DataSet index="1" name="air" file="a.vti"/>
<DataSet index="2" name="nothing"/>
</vtkMultiBlockDataSet>
<FieldData><DataArray type="Int64" Name="t" NumberOfTuples="2" format="ascii">1 2</DataArray>
</FieldData></VTKFile>
"""
PARTITIONS = """<VTKFile type="vtkPartitionedDataSetCollection" version="1.0">
<vtkPartitionedDataSetCollection><Partitions index="0"><DataSet index="0" file="a.vtu"/>
</Partitions></vtkPartitionedDataSetCollection></VTKFile>
"""
_MORE = '<DataSet index="1" name="air" file="a.vti"/>'
TEXT = {
    "file_absent": ("a.vtu", "absent.vtu"),
    "file_folder": ("a.vtu", "sub"),
    "file_device": ("a.vtu", "/dev/zero"),
    "file_above_absent": ("a.vtu", "../../../../no/such/a.vtu"),
    "file_twice": ("a.vti", "a.vtu"),
    "file_twice_by_another_name": ("a.vti", "sub/../a.vtu"),
    "file_is_the_list": ("a.vtu", "list.vtm"),
    "file_in_a_circle": ("a.vtu", "circle.vtm"),
    "file_in_a_long_chain": ("a.vtu", "chain0.vtm"),
    "file_damaged": ("a.vtu", "bad.vtu"),
    "file_empty": ("a.vtu", "empty.vtu"),
    "file_text": ("a.vtu", "text.vtu"),
    "file_of_no_kind": ("a.vtu", "other.vtu"),
    "file_name_endless": ("a.vtu", "a" * 5000),
    "list_missing": ("vtkMultiBlockDataSet>", "Other>"),
    "list_twice": ("<FieldData>", "<vtkMultiBlockDataSet/><FieldData>"),
    "blocks_left_open": ("</Block>", ""),
    "blocks_too_deep": ("</Block>", "<Block>" * 60 + "</Block>" * 61),
    "field_data_too_short": (">1 2<", ">1<"),
    "field_data_enormous": ('NumberOfTuples="2"', f'NumberOfTuples="{10**12}"'),
    "field_data_text": (">1 2<", ">1 two<"),
    "arrays_disagree": ("a.vti", "vectors.vtu"),
    "entity": (_MORE, "&air;"),
    "doctype": ("<VTKFile", '<!DOCTYPE a [<!ENTITY air "a">]><VTKFile'),
    "kind_unknown": ('"vtkMultiBlockDataSet"', '"vtkHierarchicalBoxDataSet"'),
}


def corpus() -> dict[str, bytes]:
    files = {"empty": b"", "random": bytes((i * 7919 + 13) % 251 for i in range(900))}
    for name, (old, new) in TEXT.items():
        assert old in GOOD, name
        text = GOOD.replace(old, new)
        files[name] = text.encode()
    files["list_of_nothing"] = PARTITIONS.replace("Partitions", "Other").encode()
    for part in (0.2, 0.5, 0.8):
        files[f"cut_at_{part:.0%}"] = GOOD[: int(part * len(GOOD))].encode()
    return files


def seeds() -> dict[str, bytes]:
    nested = GOOD.replace("a.vti", "inner.vtm")
    parallel = GOOD.replace("a.vti", "list.pvti")
    return {
        "blocks": GOOD.encode(),
        "nested": nested.encode(),
        "parallel": parallel.encode(),
        "partitions": PARTITIONS.encode(),
    }


def place(folder: Path, name: str, data: bytes) -> Path:
    if not (folder / "inner.vtm").exists():
        _blocks(folder)
    path = folder / "list.vtm"
    path.write_bytes(data)
    return path


def _blocks(folder: Path) -> None:
    vtk_parallel.place(folder, "pvti", vtk_parallel.GOOD["pvti"].replace("a.v", "c.v").encode())
    (folder / "c.vti").write_text(vtk_grids.GOOD["vti"])
    (folder / "inner.vtm").write_text(GOOD.replace("a.vtu", "a.vtp").replace("sub/b.vtp", "a.vts"))
    (folder / "circle.vtm").write_text(GOOD.replace("a.vtu", "list.vtm"))
    for number in range(20):
        (folder / f"chain{number}.vtm").write_text(
            PARTITIONS.replace("a.vtu", f"chain{number + 1}.vtm")
        )
    (folder / "chain20.vtm").write_text(PARTITIONS)
    (folder / "other.vtu").write_text(vtu.ASCII.replace("UnstructuredGrid", "HyperTreeGrid"))
    (folder / "vectors.vtu").write_text(
        vtu.ASCII.replace('Name="p"', 'Name="p" NumberOfComponents="2"').replace(
            ">1 2 3 4<", ">1 2 3 4 5 6 7 8<"
        )
    )
