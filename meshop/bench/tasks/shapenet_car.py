"""Pressure on the surface of cars (Umetani and Bickel, 2018), a small sample: 10 train, 10 test.

3,586 nodes, triangles in space, one inflow; CGNS files in the PLAID layout. The published split has
889 cars: figures here compare with nothing but this table. Error: relative L2 norm of the nodal
pressures.
"""

from __future__ import annotations

from pathlib import Path

from ...io import read
from ...mesh import Mesh
from .._task import Split, Task


def load(data: Path, work: Path) -> Split:
    """Ten cars to learn from, ten to ask for."""

    def cars(name: str) -> list[Mesh]:
        found = [read(path) for path in sorted(data.glob(f"data/{name}/*/meshes/*.cgns"))]
        for mesh in found:
            mesh.field_data = {}
        return found

    return Split(cars("train"), {"test": cars("test")})


TASKS = [
    Task(
        name="shapenet_car",
        summary="Surface pressure on cars, ten to learn from",
        load=load,
        folder="shapenet_car",
        targets=("pressure",),
        conditions=(),
        batch=2,
        source="none for ten cars",
    )
]
