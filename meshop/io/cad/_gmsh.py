"""gmsh in a child process: it prints, keeps global state, may crash or never end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from .._files import Fault

Progress = Callable[[float, str], None]
"""Called with a stage's fraction, 0 to 1, and what gmsh is at."""

_SCRIPT = Path(__file__).with_name("_gmsh_job.py")
# "[ 30%] Meshing surface 4 (Plane)"; of volumes gmsh tells only how many nodes it has made.
_STEP = re.compile(
    rb"\[\s*(\d{1,3})%\]\s*([^\n]{1,200})|Info\s*: (?:It\. \d+ - (\d+ nodes)|(Optimizing mesh))"
)
_INSTALL = (
    "pip install 'meshop[cad]'",
    "apt-get install libglu1-mesa libxcursor1 libxft2 libxinerama1 libgomp1",
)


def run_gmsh(
    job: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray] | None = None,
    *,
    seconds: float,
    memory: float | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Do `job` (see `_gmsh_job.py`): its answer and arrays. Raises Fault, whatever happens there.

    seconds and memory (bytes, by default half of what the machine has) bound it.
    """
    limit = int(memory or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    with tempfile.TemporaryDirectory(prefix="meshop-") as folder:
        for name, array in (arrays or {}).items():
            np.save(Path(folder, f"{name}.npy"), array, allow_pickle=False)
        paths = [os.path.abspath(path) for path in sys.path]
        given = dict(job) | {"memory": limit, "import_from": paths}
        Path(folder, "job.json").write_text(json.dumps(given), "utf-8")
        code = _watch(folder, seconds, progress)
        try:
            answer = json.loads(Path(folder, "answer.json").read_text("utf-8"))
        except (OSError, ValueError):
            raise _died(code, limit) from None
        if not answer["ok"]:
            raise _refused(answer, limit)
        found = {
            path.stem: np.load(path, allow_pickle=False)
            for path in Path(folder).glob("*.npy")
            if path.stem not in (arrays or {})
        }
    return answer, found


def _watch(folder: str, seconds: float, progress: Progress | None) -> int:
    """Run the script until it ends or its time is up; nothing that it prints gets through."""
    command = [sys.executable, "-I", os.fspath(_SCRIPT), folder]
    end = monotonic() + seconds
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        os.set_blocking(child.stdout.fileno(), False)
        with selectors.DefaultSelector() as ready:
            ready.register(child.stdout, selectors.EVENT_READ)
            while (left := end - monotonic()) > 0:
                if not ready.select(left):
                    continue
                text = os.read(child.stdout.fileno(), 1 << 16)
                if not text:
                    return child.wait(max(end - monotonic(), 0.1))
                if progress and (steps := _STEP.findall(text)):
                    percent, *what = steps[-1]
                    said = b"".join(what).decode("utf-8", "replace").strip()
                    progress(min(int(percent or 0), 100) / 100, said)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if child.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        if child.stdout is not None:
            child.stdout.close()
    hint = "a larger size, or a longer time limit"
    raise Fault("time", f"gmsh was stopped after {seconds:g} s", hint)


def _died(code: int, limit: int) -> Fault:
    if code < 0:
        with contextlib.suppress(ValueError):
            how = f"gmsh died of {signal.Signals(-code).name}"
            return Fault("content", f"{how} on it", "repair it in a CAD program, export it again")
    return Fault("gmsh", f"it ended with code {code}, without a result", "a larger size")


def _refused(answer: Mapping[str, Any], limit: int) -> Fault:
    where, reason, hint = (str(answer[key]) for key in ("where", "reason", "hint"))
    if where == "memory":
        reason = f"it takes more than {limit / 2**30:.1f} GiB"
        return Fault(where, reason, "a larger size, or a higher limit")
    if hint == "import":
        library = ".so" in reason
        reason = f"gmsh cannot be imported: {reason}"
        return Fault("gmsh", reason, _INSTALL[library])
    return Fault(where, reason, hint)
