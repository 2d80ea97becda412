"""Text in arrays: from the bytes that files hold, and back."""

from __future__ import annotations

import numpy as np

from ._files import Fault


def decoded(raw: bytes) -> str:
    """UTF-8, or else what old programs wrote: the local encoding."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def text_array(texts: list[str]) -> np.ndarray:
    """A str array; one of objects where a few long texts would make it grow beyond bounds."""
    longest = max(map(len, texts), default=0)
    flat = longest * len(texts) <= 4 * sum(map(len, texts)) + 4096
    return np.array(texts, dtype=str if flat else object)


def encoded(name: str, values: np.ndarray, zero: bool = False) -> list[bytes]:
    """The items of array `name` in UTF-8; zero: whether they may hold one. Raises Fault."""
    items = []
    for item in values.ravel().tolist():
        raw = item.encode("utf-8", "surrogateescape") if isinstance(item, str) else item
        if not isinstance(raw, bytes) or (b"\0" in raw and not zero):
            raise Fault(f"array {name!r}", f"no text that can be stored: {str(raw)[:40]!r}")
        items.append(raw)
    return items
