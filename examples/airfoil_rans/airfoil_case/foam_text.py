"""The text of an OpenFOAM case: dictionaries, fields and the one-cell-thick mesh.

Physics: steady incompressible Reynolds-averaged Navier-Stokes, Spalart-Allmaras one-equation
model (Spalart and Allmaras, AIAA 92-0439; OpenFOAM's form has no ft2 term), SIMPLEC coupling.
Chord 1, free stream 1, density 1, nu = 1/Re. The free stream carries nuTilda = 3 nu, as the
model's authors advise for fully turbulent flow, hence nut = 0.21 nu. The wall uses Spalding's law
(`nutUSpaldingWallFunction`), which holds from the sublayer (y+ < 5) to the log layer (y+ > 30).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .grid import FAR, WALL, Grid

CHI = 3.0  # nuTilda / nu of the free stream
CV1 = 7.1  # Spalart-Allmaras wall damping constant


@dataclass(frozen=True)
class FlowOptions:
    """How the solver runs. `tolerance` is on the initial residuals of U, p and nuTilda."""

    max_iterations: int = 1000
    tolerance: float = 1e-6
    gradients: str = "leastSquares"  # of U and p
    start_iterations: int = 300  # with "Gauss linear" first: from rest least squares may blow up
    timeout: float = 1800.0  # seconds


def case_files(aoa_deg: float, reynolds: float, options: FlowOptions) -> dict[str, str]:
    """Relative path to text of every dictionary and initial field of the case."""
    angle = np.radians(aoa_deg)
    u, v = float(np.cos(angle)), float(np.sin(angle))
    nu = 1.0 / reynolds
    damping = CHI**3 / (CHI**3 + CV1**3)
    return {
        "system/controlDict": _head("dictionary", "controlDict") + _control(u, v, options),
        "system/fvSchemes": _head("dictionary", "fvSchemes")
        + SCHEMES.replace("GRADIENTS", options.gradients),
        "system/fvSolution": _head("dictionary", "fvSolution") + _solution(options),
        "constant/transportProperties": _head("dictionary", "transportProperties")
        + f"transportModel Newtonian;\nnu {nu:.12g};\n",
        "constant/turbulenceProperties": _head("dictionary", "turbulenceProperties")
        + "simulationType RAS;\n"
        "RAS { RASModel SpalartAllmaras; turbulence on; printCoeffs off; }\n",
        "0/U": _field("U", "[0 1 -1 0 0 0 0]", f"({u:.12g} {v:.12g} 0)", "vector",
                      "type noSlip;",
                      f"type freestreamVelocity; freestreamValue uniform ({u:.12g} {v:.12g} 0);"),
        "0/p": _field("p", "[0 2 -2 0 0 0 0]", "0", "scalar", "type zeroGradient;",
                      "type freestreamPressure; freestreamValue uniform 0;"),
        "0/nuTilda": _field("nuTilda", "[0 2 -1 0 0 0 0]", f"{CHI * nu:.12g}", "scalar",
                            "type fixedValue; value uniform 0;",
                            f"type freestream; freestreamValue uniform {CHI * nu:.12g};"),
        "0/nut": _field("nut", "[0 2 -1 0 0 0 0]", f"{CHI * damping * nu:.12g}", "scalar",
                        "type nutUSpaldingWallFunction; value uniform 0;",
                        f"type freestream; freestreamValue uniform {CHI * damping * nu:.12g};"),
    }  # fmt: skip


def mesh_files(grid: Grid) -> dict[str, str]:
    """Relative path to text of the five polyMesh files: `grid` extruded from z = 0 to z = 1.

    Cells keep the order of `grid.cells()`. Faces come in OpenFOAM's order: internal ones sorted
    by owner, then neighbour, then the patches airfoil, farfield and frontAndBack.
    """
    n = len(grid.points)
    _, offsets, nodes = grid.cells()
    m = len(offsets) - 1
    counts = np.diff(offsets)
    owner = np.repeat(np.arange(m), counts)
    following = np.arange(len(nodes)) + 1
    following[offsets[1:] - 1] = offsets[:-1]
    edges = np.stack([nodes, nodes[following]], axis=1)
    key = np.sort(edges, axis=1)
    rank = np.lexsort((owner, key[:, 1], key[:, 0]))
    edges, owner, key = edges[rank], owner[rank], key[rank]
    twin = np.zeros(len(edges), dtype=bool)
    twin[:-1] = np.all(key[1:] == key[:-1], axis=1)
    second = np.concatenate([[False], twin[:-1]])
    inner = np.flatnonzero(twin)  # its owner is the smaller cell: `rank` sorts by owner last
    inner = inner[np.lexsort((owner[inner + 1], owner[inner]))]
    single = np.flatnonzero(~twin & ~second)
    ends = grid.boundary[edges[single]]
    wall, far = single[(ends == WALL).all(axis=1)], single[(ends == FAR).any(axis=1)]
    if len(wall) + len(far) != len(single):
        raise ValueError("a boundary edge of the mesh lies neither on the wall nor far away")

    sides = np.concatenate([inner, wall, far])
    # Edge a -> b has its cell on the left; a, b, b', a' therefore points out of the owner.
    quads = np.concatenate([edges[sides], edges[sides][:, ::-1] + n], axis=1)
    lines = [f"4({a} {b} {c} {d})" for a, b, c, d in quads.tolist()]
    for shift, step in ((0, -1), (n, 1)):  # the planes z = 0 (looking down) and z = 1
        for i in range(m):
            face = (nodes[offsets[i] : offsets[i + 1]] + shift)[::step].tolist()
            lines.append(f"{len(face)}({' '.join(map(str, face))})")
    owners = np.concatenate([owner[sides], np.arange(m), np.arange(m)])
    neighbours = owner[inner + 1]
    xy = [f"{x:.12g} {y:.12g}" for x, y in grid.points[:, :2].tolist()]
    starts = np.cumsum([len(inner), len(wall), len(far)]).tolist()
    patches = [
        ("airfoil", "wall", len(wall), starts[0]),
        ("farfield", "patch", len(far), starts[1]),
        ("frontAndBack", "empty", 2 * m, starts[2]),
    ]
    boundary = "".join(
        f"{name} {{ type {kind_}; nFaces {count}; startFace {start}; }}\n"
        for name, kind_, count, start in patches
    )
    note = f"nPoints:{2 * n} nCells:{m} nFaces:{len(lines)} nInternalFaces:{len(inner)}"
    folder = "constant/polyMesh/"
    return {
        folder + "points": _head("vectorField", "points")
        + _list([f"({q} {z})" for z in (0, 1) for q in xy]),
        folder + "faces": _head("faceList", "faces") + _list(lines),
        folder + "owner": _head("labelList", "owner", note) + _list(list(map(str, owners))),
        folder + "neighbour": _head("labelList", "neighbour", note)
        + _list(list(map(str, neighbours))),
        folder + "boundary": _head("polyBoundaryMesh", "boundary") + f"3\n(\n{boundary})\n",
    }


def parse_internal_field(text: str, n_cells: int) -> NDArray[np.float64]:
    """The `internalField` of an ascii OpenFOAM field file: (M,) or (M, 3)."""
    start = text.index("internalField")
    head, _, body = text[start:].partition("(")
    if "nonuniform" not in head:
        raise ValueError("the field is uniform: the solver wrote no solution")
    wide = "vector" in head
    end = body.index("\n)")
    numbers = body[:end].replace("(", " ").replace(")", " ").split()
    values = np.array(numbers, dtype=float)
    return values.reshape(n_cells, 3) if wide else values.reshape(n_cells)


def _head(kind: str, name: str, note: str = "") -> str:
    extra = f'note "{note}"; ' if note else ""
    return f"FoamFile {{ version 2.0; format ascii; class {kind}; {extra}object {name}; }}\n"


def _list(lines: list[str]) -> str:
    return f"{len(lines)}\n(\n" + "\n".join(lines) + "\n)\n"


def _field(name: str, units: str, inside: str, rank: str, wall: str, far: str) -> str:
    kind = "volVectorField" if rank == "vector" else "volScalarField"
    return _head(kind, name) + (
        f"dimensions {units};\ninternalField uniform {inside};\nboundaryField\n{{\n"
        f"airfoil {{ {wall} }}\nfarfield {{ {far} }}\nfrontAndBack {{ type empty; }}\n}}\n"
    )


def _control(u: float, v: float, options: FlowOptions) -> str:
    end = options.max_iterations
    return f"""application simpleFoam;
startFrom latestTime; startTime 0; stopAt endTime; endTime {end}; deltaT 1;
writeControl timeStep; writeInterval {end}; purgeWrite 1;
writeFormat ascii; writePrecision 10; timePrecision 8; runTimeModifiable false;
functions
{{
    coefficients
    {{
        type forceCoeffs; libs (forces); writeControl timeStep; writeInterval 1; log false;
        patches (airfoil); rho rhoInf; rhoInf 1; magUInf 1; lRef 1; Aref 1;
        CofR (0.25 0 0); pitchAxis (0 0 -1);
        liftDir ({-v:.12g} {u:.12g} 0); dragDir ({u:.12g} {v:.12g} 0);
    }}
}}
"""


# The gradient that carries nuTilda is limited, which keeps nuTilda positive.
SCHEMES = """ddtSchemes { default steadyState; }
gradSchemes { default GRADIENTS; grad(nuTilda) cellLimited Gauss linear 1; }
divSchemes
{
    default none;
    div(phi,U) bounded Gauss linearUpwind grad(U);
    div(phi,nuTilda) bounded Gauss linearUpwind grad(nuTilda);
    div((nuEff*dev2(T(grad(U))))) Gauss linear;
}
laplacianSchemes { default Gauss linear corrected; }
interpolationSchemes { default linear; }
snGradSchemes { default corrected; }
wallDist { method meshWave; }
"""


def _solution(options: FlowOptions) -> str:
    small = f"{options.tolerance:g}"
    return f"""solvers
{{
    p {{ solver GAMG; smoother GaussSeidel; tolerance 1e-9; relTol 0.05; }}
    "(U|nuTilda)" {{ solver smoothSolver; smoother GaussSeidel; nSweeps 2;
        tolerance 1e-10; relTol 0.1; }}
}}
SIMPLE
{{
    consistent yes; nNonOrthogonalCorrectors 0;
    residualControl {{ p {small}; U {small}; nuTilda {small}; }}
}}
relaxationFactors {{ equations {{ U 0.7; nuTilda 0.7; }} }}
"""
