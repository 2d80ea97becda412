"""Builds the kernels behind meshop.ops as plain shared libraries on LibTorch's stable ABI.

meshop/ops/_C.so         CPU; holds no Python symbol and loads on every torch >= 2.10
meshop/ops/_CUDA13.so    GPU, on every torch >= 2.10 of that CUDA major; built by
                         cpp_ext/build_cuda.py when nvcc and a torch with CUDA are present

Both are optional. Without a compiler the install succeeds and meshop runs its plain-torch
reference instead. MESHOP_BUILD=0 skips the build; MESHOP_BUILD_CUDA=0|1 decides the GPU library.
"""

import os
import sys
from pathlib import Path
from typing import Any

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel

TARGET = "-DTORCH_TARGET_VERSION=0x020A000000000000"  # 2.10: the oldest torch the library loads on
ROOT = Path(__file__).parent


def sources(pattern: str) -> list[str]:
    return sorted(str(p.relative_to(ROOT)) for p in (ROOT / "cpp_ext").glob(pattern))


def say(message: str) -> None:
    print(f"meshop: {message}", file=sys.stderr, flush=True)


def extensions() -> dict[str, Any]:
    if os.environ.get("MESHOP_BUILD") == "0":
        return {}
    sys.path.insert(0, str(ROOT / "cpp_ext"))
    import build_cuda

    try:
        import torch
        from torch.utils.cpp_extension import BuildExtension, CppExtension
    except ImportError as error:
        say(f"torch is not importable ({error}); the kernels are not built")
        return {}

    class OptionalBuild(BuildExtension):
        """A failed build costs speed, never the install."""

        def build_extensions(self) -> None:
            try:
                super().build_extensions()
            # No compiler shows as almost any exception, SystemExit among them, or as a warning.
            except (Exception, SystemExit) as error:
                say(str(error))
            for module in self.extensions:
                if not Path(self.get_ext_fullpath(module.name)).exists():
                    say(f"{module.name} was not built. Everything works without it, slower.")
                    say("To build it, install a C++17 compiler and repeat the installation")
            wanted = os.environ.get("MESHOP_BUILD_CUDA")
            if wanted == "1" or (wanted is None and torch.version.cuda and build_cuda.nvcc()):
                folder = Path(self.get_ext_fullpath("meshop.ops._C")).parent
                try:
                    say(f"built {build_cuda.build(folder, Path(self.build_temp) / 'cuda')}")
                except Exception as error:
                    if wanted:
                        raise
                    say(f"{error}\nmeshop: the CUDA kernels were not built; GPUs run plain torch")

    class PlatformWheel(bdist_wheel):
        """For any Python: the libraries hold no symbol of it. abi3 would bar free-threaded ones."""

        def get_tag(self) -> tuple[str, str, str]:
            return "py3", "none", super().get_tag()[2]

    # No fast-math (it breaks NaN checks), no contraction (CPU, GPU and the reference agree
    # to the last bit on squared distances).
    host = ["-O3", "-std=c++17", "-ffp-contract=off", "-fvisibility=hidden", "-Wall", "-g0", TARGET]
    # py_limited_api leaves libtorch_python out of the link.
    # Exported whatever -fvisibility says: a function's versions for several instruction sets.
    exports = f"-Wl,--version-script={ROOT / 'cpp_ext' / 'exports.map'}"
    common = {
        "extra_link_args": [exports] if sys.platform == "linux" else [],
        "include_dirs": [str(ROOT / "cpp_ext")],
        "depends": sources("*.h"),
        "py_limited_api": True,
    }
    modules = [
        CppExtension("meshop.ops._C", sources("*.cpp"), extra_compile_args={"cxx": host}, **common)
    ]
    for module in modules:
        module.optional = True
    # ninja is not needed for a handful of files; without the suffix the name carries no Python ABI.
    build = OptionalBuild.with_options(use_ninja=False, no_python_abi_suffix=True)
    return {
        "ext_modules": modules,
        "cmdclass": {"build_ext": build, "bdist_wheel": PlatformWheel},
    }


setup(**extensions())
