"""What the benchmarks share: timing in turns, the machine's limits, tables."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

import meshop

ROOT = Path(__file__).resolve().parents[1]


def interleaved(
    jobs: dict[str, Callable[[], Any]],
    repeats: int,
    settle: bool = False,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of each job, run in turns so that a busy machine is fair to all.

    settle: each timed call follows one that is not, as in a loop. Virtual machines give free memory
    back to their host within seconds, and asking for it again takes longer than most kernels.
    clock: time.process_time counts a process's own seconds, all threads', where others run too.
    """
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(repeats + 1):
        for name, job in jobs.items():
            if settle:
                job()
            start = clock()
            job()
            if turn:  # the first turn warms up
                times[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def nbytes(*tensors: torch.Tensor) -> int:
    """Bytes that the tensors hold."""
    return sum(t.numel() * t.element_size() for t in tensors)


def resident(reset: bool = False) -> int:
    """Peak bytes resident since the last reset; with `reset`, those now resident."""
    if reset:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    with open("/proc/self/status") as file:
        status = dict(line.split(":", 1) for line in file)
    return int(status["VmHWM"].split()[0]) * 1024


def held_by(make: Callable[[], Callable[[], Any]], warm: Callable[[], Any]) -> int:
    """Bytes that the resident set grows by at most, over two calls of the job that `make` makes.

    warm: a small job first, for what the libraries load.
    """
    warm()
    before = resident(reset=True)
    job = make()
    job()
    job()
    return resident() - before


def copy_bandwidth() -> float:
    """Bytes read and written a second, copying to memory that is there already."""
    a = torch.ones(1 << 26)
    b = torch.empty_like(a).copy_(a)
    return 2 * nbytes(a) / interleaved({"copy": lambda: b.copy_(a)}, 7)["copy"]


def arithmetic_peak() -> float:
    """float32 operations a second, in a product of matrices."""
    a = torch.rand(1024, 1024)
    return 2 * 1024**3 / interleaved({"product": lambda: a @ a}, 7)["product"]


def machine() -> dict[str, Any]:
    model = platform.processor()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            model = next((s.split(":")[1].strip() for s in file if "model name" in s), model)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cpu": model,
        "threads": torch.get_num_threads(),
        "load": load,
        "torch": torch.__version__,
        "meshop": meshop.__version__,
    }


def table(rows: Sequence[Sequence[Any]], head: Sequence[str]) -> str:
    """Right-aligned columns; floats to four digits."""

    def text(v: Any) -> str:
        return f"{v:.4g}" if isinstance(v, float) else str(v)

    cells = [[text(v) for v in row] for row in [head, *rows]]
    width = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(v.ljust(w) if i == 0 else v.rjust(w) for i, (v, w) in enumerate(zip(r, width)))  # noqa: B905
        for r in cells
    )


def write_json(path: str | None, result: Any) -> None:
    if path:
        Path(path).write_text(json.dumps(result, indent=1))
        print(f"written: {path}")
