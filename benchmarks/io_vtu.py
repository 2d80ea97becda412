"""How fast, and in how much memory, are VTU files written and read beside pyvista and meshio?

    python benchmarks/io_vtu.py [--cells 1000000] [--repeats 3] [--skip-meshio]

The mesh: hexahedra, wedges and tetrahedra in turn along a grid, as cut-cell and hybrid meshers
leave them; three arrays on points and three on cells, scalars and vectors of 4 and 8 bytes. Every
file is read by meshop and VTK, and what they read is compared. meshio, which takes many times as
long, is timed once, after the others' turns. Memory is what a new process needs above its imports
(the highest resident size), for each program alone.

Compression: "zlib" is each program at its own default (meshop level 4 in blocks of 256 KiB, VTK
level 5 in blocks of 32 KiB, meshio level 6), "zlib 5" is meshop at VTK's level, whose default it
is; meshio offers no level. "none" is raw appended data in meshop and VTK (pyvista writes it
through vtkXMLUnstructuredGridWriter), base64 in meshio, which writes no other. The operating
system has the files in its cache; meshop alone also waits until a written file is on the disk.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _timing import interleaved, machine, table, write_json

from meshop.io import read, write
from meshop.mesh import Mesh

SLOW = "meshio"  # minutes for a million mixed cells: once, after the others' turns
HEX = np.arange(8)
WEDGES = np.array([[0, 1, 3, 4, 5, 7], [1, 2, 3, 5, 6, 7]])
TETS = np.array([[0, 1, 3, 4], [1, 2, 3, 6], [1, 6, 4, 5], [3, 4, 6, 7], [1, 3, 4, 6]])
SPLITS = ((12, HEX[None]), (13, WEDGES), (10, TETS))


def mixed(cells: int) -> Mesh:
    """About `cells` cells: box after box, each left whole or cut into wedges or tetrahedra."""
    n = max(round((cells * 3 / 8) ** (1 / 3)), 2)
    axis = np.linspace(0, 1, n + 1)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    at = np.arange((n + 1) ** 3).reshape(n + 1, n + 1, n + 1)
    corner = at[:-1, :-1, :-1].ravel()[:, None]
    box = corner + np.array(
        [at[k, j, i] for k in (0, 1) for j, i in ((0, 0), (0, 1), (1, 1), (1, 0))]
    )
    kind = np.random.default_rng(0).integers(0, 3, len(box))
    count = np.array([len(rows) for _, rows in SPLITS])[kind]
    length = np.array([rows.size for _, rows in SPLITS])[kind]
    first, place = np.cumsum(count) - count, np.cumsum(length) - length
    types, sizes = np.empty(count.sum(), np.uint8), np.empty(count.sum(), np.int64)
    nodes = np.empty(length.sum(), np.int64)
    for index, (code, rows) in enumerate(SPLITS):
        mine = np.flatnonzero(kind == index)
        cell = first[mine][:, None] + np.arange(len(rows))
        types[cell], sizes[cell] = code, rows.shape[1]
        nodes[place[mine][:, None] + np.arange(rows.size)] = box[mine][:, rows.ravel()]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    mesh = Mesh(points, types, offsets, nodes)
    x, y, z = points.T
    mesh.point_data = {
        "p": np.sin(9 * x) * np.cos(7 * y) + z * z,
        "T": (300 + 20 * np.exp(-((x - 0.4) ** 2) * 8) * y).astype("f4"),
        "U": np.stack([np.sin(5 * y), np.cos(6 * x), x * y * z], axis=-1).astype("f4"),
    }
    x, y, z = mesh.cell_centers().T
    mesh.cell_data = {
        "k": (0.1 + x * y).astype("f4"),
        "omega": np.exp(-5 * z) * np.sin(3 * x),
        "tau": np.stack([x * y, np.sin(y * z), np.cos(4 * x)], axis=-1),
    }
    return mesh


# -- the programs -----------------------------------------------------------------------------


def load(who: str, path: str, arrays: list[str] | None = None) -> Any:
    if who == "meshop":
        return read(path, arrays=arrays)
    if who == "pyvista":
        import pyvista

        if arrays is None:
            return pyvista.read(path)
        reader = pyvista.get_reader(path)
        reader.disable_all_point_arrays()
        reader.disable_all_cell_arrays()
        for name in arrays:
            reader.enable_point_array(name)
        return reader.read()
    import meshio

    return meshio.read(path)  # it reads all or nothing


def save(who: str, mesh: Any, path: str, compression: str | None, level: int | None = None) -> None:
    if who == "meshop":
        write(mesh, path, compression=compression, level=level)
    elif who == "meshio":
        mesh.write(path, file_format="vtu", binary=True, compression=compression)
    elif compression is not None:
        mesh.save(path)  # pyvista's default: appended, zlib
    else:
        import vtk

        writer = vtk.vtkXMLUnstructuredGridWriter()
        writer.SetFileName(path)
        writer.SetInputData(mesh)
        writer.SetDataModeToAppended()
        writer.EncodeAppendedDataOff()
        writer.SetCompressorTypeToNone()
        writer.SetHeaderTypeToUInt64()
        writer.Write()


def same(who: str, found: Any, mesh: Mesh) -> None:
    """Stop where a program has read something else."""
    nodes = found.cell_nodes if who == "meshop" else found.cell_connectivity
    pairs = [
        (found.points, mesh.points),
        (nodes, mesh.cell_nodes),
        (found.cell_data["tau"], mesh.cell_data["tau"]),
    ]
    if not all(np.array_equal(a, b) for a, b in pairs):
        raise SystemExit(f"{who} read another mesh")


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--cells", type=int, default=1_000_000)
    args.add_argument("--repeats", type=int, default=3)
    args.add_argument("--skip-meshio", action="store_true")
    args.add_argument("--json")
    args.add_argument("--memory", nargs=3, help=argparse.SUPPRESS)
    opt = args.parse_args()
    warnings.simplefilter("ignore")
    if opt.memory:
        return peak(*opt.memory)

    mesh = mixed(opt.cells)
    content = sum(
        a.nbytes
        for a in (mesh.points, mesh.cell_types, mesh.cell_offsets, mesh.cell_nodes)
    ) + sum(a.nbytes for d in (mesh.point_data, mesh.cell_data) for a in d.values())  # fmt: skip
    print(f"{mesh}\n{content / 1e6:.0f} MB in memory")
    peers = ["meshop", "pyvista", *([] if opt.skip_meshio else ["meshio"])]
    rows: list[tuple] = []
    with tempfile.TemporaryDirectory() as folder:
        held = {"meshop": mesh}
        write(mesh, f"{folder}/start.vtu", compression=None)
        for who in peers[1:]:
            held[who] = load(who, f"{folder}/start.vtu")
        for compression in ("zlib", None):
            rows += questions(held, Path(folder), compression, opt.repeats, content)
    head = ("question", "who", "s", "times ours", "MB/s of content", "file MB", "peak MB")
    print(table(rows, head))
    print(machine())
    write_json(opt.json, {"rows": rows, "content": content, "machine": machine()})


def questions(
    held: dict[str, Any], folder: Path, compression: str | None, repeats: int, content: int
) -> list[tuple]:
    """Writing, reading and reading one array, with one compression."""
    label = compression or "none"
    paths = {who: str(folder / f"{who}_{label}.vtu") for who in held}
    jobs = {who: partial(save, who, held[who], path, compression) for who, path in paths.items()}
    if compression:
        paths["meshop, zlib 5"] = str(folder / "meshop_zlib5.vtu")
        jobs["meshop, zlib 5"] = partial(
            save, "meshop", held["meshop"], paths["meshop, zlib 5"], "zlib", 5
        )
    rows = [
        (*row, Path(paths[row[1]]).stat().st_size / 1e6, "")
        for row in listed(f"write, {label}", jobs, repeats, content)
    ]
    for owner in held:  # each program reads the files of all
        for who in ("meshop", "pyvista"):
            same(who, load(who, paths[owner]), held["meshop"])
    for owner in ("meshop", "pyvista"):
        path = paths[owner]
        jobs = {who: partial(load, who, path) for who in held if who != SLOW or owner == "meshop"}
        rows += [
            (*row, "", memory(row[1], path, "all"))
            for row in listed(f"read {owner}'s, {label}", jobs, repeats, content)
        ]
    path = paths["pyvista"]
    jobs = {who: partial(load, who, path, ["p"]) for who in ("meshop", "pyvista")}
    return rows + [
        (*row, "", memory(row[1], path, "p"))
        for row in listed(f"read p of pyvista's, {label}", jobs, repeats, content)
    ]


def listed(question: str, jobs: dict, repeats: int, content: int) -> list[tuple]:
    seconds = interleaved({who: job for who, job in jobs.items() if who != SLOW}, repeats)
    if SLOW in jobs:
        start = time.perf_counter()
        jobs[SLOW]()
        seconds[SLOW] = time.perf_counter() - start
    print(f"{question}: " + ", ".join(f"{who} {t:.3g} s" for who, t in seconds.items()), flush=True)
    return [
        (question, who, t, t / seconds["meshop"], content / 1e6 / t) for who, t in seconds.items()
    ]


def memory(who: str, path: str, what: str) -> float:
    """MB that reading takes in a process of its own."""
    run = subprocess.run(
        [sys.executable, __file__, "--memory", who, path, what],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(run.stdout)


def peak(who: str, path: str, what: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        small = f"{folder}/a.vtu"
        write(mixed(100), small)
        load(who, small)  # imports
    before = highest()
    load(who, path, None if what == "all" else [what])
    print(highest() - before)


def highest() -> float:
    """MB that this process has held at most (getrusage would count its parent's too)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


if __name__ == "__main__":
    main()
