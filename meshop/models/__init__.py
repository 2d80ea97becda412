"""Operators, one file each, assembled from `meshop.nn`."""

from ._operator import Operator, Widths, build_operator, registry
from .wall_field import WallField

__all__ = ["Operator", "WallField", "Widths", "build_operator", "registry"]
