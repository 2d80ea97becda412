"""Results of Fluent (`.dat`): the values of cell zones, variable by variable."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...mesh import Mesh
from .._files import Fault, read_bytes
from .._format import warn_lost
from ._mesh import CaseFile, Zone
from ._names import variable_names
from ._sections import Section, sections, unpacked

_VALUES = 300
_FREE = 100 << 20  # bytes that cells without values may take
_OTHER = "give these results the name of the case that they belong to"
_Part = tuple[np.ndarray, np.ndarray]  # cells of the mesh, their values (n, components)


def add_results(path: Path, mesh: Mesh, case: CaseFile, text: bytes) -> None:
    """Add the cell values of `path` to the mesh of `case`, whose content is `text`.

    Cells of zones that a variable is not given for have NaN. Raises Fault.
    """
    if case.number is None:
        warn_lost(path, "Fluent", "results are left out: the cells of this mesh have no numbers")
        return
    data = read_bytes(path)
    data = unpacked(data) if data.startswith(b"\x1f\x8b") else data
    names = variable_names(text)
    zones = {zone.id: zone for zone in case.zones}
    found: dict[str, list[_Part]] = {}
    left_out: dict[str, None] = {}
    for section in sections(data, (_VALUES,)):
        if section.head is None or not section.body:
            continue
        variable, of, size, first, last = _head(section)
        name = names.get(variable, f"variable {variable}")
        if of not in zones:
            left_out[name] = None
            continue
        cells = _cells(section, case, zones[of], first, last)
        values = section.floats(len(cells) * size)
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        found.setdefault(name, []).append((cells, values.reshape(-1, size)))
    _check_room(found, mesh.n_cells, len(data) + len(text))
    for name, parts in found.items():
        mesh.cell_data[name] = _joined(name, parts, mesh.n_cells)
    if left_out:
        what = f"values on zones that are not of cells are left out: {', '.join(left_out)}"
        warn_lost(path, "Fluent", what)


def _head(section: Section) -> tuple[int, int, int, int, int]:
    """Variable, zone, components, first and last cell."""
    words = (section.head or b"").split()
    if len(words) != 7 or not all(word.isdigit() and len(word) <= 15 for word in words):
        raise Fault(section.where, "expected seven numbers in its head")
    variable, zone, size, _, _, first, last = map(int, words)
    if not size or not 1 <= first <= last + 1:
        raise Fault(section.where, f"{size} components of {first} to {last}")
    return variable, zone, size, first, last


def _cells(section: Section, case: CaseFile, zone: Zone, first: int, last: int) -> np.ndarray:
    """Where in the mesh the cells `first` to `last` of the file are, -1 for none."""
    assert case.number is not None
    if not zone.first <= first <= last + 1 <= zone.last + 1:
        if last - first != zone.last - zone.first:
            reason = f"cells {first} to {last}, zone {zone.id} has {zone.first} to {zone.last}"
            raise Fault(section.where, reason, _OTHER)
        first, last = zone.first, zone.last  # counted from 1 in each zone
    return case.number[first - 1 : last]


def _check_room(found: dict[str, list[_Part]], n_cells: int, size: int) -> None:
    """Let variables that a few cells have each not fill the memory with NaN."""
    rows = sum(parts[0][1].shape[1] for parts in found.values())
    if 8 * rows * n_cells > 4 * size + _FREE:
        reason = f"{len(found)} variables on a few of {n_cells} cells each"
        raise Fault("results", reason, "write them for all zones")


def _joined(name: str, parts: list[_Part], n_cells: int) -> np.ndarray:
    """The values of all cells; NaN where there is none."""
    sizes = {values.shape[1] for _, values in parts}
    if len(sizes) > 1:
        raise Fault(f"variable {name}", "its zones disagree on the number of components")
    kind = np.result_type(*(values for _, values in parts))
    out = np.full((n_cells, *sizes), np.nan, kind)
    for cells, values in parts:
        out[cells[cells >= 0]] = values[cells >= 0]
    return out if out.shape[1] > 1 else out[:, 0].copy()
