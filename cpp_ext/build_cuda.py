"""Compiles cpp_ext/*.cu into meshop/ops/_CUDA<major>.so with nvcc alone; needs no GPU.

    python cpp_ext/build_cuda.py [--output FOLDER] [--jobs N]

Any torch >= 2.10 gives the headers, also one without CUDA: the few functions that only a torch with
CUDA has are looked up when it loads the library. NVCC names the compiler if it is not on the PATH.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = "-DTORCH_TARGET_VERSION=0x020A000000000000"  # 2.10: the oldest torch the library loads on
# Code for A100 and H100 and their kin; newer GPUs compile the intermediate code on first use.
ARCHITECTURES = (
    "-gencode=arch=compute_80,code=sm_80",
    "-gencode=arch=compute_90,code=[sm_90,compute_90]",
)
# No fast - math, no contraction : distances equal the CPU's to the last bit. No profiler marks from
# CUB : they bring in dlopen of the newest glibc.
FLAGS = ("-O3", "-std=c++17", "-fmad=false", "--expt-relaxed-constexpr", "-DUSE_CUDA",
         "-DCCCL_DISABLE_NVTX", TARGET)  # fmt: skip
HOST = ("-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-Wall", "-g0")


def nvcc() -> str | None:
    """The CUDA compiler: NVCC, CUDA_HOME's, or the PATH's."""
    if os.environ.get("NVCC"):
        return shutil.which(os.environ["NVCC"])
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    found = shutil.which("nvcc", path=str(Path(home, "bin"))) if home else None
    return found or shutil.which("nvcc")


def major(compiler: str) -> int:
    said = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"release (\d+)\.", said.stdout)
    if not found:
        raise RuntimeError(f"{compiler} --version names no release:\n{said.stdout}")
    return int(found[1])


def build(output: Path, objects: Path, jobs: int | None = None) -> Path:
    """Compiles what changed and links; returns the library's path."""
    import torch
    from torch.utils.cpp_extension import include_paths

    compiler = nvcc()
    if compiler is None:
        raise RuntimeError("nvcc is not on the PATH, and neither NVCC nor CUDA_HOME names it")
    version = major(compiler)
    objects = objects / f"cuda{version}-torch{torch.__version__}"
    objects.mkdir(parents=True, exist_ok=True)
    output.mkdir(parents=True, exist_ok=True)
    includes = [f"-isystem={path}" for path in include_paths()]
    host = [f"-Xcompiler={','.join(HOST)}"]
    headers = max(
        p.stat().st_mtime for p in [*HERE.glob("*.h"), *HERE.glob("*.cuh"), Path(__file__)]
    )

    def compile_one(source: Path) -> Path:
        out = objects / f"{source.stem}.o"
        if out.exists() and out.stat().st_mtime > max(headers, source.stat().st_mtime):
            return out
        begin = time.monotonic()
        _run([compiler, "-c", *FLAGS, *ARCHITECTURES, *host, f"-I{HERE}", *includes,
              str(source), "-o", str(out)])  # fmt: skip
        print(f"{source.name}: {time.monotonic() - begin:.0f} s", flush=True)
        return out

    with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        compiled = list(pool.map(compile_one, [*sorted(HERE.glob("*.cu")), HERE / "portable.cpp"]))
    library = output / f"_CUDA{version}.so"
    libraries = Path(torch.__file__).parent / "lib"
    # libtorch.so brings in the parts of torch that are there; the CUDA part may be missing here.
    torch_of_the_user = ["-Xlinker=--no-as-needed", "-ltorch", "-ltorch_cpu", "-lc10"]
    _run([compiler, "-shared", "-cudart=shared", *ARCHITECTURES, *map(str, compiled),
          f"-L{libraries}", *torch_of_the_user, "-Xlinker=-s", "-o", str(library)])  # fmt: skip
    return library


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.stderr:
        print(done.stderr, file=sys.stderr, flush=True)
    if done.returncode:
        raise RuntimeError(f"exit status {done.returncode}: {' '.join(command)}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Compiles the CUDA kernels; needs no GPU.")
    parser.add_argument("--output", type=Path, default=HERE.parent / "meshop" / "ops")
    parser.add_argument("--objects", type=Path, default=HERE.parent / "build" / "cuda")
    parser.add_argument("--jobs", type=int)
    given = parser.parse_args()
    begin = time.monotonic()
    library = build(given.output, given.objects, given.jobs)
    size = library.stat().st_size / 1e6
    print(f"{library}: {size:.1f} MB, {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
