"""The compiled library and the reference in its place."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from meshop import ops
from meshop.ops import _library
from meshop.testing import OpSpec, check_op

from .specs import SPECS

HERE = Path(__file__).parent


def _python(*args: str, library: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *args],
        env=os.environ | {"MESHOP_LIBRARY": library},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", _library.SCHEMAS)
def test_schemas_are_the_same_in_both_languages(name: str) -> None:
    schema = getattr(torch.ops.meshop, name).default._schema
    assert schema == torch._C.parse_schema(f"meshop::{name}{_library.SCHEMAS[name]}")


def test_every_op_has_a_spec() -> None:
    assert set(SPECS) == set(_library.SCHEMAS)


EVERYTHING = pytest.param(set(), marks=pytest.mark.slow)


@pytest.mark.skipif(not ops.compiled, reason="this run is the reference's own")
@pytest.mark.parametrize("left_out", [{"test_specs.py"}, EVERYTHING])
def test_the_suite_passes_without_the_library(left_out: set[str]) -> None:
    left_out = left_out | {Path(__file__).name}
    others = [str(p) for p in sorted(HERE.glob("test_*.py")) if p.name not in left_out]
    run = _python("-m", "pytest", "-p", "no:cacheprovider", "-m", "not slow", *others, library="0")
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]


def test_a_missing_library_is_told_once() -> None:
    code = (
        "import torch, meshop.ops as ops; p = torch.rand(5, 2); ops.knn(p, 2); ops.radius(p, 1.0);"
        "print(ops.compiled, ops.knn(p, 1).index.tolist())"
    )
    run = _python("-c", code, library=str(HERE / "absent.so"))
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "False [0, 1, 2, 3, 4]"
    assert run.stderr.count("MeshopWarning") == 1
    assert "absent.so is not built" in run.stderr and "C++17 compiler" in run.stderr


def test_a_broken_library_is_told_once(tmp_path: Path) -> None:
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"not a library")
    run = _python("-c", "import meshop.ops as ops; print(ops.compiled)", library=str(broken))
    assert run.stdout.strip() == "False"
    assert run.stderr.count("MeshopWarning") == 1 and "does not load" in run.stderr


def test_check_op_finds_faults_and_is_strict_about_exceptions() -> None:
    edges = SPECS["cell_edges"]
    good = OpSpec(edges.op, edges.reference, {at: edges.samples[at] for at in ("line", "no cell")})
    wrong = OpSpec(edges.op, lambda *mesh: edges.reference(*mesh) + 1, samples=good.samples)
    with pytest.raises(AssertionError, match="reference: line, output 0"):
        check_op(wrong)
    on_purpose = {"reference": "off by one", "bounds": "a larger node number is one too"}
    check_op(wrong, expected_failures=on_purpose)
    with pytest.raises(AssertionError, match="layout: passed, though expected to fail"):
        check_op(good, expected_failures={"layout": "it does not"})
    with pytest.raises(ValueError, match="no check"):
        check_op(good, expected_failures={"speed": "unknown"})
