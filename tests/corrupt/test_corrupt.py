"""Any bytes are safe: the corpus, and files damaged by chance, give a mesh or one clear error."""

import subprocess
import sys
import tempfile
import time
import warnings
from functools import cache
from pathlib import Path

import pytest
from cases import CASES, place
from corrupter import damage
from hypothesis import given, settings
from hypothesis import strategies as st

from meshop.errors import MeshFileError, MeshFileWarning
from meshop.io import read
from meshop.io._dispatch import format_of

NAMES = sorted(CASES)
HERE = Path(__file__).parent
FINDS = sorted((HERE / "finds").glob("*/*"))


@cache
def seeds(case):
    return CASES[case].seeds()


@cache
def corpus(case):
    return CASES[case].corpus()


def outcome(path):
    """None for a valid mesh, else the error; anything else that is raised passes through."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", MeshFileWarning)
        try:
            # Below the net that `read` spreads for faults of readers.
            format = format_of(path)
            mesh = format.read(path) if format.read else format.series(path)[-1]
        except MeshFileError as error:
            return error
    mesh.check()  # valid, so everything that indexes with it must work
    mesh.cell_centers()
    mesh.boundary_facets()
    return None


@pytest.mark.parametrize("case", NAMES)
def test_files_before_the_damage_are_good(case, tmp_path):
    for number, (name, data) in enumerate(seeds(case).items()):
        (tmp_path / str(number)).mkdir()
        error = outcome(place(CASES[case], tmp_path / str(number), name, data))
        assert error is None, f"{name}: {error}"


@pytest.mark.parametrize(
    ("case", "name"), [(case, name) for case in NAMES for name in corpus(case)]
)
def test_malformed_file_is_one_clear_error(case, name, tmp_path):
    path = place(CASES[case], tmp_path, name, corpus(case)[name])
    started = time.process_time()
    with pytest.raises(MeshFileError) as caught:
        read(path)
    assert time.process_time() - started < 2
    lines = str(caught.value).splitlines()
    assert 2 <= len(lines) <= 3 and all(len(line) <= 500 for line in lines)
    assert caught.value.reason and "the reader failed" not in caught.value.reason


@pytest.mark.parametrize("case", NAMES)
@settings(max_examples=300)
@given(seed=st.integers(0, 2**32), variant=st.integers(0, 63))
def test_damaged_by_chance(case, seed, variant):
    files = list(seeds(case).items())
    name, data = files[variant % len(files)]
    with tempfile.TemporaryDirectory() as folder:
        error = outcome(place(CASES[case], Path(folder), name, damage(data, seed)))
    assert error is None or len(str(error).splitlines()) <= 3


@pytest.mark.parametrize("case", NAMES)
@settings(max_examples=60)
@given(data=st.binary(max_size=300), start=st.integers(0, 40), variant=st.integers(0, 63))
def test_any_bytes(case, data, start, variant):
    """Random bytes after the first few of a good file."""
    files = list(seeds(case).items())
    name, good = files[variant % len(files)]
    with tempfile.TemporaryDirectory() as folder:
        outcome(place(CASES[case], Path(folder), name, good[:start] + data))


@pytest.mark.parametrize("path", FINDS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_finds_of_the_fuzzer_stay_found(path, tmp_path):
    """Files that once broke a reader (`fuzz.py` saves them as CASE/VARIANT.HASH)."""
    case = CASES[path.parent.name]
    name = path.name.rpartition(".")[0].replace("+", "/")
    started = time.process_time()
    outcome(place(case, tmp_path, name, path.read_bytes()))
    assert time.process_time() - started < 2


def test_whole_corpus_within_200_mb(tmp_path):
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom meshop.io import read\n"
        "from meshop.errors import MeshFileError\n"
        "first, *paths = Path(sys.argv[1]).read_text().splitlines()\nread(first)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in paths:\n"
        "    try:\n        read(path)\n    except MeshFileError:\n        pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    paths = [place(CASES["vtu"], tmp_path, "good", seeds("vtu")["ascii"])]
    for case in NAMES:
        for number, (name, data) in enumerate(corpus(case).items()):
            folder = tmp_path / f"{case}{number}"
            folder.mkdir()
            paths.append(place(CASES[case], folder, name, data))
    (tmp_path / "paths").write_text("\n".join(map(str, paths)))
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "paths")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout and int(run.stdout) < 200 << 10  # kB more than before the first file
