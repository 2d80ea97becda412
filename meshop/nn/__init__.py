"""The shared layers that the models are made of."""

from .film import FiLMBlock
from .mlp import mlp
from .wall import WallEncoder, WallIntegral, weighted_sum

__all__ = ["FiLMBlock", "WallEncoder", "WallIntegral", "mlp", "weighted_sum"]
