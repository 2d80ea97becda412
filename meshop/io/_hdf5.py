"""HDF5 files that nobody vouches for: read by another process, checked before memory is taken.

The HDF5 library trusts what it reads: a damaged file can crash it, hang it, or make it allocate
without end. So a helper process opens the file and sends its structure and values; if it dies, the
file was bad. The first file costs about 0.3 s, each later one a few milliseconds: that, and rows
read piece by piece, are why this is no task for `_child.run`, which starts a process a file.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ._child import start
from ._files import CUT, Fault, require_file
from ._strings import text_array

MAGIC = b"\x89HDF\r\n\x1a\n"
_RATIO = 1040  # the most that deflate makes of one byte
_SLACK = 1 << 16  # bytes that an array may have without any stored: fill values
_UNSTORED = 1 << 26  # such bytes in all arrays of a mesh
_MAX_STRUCTURE = 1 << 28
_NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)  # some libraries (gmsh) let SIGPIPE kill again
_BAD = "the HDF5 library fails on this file: it is damaged"


@dataclass
class Group:
    """A group: attributes (numbers, text, lists of them) and what is inside, in its order."""

    path: str
    attributes: dict[str, Any]
    children: dict[str, Group | Array | Link] = field(default_factory=dict)

    def group(self, name: str) -> Group | None:
        found = self.children.get(name)
        return found if isinstance(found, Group) else None

    def array(self, name: str) -> Array | None:
        found = self.children.get(name)
        if isinstance(found, Link):
            raise Fault(found.path, found.refused or "a link stands where an array belongs")
        return found if isinstance(found, Array) else None


@dataclass
class Array:
    """A dataset: `dtype` is "text" for strings; `refused` says why it cannot be read.

    A scalar has one row.
    """

    path: str
    attributes: dict[str, Any]
    shape: tuple[int, ...]
    dtype: str
    itemsize: int
    stored: int
    filters: int
    refused: str


@dataclass
class Link:
    """A soft link to `target`, or (`refused`) something that is not followed."""

    path: str
    target: str
    refused: str


class Hdf5File:
    """One file, opened in the helper process. `root` is the group asked for. Raises Fault."""

    def __init__(self, path: Path, group: str) -> None:
        require_file(path)
        with open(path, "rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise Fault("start of the file", "this is no HDF5 file")
        self._size = os.path.getsize(path)
        self.begin()
        self._lock = threading.Lock()
        self._socket = _connect()
        answer = self._ask({"open": os.path.abspath(path), "group": group})
        root = _structure(answer.get("root"), group)
        if not isinstance(root, Group):
            raise Fault(group, "it is no group")
        self.root: Group = root

    def begin(self) -> None:
        """A new mesh: what others were given of the file does not count for it."""
        self._given = self._unstored = 0.0

    def read(self, array: Array, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows start to stop (all: None). What is declared is checked against what is stored."""
        if array.refused:
            raise Fault(array.path, array.refused)
        rows = array.shape[0]
        stop = rows if stop is None else stop
        if not 0 <= start <= stop <= rows:
            raise Fault(array.path, f"rows {start} to {stop} are needed, it has {rows}", CUT)
        total = array.itemsize
        for size in array.shape:
            total *= size
        part = (stop - start) / max(rows, 1)
        self._given += array.stored * part
        self._unstored += max(total - array.stored * (_RATIO if array.filters else 1), 0) * part
        if self._given > 4 * self._size or self._unstored > _UNSTORED:
            raise Fault(array.path, "the file names the same data over and over, or data not there")
        most = array.stored * (_RATIO if array.filters else 1) + _SLACK
        if total > most:
            reason = f"{total} bytes declared, {array.stored} are stored in the file"
            raise Fault(array.path, reason, CUT)
        size = total // max(rows, 1) * (stop - start)
        if array.dtype == "text":
            size = size * 64 + (1 << 20)
        with self._lock:
            request = {"path": array.path, "start": start, "stop": stop, "size": size}
            answer = self._ask(request)
            if array.dtype == "text":
                return self._text(array, answer, start, stop)
            values = np.empty((stop - start, *array.shape[1:]), array.dtype)
            values = values.astype(values.dtype.newbyteorder("="), copy=False)
            if answer.get("dtype") != values.dtype.str or answer.get("shape") != list(values.shape):
                raise Fault(array.path, _BAD)
            self._receive_into(values.reshape(-1).view(np.uint8).data)
        with np.errstate(all="ignore"):  # of float128
            return values if values.dtype.itemsize <= 8 else values.astype(np.float64)

    def _text(self, array: Array, answer: dict, start: int, stop: int) -> np.ndarray:
        found = answer.get("text")
        count = stop - start
        for size in array.shape[1:]:
            count *= size
        if not isinstance(found, list) or len(found) != count:
            raise Fault(array.path, _BAD)
        return text_array(found)

    def close(self) -> None:
        self._socket.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self._socket.close()

    # -- the wire ---------------------------------------------------------------------------------

    def _ask(self, request: dict) -> dict:
        try:
            text = json.dumps(request)
            self._socket.sendall(text.encode() + b"\n", _NO_SIGNAL)
        except OSError:
            raise Fault("content", _BAD) from None
        except ValueError as error:
            raise Fault("opening the file", str(error)) from None
        head = bytearray(8)
        self._receive_into(memoryview(head))
        size = int.from_bytes(head, "little")
        if size > _MAX_STRUCTURE:
            raise Fault("content", _BAD)
        body = bytearray(size)
        self._receive_into(memoryview(body))
        answer = json.loads(bytes(body))
        if "error" in answer:
            raise Fault("content", answer["error"])
        return answer

    def _receive_into(self, view: memoryview) -> None:
        while len(view):
            try:
                got = self._socket.recv_into(view, min(len(view), 1 << 24))
            except OSError:
                got = 0
            if not got:
                raise Fault("content", _BAD, CUT)
            view = view[got:]


def _structure(found: Any, path: str) -> Group | Array | Link:
    if "children" in found:
        children = {
            name: _structure(child, f"{path}/{name}") for name, child in found["children"].items()
        }
        return Group(path, found["attributes"], children)
    refused = found.get("refused", "")
    if "dtype" not in found:
        return Link(path, found.get("link", ""), refused)
    return Array(
        path,
        found["attributes"],
        tuple(found["shape"]),
        found["dtype"],
        found["itemsize"],
        found["stored"],
        found["filters"],
        refused,
    )


# -- the helper process ---------------------------------------------------------------------------

_helper: tuple[subprocess.Popen, socket.socket] | None = None
_starting = threading.Lock()


def _connect() -> socket.socket:
    """A socket to a new session of the helper, which is started where there is none."""
    global _helper
    ours, theirs = socket.socketpair()
    with theirs, _starting:
        for _ in range(2):
            if _helper is None:
                _helper = _start()
            try:
                # Not send_fds, which takes no notice of flags.
                fd = theirs.fileno().to_bytes(4, sys.byteorder)
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fd)]
                _helper[1].sendmsg([b"1"], rights, _NO_SIGNAL)
                return ours
            except OSError:  # it is gone: once more with a new one
                _stop()
    ours.close()
    raise Fault("opening the file", "the process that reads HDF5 does not start")


def _start() -> tuple[subprocess.Popen, socket.socket]:
    ours, theirs = socket.socketpair()
    script = Path(__file__).with_name("_hdf5_child.py")
    environment = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HDF5_PLUGIN_PRELOAD": "::",  # no code that a file asks for
        "HDF5_USE_FILE_LOCKING": "FALSE",
    }
    with theirs:
        there = theirs.fileno()
        return start("-P", str(script), str(there), pass_fds=[there], env=environment), ours


@atexit.register
def _stop() -> None:
    global _helper
    if _helper is None:
        return
    process, control = _helper
    _helper = None
    control.close()
    with contextlib.suppress(Exception):
        process.wait(timeout=2)


def _after_fork() -> None:
    """A forked process starts a helper of its own."""
    global _helper, _starting
    _starting = threading.Lock()
    if _helper is not None:
        _helper[1].close()
        _helper[0].returncode = 0  # not its child: nothing to wait for
        _helper = None


os.register_at_fork(after_in_child=_after_fork)


def arrays_of(group: Group | None) -> Iterator[tuple[str, Array]]:
    """Name and array of all arrays directly inside. Raises Fault for links among them."""
    for name in group.children if group else ():
        if group and (array := group.array(name)) is not None:
            yield name, array


class Disk(io.FileIO):
    """A file that keeps it to itself that the disk is full: the HDF5 library crashes on that."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        try:
            done = len(view) if self.error else 0
            while done < len(view):
                done += super().write(view[done:])
        except OSError as error:
            self.error = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = error
            return size or 0

    def require_room(self) -> None:
        """Raise the first error that the disk gave."""
        if self.error is not None:
            raise self.error
