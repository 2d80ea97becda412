"""One run: a task, a model, a seed and a budget, in a process of its own; one JSON file."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import os
import platform
import resource
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import __version__
from ..models import registry
from ..train import Loss, StoredCase, collate, learn, make_schema, sample
from ._measure import relative_errors, summary
from ._nulls import NULLS
from ._prepare import Prepared, load_prepared
from ._task import Task, find_tasks

SHOWN = 32  # training cases that the training error is taken over
NO_LIMIT = 10**7  # steps, where minutes bound the run


@dataclass(frozen=True)
class Job:
    """What a run is. config: sizes of the operator. Of minutes and epochs whichever ends first."""

    task: str
    model: str
    seed: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    minutes: float | None = 1.0
    epochs: float | None = None
    batch: int | None = None
    lr: float = 5e-3
    device: str = "cpu"
    precision: str = "32-true"
    version: int = 1
    loss: Loss = "l2"

    @property
    def is_null(self) -> bool:
        return self.model in NULLS

    @property
    def id(self) -> str:
        """Name of the run's file. Nulls have no budget, and no seed."""
        what = {"task": self.task, "model": self.model, "version": self.version}
        if not self.is_null:
            what = asdict(self)
            if self.loss == "l2":  # as runs were named before there were others
                del what["loss"]
        digest = hashlib.blake2b(json.dumps(what, sort_keys=True).encode(), digest_size=5)
        name = self.task.replace("/", "-").replace(":", ".")
        seed = "" if self.is_null else f"-s{self.seed}"
        return f"{name}--{self.model}{seed}-{digest.hexdigest()}"


def accepted(model: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a config that this model has: one config serves many models."""
    if model in NULLS:
        return {}
    known = list(inspect.signature(registry()[model]).parameters)[1:]  # the first are the widths
    return {key: value for key, value in config.items() if key in known}


def execute(job: Job, place: Path, out: Path, threads: int | None = None) -> dict[str, Any]:
    """Run a job on prepared cases and write its record to `out`; a failure is a record too."""
    record: dict[str, Any] = {
        "schema": 1,
        "id": job.id,
        **asdict(job),
        "status": "failed",
        "meshop": __version__,
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "threads": threads or torch.get_num_threads(),
    }
    if threads:
        torch.set_num_threads(threads)
    start = time.monotonic()
    try:
        task = find_tasks([job.task])[job.task]
        record |= _null(job, task, place) if job.is_null else _learned(job, task, place, out)
        record["status"] = "ok"
    except Exception as error:
        record["error"] = f"{type(error).__name__}: {error}"
        record["traceback"] = traceback.format_exc()[-4000:]
    record["seconds"] = time.monotonic() - start
    record["peak_mb"] = peak_memory()
    write_json(out, record)
    return record


def write_json(path: Path, content: Any) -> None:
    """Written beside, then replaced; numbers that JSON does not have become null."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    beside.write_text(json.dumps(_plain(content), indent=1, allow_nan=False) + "\n")
    os.replace(beside, path)


def peak_memory() -> float:
    """Peak resident memory of this process in MB."""
    try:
        text = Path("/proc/self/status").read_text()
        line = next(row for row in text.splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):  # not Linux
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1 << 20 if platform.system() == "Darwin" else 1 << 10)


def _learned(job: Job, task: Task, place: Path, out: Path) -> dict[str, Any]:
    kind = registry()[job.model]
    torch.manual_seed(job.seed)
    prepared = load_prepared(place, kind.edges, loss=job.loss)
    before = peak_memory()
    batch = min(job.batch or task.batch, len(prepared.train))
    steps = NO_LIMIT
    if job.epochs is not None:
        steps = max(1, math.ceil(job.epochs * len(prepared.train) / batch))
    folder = out.parent / "work" / job.id
    folder.mkdir(parents=True, exist_ok=True)
    first = prepared.problem.cases[: len(prepared.train)]
    cuda = job.device.startswith("cuda") or (job.device == "auto" and torch.cuda.is_available())
    # On a processor that others use too, its own time is what a run is given.
    clock = time.monotonic if cuda else _own_time
    started = time.monotonic()
    learned = learn(
        prepared.problem,
        make_schema(prepared.problem, first, {}),
        prepared.train,
        [],
        folder,
        model=job.model,
        model_config=accepted(job.model, job.config),
        name=job.id,
        steps=steps,
        minutes=job.minutes,
        batch=batch,
        points=task.points if kind.pointwise else None,
        lr=job.lr,
        seed=job.seed,
        floor=task.floor,
        device=job.device,
        precision=job.precision,
        clock=clock,
        quiet=True,
    )
    surrogate = learned.surrogate
    surrogate.save(out.with_suffix(".safetensors"))
    device = "cuda" if cuda else "cpu"

    def predict(cases: Sequence[StoredCase]) -> list[np.ndarray]:
        found = []
        for case in cases:
            fields, _ = surrogate.run(collate([sample(case)]), device)
            found.append(fields.numpy())
        return found

    result = {
        "parameters": surrogate.n_parameters,
        "steps": learned.steps,
        "steps_a_second": learned.steps / max(learned.seconds, 1e-9),
        "epochs_done": learned.steps * batch / len(prepared.train),
        "training_seconds": learned.seconds,
        "training_wall_seconds": time.monotonic() - started,
        "batch_used": batch,
        "start_mb": before,
        **_judge(task, prepared, predict, clock),
    }
    if cuda:
        result["device_peak_mb"] = torch.cuda.max_memory_allocated() / (1 << 20)
        result["device_name"] = torch.cuda.get_device_name()
    return result


def _own_time() -> float:
    """Processor time of this process over its threads: what its wall time would be alone."""
    return time.process_time() / torch.get_num_threads()


def _null(job: Job, task: Task, place: Path) -> dict[str, Any]:
    prepared = load_prepared(place, edges=False, meshes=NULLS[job.model].meshes)
    before = peak_memory()
    start = _own_time()
    null = NULLS[job.model](task)
    null.fit(prepared.train)
    spent = _own_time() - start
    return {
        "parameters": 0,
        "training_seconds": spent,
        "start_mb": before,
        **_judge(task, prepared, null.predict, _own_time),
    }


def _judge(
    task: Task, prepared: Prepared, predict: Any, clock: Callable[[], float]
) -> dict[str, Any]:
    """Errors on every test set and on some training cases, and the speed of prediction."""
    problem = prepared.problem
    spans = np.linspace(0, len(prepared.train) - 1, min(SHOWN, len(prepared.train))).astype(int)
    some = [prepared.train[i] for i in spans]

    def errors(cases: Sequence[StoredCase], fields: Sequence[np.ndarray]) -> dict[str, Any]:
        if not all(np.isfinite(f).all() for f in fields):
            raise FloatingPointError("predicted fields are not finite")
        return summary(
            [
                relative_errors(
                    task,
                    problem.constants,
                    problem.spec.length,
                    c,
                    f,
                    prepared.restore.get(c.case.name),
                )
                for c, f in zip(cases, fields, strict=True)
            ]
        )

    train = errors(some, predict(some))  # also the first call, which is slower
    tests, nodes, seconds = {}, 0, 0.0
    for name, cases in prepared.tests.items():
        start = clock()
        fields = predict(cases)
        seconds += clock() - start
        nodes += sum(len(f) for f in fields)
        tests[name] = errors(cases, fields)
    return {
        "train_cases": len(prepared.train),
        "test_cases": {name: len(cases) for name, cases in prepared.tests.items()},
        "nodes_a_case": nodes / max(1, sum(map(len, prepared.tests.values()))),
        "nodes_a_second": nodes / max(seconds, 1e-9),
        "train_errors": {k: {"mean": v["mean"], "median": v["median"]} for k, v in train.items()},
        "tests": tests,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value
