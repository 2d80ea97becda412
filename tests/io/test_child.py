"""Whatever a foreign library does, the caller gets its answer or one Fault, in time and silence."""

import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from mesh_cases import assert_same, sample

import meshop
from meshop.io._child import run
from meshop.io._files import Fault

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits of a process are POSIX")


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "a.mesh").write_bytes(b"12345")
    yield tmp_path / "a.mesh"
    assert not list((tmp_path / "temporary").iterdir())


def test_answers_come_back_as_they_were(path, capfd):
    found = run("child_tasks:answer", path, text="ö", number=3, nothing=None)
    assert_same(found["mesh"], sample())
    assert found["options"] == {"text": "ö", "number": 3, "nothing": None} and found["size"] == 5
    first, text, empty = found["list"]
    assert first.tolist() == [[0, 1, 2], [3, 4, 5]] and text.tolist() == ["a", "ö"]
    assert empty.shape == (0, 3) and empty.dtype == np.uint8
    assert run("child_tasks:prints", path) == ""  # and it had no input
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("raises", "no good .ZeroDivisionError"),
        ("faults", "it is bad"),
        ("exits", "told to leave"),
        ("exits_at_once", "exit status 7"),
        ("crashes", "crashed on it .SIGSEGV"),
        ("aborts", "crashed on it .SIGABRT"),
        ("loops", "more time or memory"),
        ("hoards", "it declares more"),
        ("hoards_at_once", "it declares more"),
        ("fills_the_disk", "File too large"),
        ("odd_answer", "expected plain data"),
        ("objects", "array of object"),
        ("missing", "has no attribute"),
    ],
)
def test_every_end_is_one_fault(path, task, reason, capfd):
    started = time.monotonic()
    with pytest.raises(Fault, match=reason) as caught:
        run(f"child_tasks:{task}", path, seconds=1, memory=100 << 20)
    assert time.monotonic() - started < 10
    assert capfd.readouterr() == ("", "")
    if task == "faults":
        assert (caught.value.where, caught.value.hint) == ("row 3", "mend it")


@pytest.mark.slow
@pytest.mark.parametrize("task", ["sleeps", "has_children"])
def test_waiting_ends_with_the_whole_group(path, task):
    with pytest.raises(Fault, match="did not finish within"):
        run(f"child_tasks:{task}", path, seconds=-2)
    time.sleep(6)
    assert path.read_bytes() == b"12345"


def test_an_interrupt_ends_the_child(path, monkeypatch):
    waited = []

    def interrupted(process, timeout=None):
        waited.append(process.pid)
        if len(waited) == 1:
            raise KeyboardInterrupt
        return original(process, timeout)

    original = subprocess.Popen.wait
    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("child_tasks:sleeps", path)
    with pytest.raises(ProcessLookupError):
        os.kill(waited[0], 0)


def test_runs_from_an_archive_and_from_any_folder(path, tmp_path):
    package = Path(meshop.__file__).parent
    with zipfile.ZipFile(tmp_path / "meshop.zip", "w") as archive:
        for name in ("*.py", "io/**/*.py", "mesh/*.py"):
            for file in package.glob(name):
                archive.write(file, file.relative_to(package.parent))
    code = (
        "import sys; sys.path[:0] = [sys.argv[1], sys.argv[2]]\nfrom pathlib import Path\n"
        "import meshop.io._child as child\nassert '.zip' in child.__file__\n"
        "print(child.run('child_tasks:answer', Path(sys.argv[3]))['mesh'].n_points)"
    )
    command = [sys.executable, "-c", code, tmp_path / "meshop.zip", Path(__file__).parent, path]
    run = subprocess.run(command, capture_output=True, text=True, cwd="/")
    assert (run.stdout.strip(), run.stderr) == ("25", "")
