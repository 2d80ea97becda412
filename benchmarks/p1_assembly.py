"""How fast P1 matrices are assembled beside scikit-fem.

    python benchmarks/p1_assembly.py [--side 55] [--repeats 3] [--json FILE]

`side`^3 cubes of six tetrahedra each, points and cells in the order of the grid and at random.
"first" has everything that a new mesh needs: ours the splitting and the pattern, scikit-fem's the
basis (of the lowest order that is exact). "again" is another matrix on the same mesh, as for
another coefficient. Matrices are compared before they are timed. Processor time of one thread,
median of calls in turns.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from _timing import interleaved, machine, table, write_json

from meshop.mesh import P1, Mesh


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--side", type=int, default=55)
    args.add_argument("--repeats", type=int, default=3)
    args.add_argument("--json")
    opt = args.parse_args()
    torch.set_num_threads(1)
    rows, result = [], {}
    for order in ("grid", "random"):
        seconds = interleaved(suite(opt.side, order), opt.repeats, clock=time.process_time)
        result[order] = seconds
        for name, own in seconds.items():
            if not name.startswith("skfem"):
                peer = seconds.get(f"skfem {name}")
                ratio = peer / own if peer else float("nan")
                rows.append((f"{name}, {order}", own, peer or float("nan"), ratio))
    print(f"{6 * opt.side**3} tetrahedra")
    print(table(rows, ("matrix, order", "meshop s", "scikit-fem s", "ratio")))
    print(machine())
    write_json(opt.json, {"seconds": result, "machine": machine()})


def suite(side: int, order: str) -> dict:
    from skfem import Basis, ElementTetP1, MeshTet
    from skfem.models.poisson import laplace, mass

    axis = np.linspace(0, 1, side + 1)
    peer = MeshTet.init_tensor(axis, axis, axis)
    points, cells = peer.p.T.copy(), peer.t.T.copy()
    if order == "random":
        random = np.random.default_rng(0)
        number = random.permutation(len(points))
        points[number] = points.copy()
        cells = number[cells[random.permutation(len(cells))]]
        peer = MeshTet(points.T.copy(), cells.T.copy())
    mesh = Mesh.from_blocks(points, [("tetra", cells)])

    def basis(exact: int) -> Basis:
        return Basis(peer, ElementTetP1(), intorder=exact)

    p1, linear, quadratic = P1(mesh), basis(1), basis(2)
    ours = p1.stiffness(), p1.mass()
    theirs = laplace.assemble(linear), mass.assemble(quadratic)
    for one, two in zip(ours, theirs, strict=True):
        error = abs(one - two).max() / abs(two).max()
        assert error < 1e-12, error
    return {
        "stiffness, first": lambda: P1(mesh).stiffness(),
        "skfem stiffness, first": lambda: laplace.assemble(basis(1)),
        "stiffness, again": p1.stiffness,
        "skfem stiffness, again": lambda: laplace.assemble(linear),
        "mass, again": p1.mass,
        "skfem mass, again": lambda: mass.assemble(quadratic),
        "gradient matrices, first": lambda: P1(mesh).derivatives,
        "quadratic fits, first": lambda: P1(mesh).fit,
        "boundary, first": lambda: P1(mesh).boundary.normals,
    }


if __name__ == "__main__":
    main()
