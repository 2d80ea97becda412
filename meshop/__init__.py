"""meshop: simulation meshes in, trained operators and trusted predictions out.

    mesh = meshop.read("geometries/airfoil.vtu")
    prediction = meshop.Surrogate.load("airfoil-rans").predict(mesh, aoa_deg=4.0, reynolds=3e6)

Importing meshop is cheap: each name below loads its part of the package on first use.
"""

import sys
from importlib import import_module
from logging import NullHandler, getLogger
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .io import mesh_cad as mesh_cad
    from .io import read as read
    from .io import read_series as read_series
    from .io import write_series as write_series
    from .mesh import Mesh as Mesh
    from .predict import predict as predict
    from .predict import rollout as rollout
    from .solvers import solve as solve
    from .surrogate import Surrogate as Surrogate
    from .train import train as train

_HOMES = {
    "mesh_cad": "io",
    "read": "io",
    "read_series": "io",
    "write_series": "io",
    "Mesh": "mesh",
    "Surrogate": "surrogate",
    "predict": "predict",
    "rollout": "predict",
    "train": "train",
    "info": "predict",
    "solve": "solvers",
}
_PACKAGES = (
    "cli", "predict", "train", "viz", "surrogate", "movers", "reduced", "models", "nn", "graph",
    "io", "mesh", "solvers", "ops", "compat", "errors", "testing",
)  # fmt: skip

__all__ = [
    "Mesh", "Surrogate", "__version__", "info", "mesh_cad", "predict", "read", "read_series",
    "rollout", "solve", "train", "write_series",
]  # fmt: skip

getLogger("meshop").addHandler(NullHandler())  # the command line alone decides what is shown


class _Package(ModuleType):
    """Keeps ``meshop.predict`` the function, also once the package of that name is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    if name in _PACKAGES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'meshop' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PACKAGES})
