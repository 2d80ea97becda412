"""What a format is: its name, how it is recognised, read and written, and what it cannot hold."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import MeshFileWarning, one_line
from ..mesh import Mesh, Region

Arrays = Iterable[str] | None


@dataclass(frozen=True)
class Format:
    """One row of the table of formats (`docs/formats.md` is made from it).

    read(path) -> Mesh. write(mesh, path, **options). claims(path, start): the first 4096 bytes (b""
    for a folder) leave no doubt, whatever the suffix is. series(path) -> Series, where a file or
    folder holds several times; `read` then gives the last of them. write_series(path, [(time,
    mesh), ...]). selects: `read` and `series` also take `arrays=`, and read no other data.
    regions, time, lost: a few words for the table: what is kept as regions, how times are stored,
    what a written file loses.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[..., Mesh] | None = None
    write: Callable[..., None] | None = None
    claims: Callable[[Path, bytes], bool] = lambda path, start: False
    series: Callable[..., Series] | None = None
    write_series: Callable[..., None] | None = None
    selects: bool = False
    regions: str = "-"
    time: str = "-"
    lost: str = "-"


class Series:
    """The meshes of a file or folder that holds several times, read one by one when asked for.

    times: their values, increasing. `series[i]` is the mesh at times[i], `series.at(t)` the one
    at that time; its field data holds `TimeValue`. Raises MeshFileError.
    """

    def __init__(self, times: Iterable[float], load: Callable[[int], Mesh]) -> None:
        self.times = tuple(float(time) for time in times)
        self._load = load

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, index: int) -> Mesh:
        return self._load(range(len(self.times))[index])

    def __iter__(self) -> Iterator[Mesh]:
        return map(self._load, range(len(self.times)))

    def nearest(self, time: float) -> int:
        """The index of `time` where the series has it to six digits, else -1."""
        distance = [abs(other - time) for other in self.times]
        best = min(range(len(distance)), key=distance.__getitem__, default=-1)
        return best if best >= 0 and distance[best] <= 1e-6 * max(abs(time), 1e-300) else -1


def warn_sorted(path: Path | str, format: str, regions: Mapping[str, Region], what: str) -> None:
    """Warn of those `regions` whose ids, which come back in increasing order, had another."""
    names = [name for name, region in regions.items() if np.any(np.diff(region.ids) <= 0)]
    if names:
        shown = ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
        warn_lost(path, format, f"{what} come back in increasing order, each once: {shown}")


def warn_lost(path: Path | str, format: str, what: str, hint: str = "") -> None:
    """Warn that a written file holds less than the mesh does: never lose anything in silence."""
    text = one_line(f"{path} ({format}): {what}")
    warnings.warn(f"{text}; {hint}" if hint else text, MeshFileWarning, stacklevel=2)
