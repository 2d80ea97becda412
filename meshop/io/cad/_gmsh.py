"""gmsh in a child process: it prints, keeps global state, may crash or never end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .._child import Ended, run
from .._files import Fault

Progress = Callable[[float, str], None]
"""Called with a stage's fraction, 0 to 1, and what gmsh is at."""

_JOBS = "meshop.io.cad._gmsh_job"
# "[ 30%] Meshing surface 4 (Plane)"; of volumes gmsh tells only how many nodes it has made.
_STEP = re.compile(
    rb"\[\s*(\d{1,3})%\]\s*([^\n]{1,200})|Info\s*: (?:It\. \d+ - (\d+ nodes)|(Optimizing mesh))"
)


def run_gmsh(
    name: str,
    job: Mapping[str, Any],
    path: Path | None = None,
    *,
    seconds: float,
    memory: float | None = None,
    progress: Progress | None = None,
    **arrays: Any,
) -> Any:
    """What the function `name` of `_gmsh_job.py` returns. Raises Fault, whatever happens there.

    seconds and memory (bytes, by default half of what the machine has) bound it.
    """
    limit = int(memory or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)

    def hear(text: bytes) -> None:
        for percent, *what in _STEP.findall(text):
            said = b"".join(what).decode("utf-8", "replace").strip()
            assert progress is not None
            progress(min(int(percent or 0), 100) / 100, said)

    try:
        return run(
            f"{_JOBS}:{name}", path, seconds=seconds, clock=seconds, memory=limit,
            hear=hear if progress else None, job={**job, "memory": limit}, **arrays,
        )  # fmt: skip
    except Ended as end:
        raise _ended(end.status, seconds) from None
    except Fault as fault:
        if fault.where != "memory":
            raise
        reason = f"it takes more than {limit / 2**30:.1f} GiB"
        raise Fault("memory", reason, "a larger size, or a higher limit") from None


def _ended(status: int | None, seconds: float) -> Fault:
    if status is None:
        hint = "a larger size, or a longer time limit"
        return Fault("time", f"gmsh was stopped after {seconds:g} s", hint)
    if status < 0:
        with contextlib.suppress(ValueError):
            how = f"gmsh died of {signal.Signals(-status).name}"
            return Fault("content", f"{how} on it", "repair it in a CAD program, export it again")
    return Fault("gmsh", f"it ended with code {status}, without a result", "a larger size")
