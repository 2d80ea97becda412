"""The few exceptions that users meet. Each prints as at most three lines: what, why, try."""

from __future__ import annotations

import os


class MeshopError(Exception):
    """Base of every error that meshop raises on purpose.

    ``what`` names the thing that failed, ``why`` says what was found against what was expected,
    ``hint`` is a command or a value to try. Empty lines are left out.
    """

    def __init__(self, what: str, why: str = "", hint: str = "") -> None:
        super().__init__(what, why, hint)
        self.what = what
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        lines = [one_line(self.what), one_line(self.why)]
        if self.hint:
            lines.append(f"try: {one_line(self.hint)}")
        return "\n".join(line for line in lines if line)


class MeshError(MeshopError, ValueError):
    """An in-memory mesh that breaks an invariant (index range, offsets, lengths, finite points)."""


class MeshFileError(MeshopError):
    """A mesh file that cannot be read or written.

    Attributes: ``path``, ``format`` ("VTU", "" when unknown), ``where`` (which part of the file),
    ``reason`` and ``hint``.
    """

    def __init__(
        self, path: str | os.PathLike, format: str, where: str, reason: str, hint: str = ""
    ) -> None:
        self.path = os.fspath(path)
        self.format = format
        self.where = where
        self.reason = reason
        kind = f" ({format})" if format else ""
        super().__init__(f"{self.path}{kind}: {where}", reason, hint)

    def __reduce__(self) -> tuple:  # five arguments, not the three that Exception remembers
        return type(self), (self.path, self.format, self.where, self.reason, self.hint)


class MeshFileWarning(UserWarning):
    """What a file cannot hold, or what a reader had to leave out."""


class ConditionError(MeshopError, ValueError):
    """A missing, misspelt or ill-typed condition or argument."""


class SurrogateError(MeshopError):
    """A model file that cannot be read, or a model that does not fit this mesh."""


class SolveError(MeshopError, ArithmeticError):
    """A linear system that was not solved to the tolerance asked for, or cannot be."""


def one_line(text: str, limit: int = 400) -> str:
    """Collapse white space and shorten, so that foreign messages cannot spoil the three lines."""
    # File names and array names come from outside: keep the message printable on any terminal.
    text = " ".join(str(text).split())
    if not text.isprintable():  # colours and other orders to a terminal, halves of characters
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return text if len(text) <= limit else text[: limit - 3] + "..."
