"""Mesh: storage, memory safety, regions, geometry and quality (numpy only)."""

from ._cells import (
    CELL_TYPES,
    CODES,
    CURVED_HEXAHEDRA,
    DIM,
    POLYGON,
    POLYHEDRON,
    SIZE,
    CellType,
)
from ._faces import is_node, parse_faces
from ._facets import Facets
from ._mesh import REGION_KINDS, Mesh, Region
from ._quality import QualityReport

__all__ = [
    "CELL_TYPES",
    "CODES",
    "CURVED_HEXAHEDRA",
    "DIM",
    "POLYGON",
    "POLYHEDRON",
    "REGION_KINDS",
    "SIZE",
    "CellType",
    "Facets",
    "Mesh",
    "QualityReport",
    "Region",
    "is_node",
    "parse_faces",
]
