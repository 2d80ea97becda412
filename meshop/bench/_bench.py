"""`bench`: all runs of tasks x models x seeds, those that are there already left as they are."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import ConditionError, MeshopError
from ..models import registry
from ..train import Loss
from ._nulls import NULLS
from ._prepare import prepare
from ._report import Table, report
from ._run import Job, accepted, write_json
from ._task import all_tasks, data_root, find_tasks

log = logging.getLogger("meshop")
PATIENCE = 900.0  # seconds a run may take beyond its budget before it counts as hung
SLACK = 20.0  # times its budget: the machine may be busy


def bench(
    out: str | Path = "bench",
    *,
    tasks_wanted: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    seeds: Sequence[int] = (0,),
    minutes: float | None = None,
    epochs: float | None = None,
    config: Mapping[str, Any] | None = None,
    configs: Mapping[str, Mapping[str, Any]] | None = None,
    batch: int | None = None,
    lr: float = 5e-3,
    loss: Loss = "l2",
    jobs: int = 1,
    threads: int | None = None,
    data: str | os.PathLike | None = None,
    device: str = "cpu",
    precision: str = "32-true",
    retry: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Table:
    """Run what is missing of a benchmark, then report all that is in `out`.

    tasks_wanted, models: names, all by default (every operator, and the nulls). seeds: one run
    each. minutes, epochs: budget of a run, whichever ends first; a minute where neither is given;
    on a CPU minutes are processor time over threads, so that a busy machine is fair to all.
    loss: of training, as of `meshop.train.train`; errors are in L2 whatever it is.
    config: sizes for every model that has them; configs: model -> sizes of its own. jobs: runs at
    a time, each a process with `threads` threads (the cores shared out). data: folder of the
    tasks' data, or $MESHOP_DATA; tasks without theirs are skipped with the reason. retry: failed
    runs again. progress(done, total, what) after each run.

    Results: out/runs/*.json, and the report's files in out. Raises ConditionError for names that
    are not known.
    """
    folder = Path(out)
    chosen = find_tasks(tasks_wanted or list(all_tasks()))
    models = list(models or [*NULLS, *registry()])
    if unknown := [m for m in models if m not in NULLS and m not in registry()]:
        known = ", ".join([*NULLS, *registry()])
        raise ConditionError(f"no model {', '.join(unknown)}", f"known: {known}")
    if minutes is None and epochs is None:
        minutes = 1.0
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    threads = threads or max(1, (os.cpu_count() or 1) // max(1, jobs))
    todo, skipped = [], {}
    for name, task in chosen.items():
        mine = []
        for model in models:
            for seed in seeds if model not in NULLS else seeds[:1]:
                sizes = {**(config or {}), **(configs or {}).get(model, {})}
                job = Job(
                    task=name,
                    model=model,
                    seed=seed,
                    config=accepted(model, sizes),
                    minutes=minutes,
                    epochs=epochs,
                    batch=batch,
                    lr=lr,
                    device=device,
                    precision=precision,
                    version=task.version,
                    loss=loss,
                )
                if not _is_done(folder / "runs" / f"{job.id}.json", retry):
                    mine.append(job)
        if not mine:
            continue
        log.info("%s: %d runs; its cases are prepared first", name, len(mine))
        try:
            place = prepare(name, task, data_root(data), folder, workers=max(1, jobs))
        except MeshopError as error:
            skipped[name] = " ".join(str(error).split())
            log.warning("%s is skipped: %s", name, skipped[name])
            continue
        todo += [(job, place) for job in mine]
    write_json(folder / "skipped.json", skipped)
    _run_all(todo, folder, jobs, threads, progress)
    return report(folder)


def _is_done(path: Path, retry: bool) -> bool:
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return not (retry and record.get("status") != "ok")


def _run_all(
    todo: Sequence[tuple[Job, Path]],
    folder: Path,
    jobs: int,
    threads: int,
    progress: Callable[[int, int, str], None] | None,
) -> None:
    lock, done = threading.Lock(), [0]
    running: set[subprocess.Popen] = set()
    stop = threading.Event()

    def run(item: tuple[Job, Path]) -> None:
        job, place = item
        if stop.is_set():
            return
        status = _run_one(job, place, folder, threads, running, stop)
        if stop.is_set():
            return
        with lock:
            done[0] += 1
            if progress:
                progress(done[0], len(todo), f"{job.task} {job.model} seed {job.seed}: {status}")

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        try:
            for _ in pool.map(run, todo):
                pass
        except BaseException:
            stop.set()
            for process in list(running):
                process.kill()
            raise


def _run_one(
    job: Job,
    place: Path,
    folder: Path,
    threads: int,
    running: set[subprocess.Popen],
    stop: threading.Event,
) -> str:
    """Start a process for a run and wait; whatever happens, there is a record, unless the user
    stops it all."""
    out = folder / "runs" / f"{job.id}.json"
    order = folder / "runs" / f".{job.id}.job"
    order.write_text(
        json.dumps({"job": asdict(job), "place": str(place), "out": str(out), "threads": threads})
    )
    out.unlink(missing_ok=True)
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    limit = PATIENCE + SLACK * 60 * job.minutes if job.minutes else None
    error = ""
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "meshop.bench", str(order)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is ours to deal with
        )
        running.add(process)
        try:
            _, talk = process.communicate(timeout=limit)
            if process.returncode:
                error = f"the process ended with {process.returncode}: {talk[-2000:]}"
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            error = f"stopped after {limit:.0f} s"
        finally:
            running.discard(process)
    finally:
        order.unlink(missing_ok=True)
        shutil.rmtree(folder / "runs" / "work" / job.id, ignore_errors=True)
    if stop.is_set():
        return "stopped"
    if not out.exists():
        record = {"schema": 1, "id": job.id, **asdict(job), "status": "failed", "error": error}
        write_json(out, record)
    record = json.loads(out.read_text())
    return "ok" if record["status"] == "ok" else f"failed ({record.get('error', '')[:200]})"
