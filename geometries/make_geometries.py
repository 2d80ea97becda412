"""Make the example geometries of this folder, always the same ones.

    python geometries/make_geometries.py [OUT] [--only NAME ...]

Needs gmsh; `airfoil_solved.vtu` also needs OpenFOAM. See README.md for what each file is.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import meshio
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "examples" / "airfoil_rans"))

from airfoil_case import GridOptions, make_grid, naca4, solve  # noqa: E402
from airfoil_case.grid import gmsh_session  # noqa: E402
from generate import check_solution, solved_mesh, unsolved_mesh  # noqa: E402

from meshop import Mesh  # noqa: E402

# Both sections lie inside the ranges of the data set and are none of its cases.
AIRFOIL = {"naca": (0.02, 0.4, 0.12), "aoa_deg": 4.0, "reynolds": 3.0e6}  # NACA 2412
SOLVED = {"naca": (0.04, 0.4, 0.15), "aoa_deg": 6.0, "reynolds": 2.5e6}  # NACA 4415


def airfoil(folder: Path) -> None:
    """One mesh in three formats: VTU with conditions, SU2 and MSH with named boundaries."""
    exports = (folder / "airfoil.su2", folder / "airfoil.msh")
    grid = make_grid(naca4(*AIRFOIL["naca"]), exports=exports)
    # meshio's MSH 2.2 groups the cells of a kind, which takes a fifth less space than gmsh's.
    meshio.write(exports[1], meshio.read(exports[1]), file_format="gmsh22", binary=True)
    conditions = {"aoa_deg": AIRFOIL["aoa_deg"], "reynolds": AIRFOIL["reynolds"]}
    unsolved_mesh(grid, conditions).save(folder / "airfoil.vtu")


def airfoil_solved(folder: Path) -> None:
    """A solved case in the schema of the training data."""
    aoa, reynolds = SOLVED["aoa_deg"], SOLVED["reynolds"]
    contour = naca4(*SOLVED["naca"])
    grid = make_grid(contour, GridOptions())
    solution = solve(grid, aoa, reynolds)
    mesh = solved_mesh(grid, solution, {"aoa_deg": aoa, "reynolds": reynolds, **contour.parameters})
    check_solution(mesh, solution, aoa, reynolds)
    mesh.save(folder / "airfoil_solved.vtu", compression="lzma")


def beam(folder: Path) -> None:
    """A cantilever 4 x 1 x 0.5 with a round hole, in tetrahedra; `boundary` 1 clamped, 2 loaded."""
    with gmsh_session() as gmsh:
        box = gmsh.model.occ.addBox(0.0, 0.0, 0.0, 4.0, 1.0, 0.5)
        hole = gmsh.model.occ.addCylinder(2.0, 0.5, 0.0, 0.0, 0.0, 0.5, 0.25)
        gmsh.model.occ.cut([(3, box)], [(3, hole)])
        gmsh.model.occ.synchronize()
        gmsh.option.setNumber("Mesh.MeshSizeMax", 0.16)
        gmsh.option.setNumber("Mesh.MeshSizeFromCurvature", 16)
        gmsh.model.mesh.generate(3)
        points, tetrahedra = _cells(gmsh, 4, 4)
    boundary = np.zeros(len(points), dtype=np.uint8)
    boundary[np.isclose(points[:, 0], 0.0)] = 1
    boundary[np.isclose(points[:, 0], 4.0)] = 2
    mesh = Mesh.from_blocks(points, [("tetra", tetrahedra)], point_data={"boundary": boundary})
    mesh.save(folder / "beam.vtu")


def bracket(folder: Path) -> None:
    """The closed surface of an L-shaped bracket with a bolt hole in each leg, binary STL."""
    with gmsh_session() as gmsh:
        _bracket_shape(gmsh)
        gmsh.option.setNumber("Mesh.MeshSizeMax", 4.0)
        gmsh.option.setNumber("Mesh.MeshSizeFromCurvature", 24)
        gmsh.option.setNumber("Mesh.Binary", 1)
        gmsh.model.mesh.generate(2)
        gmsh.write(str(folder / "bracket.stl"))


def bracket_cad(folder: Path) -> None:
    """The same bracket as STEP: `base` and `back` are screwed on, through the two holes."""
    path = folder / "bracket.step"
    with gmsh_session() as gmsh:
        _bracket_shape(gmsh)
        gmsh.write(str(path))
    with gmsh_session() as gmsh:  # faces are numbered as the file lists them
        gmsh.model.occ.importShapes(str(path))
        gmsh.model.occ.synchronize()
        boxes = [gmsh.model.getBoundingBox(*face) for face in gmsh.model.getEntities(2)]
    names = iter([_bracket_face(box) for box in boxes])
    text = re.sub(
        r"ADVANCED_FACE\(''", lambda _: f"ADVANCED_FACE('{next(names)}'", path.read_text()
    )
    text = re.sub(r"'\d{4}-\d\d-\d\dT[\d:]+'", "'2026-01-01T00:00:00'", text)  # always the same
    path.write_text(re.sub(r"'Open CASCADE STEP translator[^']*'", "'bracket'", text))


def _bracket_shape(gmsh: Any) -> None:
    occ = gmsh.model.occ
    legs = [
        (3, occ.addBox(0.0, 0.0, 0.0, 60.0, 40.0, 6.0)),
        (3, occ.addBox(0.0, 0.0, 0.0, 6.0, 40.0, 50.0)),
    ]
    joined, _ = occ.fuse(legs[:1], legs[1:])
    holes = [
        (3, occ.addCylinder(40.0, 20.0, -1.0, 0.0, 0.0, 8.0, 7.0)),
        (3, occ.addCylinder(-1.0, 20.0, 32.0, 8.0, 0.0, 0.0, 5.0)),
    ]
    occ.cut(joined, holes)
    occ.synchronize()


def _bracket_face(box: tuple[float, ...]) -> str:
    """A face's name by its bounding box; most have none."""
    low, high = np.array(box[:3]), np.array(box[3:])
    if high[2] < 0.1:
        return "base"
    if high[0] < 0.1:
        return "back"
    if np.allclose(high - low, (14.0, 14.0, 6.0), atol=0.1):
        return "base hole"
    return "back hole" if np.allclose(high - low, (6.0, 10.0, 10.0), atol=0.1) else ""


def cloud(folder: Path) -> None:
    """4,000 points (x, y, z) on a torus of radii 1 and 0.4, uniform in area; float32 NPY."""
    rng = np.random.default_rng(0)
    around, across, keep = rng.uniform(0.0, 1.0, (3, 12000))
    around, across = 2.0 * np.pi * around, 2.0 * np.pi * across
    radius = 1.0 + 0.4 * np.cos(across)
    chosen = np.flatnonzero(keep < radius / 1.4)[:4000]  # the outer side has more area
    around, across, radius = around[chosen], across[chosen], radius[chosen]
    xyz = [radius * np.cos(around), radius * np.sin(around), 0.4 * np.sin(across)]
    np.save(folder / "cloud.npy", np.stack(xyz, axis=1).astype(np.float32))


MAKERS: dict[str, Callable[[Path], None]] = {
    "airfoil": airfoil,
    "airfoil_solved": airfoil_solved,
    "beam": beam,
    "bracket": bracket,
    "bracket_cad": bracket_cad,
    "cloud": cloud,
}


def _cells(gmsh: Any, kind: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and cells of one gmsh element type, numbered from 0, without unused nodes."""
    tags, xyz, _ = gmsh.model.mesh.getNodes()
    _, nodes = gmsh.model.mesh.getElementsByType(kind)
    used = np.unique(nodes)
    row_of_tag = np.zeros(int(tags.max()) + 1, dtype=np.int64)
    row_of_tag[tags.astype(np.int64)] = np.arange(len(tags))
    points = xyz.reshape(-1, 3)[row_of_tag[used.astype(np.int64)]]
    return points, np.searchsorted(used, nodes).reshape(-1, width).astype(np.int64)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make the example geometries.")
    parser.add_argument("out", nargs="?", type=Path, default=HERE, metavar="OUT")
    parser.add_argument("--only", nargs="+", choices=MAKERS, default=list(MAKERS), metavar="NAME")
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        try:
            MAKERS[name](args.out)
        except (ImportError, RuntimeError) as error:  # no gmsh; no OpenFOAM or a failed run
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        print(f"{name} made in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
