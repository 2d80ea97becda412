"""How fast are edges and facets of a million cells?

    python benchmarks/kernels_cells.py [--cells 1000000] [--threads 2] [--repeats 5]
                                       [--only WORDS] [--slow]

Tetrahedra (boxes split in six), the same with cells and nodes in random order, hexahedra, and these
as polyhedra. Peers: NumPy (unique of packed pairs; lexsort of sorted faces, the fast way to do it),
PyG's FaceToEdge (tetrahedra; both directions of each edge, sorted); with --slow also NumPy's
unique(axis=0) and `meshop.ops.reference` (plain torch). Results are compared before they are timed.

The limit: every array read or written once, over the measured bandwidth of a copy. Between that
and the kernels lies the matching: of the 6 edges or 4 faces that each tetrahedron lists, the 12
edges or 6 faces of a hexahedron.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable

import numpy as np
import torch
from _timing import copy_bandwidth, interleaved, machine, table, write_json

from meshop import ops
from meshop.celltypes import CELL_TYPES
from meshop.ops import reference

TETRA, HEXAHEDRON, POLYHEDRON = 10, 12, 42
SLOW = ("numpy unique(axis=0)", "plain torch")
Mesh = tuple[torch.Tensor, ...]


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--cells", type=int, default=1_000_000)
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--repeats", type=int, default=5)
    args.add_argument("--only", default="", help="questions that contain this, like 'edges tetra'")
    args.add_argument("--slow", action="store_true", help="also the peers that take seconds")
    args.add_argument("--json")
    opt = args.parse_args()
    torch.set_num_threads(opt.threads)
    tetra = tetrahedra(round((opt.cells / 6) ** (1 / 3)))
    hexa = hexahedra(round(opt.cells ** (1 / 3)))
    cells = {
        "tetrahedra": (tetra, TETRA),
        "tetrahedra shuffled": (shuffled(tetra), TETRA),
        "hexahedra": (hexa, HEXAHEDRON),
        "polyhedra": (hexa, POLYHEDRON),
    }
    speed = copy_bandwidth()
    rows, result = [], {}
    for name, (nodes, code) in cells.items():
        mesh = as_polyhedra(nodes) if code == POLYHEDRON else as_mesh(nodes, code)
        for what, jobs_of in (("edges", edge_jobs), ("facets", facet_jobs)):
            question = f"{what} {name} {len(nodes)}"
            if opt.only not in question:
                continue
            jobs = jobs_of(nodes, code, mesh)
            jobs = {who: job for who, job in jobs.items() if opt.slow or who not in SLOW}
            outputs = jobs["meshop"]()
            outputs = (outputs,) if isinstance(outputs, torch.Tensor) else outputs
            given = [part for part in mesh if part is not None]
            moved = sum(t.numel() * t.element_size() for t in (*given, *outputs))
            seconds = interleaved(jobs, opt.repeats, settle=True)
            seconds["limit: bytes"] = moved / speed
            result[question] = seconds
            rows += [(question, who, 1e3 * t, t / seconds["meshop"]) for who, t in seconds.items()]
    print(f"compiled kernels: {ops.compiled}; copy {speed / 1e9:.1f} GB/s (read and written)")
    print(table(rows, ("question", "who", "ms", "times ours")))
    print(machine())
    write_json(opt.json, {"seconds": result, "copy": speed, "machine": machine()})


def edge_jobs(nodes: np.ndarray, code: int, mesh: Mesh) -> dict[str, Callable]:
    ours = ops.cell_edges(*mesh)
    table_of = HEXAHEDRON if code == POLYHEDRON else code
    local = np.array(CELL_TYPES[table_of].edges)

    def with_numpy() -> np.ndarray:
        """Smaller node first, each pair in one integer."""
        pairs = np.sort(nodes[:, local].reshape(-1, 2), axis=1)
        span = pairs.max() + 1
        return np.stack(np.divmod(np.unique(pairs[:, 0] * span + pairs[:, 1]), span), 1)

    same(ours, torch.from_numpy(with_numpy()))
    jobs: dict[str, Callable] = {
        "meshop": lambda: ops.cell_edges(*mesh),
        "numpy unique": with_numpy,
    }
    if code == TETRA:
        jobs |= pyg_job(nodes, ours)
    return jobs | {"plain torch": lambda: reference.cell_edges(*mesh)}


def pyg_job(nodes: np.ndarray, ours: torch.Tensor) -> dict[str, Callable]:
    try:
        from torch_geometric.data import Data
        from torch_geometric.transforms import FaceToEdge
    except ImportError:
        print("peer skipped: torch_geometric is not installed")
        return {}
    face, count = torch.from_numpy(nodes).t().contiguous(), int(nodes.max()) + 1

    def run() -> torch.Tensor:
        return FaceToEdge()(Data(face=face, num_nodes=count)).edge_index

    both = run()
    same(ours, both[:, both[0] < both[1]].t())
    return {"PyG FaceToEdge": run}


def facet_jobs(nodes: np.ndarray, code: int, mesh: Mesh) -> dict[str, Callable]:
    local = np.array(CELL_TYPES[HEXAHEDRON if code == POLYHEDRON else code].facets)

    def pair_up(order: np.ndarray, new: np.ndarray) -> np.ndarray:
        """Owner and neighbour of each facet, from an order that puts its uses together."""
        first = np.flatnonzero(new)
        owner = order[first] // len(local)
        second = order[np.minimum(first + 1, len(order) - 1)] // len(local)
        alone = np.diff(first, append=len(order)) == 1
        low, high = np.minimum(owner, second), np.maximum(owner, second)
        return np.stack([np.where(alone, owner, low), np.where(alone, -1, high)], 1)

    def with_lexsort() -> np.ndarray:
        faces = np.sort(nodes[:, local].reshape(-1, local.shape[1]), axis=1)
        order = np.lexsort(faces.T[::-1])
        ordered = faces[order]
        new = np.append(True, np.any(ordered[1:] != ordered[:-1], axis=1))
        return pair_up(order, new)

    def with_unique() -> np.ndarray:
        faces = np.sort(nodes[:, local].reshape(-1, local.shape[1]), axis=1)
        _, facet = np.unique(faces, axis=0, return_inverse=True)
        order = np.argsort(facet, kind="stable")
        new = np.append(True, np.diff(facet[order]) > 0)
        return pair_up(order, new)

    found = ops.cell_facets(*mesh)
    ours = torch.stack([found.owner, found.neighbor], 1).numpy()
    theirs = with_lexsort()
    # Two cells share one facet at most in these meshes.
    same(*(torch.from_numpy(p[np.lexsort(p.T)]) for p in (ours, theirs)))
    return {
        "meshop": lambda: ops.cell_facets(*mesh),
        "numpy lexsort": with_lexsort,
        "numpy unique(axis=0)": with_unique,
        "plain torch": lambda: reference.cell_facets(*mesh, *(None,) * (5 - len(mesh)), -1),
    }


# -- meshes -------------------------------------------------------------------------------------


def hexahedra(side: int) -> np.ndarray:
    """(side^3, 8) nodes of a box of cubes."""
    n = side + 1
    at = np.arange(n**3).reshape(n, n, n)
    a, b = slice(None, -1), slice(1, None)
    corners = [(a, a, a), (b, a, a), (b, b, a), (a, b, a)]
    corners += [(x, y, b) for x, y, _ in corners]
    return np.stack([at[c].ravel() for c in corners], axis=1)


def tetrahedra(side: int) -> np.ndarray:
    """Six around the diagonal of each cube."""
    rim = (1, 2, 3, 7, 4, 5, 1)
    split = [[0, a, b, 6] for a, b in itertools.pairwise(rim)]
    return hexahedra(side)[:, split].reshape(-1, 4)


def shuffled(nodes: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.permutation(nodes.max() + 1)[nodes[random.permutation(len(nodes))]]


def as_mesh(nodes: np.ndarray, code: int) -> Mesh:
    types = torch.full((len(nodes),), code, dtype=torch.uint8)
    ends = torch.arange(len(nodes) + 1) * nodes.shape[1]
    return types, ends, torch.from_numpy(np.ascontiguousarray(nodes)).reshape(-1)


def as_polyhedra(nodes: np.ndarray) -> Mesh:
    local = np.array(CELL_TYPES[HEXAHEDRON].facets)
    stream = np.full((len(nodes), 31), 4)
    stream[:, 0] = 6
    stream[:, 1:].reshape(-1, 6, 5)[:, :, 1:] = nodes[:, local]
    ends = torch.arange(1, len(nodes) + 1) * 31
    return *as_mesh(nodes, POLYHEDRON), torch.from_numpy(stream).reshape(-1), ends


def same(a: torch.Tensor, b: torch.Tensor) -> None:
    if not torch.equal(a, b):
        raise SystemExit("results differ")


if __name__ == "__main__":
    main()
