"""Foreign libraries run only in a child process, with limits on its memory, time and output.

A task is named "module:function"; the function takes (path, **options) and returns any nest of
dictionaries, lists, text, numbers, None, arrays and `Mesh`. A task that raises, exits, dies by a
signal, loops or allocates without bound is one `Fault` here. Nothing is pickled.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from ..errors import MeshFileError
from ..mesh import Mesh, Region
from ._files import Fault

_START = "import sys; sys.path[:] = sys.argv[1:]; from meshop.io._child import serve; serve()"
_PLAIN_MEMORY = 256 << 20  # bytes a task may use, whatever the size of its file
_PER_BYTE = 64  # and for each byte of it: text becomes objects, structured grids become cells
_PLAIN_SECONDS = 8.0
_BYTES_PER_SECOND = 500_000
_MOST_SECONDS = 3600.0
_DAMAGED = "check the file with the program that wrote it, or save it as VTU"
_MESH_ARRAYS = ("points", "cell_types", "cell_offsets", "cell_nodes", "faces", "face_offsets")
_MESH_DICTS = ("point_data", "cell_data", "field_data", "storage")


class Ended(Fault):
    """The child gave no answer. status: as of `subprocess.Popen`; None: its time was up."""

    def __init__(self, status: int | None, reason: str) -> None:
        super().__init__("content", reason, _DAMAGED)
        self.status = status


def run(
    task: str,
    path: Path | None = None,
    *,
    size: int | None = None,
    seconds: float | None = None,
    clock: float | None = None,
    memory: int | None = None,
    hear: Callable[[bytes], None] | None = None,
    **options: Any,
) -> Any:
    """What the task returns for `path`, computed in a child process.

    size: bytes that will be read, where other files belong to `path`; the limits grow with it.
    seconds: of computing; clock: of waiting, by default three times as many; memory: bytes beyond
    what the interpreter and its modules take. hear: called with what the child writes to its
    standard output, as it comes. options: passed to the task. Raises Fault.
    """
    if size is None:
        size = path.stat().st_size if path else 0
    if seconds is None:
        seconds = min(_PLAIN_SECONDS + size / _BYTES_PER_SECOND, _MOST_SECONDS)
    job = {
        "task": task,
        "path": os.path.abspath(path) if path else None,
        "options": options,
        "seconds": math.ceil(seconds),
        "memory": _PLAIN_MEMORY + _PER_BYTE * size if memory is None else memory,
    }
    with tempfile.TemporaryDirectory(prefix="meshop-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        _put(folder / "job", job)
        status = _wait(folder, 3 * seconds + 10 if clock is None else clock, hear)
        if status or not (folder / "answer.json").is_file():
            raise Ended(status, _death(status))
        try:
            found = _take(folder / "answer")
            if "value" in found:
                return found["value"]
            raise Fault(*found["fault"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Fault("content", f"the reader's answer is damaged ({error})", _DAMAGED) from None


def start(*arguments: str, **options: Any) -> subprocess.Popen:
    """A Python process without input and output, and of one thread."""
    if not sys.executable:
        raise Fault("opening the file", "there is no Python interpreter to read it apart from this")
    # Idle pools of threads would count against a limit on memory.
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    single |= {"MALLOC_ARENA_MAX": "1", "VTK_SMP_BACKEND_IN_USE": "Sequential"}
    silent = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    environment = {**os.environ, **single, **options.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment,
        start_new_session=True,
        **silent | options,
    )


def _wait(folder: Path, seconds: float, hear: Callable[[bytes], None] | None) -> int:
    """Start the child and return its exit status once it has ended."""
    end = monotonic() + seconds
    root = str(Path(__file__).parents[2])  # also a zip archive's name
    process = start(
        *("-I", "-c", _START, root, *map(os.path.abspath, sys.path)),
        cwd=folder,
        stdout=subprocess.PIPE if hear else subprocess.DEVNULL,
    )
    try:
        if hear:
            _listen(process.stdout, hear, end)
        return process.wait(end - monotonic())
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL) if os.name == "posix" else process.kill()
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            reason = f"the reader did not finish within {seconds:.0f} seconds"
            raise Ended(None, reason) from None
        raise
    finally:
        if process.stdout:
            process.stdout.close()


def _listen(pipe: Any, hear: Callable[[bytes], None], end: float) -> None:
    """Pass on what comes through the pipe until it is closed or time is up."""
    with selectors.DefaultSelector() as ready:
        ready.register(pipe, selectors.EVENT_READ)
        while (left := end - monotonic()) > 0:
            if ready.select(left):
                if not (text := os.read(pipe.fileno(), 1 << 16)):
                    return
                hear(text)


def _death(status: int) -> str:
    if status == -getattr(signal, "SIGXCPU", 0) or status == -getattr(signal, "SIGKILL", 9):
        return "the reader was stopped: it needed more time or memory than such a file should"
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"the reader crashed on it ({signal.Signals(-status).name})"
    return f"the reader ended on it without an answer (exit status {status})"


# -- in the child -----------------------------------------------------------------------------


def serve() -> None:
    """Do the job in the working folder, and leave its answer there."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: never outlive who asked
    folder = Path.cwd()
    job = _take(folder / "job")
    try:
        module, _, name = job["task"].partition(":")
        task = getattr(importlib.import_module(module), name)
        prepare = getattr(sys.modules[module], "prepare", None)
        if prepare is not None:
            prepare(**job["options"])  # imports, before the limits count
        _limit(job["seconds"], job["memory"])
        path = job["path"] and Path(job["path"])
        _put(folder / "answer", {"value": task(path, **job["options"])})
        os._exit(0)  # destructors of damaged libraries must not spoil a good answer
    except (Fault, MeshFileError) as error:
        fault = [error.where, error.reason, error.hint]
    except MemoryError:
        fault = ["memory", "it declares more than a file of its size can hold", _DAMAGED]
    except BaseException as error:
        reason = f"{error}".strip() or "unreadable"
        fault = ["content", f"{reason[:300]} ({type(error).__name__})", _DAMAGED]
    _put(folder / "answer", {"fault": fault})
    os._exit(0)


def _limit(seconds: int, memory: int) -> None:
    """Bound this process's computing time, memory and files, as far as the system can."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock remains
        return
    limits = {"RLIMIT_CORE": 0, "RLIMIT_CPU": seconds, "RLIMIT_FSIZE": memory}
    limits["RLIMIT_CPU"] += math.ceil(sum(os.times()[:2]))
    with contextlib.suppress(OSError):  # Linux; macOS does not enforce this limit
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits["RLIMIT_AS"] = pages * resource.getpagesize() + memory
    for name, value in limits.items():
        with contextlib.suppress(ValueError, OSError, AttributeError):
            kind = getattr(resource, name)
            hard = resource.getrlimit(kind)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, hard))


# -- both sides: values as JSON, arrays as raw bytes in one file -------------------------------


def _put(name: Path, value: Any) -> None:
    """Write a value to two files of this name."""
    with open(name.with_suffix(".arrays"), "wb") as arrays:
        data = json.dumps(_dump(value, arrays)).encode()
    name.with_suffix(".part").write_bytes(data)
    os.replace(name.with_suffix(".part"), name.with_suffix(".json"))  # complete or not at all


def _take(name: Path) -> Any:
    data = json.loads(name.with_suffix(".json").read_bytes())
    return _load(data, name.with_suffix(".arrays"))


def _dump(value: Any, file: Any) -> Any:
    if isinstance(value, Mesh):
        fields: dict[str, Any] = {k: getattr(value, k) for k in (*_MESH_ARRAYS, *_MESH_DICTS)}
        fields["regions"] = {name: [r.kind, r.ids] for name, r in value.regions.items()}
        fields["components"] = [[*key, *labels] for key, labels in value.components.items()]
        return {"mesh": _dump(fields, file)}
    if isinstance(value, np.ndarray):
        value = np.ascontiguousarray(value)
        if value.dtype.kind not in "biufUS":
            raise Fault("content", f"an array of {value.dtype}, expected numbers or text")
        row = [value.dtype.str, list(value.shape), file.tell()]
        file.write(value.view(np.uint8).data if value.size else b"")
        return {"array": row}
    if isinstance(value, dict):  # names in a list: any text may be one
        return {"dict": [[str(key), _dump(item, file)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_dump(item, file) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, str | int | float):
        return value
    raise Fault("content", f"the task answers with {type(value).__name__}, expected plain data")


def _load(value: Any, arrays: Path) -> Any:
    if isinstance(value, list):
        return [_load(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "dict":
        return {key: _load(item, arrays) for key, item in inner}
    if kind == "array":
        name, shape, start = inner
        dtype, count = np.dtype(name), math.prod(shape)
        if dtype.kind not in "biufUS" or min([start, *shape]) < 0:
            raise ValueError("an array of no plain kind")
        if start + count * dtype.itemsize > arrays.stat().st_size:
            raise ValueError("an array without its values")
        if not count or not dtype.itemsize:
            return np.zeros(shape, dtype)
        return np.fromfile(arrays, dtype, count, offset=start).reshape(shape)
    fields = _load(inner, arrays)
    fields["regions"] = {name: Region(*row) for name, row in fields["regions"].items()}
    fields["components"] = {(row[0], row[1]): tuple(row[2:]) for row in fields["components"]}
    return Mesh(**fields)
