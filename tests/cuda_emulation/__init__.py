"""The CUDA kernels on the CPU: their own source, compiled by the host's compiler.

`build` translates cpp_ext/*.cu, compiles them against the headers in include/ in place of the
toolkit's, and links a library that registers every kernel as a CPU op of another namespace. Threads
of a block are fibers; barriers, warp operations and shared memory mean what they mean on a GPU.

It is stricter than a GPU. Fresh memory is garbage, ends where its allocation ends; the host cannot
touch device memory, nor a kernel argument point to the host's; a copy to the host arrives when
somebody waits for it; all work is on torch's stream; floating-point atomics do not compile. What it
cannot show: races between threads beyond those that another order reveals, and speed.
"""

from ._build import NAMESPACE, Build, build, compiler
from ._device import Device

__all__ = ["NAMESPACE", "Build", "Device", "build", "compiler"]
