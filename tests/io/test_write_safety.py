"""A failing write leaves the old file as it was, and nothing beside it."""

import builtins
import itertools
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from mesh_cases import assert_same, sample

from meshop.errors import MeshFileError
from meshop.io import FORMATS, read, write, write_series
from meshop.io._files import atomic_write
from meshop.mesh import Mesh, Region

OLD = b"the old content"


@pytest.fixture
def path(tmp_path):
    target = tmp_path / "a.vtu"
    target.write_bytes(OLD)
    return target


def assert_untouched(path):
    assert path.read_bytes() == OLD
    assert [p.name for p in path.parent.iterdir()] == [path.name]


class FullDisk:
    """A file that takes `room` bytes and then has no more space."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        self.room -= len(data)
        if self.room < 0:
            raise OSError(28, "No space left on device")
        return self.file.write(data)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("room", [0, 100, 3000, 6000])
def test_full_disk(path, monkeypatch, room):
    real = builtins.open
    monkeypatch.setattr("builtins.open", lambda *a, **k: FullDisk(real(*a, **k), room))
    with pytest.raises(MeshFileError, match="No space left"):
        sample().save(path)
    monkeypatch.undo()
    assert_untouched(path)


@pytest.mark.parametrize("name", ["replace", "fsync"])
def test_failing_system_calls(path, monkeypatch, name):
    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, name, fail)
    with pytest.raises(MeshFileError, match="Input/output"):
        sample().save(path)
    monkeypatch.undo()
    assert_untouched(path)


def test_interrupted_by_the_user(path):
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert_untouched(path)


def test_killed_while_writing(path):
    code = (
        "import os, signal, sys\nfrom meshop.io import atomic_write\n"
        "with atomic_write(sys.argv[1]) as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    assert path.read_bytes() == OLD


@pytest.mark.parametrize("suffix", [".vtu", ".su2", ".msh"])
def test_a_mesh_that_was_broken_after_construction_is_not_written(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(OLD)
    mesh = sample()
    mesh.cell_nodes = mesh.cell_nodes + 100
    with pytest.raises(MeshFileError, match="cell_nodes"):
        mesh.save(path)
    assert_untouched(path)


def test_permissions_and_links_are_kept(path, tmp_path):
    path.chmod(0o640)
    link = tmp_path / "link.vtu"
    link.symlink_to(path)
    mesh = sample()
    mesh.save(link)
    assert link.is_symlink() and stat.S_IMODE(path.stat().st_mode) == 0o640
    assert_same(read(path), mesh)


def test_two_writers_at_once_leave_one_whole_file(path):
    meshes = [sample(12, seed=s) for s in range(4)]
    threads = [threading.Thread(target=m.save, args=(path,)) for m in meshes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read(path)
    assert any(np.array_equal(found.points, m.points) for m in meshes)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_every_writer_keeps_the_old_file_when_it_is_broken_off(tmp_path):
    """The disk is full, or the process is killed, at several places of every format's files."""
    script = Path(__file__).with_name("write_tasks.py")
    paths = [str(script.parents[2]), str(script.parent)]
    run = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert not [row for row in found if row[5]]
    ends = {row[0]: set() for row in found}
    for suffix, _, _, _, end, _ in found:
        ends[suffix].add(end)
    formats = {f.suffixes[0] for f in FORMATS if f.write or f.write_series}
    assert formats - {".foam"} <= set(ends)
    assert not [suffix for suffix, end in ends.items() if "refused" not in end]
    assert not [suffix for suffix, end in ends.items() if "crashed" in end]


def put_case(mesh, path):
    """A case in a folder that is there already: the first write makes it, others add fields."""
    path.mkdir(exist_ok=True)
    write(
        mesh, f"{path}/case.foam", **({"overwrite": True} if (path / "constant").is_dir() else {})
    )


LISTS = {
    "a.vtm": lambda mesh, path: write(mesh, path),
    "a.pvd": lambda mesh, path: write_series(path, [(0.0, mesh), (1.0, mesh)]),
    "a.vtu.series": lambda mesh, path: write_series(path, [(0.0, mesh), (1.0, mesh)]),
    "case": put_case,
}


@pytest.mark.parametrize("onwards", [False, True])
@pytest.mark.parametrize("name", LISTS)
def test_a_rename_that_fails_leaves_all_files_as_they_were(tmp_path, monkeypatch, name, onwards):
    """The k-th rename fails, or all from it on, for every k; with old files there, and without."""

    def content():
        return {p: p.is_dir() or p.read_bytes() for p in sorted(tmp_path.rglob("*"))}

    cube = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]
    points = np.array([*cube, *(np.array(cube) + 2)], float)
    regions = {"a": Region("cell", [0]), "b": Region("cell", [1])}
    cells = [("hexahedron", [range(8), range(8, 16)])]
    old, new = (
        Mesh.from_blocks(points, cells, cell_data={n: np.full(2, v) for n in "pq"}, regions=regions)
        for v in (1.0, 2.0)
    )
    if name == "case":
        (tmp_path / name).mkdir()
    replace = os.replace
    for mesh in (old, new):
        before = content()
        for failing in range(20):
            calls = itertools.count()

            def fail(source, target, calls=calls, failing=failing):
                call = next(calls)
                if call == failing or (onwards and call > failing):
                    raise OSError(5, "Input/output error")
                replace(source, target)

            monkeypatch.setattr(os, "replace", fail)
            try:
                LISTS[name](mesh, tmp_path / name)
            except MeshFileError:
                assert content() == before, failing
            else:
                break
        assert failing >= 2  # there were renames that could fail
        monkeypatch.undo()
    found = read(tmp_path / name)
    assert found.cell_data["p"].tolist() == [2.0, 2.0]
