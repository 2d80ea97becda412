"""A few bytes that ask for the same over and over: sets in sets, one name for all, long words.

Each of these files once took minutes, or all memory. They are too large to be kept as files.
"""

import os
import struct
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import read

N = 20_000
VTK = "# vtk DataFile Version 3.0\nt\nASCII\nDATASET "
MSH = "$MeshFormat\n4.1 0 8\n$EndMeshFormat\n"


def lines(text: str, count: int = N) -> str:
    return "".join(text.replace("#", str(i)) for i in range(count))


def abaqus(text: str) -> str:
    return "*NODE\n" + lines("#,0.,0.,#\n") + text


def frd(text: str) -> str:
    row = f" -1{1:10d}{0.0:12.5E}{0.0:12.5E}{0.0:12.5E}\n"
    rows = "".join(f" -1{i:10d}{row[13:]}" for i in range(1, N))
    return f"    1C\n    2C{'':67}1\n{rows} -3\n{text} 9999\n"


def frd_result(index: int) -> str:
    head = f"  100CL  101 1.00000E+00{'':34}    1".ljust(73) + " 1\n"
    return f"{head} -4  D{index:06d}  1    1\n -5  D1\n -1{1:10d}{1.0:12.5E}\n -3\n"


def entities(tags: int, others: int, elements: int) -> str:
    own = " ".join(map(str, range(1, tags + 1)))
    points = "".join(f"{i} 0 0 0 1 1\n" for i in range(2, others + 2))
    rows = "".join(f"{i} 1\n" for i in range(1, elements + 1))
    single = "".join(f"0 {i} 15 1\n{elements + i} 1\n" for i in range(2, others + 2))
    return (
        f"{MSH}$Entities\n{1 + others} 0 0 0\n1 0 0 0 {tags} {own}\n{points}$EndEntities\n"
        "$Nodes\n1 1 1 1\n0 1 0 1\n1\n0 0 0\n$EndNodes\n$Elements\n"
        f"{1 + others} {elements + others} 1 {elements + others}\n0 1 15 {elements}\n{rows}{single}"
        "$EndElements\n"
    )


def view(index: int) -> str:
    return f'$NodeData\n1\n"v{index}"\n1\n0\n3\n0\n1\n1\n1 1.0\n$EndNodeData\n'


def msh_views() -> str:
    rows = "".join(f"{i} 0 0 {i}\n" for i in range(1, N + 1))
    nodes = f"$Nodes\n{N}\n{rows}$EndNodes\n$Elements\n1\n1 15 2 0 1 1\n$EndElements\n"
    return "$MeshFormat\n2.2 0 8\n$EndMeshFormat\n" + nodes + "".join(map(view, range(5000)))


def mfem(attributes: str, sets: str) -> str:
    return (
        f"MFEM mesh v1.3\ndimension\n2\nelements\n{N}\n{attributes}boundary\n0\n{sets}"
        "vertices\n3\n2\n0 0\n1 0\n0 1\n"
    )


def ply() -> bytes:
    own = "".join(f"property uchar p{i}\n" for i in range(N))
    xyz = "property float x\nproperty float y\nproperty float z\n"
    head = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex 3\n{xyz}element face {N}\n"
        "property list uchar uchar vertex_indices\nelement edge 1\nproperty uchar vertex1\n"
        f"property uchar vertex2\n{own}end_header\n"
    )
    return head.encode() + bytes(36) + bytes([3, 0, 1, 2]) * N + bytes(N + 2)


def vti() -> str:
    box = "0 99 0 99 0 99"
    pieces = f'<Piece Extent="{box}"/>' * N
    grid = f'<ImageData WholeExtent="{box}" Origin="0 0 0" Spacing="1 1 1">{pieces}</ImageData>'
    return f'<VTKFile type="ImageData">{grid}</VTKFile>'


def blocks() -> str:
    one = f"CHILD 4 [a]\n{VTK}UNSTRUCTURED_GRID\nPOINTS {N} float\n{'0 0 0 ' * N}\nENDCHILD\n"
    arrays = lines("a# 1 1 int\n1\n")
    two = f"{VTK}UNSTRUCTURED_GRID\nPOINTS 1 float\n0 0 0\nPOINT_DATA 1\nFIELD f {N}\n{arrays}"
    return f"{VTK}MULTIBLOCK\nCHILDREN 2\n{one}CHILD 4 [b]\n{two}ENDCHILD\n"


UNV = "    -1\n  2411\n         1         1         1         1\n  0. 0. 0.\n    -1\n"
POINTS = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"

REFUSED: dict[str, tuple[str, Callable[[], str | bytes]]] = {
    "sets in sets": (
        "inp",
        lambda: abaqus("*NSET,NSET=s0\n1\n" + "".join(f"*NSET,NSET=s{i}\ns{i - 1},\n"
                                                      for i in range(1, N))),
    ),
    "ranges": ("inp", lambda: abaqus(lines("*NSET,NSET=s#,GENERATE\n1,20000,1\n"))),
    "ranges of one set": ("inp", lambda: abaqus("*NSET,NSET=s,GENERATE\n" + "1,20000,1\n" * N)),
    "instances": (
        "inp",
        lambda: f"*PART,NAME=p\n{abaqus('')}*END PART\n" + lines("*INSTANCE,NAME=i#,PART=p\n"),
    ),
    "a set as surface": (
        "inp",
        lambda: abaqus("*ELEMENT,TYPE=C3D4,ELSET=e\n" + lines("#,1,2,3,4\n")
                       + "*SURFACE,NAME=s\n" + "e,S1\n" * N),
    ),
    "a set of parts as surface": (
        "inp", lambda: abaqus("*ELEMENT,TYPE=C3D4\n1,1,2,3,4\n" + "*ELSET,ELSET=e\n1\n" * 2000
                              + "*SURFACE,NAME=s\n" + "e,S1\n" * 2000),
    ),
    "results of one node": ("frd", lambda: frd("".join(map(frd_result, range(5000))))),
    "views of one node": ("msh", msh_views),
    "tags of one entity": ("msh", lambda: entities(9000, 0, N)),
    "sets of one attribute": (
        "mesh", lambda: mfem("1 2 0 1 2\n" * N, f"attribute_sets\n{N}\n" + lines('"s#" 1 1\n')),
    ),
    "groups of all faces": (
        "obj", lambda: POINTS + "g " + lines("g# ") + "\n" + "f 1 2 3\n" * N,
    ),
    "arrays of one edge": ("ply", ply),
    "arrays of one block": ("vtk", blocks),
    "pieces in one place": ("vti", vti),
    "numbers times a count": ("p3d", lambda: "1\n 2 2 2\n" + "99999*1 " * N),
    "a long line of points": ("su2", lambda: "NDIME= 2\nNPOIN= 1\n" + "10 " * 6_000_000),
    "a long first line": ("csv", lambda: "12 " * 2_000_000),
    "a long word": ("su2", lambda: f"NDIME= 2\nNPOIN= 1\n{'1' * 500_000}x\nNELEM= 0\n"),
    "fields without values": (
        "pcd",
        lambda: "FIELDS x y z\nCOUNT 0 0 0\nPOINTS 1000000000000\nDATA binary\n",
    ),
}  # fmt: skip
READ: dict[str, tuple[str, Callable[[], str | bytes]]] = {
    "numbers and one name": (
        "inp", lambda: abaqus("*NSET,NSET=a\n" + lines("#\n", 100_000) + "foo\n"),
    ),
    "sets": ("inp", lambda: abaqus(lines("*NSET,NSET=s#\n1\n"))),
    "results of one name": ("frd", lambda: frd(frd_result(1) * 200)),
    "groups of one name": (
        "unv",
        lambda: UNV + "    -1\n  2477\n" + "1 0 0 0 0 0 0 1\nname\n7 1 0 0\n" * N + "    -1\n",
    ),
    "a long number": ("unv", lambda: UNV + "    -1\n" + "1" * 500_000),
    "tags of one of many": ("msh", lambda: entities(N, N, 1)),
    "attributes": ("mesh", lambda: mfem(lines("#1 2 0 1 2\n"), "")),
    "columns of one name": (
        "csv", lambda: "x,y,z," + ",".join(["a"] * N) + "\n" + ",".join(["1"] * (N + 3)) + "\n",
    ),
    "columns of one component": (
        "csv",
        lambda: "x,y,z," + ",".join(f"a{i}:0" for i in range(N)) + "\n" + "1," * (N + 2) + "1\n",
    ),
    "columns, one not whole": (
        "csv", lambda: (",".join(["1"] * N) + "\n") * 20 + "1.0," * (N - 1) + "2\n",
    ),
    "fields of one name": (
        "pcd",
        lambda: f"FIELDS x y z {'a ' * 10_000}\nPOINTS 1\nDATA binary\n".encode() + bytes(40_012),
    ),
    "arrays of one value": (
        "vtk",
        lambda: f"{VTK}UNSTRUCTURED_GRID\nPOINTS 1 float\n0 0 0\nPOINT_DATA 1\nFIELD f {N}\n"
        + lines("a# 1 1 int\n1\n"),
    ),
    "pieces of nothing": (
        "vtu",
        lambda: '<VTKFile type="UnstructuredGrid"><UnstructuredGrid>'
        + '<Piece NumberOfPoints="0" NumberOfCells="0"/>' * 5 * N
        + "</UnstructuredGrid></VTKFile>",
    ),
    "names in a restart": (
        "dat",
        lambda: struct.pack("<5i", 535532, N, 0, 0, 0)
        + b"".join(name.ljust(33, b"\0") for name in (b"x", b"y", *[b"v"] * (N - 2))),
    ),
}  # fmt: skip


def timed_read(folder: Path, suffix: str, content: str | bytes) -> None:
    path = folder / f"a.{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", MeshFileWarning)
        try:
            mesh = read(path)
        finally:
            assert time.process_time() - started < 8
    mesh.check()


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name):
    suffix, content = REFUSED[name]
    with pytest.raises(MeshFileError) as caught:
        timed_read(tmp_path, suffix, content())
    assert "the reader failed" not in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize("name", READ)
def test_read_in_time(tmp_path, name):
    suffix, content = READ[name]
    timed_read(tmp_path, suffix, content())


@pytest.mark.parametrize("links", ["arrays", "blocks", "fills"])
def test_hdf5_links_to_one_array(tmp_path, links):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.vtkhdf"
    with h5py.File(path, "w") as file:
        root = file.create_group("VTKHDF", track_order=True)
        root.attrs["Version"] = [2, 0]
        block = root.create_group("b") if links == "blocks" else root
        block.attrs.create("Type", b"UnstructuredGrid", dtype=h5py.string_dtype("ascii", 16))
        for name, value in (("NumberOfPoints", N), ("NumberOfCells", 0)):
            block[name] = [value]
        block["NumberOfConnectivityIds"], block["Offsets"] = [0], np.zeros(1, "i8")
        block["Points"], block["Types"] = np.zeros((N, 3)), np.zeros(0, "u1")
        block["Connectivity"] = np.zeros(0, "i8")
        if links == "blocks":
            kind = b"PartitionedDataSetCollection"
            root.attrs.create("Type", kind, dtype=h5py.string_dtype("ascii", 32))
            block.attrs["Version"] = [2, 0]
            assembly = root.create_group("Assembly")
            for index in range(2000):
                assembly[str(index)] = h5py.SoftLink("/VTKHDF/b")
        elif links == "arrays":
            data = block.create_group("PointData")
            data["a"] = np.zeros(N)
            for index in range(2000):
                data[str(index)] = data["a"]
        else:  # nothing is stored of them
            block["NumberOfPoints"][...] = 8000
            data = block.create_group("PointData")
            for index in range(10_000):
                data.create_dataset(str(index), (8000,), "f8")
    with pytest.raises(MeshFileError, match="over and over"):
        read(path)


@pytest.mark.skipif(not hasattr(os, "SEEK_DATA"), reason="the system does not tell holes")
@pytest.mark.parametrize("suffix", ["stl", "vtk", "npz", "unv", "csv"])
def test_files_of_nothing_but_holes(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.touch()
    os.truncate(path, 8 << 30)
    with pytest.raises(MeshFileError):
        read(path)


def test_names_cannot_order_the_terminal_about(tmp_path):
    path = tmp_path / "a.pcd"
    path.write_bytes(b"FIELDS \x1b[31m\x07 \xe2\x80\xae\nDATA ascii\n")
    with pytest.raises(MeshFileError) as caught:
        read(path)
    assert str(caught.value).replace("\n", "").isprintable()
