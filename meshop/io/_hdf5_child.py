"""The other side of `_hdf5.py`: opens HDF5 files for another process, each in a fork of its own.

Run as a script, it imports h5py once and then waits for sockets, one for each file. A file that
makes the HDF5 library crash, hang or eat memory costs that fork only. It uses
nothing of meshop, whose import would double the time that the first file takes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

MAX_OBJECTS = 50_000
MAX_DEPTH = 24
MAX_ATTRIBUTE = 1 << 16  # bytes
SPARE = 192 << 20  # bytes of address space beyond what is read
SECONDS = 20  # of computing for the structure; data get one more for every 10 MB


def main() -> None:
    """Serve until the other process is gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other process's to handle
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        import h5py  # noqa: F401
    except ImportError as error:
        missing = f"the package h5py cannot be used here ({error})"
    else:
        missing = ""
    while True:
        try:
            message, fds, _, _ = socket.recv_fds(control, 1, 1)
        except OSError:
            return
        if not message:
            return
        for fd in fds:
            if os.fork() == 0:
                control.close()
                with contextlib.suppress(BaseException):
                    _session(socket.socket(fileno=fd), missing)
                os._exit(0)
            os.close(fd)


def _session(link: socket.socket, missing: str) -> None:
    stream = link.makefile("rb")
    file: Any = None
    for line in stream:
        request = json.loads(line)
        try:
            if missing:
                raise ValueError(missing)
            if "open" in request:
                _limit(0)
                import h5py

                file = h5py.File(request["open"], "r")
                _reply(link, {"root": _tree(file, request["group"])})
            else:
                _limit(request["size"])
                _send(link, file, **request)
        except (BrokenPipeError, ConnectionError):
            return
        except BaseException as error:
            reason = str(error) or type(error).__name__
            if isinstance(error, MemoryError):
                reason = "it needs more memory than its content can"
            elif not isinstance(error, ValueError):
                reason = f"the HDF5 library says: {reason}"
            _reply(link, {"error": reason[:500]})


def _limit(size: int) -> None:
    """Memory and time for the next request that brings `size` bytes."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS + size // 10_000_000)  # then it is killed
    with contextlib.suppress(ImportError, OSError, ValueError, IndexError):
        import resource

        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + SPARE + 3 * size, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _reply(link: socket.socket, answer: dict) -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)  # waiting for the next request costs nothing
    text = json.dumps(answer).encode()
    link.sendall(len(text).to_bytes(8, "little") + text)


def _send(link: socket.socket, file: Any, path: str, start: int, stop: int, size: int) -> None:
    import numpy as np

    data = file[path]
    values = np.reshape(data[()], 1) if data.shape == () else data[start:stop]
    if values.dtype.kind in "OS":
        texts = [v if isinstance(v, bytes) else str(v).encode() for v in values.ravel()]
        if sum(map(len, texts)) > size:
            raise ValueError("its text is longer than the file can hold")
        _reply(link, {"text": [t.decode("utf-8", "surrogateescape") for t in texts]})
        return
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    _reply(link, {"dtype": values.dtype.str, "shape": list(values.shape)})
    link.sendall(values.reshape(-1).view(np.uint8).data)


def _tree(file: Any, path: str) -> dict:
    """What is under the group: attributes, shapes and types, and how much is stored of it."""
    import h5py

    count = 0

    def group(node: Any, above: tuple[int, ...]) -> dict:
        nonlocal count
        place = h5py.h5o.get_info(node.id).addr
        if place in above or len(above) > MAX_DEPTH:
            raise ValueError("its groups contain each other or nest too deeply")
        children: dict[str, dict] = {}
        for name in node:
            count += 1
            if count > MAX_OBJECTS:
                raise ValueError(f"more than {MAX_OBJECTS} groups and arrays")
            link = node.get(name, getlink=True)
            if isinstance(link, h5py.SoftLink):
                children[name] = {"link": link.path}
            elif not isinstance(link, h5py.HardLink):
                children[name] = {"refused": "it is a link to another file"}
            else:
                child = node[name]
                if isinstance(child, h5py.Group):
                    children[name] = group(child, (*above, place))
                elif isinstance(child, h5py.Dataset):
                    children[name] = _dataset(child)
        return {"attributes": dict(_attributes(node)), "children": children}

    if path not in file:
        raise ValueError(f"it has no group {path}")
    linked = path == "/" or isinstance(file.get(path, getlink=True), h5py.HardLink)
    if not linked or not isinstance(file[path], h5py.Group):
        raise ValueError(f"{path} is no group")
    return group(file[path], ())


def _dataset(data: Any) -> dict:
    import h5py

    plist = data.id.get_create_plist()
    text = h5py.check_string_dtype(data.dtype)
    item = data.dtype.base  # what rows of a fixed length are of, where the type is such rows
    out = {
        "attributes": dict(_attributes(data)),
        "shape": [*(data.shape or (1,)), *data.dtype.shape],
        "dtype": "text" if text is not None else item.str,
        "itemsize": item.itemsize,
        "stored": data.id.get_storage_size(),
        "filters": plist.get_nfilters(),
    }
    if plist.get_layout() == h5py.h5d.VIRTUAL or plist.get_external_count():
        out["refused"] = "its values lie in other files"
    elif data.shape is None:
        out["refused"] = "it has no shape"
    elif text is None and item.kind not in "biuf":
        out["refused"] = f"its type is {data.dtype}"[:200]
    return out


def _attributes(node: Any) -> Iterator[tuple[str, Any]]:
    """Small attributes of numbers and text, as JSON has them."""
    import h5py

    for name in list(node.attrs)[:100]:
        with contextlib.suppress(Exception):
            info = node.attrs.get_id(name)
            if info.get_storage_size() > MAX_ATTRIBUTE:
                continue
            value = node.attrs[name]
            if h5py.check_string_dtype(info.dtype) is None and info.dtype.kind not in "biuf":
                continue
            value = value.tolist() if hasattr(value, "tolist") else value
            yield name, json.loads(json.dumps(value, default=_plain))


def _plain(value: Any) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    main()
