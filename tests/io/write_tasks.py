"""Writes that the system breaks off, each in a process of its own (see test_write_safety.py).

Run as a script: python write_tasks.py FOLDER. A line of JSON tells what became of each write:
[suffix, series, room, killed, how it ended, the files that differ from those before].
"""

import json
import os
import resource
import signal
import sys
import warnings
from pathlib import Path

import numpy as np
from mesh_cases import sample

from meshop.errors import MeshFileError
from meshop.io import FORMATS, write, write_series
from meshop.mesh import Mesh

ROOMS = (0, 200, 1500)  # bytes that a file may grow to


def candidates(value):
    """Meshes of several kinds, so that every format holds one of them."""
    data = {"p": np.full(8, float(value))}
    cube = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]
    points = np.array(cube) * (1.0 + value)
    cells = [("hexahedron", [range(8)])]
    yield Mesh.from_blocks(np.array(cube) + 0.0, cells, point_data=data)
    yield Mesh.from_blocks(points, [("triangle", [[0, 1, 2], [0, 2, 3], [4, 5, 6]] * 40)])
    yield Mesh.from_blocks(
        np.array([[0, 0], [1, 0], [0, 1]]) + 0.1 * value, [("triangle", [[0, 1, 2]])]
    )
    yield Mesh(np.arange(300.0).reshape(-1, 3) * (1 + value), [], [0], [])
    yield sample(5, seed=value)


def put(mesh, path, series):
    if series:
        write_series(path, [(0.0, mesh), (1.0, mesh)])
    elif path.name == "case":
        write(mesh, f"{path}/", overwrite=True)
    else:
        write(mesh, path)


def files(folder):
    """Name -> content; names with a dot in front are not yet those of results."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and not any(n.startswith(".") for n in p.relative_to(folder).parts)
    }


def broken(mesh, path, series, room, killed):
    """How a write ends that may make no file larger than `room` bytes."""
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if killed else signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        try:
            put(mesh, path, series)
        except MeshFileError:
            os._exit(1)
        except BaseException as error:
            os.write(2, f"{path.name}: {error!r}\n".encode())
            os._exit(2)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return "killed"
    return ("written", "refused", "crashed")[os.WEXITSTATUS(status)]


def main():
    warnings.simplefilter("ignore")
    jobs = [(s, False) for f in FORMATS if f.write for s in f.suffixes[:1]]
    jobs += [(s, True) for f in FORMATS if f.write_series for s in f.suffixes[:1]]
    for number, (suffix, series) in enumerate([*jobs, ("/", False)]):
        if suffix in (".foam",):
            suffix = "/"  # a case is a folder
        folder = Path(sys.argv[1]) / str(number)
        name = "case" if suffix == "/" else f"a{suffix}"
        if series and suffix == "/":
            continue  # further times are added to a case: there is no older series to keep
        for old, new in zip(candidates(1), candidates(2), strict=True):
            folder.mkdir()
            try:
                put(old, folder / name, series)
                mesh = new
                break
            except (MeshFileError, ImportError):
                for path in sorted(folder.rglob("*"), reverse=True):
                    path.unlink() if path.is_file() else path.rmdir()
                folder.rmdir()
        else:
            print(json.dumps([suffix, series, 0, False, "nothing is written", []]))
            continue
        before = files(folder)
        for killed in (False, True):
            for room in ROOMS:
                end = broken(mesh, folder / name, series, room, killed)
                now = files(folder)
                changed = (
                    []
                    if end == "written"
                    else [k for k in before | now if before.get(k) != now.get(k)]
                )
                hidden = [p.name for p in folder.rglob(".*")] if not killed else []
                print(json.dumps([suffix, series, room, killed, end, changed + hidden]))
                if end == "written":  # it fits
                    before = now
                    break


if __name__ == "__main__":
    main()
