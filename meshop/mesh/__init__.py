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
from ._faces import face_chunks, is_node, parse_faces
from ._facets import Facets, FacetTable, boundary_facets, facet_table
from ._join import join
from ._mesh import REGION_KINDS, Mesh, Region
from ._metrics import METRICS, Metric, cell_quality, quality_names
from ._quality import QualityReport
from ._shells import closed_bodies, fans, triangles_of
from ._slab import Slab, flatten
from ._summary import histogram, summary
from ._surface import RepairReport, repair_surface, sample_surface
from ._topology import connected_parts, find_rows

__all__ = [
    "CELL_TYPES",
    "CODES",
    "CURVED_HEXAHEDRA",
    "DIM",
    "METRICS",
    "POLYGON",
    "POLYHEDRON",
    "REGION_KINDS",
    "SIZE",
    "CellType",
    "FacetTable",
    "Facets",
    "Mesh",
    "Metric",
    "QualityReport",
    "Region",
    "RepairReport",
    "Slab",
    "boundary_facets",
    "cell_quality",
    "closed_bodies",
    "connected_parts",
    "face_chunks",
    "facet_table",
    "fans",
    "find_rows",
    "flatten",
    "histogram",
    "is_node",
    "join",
    "parse_faces",
    "quality_names",
    "repair_surface",
    "sample_surface",
    "summary",
    "triangles_of",
]
