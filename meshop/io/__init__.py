"""Mesh files: one strict reader and writer a format, one error for whatever is wrong."""

from ._dispatch import read, write
from ._files import atomic_write

__all__ = ["atomic_write", "read", "write"]
