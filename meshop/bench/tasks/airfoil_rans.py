"""Airfoils at Reynolds numbers of 1e6 to 6.3e6 (made for meshop): a fixed small share of the cases.

Spalart-Allmaras on about 18,000 mixed cells. Seed 10 shuffles the sorted names of each family; 48
NACA and 12 UIUC sections train, 15 and 5 others are asked for. Conditions: angle and Reynolds
number. Fields on cells: velocity U, pressure p, eddy viscosity nut. Error: within one chord of the
wall, weighted by area, relative to the deviation from the free stream. The nodes know the plane
potential flow, for all models alike.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...io import read
from ...mesh import Mesh
from .._task import Split, Task

FAMILIES = {"train_*.vtu": (48, 15), "uiuc_train_*.vtu": (12, 5)}  # learned from, asked for
TESTS = {"train_*.vtu": "naca", "uiuc_train_*.vtu": "uiuc"}


def load(data: Path, work: Path) -> Split:
    """60 training cases, and two families of tests."""
    train: list[Mesh] = []
    tests: dict[str, list[Mesh]] = {}
    for pattern, (learned, asked) in FAMILIES.items():
        paths = sorted(data.glob(pattern))
        order = np.arange(len(paths))
        np.random.RandomState(10).shuffle(order)
        train += [_read(paths[k]) for k in order[:learned]]
        tests[TESTS[pattern]] = [_read(paths[k]) for k in order[learned : learned + asked]]
    return Split(train, tests)


def _read(path: Path) -> Mesh:
    mesh = read(path)
    kept = ("aoa_deg", "reynolds")  # the shape's numbers are for the network to find
    mesh.field_data = {k: v for k, v in mesh.field_data.items() if k in kept}
    return mesh


TASKS = [
    Task(
        name="airfoil_rans",
        summary="RANS flow around NACA and UIUC airfoils, 60 of 250 cases",
        load=load,
        folder="airfoil_rans",
        targets=("U", "p", "nut"),
        conditions=("aoa_deg", "reynolds"),
        measure="near",
        external=True,
        batch=1,
        points=4096,
        source="none published; made for meshop",
    )
]
