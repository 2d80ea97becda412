"""Small tasks with known answers, made in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from meshop.bench import Split, Task
from meshop.bench._meshes import delaunay, with_case
from meshop.mesh import Mesh


def cases(count: int, seed: int, n: int = 90, known: bool = False) -> list[Mesh]:
    """u = a sin(2 x) + b y on random points of the unit square, conditions a and b. known: a
    multiplies a field that is given at the nodes, b one that is given on the boundary."""
    random = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        edge = np.linspace(0, 1, 7)
        frame = [np.column_stack([edge, 0 * edge + k]) for k in (0, 1)]
        frame += [np.column_stack([0 * edge[1:-1] + k, edge[1:-1]]) for k in (0, 1)]
        points = np.concatenate([*frame, random.uniform(0.05, 0.95, (n, 2))])
        a, b = random.uniform(0.5, 1.5, 2)
        x, y = points.T
        u = a * np.sin(2 * x) + b * y
        fields = {"u": u}
        if known:
            fields |= {"f": a * np.sin(2 * x), "g": b * y}
        out.append(with_case(delaunay(points), fields, {} if known else {"a": a, "b": b}))
    return out


def load(data: Path, work: Path) -> Split:
    return Split(cases(12, 0), {"same": cases(4, 1), "finer": cases(3, 2, 200)})


def load_known(data: Path, work: Path) -> Split:
    return Split(cases(8, 0, known=True), {"test": cases(3, 1, known=True)})


def load_broken(data: Path, work: Path) -> Split:
    raise ValueError("these cases cannot be made")


TASK = Task(
    name="tiny",
    summary="A plane wave & a ramp",
    load=load,
    targets=("u",),
    conditions=("a", "b"),
    batch=4,
    points=64,
    published={("same", "u"): 0.01},
)
KNOWN = Task(
    name="known",
    summary="Known fields",
    load=load_known,
    targets=("u",),
    conditions=(),
    inputs=("f",),
    wall_inputs=("g",),
    measure="quadrature",
    batch=4,
)
ABSENT = Task(
    name="absent", summary="Data that no one has", load=load, targets=("u",), folder="nowhere"
)
