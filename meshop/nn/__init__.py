"""The shared layers that the models are made of."""

from .encodings import FourierBand, RandomFourier
from .film import FiLMBlock
from .latent_attention import (
    LatentMixer,
    LatentReadout,
    LatentsToPoints,
    PointsToLatents,
    feed_forward,
)
from .mlp import mlp
from .modulated_siren import ModulatedSiren
from .points import Points, by_graph, latent_group, nodes, queries, walls
from .positioned import Pairs, ReadLatents, ReadPoints, latent_grid, pieces
from .readout import MeanReadout
from .slice_attention import SliceAttention
from .token_mix import check_heads, integral, join_heads, split_heads, spread
from .v_cycle import (
    Borrowed,
    DenseSolve,
    FixedMatrix,
    FixedScale,
    FixedTransfer,
    LevelTransfer,
    Relaxation,
    VCycle,
    classical_v_cycle,
)
from .wall import WallEncoder, WallIntegral, weighted_sum

__all__ = [
    "Borrowed",
    "DenseSolve",
    "FiLMBlock",
    "FixedMatrix",
    "FixedScale",
    "FixedTransfer",
    "FourierBand",
    "LatentMixer",
    "LatentReadout",
    "LatentsToPoints",
    "LevelTransfer",
    "MeanReadout",
    "ModulatedSiren",
    "Pairs",
    "Points",
    "PointsToLatents",
    "RandomFourier",
    "ReadLatents",
    "ReadPoints",
    "Relaxation",
    "SliceAttention",
    "VCycle",
    "WallEncoder",
    "WallIntegral",
    "by_graph",
    "check_heads",
    "classical_v_cycle",
    "feed_forward",
    "integral",
    "join_heads",
    "latent_grid",
    "latent_group",
    "mlp",
    "nodes",
    "pieces",
    "queries",
    "split_heads",
    "spread",
    "walls",
    "weighted_sum",
]
