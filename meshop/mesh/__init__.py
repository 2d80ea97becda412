"""Mesh: storage, memory safety, regions, geometry and quality (numpy; facets call an op)."""

from ..celltypes import (
    CELL_TYPES,
    CODES,
    CURVED_HEXAHEDRA,
    POLYGON,
    POLYHEDRON,
    CellType,
)
from ._cells import DIM, SIZE
from ._faces import is_node, parse_faces
from ._facets import Facets
from ._join import join
from ._mesh import REGION_KINDS, Mesh, Region
from ._quality import QualityReport
from ._shells import closed_bodies, triangles_of
from ._surface import RepairReport, repair_surface, sample_surface

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
    "RepairReport",
    "closed_bodies",
    "is_node",
    "join",
    "parse_faces",
    "repair_surface",
    "sample_surface",
    "triangles_of",
]
