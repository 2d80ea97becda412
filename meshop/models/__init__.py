"""Operators, one file each, assembled from `meshop.nn`."""

from ._operator import Operator, build_operator, registry
from .wall_field import WallField

__all__ = ["Operator", "WallField", "build_operator", "registry"]
