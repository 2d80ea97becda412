"""The shared layers that the models are made of."""

from .film import FiLMBlock
from .mlp import mlp
from .points import Points, by_graph, nodes, queries, walls
from .readout import MeanReadout
from .slice_attention import SliceAttention
from .token_mix import join_heads, pool, split_heads, spread
from .wall import WallEncoder, WallIntegral, weighted_sum

__all__ = [
    "FiLMBlock",
    "MeanReadout",
    "Points",
    "SliceAttention",
    "WallEncoder",
    "WallIntegral",
    "by_graph",
    "join_heads",
    "mlp",
    "nodes",
    "pool",
    "queries",
    "split_heads",
    "spread",
    "walls",
    "weighted_sum",
]
