"""meshop doctor"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

import typer

from .._version import __version__
from ._arguments import AsJson
from ._console import BAD_INPUT, guarded, paint, print_json

_PACKAGES = (
    "torch", "torch-geometric", "numpy", "scipy", "pydantic", "safetensors", "typer", "rich",
    "matplotlib", "lightning", "meshio", "pyvista", "vtk", "trimesh", "lz4",
)  # fmt: skip


@guarded
def doctor(
    as_json: AsJson = False,
) -> None:
    """Check this installation.

    Versions, compiled library, CUDA, cache, and a short self-test: put it into bug reports.
    """
    found = _facts()
    checks = {
        "read and write": _check(_round_trip),
        "neighbours": _check(_neighbours),
        "cache": _check(_cache),
        "model": _check(_model),
    }
    healthy = all(check["ok"] for check in checks.values())
    if as_json:
        print_json({"command": "doctor", "healthy": healthy, **found, "checks": checks})
    else:
        for name, value in found.items():
            if isinstance(value, dict):
                value = ", ".join(f"{k} {v}" for k, v in value.items())
            print(f"{name:<16}{value}")
        for name, check in checks.items():
            word = "ok" if check["ok"] else "FAILED"
            mark = paint(word, "green" if check["ok"] else "red", sys.stdout)
            print(f"{name:<16}{mark} in {check['seconds']:.2f} s: {check['note']}")
    if not healthy:
        raise typer.Exit(BAD_INPUT)


def _facts() -> dict[str, Any]:
    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        from .. import ops
    cuda = "not available"
    if torch.cuda.is_available():
        cuda = f"{torch.cuda.get_device_name()} (CUDA {torch.version.cuda})"
    library = "loaded" if ops.compiled else "not loaded: plain torch serves, more slowly"
    for warning in caught:
        library += f" ({str(warning.message).splitlines()[0]})"
    return {
        "meshop": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "cpu": f"{os.cpu_count()} cores, {torch.get_num_threads()} torch threads",
        "cuda": cuda,
        "library": library,
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _check(test: Callable[[], str]) -> dict[str, Any]:
    start = perf_counter()
    try:
        note, ok = test(), True
    except Exception as error:  # whatever it is, this is where it is wanted
        note, ok = " ".join(f"{type(error).__name__}: {error}".split())[:300], False
    return {"ok": ok, "seconds": perf_counter() - start, "note": note}


def _ring(around: int = 64, layers: int = 12) -> Any:
    """A small O-grid of quads about an ellipse of chord 1, with the far field at 20 chords."""
    import numpy as np

    from ..mesh import Mesh, Region

    angle = -2 * np.pi * np.arange(around) / around
    grow = np.linspace(0, 1, layers + 1)[:, None] ** 3
    wall = np.stack([0.5 * np.cos(angle), 0.06 * np.sin(angle)], axis=1)
    far = 20 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    xy = (1 - grow[..., None]) * wall + grow[..., None] * far + (0.5, 0.0)
    i, j = np.meshgrid(np.arange(around), np.arange(layers))
    a, b = i + around * j, (i + 1) % around + around * j
    quads = np.stack([a, b, b + around, a + around], axis=-1).reshape(-1, 4)
    edge = np.arange(around)
    walls = Region("facet", np.stack([edge, (edge + 1) % around], axis=1))
    return Mesh.from_blocks(xy.reshape(-1, 2), [("quad", quads)], regions={"wall": walls})


def _round_trip() -> str:
    import numpy as np

    from ..io import read

    mesh = _ring()
    with tempfile.TemporaryDirectory(prefix="meshop-doctor-") as folder:
        path = Path(folder) / "ring.vtu"
        mesh.save(path)
        again = read(path)
    if not np.array_equal(again.points, mesh.points):
        raise RuntimeError("points came back different")
    return f"{mesh.n_cells} cells written and read back"


def _neighbours() -> str:
    import torch

    from ..ops import compiled, knn

    points = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0))
    found = knn(points, 4, exclude_self=True).index.reshape(-1, 4)
    distance = torch.cdist(points, points).fill_diagonal_(torch.inf)
    if not torch.equal(found, distance.topk(4, largest=False).indices):
        raise RuntimeError("neighbours differ from brute force")
    return "exact" + ("" if compiled else ", by plain torch")


def _cache() -> str:
    folder = Path(
        os.environ.get("MESHOP_CACHE_DIR")
        or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "meshop")
    )
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise PermissionError(f"{existing} is not writable; set MESHOP_CACHE_DIR")
    return f"{folder} is writable"


def _model() -> str:
    import numpy as np

    from ..predict import DEFAULT_MODEL, evaluate, load

    surrogate = load(DEFAULT_MODEL)
    middle = {c.name: 0.5 * (c.low + c.high) for c in surrogate.schema.conditions}
    result = evaluate(_ring(), surrogate, middle)
    if not np.isfinite(list(result.scalars.values())).all():
        raise RuntimeError("a scalar is not finite")
    return f"{surrogate.name} predicts " + ", ".join(
        f"{name} {value:.3f}" for name, value in result.scalars.items()
    )
