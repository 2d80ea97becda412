"""Translates the CUDA sources and compiles them with the host's compiler."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.cpp_extension import include_paths

from .translate import translate

HERE = Path(__file__).parent
NAMESPACE = "meshop_emulated"
_TARGET = "-DTORCH_TARGET_VERSION=0x020A000000000000"
_DEVICE_ALGORITHMS = ("scan", "radix_sort", "reduce", "select", "run_length_encode", "partition")


_runtime_objects: dict[Path, Path] = {}  # compiled earlier by this process


def compiler() -> str | None:
    """g++, or what CXX names. Clang is refused: it does not know the poison of local variables."""
    return shutil.which(os.environ.get("CXX", "g++"))


@dataclass(frozen=True)
class Build:
    library: Path
    faults: dict[str, str]  # by kernel file: why it is not in the library


def build(sources: Path, target: Path, namespace: str = NAMESPACE) -> Build:
    """Compiles ``sources``/*.cu into one library in the folder ``target``; ops go to ``namespace``.

    A kernel file that does not compile is left out, so that the others can be tested.
    """
    target.mkdir(parents=True, exist_ok=True)
    for header in sorted([*sources.glob("*.h"), *sources.glob("*.cuh")]):
        _translated(header, target / header.name, namespace)
    for name in _DEVICE_ALGORITHMS:
        forward = target / "cub" / "device" / f"device_{name}.cuh"
        forward.parent.mkdir(parents=True, exist_ok=True)
        forward.write_text("#include <cub/cub.cuh>\n")
    units = [target / f"{path.stem}.cu.cpp" for path in sorted(sources.glob("*.cu"))]
    for unit in units:
        _translated(sources / unit.name.removesuffix(".cpp"), unit, namespace)
    schema = target / "schema.cpp"
    _translated(sources / "schema.cpp", schema, namespace)
    runtime = [HERE / "threads.cpp", HERE / "memory.cpp"]
    headers = [f"-isystem{path}" for path in include_paths()]
    local = [f"-I{HERE / 'include'}", f"-I{target}"]
    # Local variables that nobody set hold a pattern too.
    common = ["-std=c++17", "-O1", "-g1", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off"]
    common += ["-ftrivial-auto-var-init=pattern", *local, *headers]
    device = [*common, "-DUSE_CUDA", _TARGET, "-include", "emulation/prelude.h", "-Wno-attributes"]

    def compile_one(source: Path) -> Path:
        flags = device
        if source in runtime:  # c10 itself, which wants the language torch was built in
            flags = ["-std=c++20" if f == "-std=c++17" else f for f in common]
            if source in _runtime_objects and _runtime_objects[source].exists():
                return _runtime_objects[source]
        out = target / f"{source.stem}.o"
        _run([str(compiler()), *flags, "-c", str(source), "-o", str(out)])
        if source in runtime:
            _runtime_objects[source] = out
        return out

    faults: dict[str, str] = {}

    def compile_kernels(source: Path) -> Path | None:
        try:
            return compile_one(source)
        except RuntimeError as error:
            faults[source.name.removesuffix(".cpp")] = str(error)
            return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        kernels = pool.map(compile_kernels, units)
        objects = [*pool.map(compile_one, [*runtime, schema]), *filter(None, kernels)]
    library = target / "emulated.so"
    folder = Path(torch.__file__).parent / "lib"
    link = ["-shared", f"-L{folder}", "-ltorch_cpu", "-lc10", f"-Wl,-rpath,{folder}"]
    _run([str(compiler()), *map(str, objects), *link, "-o", str(library)])
    return Build(library, faults)


def _translated(path: Path, to: Path, namespace: str) -> None:
    to.write_text(translate(path.read_text(), str(path), namespace))


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr[-8000:]}")
