"""The compiled libraries lean on torch's stable C interface alone: one build serves every torch."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from meshop.ops import _library

LIBRARIES = sorted(Path(_library.__file__).parent.glob("*.so"))
#: What a library may take from others: torch's shims, CUDA's runtime, the C and C++ runtimes.
ALLOWED = re.compile(
    r"(aoti_torch_|torch_)\w+ | (cuda|__cuda)\w+(@libcudart\.so\.\d+)?"
    r"| \w+@\w*(GLIBC|GLIBCXX|CXXABI|GCC)_[\d.]+"
    # Of newer C++ runtimes; torch's own libraries bring them where the system's is older.
    r"| _ZNSt7__cxx111[89]basic_o?stringstreamIcSt11char_traitsIcESaIcEEC1Ev"
    r"| _ZSt28__throw_bad_array_new_lengthv"
    r"| _ITM_(de)?registerTMCloneTable | __gmon_start__",
    re.VERBOSE,
)
NEEDED = re.compile(
    r"(libtorch|libtorch_cpu|libc10|libcudart|libstdc\+\+|libgcc_s|libc|libm)\.so(\.\d+)?"
    r"|ld-linux-\S+"
)

needs_binutils = pytest.mark.skipif(shutil.which("nm") is None, reason="binutils are not here")


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def strangers(undefined: str) -> list[str]:
    """The symbols of ``nm -D --undefined-only`` that are not allowed."""
    names = [line.split()[-1] for line in undefined.splitlines()]
    return [name for name in names if not ALLOWED.fullmatch(name.replace("@@", "@"))]


@needs_binutils
@pytest.mark.parametrize("library", LIBRARIES, ids=lambda p: p.name)
def test_only_stable_symbols_are_used(library: Path) -> None:
    undefined = _output("nm", "-D", "--undefined-only", str(library))
    assert "aoti_torch_" in undefined
    assert strangers(undefined) == []


@needs_binutils
@pytest.mark.parametrize("library", LIBRARIES, ids=lambda p: p.name)
def test_no_library_of_python_is_needed(library: Path) -> None:
    found = re.findall(r"\(NEEDED\).*\[(.+)\]", _output("readelf", "-d", str(library)))
    assert found and all(NEEDED.fullmatch(name) for name in found), found
    assert "RPATH" not in _output("readelf", "-d", str(library))


@needs_binutils
@pytest.mark.parametrize("library", LIBRARIES, ids=lambda p: p.name)
def test_nothing_of_ours_is_exported(library: Path) -> None:
    defined = _output("nm", "-D", "--defined-only", str(library))
    assert "meshop" not in defined


@pytest.mark.parametrize(
    "symbol",
    ["PyObject_Call", "_Py_Dealloc", "_ZN3c104WarnC1Ev", "_ZN2at5emptyEv", "THPVariable_Wrap"],
)
def test_other_symbols_would_be_seen(symbol: str) -> None:
    assert strangers(f"                 U {symbol}") == [symbol]
    assert strangers("                 U memcpy@GLIBC_2.14\n   w __gmon_start__") == []
