"""MeshGraph: a PyG `Data` whose ragged parts (wall tokens, CSR) batch without padding."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..ops import Csr, rows_of
from ._levels import Level

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
    With levels (`levels`), level k's parts are level{k}_pos, level{k}_up_value and so on, so that
    loaders batch and move them as all else.
    Batches made by PyG loaders carry ptr over nodes and wall_batch over tokens.
    """

    @property
    def levels(self) -> tuple[Level, ...]:
        """The coarser node sets, the finest first; none where the spec asked for none."""
        found: list[Level] = []
        above = len(self.weight)
        while f"level{len(found) + 1}_weight" in self:
            level = _unpacked(self, f"level{len(found) + 1}_", above)
            found.append(level)
            above = len(level.weight)
        return tuple(found)

    @levels.setter
    def levels(self, levels: Sequence[Level]) -> None:
        for number, level in enumerate(levels, 1):
            for name, value in _packed(level).items():
                self[f"level{number}_{name}"] = value

    def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        if key == "rowptr" or key.startswith("level"):
            return 0
        return super().__cat_dim__(key, value, *args, **kwargs)

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        if key == "wall_batch":
            return 1
        if (found := re.fullmatch(r"level(\d+)_(.*)", key)) is not None:
            number, name = int(found[1]), found[2]
            if name == "batch":
                return 1
            if name in ("index", "up_index"):
                return len(self[f"level{number}_weight"])
            if name == "down_index":
                return len(self[f"level{number - 1}_weight" if number > 1 else "weight"])
            return 0
        return super().__inc__(key, value, *args, **kwargs)


def _packed(level: Level) -> dict[str, Tensor]:
    """A level as tensors that batch end to end: rows by their lengths, not by pointers."""
    return {
        "pos": level.pos.float(),
        "weight": level.weight.float(),
        "fixed": level.fixed,
        "batch": rows_of(level.ptr, len(level.weight)),
        "degree": level.rowptr.diff(),
        "index": level.index,
        "up_degree": level.up.rowptr.diff(),
        "up_index": level.up.index,
        "up_value": level.up.value.float(),
        "down_degree": level.down.rowptr.diff(),
        "down_index": level.down.index,
        "down_value": level.down.value.float(),
    }


def _unpacked(graph: MeshGraph, prefix: str, above: int) -> Level:
    def pointer(degree: Tensor) -> Tensor:
        return torch.cat([degree.new_zeros(1), degree.cumsum(0)])

    part = {name: graph[prefix + name] for name in _NAMES}
    graphs = len(graph.cond) if "cond" in graph else int(part["batch"].max()) + 1
    count = len(part["weight"])
    return Level(
        pos=part["pos"],
        weight=part["weight"],
        fixed=part["fixed"],
        ptr=pointer(torch.bincount(part["batch"], minlength=graphs)),
        rowptr=pointer(part["degree"]),
        index=part["index"],
        up=Csr(pointer(part["up_degree"]), part["up_index"], part["up_value"], count),
        down=Csr(pointer(part["down_degree"]), part["down_index"], part["down_value"], above),
    )


_NAMES = (
    "pos", "weight", "fixed", "batch", "degree", "index",
    "up_degree", "up_index", "up_value", "down_degree", "down_index", "down_value",
)  # fmt: skip
