"""MeshGraph: a PyG `Data` whose ragged parts (wall tokens, CSR) batch without padding."""

from __future__ import annotations

import warnings
from typing import Any

with warnings.catch_warnings():
    # PyG scripts functions when it is imported, of which torch warns.
    warnings.simplefilter("ignore")
    from torch_geometric.data import Data


class MeshGraph(Data):
    """Nodes of a mesh (its cells or its points) with features, weights and wall tokens.

    pos (N, 3); x (N, F) features; inputs (N, A) known fields, where the spec names any; weight (N,)
    dual measures that sum to the domain's; prior (N, P) potential-flow velocity and pressure, P = 3
    or 0; lift (1, 1 or 0) lift coefficient; decay (N,) 1 / (1 + distance / length); cond (1, K);
    wall_pos (W, 3), wall_x (W, T) token features, wall_inputs (W, V) boundary data, where the spec
    names any, and wall_weight (W,), summing to one; wall_dist (N,), wall_dir (N, 3) to the nearest
    wall point; kind (N,) uint8: 1 touches the wall, 2 the far field, else 0. With edges:
    edge_index (2, E) sorted by receiver (row 1), rowptr (N + 1,), edge_attr (E, 4) relative
    position and length.
    Batches made by PyG loaders carry ptr over nodes and wall_batch over tokens.
    """

    def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        return 0 if key == "rowptr" else super().__cat_dim__(key, value, *args, **kwargs)

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        if key == "wall_batch":
            return 1
        return super().__inc__(key, value, *args, **kwargs)
