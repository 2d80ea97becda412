import torch

from meshop.ops import reference
from meshop.testing import OpSpec

from ._inputs import beside, boxes, cells, polyhedra

_cube = [[0, 3, 2, 1], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]]
_roof = [[4, 7, 6, 5], [4, 5, 8], [5, 6, 8], [6, 7, 8], [7, 4, 8]]
_pair = polyhedra(_cube, _roof)
_hexagons = polyhedra(  # two prisms on each other: the common face has six nodes
    [[*range(6)], [*range(6, 12)], *([i, (i + 1) % 6, (i + 1) % 6 + 6, i + 6] for i in range(6))],
    [[*range(11, 5, -1)], [*range(12, 18)], *([i + 6, (i + 1) % 6 + 6, 12 + i] for i in range(6))],
)
_meshes = {
    "line": cells((3, [[0, 1], [1, 2], [2, 1]])),
    "triangles": cells((5, [[0, 1, 2], [2, 1, 3]])),
    "mixed plane": cells((9, [[0, 1, 2, 3]]), (5, [[1, 4, 2]]), (7, [[3, 2, 4, 6, 5]])),
    "mixed space": cells(
        (12, [[0, 1, 2, 3, 4, 5, 6, 7]]),
        (14, [[4, 5, 6, 7, 8]]),
        (13, [[1, 9, 2, 5, 10, 6]]),
        (10, [[4, 5, 8, 11]]),
    ),
    "voxel, pixel": cells((11, [[0, 1, 2, 3, 4, 5, 6, 7]]), (8, [[4, 5, 6, 7]])),
    "poly": cells((4, [[0, 1, 2], [5, 5], [7]]), (2, [[0, 3, 4]]), (1, [[2]]), (7, [[9, 8, 7]])),
    "strips": cells((6, [[0, 1, 2], [1, 2, 3, 4, 5]]), (36, [[0, 2, 6, 9, 8, 7]]), (0, [[]])),
    "collapsed": cells((9, [[0, 1, 2, 2], [4, 4, 5, 5], [3, 3, 3, 3]]), (3, [[7, 7]])),
    "collapsed volumes": cells(
        (12, [[0, 1, 2, 2, 4, 5, 6, 6], [0, 0, 0, 0, 4, 5, 6, 7]]),
        (13, [[0, 1, 2, 8, 9, 10]]),
        (10, [[1, 1, 1, 3], [0, 1, 2, 2]]),
    ),
    "three on one": cells((5, [[0, 1, 2], [0, 1, 3], [1, 0, 4], [4, 2, 3], [1, 0, 5]])),
    "three on several": cells((10, [[0, 1, 2, i] for i in (9, 8, 7, 6)] + [[5, 6, 7, 8]] * 3)),
    "its own neighbor": cells((12, [[0, 1, 2, 3, 0, 1, 2, 3]]), (9, [[0, 1, 0, 1]])),
    "polyhedra": _pair,
    "large faces": _hexagons,
    "polyhedra, others": beside(
        cells((12, [[9, 10, 11, 12, 0, 3, 2, 1]]), (9, [[0, 1, 2, 3]])),
        _pair,
        cells((14, [[4, 5, 6, 7, 13]]), (10, [[4, 5, 8, 20]])),
        _hexagons,
    ),
    "prisms": cells((15, [[*range(10)], [*range(5, 15)]]), (16, [[*range(12)], [*range(20, 32)]])),
    "sparse numbers": cells((5, [[0, 10**12, 5], [5, 10**12, 7]])),
    "large numbers": cells((5, [[2**62, 2**61, 5]])),
    "sparse polyhedra": polyhedra(
        *([[10**13 * node for node in face] for face in solid] for solid in (_cube, _roof))
    ),
    "boxes": boxes(5),
    "every other box": tuple(part.flip(0) if i == 0 else part for i, part in enumerate(boxes(3))),
    "no cell": cells(),
}  # fmt: skip
_meshes = {
    label: mesh if len(mesh) == 5 else (*mesh, None, None) for label, mesh in _meshes.items()
}
SPECS = {
    "cell_edges": OpSpec(
        op=torch.ops.meshop.cell_edges.default,
        reference=reference.cell_edges,
        samples=_meshes,
    ),
    "cell_facets": OpSpec(
        op=torch.ops.meshop.cell_facets.default,
        reference=reference.cell_facets,
        samples={label: (*mesh, -1) for label, mesh in _meshes.items()}
        | {
            f"{label} {dim}": (*_meshes[label], dim)
            for label in ("mixed plane", "poly", "polyhedra, others")
            for dim in (0, 1, 2)
        },
    ),
}
