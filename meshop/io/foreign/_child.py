"""Foreign libraries run only in a child process, with limits on its memory, time and output.

A task is named "module:function"; the function takes (path, **options) and returns any nest of
dictionaries, lists, text, numbers, None, arrays and `Mesh`. A task that raises, exits, dies by a
signal, loops or allocates without bound is one `Fault` here. Nothing is pickled.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import MeshFileError
from ...mesh import Mesh, Region
from .._files import Fault

_START = (
    "import sys; sys.path[:] = sys.argv[3:]; from meshop.io.foreign._child import serve; serve()"
)
_PLAIN_MEMORY = 256 << 20  # bytes a task may use, whatever the size of its file
_PER_BYTE = 64  # and for each byte of it: text becomes objects, structured grids become cells
_PLAIN_SECONDS = 20.0
_BYTES_PER_SECOND = 500_000
_DAMAGED = "check the file with the program that wrote it, or save it as VTU"
_MESH_ARRAYS = ("points", "cell_types", "cell_offsets", "cell_nodes", "faces", "face_offsets")
_MESH_DICTS = ("point_data", "cell_data", "field_data", "storage")


def run(
    task: str,
    path: Path,
    *,
    size: int | None = None,
    seconds: float | None = None,
    memory: int | None = None,
    **options: Any,
) -> Any:
    """What the task returns for `path`, computed in a child process.

    size: bytes that will be read, where other files belong to `path`; the limits grow with it.
    seconds: of computing (the clock may show three times as many); memory: bytes beyond what the
    interpreter and its modules take. options: passed to the task, as JSON. Raises Fault.
    """
    size = path.stat().st_size if size is None else size
    seconds = _PLAIN_SECONDS + size / _BYTES_PER_SECOND if seconds is None else seconds
    memory = _PLAIN_MEMORY + _PER_BYTE * size if memory is None else memory
    job = {
        "task": task,
        "path": os.path.abspath(path),
        "options": options,
        "seconds": math.ceil(seconds),
        "memory": memory,
    }
    with tempfile.TemporaryDirectory(prefix="meshop-", ignore_cleanup_errors=True) as folder:
        status = _wait(folder, json.dumps(job), 3 * seconds + 10)
        answer = Path(folder, "answer.json")
        if status or not answer.is_file():
            raise Fault("content", _death(status), _DAMAGED)
        try:
            found = json.loads(answer.read_bytes())
            if "fault" in found:
                raise Fault(*found["fault"])
            return _load(found["value"], Path(folder, "arrays"))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Fault("content", f"the reader's answer is damaged ({error})", _DAMAGED) from None


def _wait(folder: str, job: str, seconds: float) -> int:
    """Start the child and return its exit status once it has ended."""
    if not sys.executable:
        raise Fault("opening the file", "there is no Python interpreter to read it apart from this")
    root = str(Path(__file__).parents[3])  # also a zip archive's name
    # One thread each: idle pools of threads would count against the limit on memory.
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _START, folder, job, root, *sys.path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={
            **os.environ,
            **single,
            "MALLOC_ARENA_MAX": "1",
            "VTK_SMP_BACKEND_IN_USE": "Sequential",
        },
        start_new_session=True,
    )
    try:
        return process.wait(seconds)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL) if os.name == "posix" else process.kill()
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            reason = f"the reader did not finish within {seconds:.0f} seconds"
            raise Fault("content", reason, _DAMAGED) from None
        raise


def _death(status: int) -> str:
    if status == -getattr(signal, "SIGXCPU", 0) or status == -getattr(signal, "SIGKILL", 9):
        return "the reader was stopped: it needed more time or memory than such a file should"
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"the reader crashed on it ({signal.Signals(-status).name})"
    return f"the reader ended on it without an answer (exit status {status})"


# -- in the child -----------------------------------------------------------------------------


def serve() -> None:
    """Do the job named on the command line, and leave its answer in the folder named there."""
    folder, text = Path(sys.argv[1]), sys.argv[2]
    job = json.loads(text)
    try:
        module, _, name = job["task"].partition(":")
        task = getattr(importlib.import_module(module), name)
        prepare = getattr(sys.modules[module], "prepare", None)
        if prepare is not None:
            prepare(**job["options"])  # imports, before the limits count
        _limit(job["seconds"], job["memory"])
        with open(folder / "arrays", "wb") as arrays:
            answer = {"value": _dump(task(Path(job["path"]), **job["options"]), arrays)}
    except Fault as fault:
        answer = {"fault": [fault.where, fault.reason, fault.hint]}
    except MeshFileError as error:
        answer = {"fault": [error.where, error.reason, error.hint]}
    except MemoryError:
        answer = {
            "fault": ["memory", "it declares more than a file of its size can hold", _DAMAGED]
        }
    except BaseException as error:
        reason = f"{error}".strip() or "unreadable"
        reason = f"{reason[:300]} ({type(error).__name__})"
        answer = {"fault": ["content", reason, _DAMAGED]}
    data = json.dumps(answer).encode()
    (folder / "answer.part").write_bytes(data)
    os.replace(folder / "answer.part", folder / "answer.json")
    os._exit(0)  # destructors of damaged libraries must not spoil a good answer


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
