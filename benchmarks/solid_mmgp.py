"""How accurate is MMGP on solid parts that it has never seen, and what does a morph cost?

    python benchmarks/solid_mmgp.py [--train 50] [--test 15] [--folder CASES] [--json OUT]
    python benchmarks/solid_mmgp.py --morphs 0.12 0.055 0.025      # sizes of cells

A unit cube with a hole through it (centre x, y in [.3, .7], radius in [.1, .22]), each meshed by
itself with gmsh (1,000 to 3,000 points): -laplace T + beta T = 0, T = 1 in the hole, 0 below,
insulated elsewhere, beta in [1, 40]; and the displacement U of thermal expansion, 100 div sigma(U)
= grad T, fixed below, Poisson's ratio .3. Quadratic elements, taken at the points. Per case the
relative L2 error (by lumped mass); beside MMGP the training case that is nearest in beta, x, y and
radius, carried by the morphing and by nearest points, and quadratics in these four, fitted to
every value on the reference and carried by the morphing. The cases are kept in a folder.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import gmsh
import numpy as np
import skfem
from _timing import table, write_json
from scipy.sparse import diags
from scipy.sparse.linalg import cg
from scipy.spatial import cKDTree
from skfem.models.elasticity import lame_parameters, linear_elasticity

from meshop import read
from meshop.errors import MeshError
from meshop.mesh import Mesh
from meshop.reduced import MMGP, NORMAL, morph_onto
from meshop.train import least_squares

NAMES = ("beta", "x", "y", "radius")
LOW, HIGH = np.array([1.0, 0.3, 0.3, 0.1]), np.array([40.0, 0.7, 0.7, 0.22])
FIELDS = {"T": slice(0, 1), "U": slice(1, 4)}


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--train", type=int, default=50)
    args.add_argument("--test", type=int, default=15)
    args.add_argument("--folder", type=Path, default=Path("solid_mmgp_cases"))
    args.add_argument("--morphs", type=float, nargs="+", help="time morphs alone")
    args.add_argument("--json")
    opt = args.parse_args()
    rows = morphs(opt.morphs) if opt.morphs else accuracy(opt.train, opt.test, opt.folder)
    print(table([list(row.values()) for row in rows], list(rows[0])))
    write_json(opt.json, rows)


def accuracy(train: int, test: int, folder: Path) -> list[dict[str, object]]:
    cases = [case(i, folder) for i in range(train + test)]
    points = [m.n_points for m in cases]
    print(f"{train} + {test} cases, {min(points)} to {max(points)} points")
    known = np.array([[float(m.field_data[k][0]) for k in NAMES] for m in cases])
    conditions = np.log(known[:, :1])
    fields = [np.column_stack([m.point_data["T"], m.point_data["U"]]) for m in cases]
    begin = time.process_time()
    model = MMGP().fit(cases[:train], conditions[:train], fields[:train])
    print(f"fit: {time.process_time() - begin:.0f} s; inputs {', '.join(model.inputs)}; "
          f"modes {np.diff(model.splits)}")  # fmt: skip
    reference = model.reference
    there = np.stack([
        reference.carry(m).there @ f for m, f in zip(cases[:train], fields, strict=False)
    ])  # fmt: skip
    inputs = np.column_stack([conditions, known[:, 1:]])
    fitted = least_squares(
        inputs[:train], inputs[:train, :0], there.reshape(train, -1), inputs[train:],
        inputs[train:, :0],
    )  # fmt: skip
    scale = inputs[:train].std(0)
    errors: dict[str, list[np.ndarray]] = {}
    held, seconds = [], []
    for i in range(train, train + test):
        begin = time.process_time()
        try:
            answer = model.predict([cases[i]], conditions[i : i + 1])[0]
        except MeshError as error:
            print(f"case {i} is left out of all means: {error.what}: {error.why}")
            continue
        seconds.append(time.process_time() - begin)
        near = int(np.argmin((((inputs[:train] - inputs[i]) / scale) ** 2).sum(1)))
        back = reference.carry(cases[i]).back
        tree = cKDTree(cases[near].points)
        guesses = {
            "MMGP": answer.fields,
            "its round trip": back @ (reference.carry(cases[i]).there @ fields[i]),
            "least squares, morphed": back @ fitted[i - train].reshape(there.shape[1:]),
            "nearest case, morphed": back @ there[near],
            "nearest case, nearest points": fields[near][tree.query(cases[i].points)[1]],
        }
        mass = cases[i].p1().lumped
        for name, guess in guesses.items():
            gap = [
                np.sqrt((mass @ (guess - fields[i])[:, some] ** 2).sum()
                        / (mass @ fields[i][:, some] ** 2).sum())
                for some in FIELDS.values()
            ]  # fmt: skip
            errors.setdefault(name, []).append(np.array(gap))
        miss = np.abs(answer.fields - fields[i]) <= NORMAL * answer.deviation
        held.append([miss[:, some].mean() for some in FIELDS.values()])
    print(f"a prediction: {np.mean(seconds):.1f} s of processor")
    rows: list[dict[str, object]] = []
    for name, gaps in errors.items():
        row: dict[str, object] = {"": name}
        for k, field in enumerate(FIELDS):
            row[f"{field} mean %"] = 100 * float(np.mean([g[k] for g in gaps]))
            row[f"{field} median %"] = 100 * float(np.median([g[k] for g in gaps]))
            row[f"{field} in 90 % bands"] = (
                100 * float(np.mean(held, axis=0)[k]) if name == "MMGP" else "-"
            )
        rows.append(row)
    return rows


def morphs(sizes: list[float]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for size in sizes:
        mesh, other = holed(0.5, 0.5, 0.2, size), holed(0.4, 0.6, 0.15, size)
        begin = time.process_time()
        found = morph_onto(mesh, other)
        spent = time.process_time() - begin
        shrink = found.cell_measures() / mesh.cell_measures()
        rows.append({"points": mesh.n_points, "cells": mesh.n_cells, "seconds": spent,
                     "least volume over before": float(shrink.min())})  # fmt: skip
    return rows


def case(seed: int, folder: Path) -> Mesh:
    """A solved case, from its file if it is there."""
    path = folder / f"hole_{seed:03d}.vtu"
    if path.exists():
        return read(path)
    random = np.random.default_rng(seed)
    values = LOW + (HIGH - LOW) * random.uniform(size=4)
    values[0] = np.exp(np.log(LOW[0]) + (np.log(HIGH[0] / LOW[0])) * random.uniform())
    mesh = holed(*values[1:], size=float(random.uniform(0.078, 0.11)))
    temperature, way = solved(mesh, *values)
    mesh.point_data |= {"T": temperature, "U": way}
    mesh.field_data |= {k: np.array([v]) for k, v in zip(NAMES, values, strict=True)}
    folder.mkdir(parents=True, exist_ok=True)
    mesh.save(path)
    return mesh


def holed(x: float, y: float, radius: float, size: float) -> Mesh:
    gmsh.initialize(interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.option.setNumber("Mesh.MeshSizeMax", size)
        gmsh.option.setNumber("Mesh.MeshSizeMin", size)
        cad = gmsh.model.occ
        cad.cut([(3, cad.addBox(0, 0, 0, 1, 1, 1))],
                [(3, cad.addCylinder(x, y, -0.1, 0, 0, 1.2, radius))])  # fmt: skip
        cad.synchronize()
        gmsh.model.mesh.generate(3)
        tags, points, _ = gmsh.model.mesh.getNodes()
        nodes = gmsh.model.mesh.getElementsByType(4)[1]
        place = np.zeros(int(tags.max()) + 1, np.int64)
        place[tags] = np.arange(len(tags))
        used, nodes = np.unique(place[nodes], return_inverse=True)
        return Mesh.from_blocks(points.reshape(-1, 3)[used], [("tetra", nodes.reshape(-1, 4))])
    finally:
        gmsh.finalize()


def solved(
    mesh: Mesh, beta: float, x: float, y: float, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """T (N,) and U (N, 3) at the points of a mesh."""
    grid = skfem.MeshTet(mesh.points.T.copy(), mesh.cell_nodes.reshape(-1, 4).T.copy())
    scalar = skfem.Basis(grid, skfem.ElementTetP2())
    vector = scalar.with_element(skfem.ElementVector(skfem.ElementTetP2()))
    heat = skfem.BilinearForm(
        lambda u, v, w: sum(u.grad[i] * v.grad[i] for i in range(3)) + beta * u * v
    ).assemble(scalar)
    at = scalar.doflocs
    hole = np.hypot(at[0] - x, at[1] - y) < radius * (1 + 1e-9)
    # Midpoints of chords lie inside the circle, those of no other edges do.
    given = np.flatnonzero(hole | (at[2] < 1e-9))
    start = np.where(hole & (at[2] > 1e-9), 1.0, 0.0)
    t = conjugate(heat, np.zeros(len(start)), start, given)
    stiff = linear_elasticity(*lame_parameters(1.0, 0.3)).assemble(vector)
    swell = skfem.LinearForm(
        lambda v, w: 0.01 * w.t * (v.grad[0, 0] + v.grad[1, 1] + v.grad[2, 2])
    ).assemble(vector, t=scalar.interpolate(t))
    fixed = np.flatnonzero(vector.doflocs[2] < 1e-9)
    u = conjugate(stiff, swell, np.zeros(len(swell)), fixed)
    return t[scalar.nodal_dofs[0]], u[vector.nodal_dofs].T


def conjugate(matrix: object, load: np.ndarray, start: np.ndarray, given: np.ndarray) -> np.ndarray:
    inner, right, out, free = skfem.condense(matrix, load, x=start, D=given)
    found, failed = cg(inner, right, rtol=1e-8, M=diags(1 / inner.diagonal()), maxiter=5000)
    if failed:
        raise RuntimeError("conjugate gradients did not converge")
    out[free] = found
    return out


if __name__ == "__main__":
    main()
