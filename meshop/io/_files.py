"""What all formats share: faults become MeshFileError, files are read whole, written whole."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from ..errors import MeshError, MeshFileError

_LARGE = 1 << 26  # bytes: smaller files may have holes
CUT = "the file is cut off or damaged: copy or write it again"  # the hint where bytes are missing


class Fault(Exception):
    """A fault inside a file: where, reason, hint. `guarded` adds the path and the format."""

    def __init__(self, where: str, reason: str, hint: str = "") -> None:
        super().__init__(where, reason, hint)
        self.where, self.reason, self.hint = where, reason, hint


@contextlib.contextmanager
def guarded(path: str | os.PathLike, format: str) -> Iterator[None]:
    """Let only MeshFileError out of a reader or writer."""
    try:
        yield
    except MeshFileError:
        raise
    except Fault as error:
        raise MeshFileError(path, format, error.where, error.reason, error.hint) from None
    except MeshError as error:
        raise MeshFileError(path, format, error.what, error.why, error.hint) from None
    except UnicodeError as error:
        raise MeshFileError(path, format, "text", f"a name or text is damaged: {error}") from None
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise MeshFileError(path, format, "opening the file", reason) from None
    except MemoryError:
        raise MeshFileError(
            path, format, "memory", "the mesh does not fit into this machine's memory"
        ) from None


def require_file(path: Path) -> None:
    """Raise MeshFileError or Fault unless `path` is a file with something in it."""
    try:
        info = path.stat()
        if stat.S_ISDIR(info.st_mode):
            reason, hint = "this is a folder, not a mesh file", "name a file inside it"
        elif not stat.S_ISREG(info.st_mode):
            reason, hint = "this is a device or a pipe, not a file", "save it to a file first"
        elif info.st_size == 0:
            reason, hint = "the file is empty (0 bytes)", "write or download it again"
        else:
            _require_content(path, info.st_size)
            return
    except (FileNotFoundError, NotADirectoryError):
        reason, hint = "no such file", "check the spelling, or give the full path"
        if str(path) == "-":
            reason, hint = "meshop reads no standard input", "save it to a file first"
    except (OSError, ValueError) as error:  # no permission, a name too long, a NUL inside
        reason, hint = getattr(error, "strerror", None) or str(error), ""
    raise MeshFileError(path, "", "opening the file", reason, hint)


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """The file's content, or its first `limit` bytes."""
    require_file(path)
    with open(path, "rb") as file:
        if limit is None:
            require_memory(os.fstat(file.fileno()).st_size)
        return file.read() if limit is None else file.read(limit)


def require_memory(size: int) -> None:
    """Raise MemoryError for bytes that this machine's memory cannot hold, before they are read."""
    with contextlib.suppress(AttributeError, ValueError, OSError):  # not on Windows
        if size > os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"):
            raise MemoryError


def _require_content(path: Path, size: int) -> None:
    """Raise Fault for a large file that is nothing but holes: zeros that take no room on disk."""
    if size < _LARGE or not hasattr(os, "SEEK_DATA"):
        return
    stored = at = 0
    with open(path, "rb") as file, contextlib.suppress(OSError):  # no data up to the end
        for _ in range(10_000):
            data = os.lseek(file.fileno(), at, os.SEEK_DATA)
            at = os.lseek(file.fileno(), data, os.SEEK_HOLE)
            stored += at - data
        stored = size
    if 64 * stored < size:
        reason = f"{size} bytes, of which the disk holds {stored}: the rest was never written"
        raise Fault("opening the file", reason, "copy or write it again")


def folder_size(path: Path) -> int:
    """Bytes that `path` and the files beside it take on the disk: holes count nothing."""
    found = [file.stat() for file in path.parent.iterdir() if file.is_file()]
    return sum(min(row.st_size, 512 * getattr(row, "st_blocks", row.st_size)) for row in found)


Swap = Callable[[Path, Path], None]


@contextlib.contextmanager
def together() -> Iterator[Swap]:
    """Gives swap(new, target), which renames; if the block fails, all targets are as they were.

    A target is there at every moment, old or new, unless the file system has no hard links.
    """
    done: list[tuple[Path, Path | None]] = []  # target, and the name that its old content has

    def swap(new: Path, target: Path) -> None:
        old = None
        if target.is_file():
            old = target.with_name(f".{target.stem[:80]}.{secrets.token_hex(4)}.old")
            done.append((target, old))
            try:
                os.link(target, old)
            except OSError:
                os.rename(target, old)
        os.replace(new, target)
        if old is None:
            done.append((target, None))

    try:
        yield swap
    except BaseException:
        for target, old in reversed(done):
            with contextlib.suppress(OSError):
                if old is None and target.is_dir():
                    shutil.rmtree(target)
                elif old is None or old.exists():
                    target.unlink(missing_ok=True)
                if old is not None:
                    os.rename(old, target)
        raise
    finally:
        for _, old in done:
            with contextlib.suppress(OSError):
                if old is not None:
                    old.unlink()


@contextlib.contextmanager
def new_name(path: str | os.PathLike, swap: Swap | None = None) -> Iterator[Path]:
    """A free name beside `path`, same suffix; renamed to `path` only if the block succeeds.

    Whatever fails, an existing `path` stays as it was and the new file is removed. swap: that
    of `together`, where this is one of several files.
    """
    try:
        target = Path(os.path.realpath(path))  # a link stays a link to the new content
    except ValueError as error:  # a NUL in the name
        raise Fault("opening the file", str(error)) from None
    if target.is_dir():
        raise Fault("opening the file", "this is a folder", f"name a file in it: {target}/out.vtu")
    if not target.parent.is_dir():
        raise Fault("opening the file", "its folder does not exist", f"mkdir -p {target.parent}")
    beside = target.with_name(f".{target.stem[:80]}.{secrets.token_hex(4)}{target.suffix}")
    try:
        yield beside
        if target.exists():
            os.chmod(beside, target.stat().st_mode & 0o7777)
        (swap or os.replace)(beside, target)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A binary file that appears at `path` complete, or not at all."""
    with new_name(path) as beside, open(beside, "xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
