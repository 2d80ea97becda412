import torch

from meshop.ops import reference
from meshop.testing import OpSpec

from ._inputs import boxes, cells

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
    "collapsed": cells((9, [[0, 1, 2, 2]])),
    "sparse numbers": cells((5, [[0, 10**12, 5], [5, 10**12, 7]])),
    "large numbers": cells((5, [[2**62, 2**61, 5]])),
    "boxes": boxes(5),
    "no cell": cells(),
}

SPECS = {
    "cell_edges": OpSpec(
        op=torch.ops.meshop.cell_edges.default,
        reference=reference.cell_edges,
        samples=_meshes,
    ),
}  # fmt: skip
