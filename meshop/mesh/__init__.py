"""Mesh: storage, memory safety, regions, geometry and quality (numpy; facets call an op)."""

from ..celltypes import (
    CELL_TYPES,
    CODES,
    CURVED_HEXAHEDRA,
    POLYGON,
    POLYHEDRON,
    CellType,
)
from ._carry import carry_fields
from ._cells import DIM, SIZE
from ._corners import Corners, corner_simplices, folded_cells
from ._elastic import Blocks, apart, elastic_blocks, elastic_field, solved, solved_blocks, stacked
from ._faces import face_chunks, is_node, parse_faces
from ._facets import Facets, FacetTable, boundary_facets, facet_table
from ._join import join
from ._mesh import REGION_KINDS, Mesh, Region
from ._metrics import METRICS, Metric, cell_quality, quality_names
from ._p1 import P1
from ._p1_assembly import with_dirichlet
from ._p1_boundary import P1Boundary
from ._p1_error import interpolation_error
from ._p1_fit import QuadraticFit
from ._quality import QualityReport
from ._shells import closed_bodies, fans, triangles_of
from ._slab import Slab, flatten
from ._split import Simplices, split_cells
from ._summary import histogram, summary
from ._surface import RepairReport, repair_surface, sample_surface
from ._topology import connected_parts, find_rows

__all__ = [
    "CELL_TYPES",
    "CODES",
    "CURVED_HEXAHEDRA",
    "DIM",
    "METRICS",
    "P1",
    "POLYGON",
    "POLYHEDRON",
    "REGION_KINDS",
    "SIZE",
    "Blocks",
    "CellType",
    "Corners",
    "FacetTable",
    "Facets",
    "Mesh",
    "Metric",
    "P1Boundary",
    "QuadraticFit",
    "QualityReport",
    "Region",
    "RepairReport",
    "Simplices",
    "Slab",
    "apart",
    "boundary_facets",
    "carry_fields",
    "cell_quality",
    "closed_bodies",
    "connected_parts",
    "corner_simplices",
    "elastic_blocks",
    "elastic_field",
    "face_chunks",
    "facet_table",
    "fans",
    "find_rows",
    "flatten",
    "folded_cells",
    "histogram",
    "interpolation_error",
    "is_node",
    "join",
    "parse_faces",
    "quality_names",
    "repair_surface",
    "sample_surface",
    "solved",
    "solved_blocks",
    "split_cells",
    "stacked",
    "summary",
    "triangles_of",
    "with_dirichlet",
]
