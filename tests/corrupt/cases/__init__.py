"""One module a format: good files, malformed files, and where to put them.

SUFFIX = ".stl"
def seeds() -> dict[str, bytes]     good files, small: every variant that the reader knows
def corpus() -> dict[str, bytes]    malformed files: each must raise MeshFileError
def place(folder, name, data) -> Path    optional: where a format needs more than one file,
                                         writes them all and returns what `read` is given
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

CASES: dict[str, ModuleType] = {
    module.name: importlib.import_module(f"{__name__}.{module.name}")
    for module in pkgutil.iter_modules(__path__)
}


def place(case: ModuleType, folder: Path, name: str, data: bytes) -> Path:
    """Write `data` as a file (or folder) of this format and return its path."""
    if hasattr(case, "place"):
        return case.place(folder, name, data)
    path = folder / f"{name.replace(' ', '_')}{case.SUFFIX}"
    path.write_bytes(data)
    return path
