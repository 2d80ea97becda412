"""Any bytes are safe: the corpus, and files that Hypothesis damages, give a mesh or one error."""

import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_corpus import ASCII, HERE, PACK, appended, corpus

from meshop.errors import MeshFileError
from meshop.io import read
from meshop.io.vtu import read_vtu, write_vtu
from meshop.mesh import Mesh

CORPUS = corpus()


def test_files_are_those_that_the_script_writes():
    assert {p.name for p in HERE.glob("*.vtu")} == set(CORPUS)
    for name, content in CORPUS.items():
        assert (HERE / name).read_bytes() == content, f"{name}: run make_corpus.py"
    assert sum(map(len, CORPUS.values())) < 300_000


@pytest.mark.parametrize("compressor", ["", *PACK])
@pytest.mark.parametrize("encoding", ["raw", "base64"])
def test_the_files_before_the_damage_are_good(tmp_path, compressor, encoding):
    (tmp_path / "a.vtu").write_text(ASCII)
    (tmp_path / "b.vtu").write_bytes(appended({}, compressor, encoding))
    for mesh in (read(tmp_path / "a.vtu"), read(tmp_path / "b.vtu")):
        assert mesh.cell_nodes.tolist() == [0, 1, 2, 0, 2, 3]
        assert mesh.point_data["p"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("name", sorted(CORPUS))
def test_damaged_file_is_one_clear_error(name):
    started = time.process_time()
    with pytest.raises(MeshFileError) as caught:
        read(HERE / name)
    assert time.process_time() - started < 2
    lines = str(caught.value).splitlines()
    assert 2 <= len(lines) <= 3 and all(len(line) <= 500 for line in lines)
    assert name in lines[0] and caught.value.reason


def test_whole_corpus_within_200_mb():
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom meshop.io import read\n"
        "from meshop.errors import MeshFileError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in sorted(Path(sys.argv[1]).glob('*.vtu')):\n"
        "    try:\n        read(path)\n    except MeshFileError:\n        pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(HERE)], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 200 << 10  # kB more than before the first file


# -- damage by chance ---------------------------------------------------------------------------


def seeds() -> list[bytes]:
    """Good files in several encodings, with every kind of array."""
    mesh = Mesh.from_blocks(
        np.random.default_rng(0).random((8, 3)).round(3),
        [
            ("hexahedron", [range(8)]),
            ("tetra", [[0, 1, 2, 3], [4, 5, 6, 7]]),
            ("polygon", [range(5)]),
        ],
        point_data={"U": np.arange(24, dtype=np.float32).reshape(8, 3)},
        cell_data={"id": np.arange(4, dtype=np.int16)},
        field_data={"title": "a mesh", "aoa": 4.0},
    )
    mesh = Mesh(
        mesh.points, [*mesh.cell_types, 42], [*mesh.cell_offsets, mesh.cell_offsets[-1] + 4],
        [*mesh.cell_nodes, 0, 1, 2, 3], mesh.point_data, {"id": np.arange(5)}, mesh.field_data,
        faces=np.array([4, 3, 0, 2, 1, 3, 0, 1, 3, 3, 0, 3, 2, 3, 1, 2, 3]),
        face_offsets=np.array([-1, -1, -1, -1, 17]),
    )  # fmt: skip
    files = [
        ASCII.encode(),
        appended({}, "", "base64"),
        appended({}, "vtkZLibDataCompressor", "base64"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for method in (None, "zlib", "lz4", "lzma"):
            write_vtu(mesh, Path(folder, "a.vtu"), compression=method)
            files.append(Path(folder, "a.vtu").read_bytes())
    return files


SEEDS = seeds()
INTERESTING = [0, 1, 3, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1]


@st.composite
def corruptions(draw) -> bytes:
    """A good file with one to four faults: bits flipped, parts cut, swapped, counts inflated."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        to = min(len(data), at + draw(st.integers(1, 64)))
        kind = draw(st.sampled_from(["flip", "cut", "drop", "swap", "word", "digits", "repeat"]))
        if not data:
            break
        if kind == "flip":
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at:to]
        elif kind == "swap":
            other = draw(st.integers(0, len(data) - 1))
            data[at], data[other] = data[other], data[at]
        elif kind == "word":  # a count in a binary header
            data[at : at + 8] = struct.pack("<Q", draw(st.sampled_from(INTERESTING)))
        elif kind == "repeat":
            data[at:at] = data[at:to]
        else:  # a count in the text: the next digit becomes a large or negative number
            place = next((i for i in range(at, len(data)) if 48 <= data[i] <= 57), at)
            value = draw(st.sampled_from([-1, *INTERESTING, 10**30]))
            data[place : place + 1] = str(value).encode()
    return bytes(data)


@settings(max_examples=1500, deadline=2000, derandomize=True, database=None)
@given(data=corruptions())
def test_damaged_by_chance(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.vtu")
        path.write_bytes(data)
        try:
            mesh = read_vtu(path)  # below the net that `read` spreads for faults of readers
        except MeshFileError as error:
            assert len(str(error).splitlines()) <= 3
        else:  # valid, so everything that indexes with it must work
            mesh.check()
            mesh.cell_centers()
            mesh.boundary_facets()


@settings(max_examples=200, deadline=2000, derandomize=True, database=None)
@given(
    data=st.binary(max_size=300),
    prefix=st.sampled_from([b"", b"<VTKFile>", b"<?xml ", b"\xef\xbb\xbf<"]),
)
def test_any_bytes(data, prefix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.vtu")
        path.write_bytes(prefix + data)
        with pytest.raises(MeshFileError):
            read_vtu(path)
