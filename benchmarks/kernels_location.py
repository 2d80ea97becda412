"""How fast locate and interpolate are beside SciPy, VTK and matplotlib.

    python benchmarks/kernels_location.py [--side 55] [--queries 1000000] [--threads 2]

`side`^3 cubes cut into 6 jittered tetrahedra each, and the graded triangles of an airfoil mesh;
uniform queries in the box, and as many around the airfoil, drawn in its cells. Ours builds its tree
at each call, VTK's probe too; the other peers' structures are built beforehand ("built").
Peers: SciPy's Delaunay walk and LinearNDInterpolator (on their own triangulation of the same
points: they take no given mesh), VTK's probe filter through pyvista, its find_containing_cell,
matplotlib's TrapezoidMapTriFinder (plane only). Results are compared before they are timed.
Slow peers get a random part of the queries, 1 in 10 or 50, and their time is scaled up.
The limit is the bytes of all inputs and outputs, once, at the bandwidth of a copy on this machine.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np
import torch
from _timing import ROOT, copy_bandwidth, interleaved, machine, nbytes, table, write_json

import meshop
from meshop import ops

TETRA, TRIANGLE = 10, 5
#: Peers that would take minutes get one query in so many, and their time is scaled up.
SHARE = {
    "scipy find_simplex": 50,
    "scipy LinearND": 50,
    "vtk probe": 10,
    "vtk find_containing_cell": 50,
    "matplotlib": 10,
}


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--side", type=int, default=55)
    args.add_argument("--queries", type=int, default=1_000_000)
    args.add_argument("--mesh", default=str(ROOT / "geometries" / "airfoil.vtu"))
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--repeats", type=int, default=3)
    args.add_argument("--only", choices=["space", "plane"])
    args.add_argument("--peers", type=int, default=1, help="0: ours alone")
    args.add_argument("--json")
    opt = args.parse_args()
    torch.set_num_threads(opt.threads)
    g = torch.Generator().manual_seed(0)
    suites: dict[str, dict] = {}
    limits: dict[str, float] = {}
    if opt.only != "plane":
        points, nodes = tetrahedra(opt.side, g)
        queries = torch.rand(opt.queries, 3, generator=g, dtype=torch.float64) * opt.side
        add(suites, limits, "tetrahedra", points, nodes, queries, g, bool(opt.peers))
    if opt.only != "space":
        points, nodes = triangles(opt.mesh)
        queries = inside_cells(points, nodes, opt.queries, g)
        add(suites, limits, "airfoil", points, nodes, queries, g, bool(opt.peers))
    speed = copy_bandwidth()
    rows, result = [], {}
    for name, jobs in suites.items():
        seconds = interleaved(jobs, opt.repeats)
        seconds = {who: t * SHARE.get(who.split(",")[0], 1) for who, t in seconds.items()}
        result[name] = seconds
        floor = limits[name] / speed
        rows += [
            (name, who, 1e3 * t, t / seconds["meshop"], t / floor) for who, t in seconds.items()
        ]
    print(f"compiled kernels: {ops.compiled}; copy {speed / 1e9:.1f} GB/s")
    print(table(rows, ("question", "who", "ms", "times ours", "times the limit")))
    print(machine())
    write_json(opt.json, {"seconds": result, "bandwidth": speed, "machine": machine()})


def tetrahedra(side: int, g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    points = torch.cartesian_prod(*[torch.arange(side + 1, dtype=torch.float64)] * 3)
    points += (torch.rand(points.shape, generator=g, dtype=torch.float64) - 0.5) * 0.3
    step = torch.tensor([(side + 1) ** 2, side + 1, 1])
    first = torch.cartesian_prod(*[torch.arange(side)] * 3) @ step
    paths = [step[list(order)].cumsum(0) for order in itertools.permutations(range(3))]
    nodes = torch.stack([first[:, None] + torch.cat([path[:1] * 0, path]) for path in paths], 1)
    return points, nodes.reshape(-1, 4)


def triangles(path: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The mesh's triangles, and its quads in two."""
    mesh = meshop.read(path)
    nodes = torch.as_tensor(mesh.cell_nodes)
    begin, size = (
        torch.as_tensor(mesh.cell_offsets[:-1]),
        torch.as_tensor(np.diff(mesh.cell_offsets)),
    )
    cuts = [nodes[begin[size == 3][:, None] + torch.tensor([0, 1, 2])]]
    cuts += [nodes[begin[size == 4][:, None] + torch.tensor(c)] for c in ([0, 1, 2], [0, 2, 3])]
    points = torch.as_tensor(mesh.points[:, :2]).double().contiguous()
    return points, torch.cat(cuts).contiguous()


def inside_cells(
    points: torch.Tensor, nodes: torch.Tensor, count: int, g: torch.Generator
) -> torch.Tensor:
    """Random points of random cells: most where the mesh is finest."""
    share = torch.rand(count, 3, generator=g, dtype=torch.float64).log()
    share = share / share.sum(1, keepdim=True)
    cell = torch.randint(0, len(nodes), (count,), generator=g)
    return (share[..., None] * points[nodes[cell]]).sum(1)


def add(
    suites: dict,
    limits: dict,
    name: str,
    points: torch.Tensor,
    nodes: torch.Tensor,
    queries: torch.Tensor,
    g: torch.Generator,
    peers: bool,
) -> None:
    dim, cells, rows = points.shape[1], len(nodes), len(queries)
    types = torch.full((cells,), TETRA if dim == 3 else TRIANGLE, dtype=torch.uint8)
    offsets = torch.arange(cells + 1) * (dim + 1)
    mesh = (types, offsets, nodes.reshape(-1))
    values = torch.rand(len(points), 1, generator=g, dtype=torch.float64)
    located = ops.locate(points, *mesh, queries)
    wide = torch.rand(len(points), 16, generator=g)
    tall = torch.rand(rows, 16, generator=g)
    weights = located.weights.float()

    locate = f"locate {rows} in {cells} {name}"
    suites[locate] = {"meshop": lambda: ops.locate(points, *mesh, queries)}
    limits[locate] = nbytes(points, *mesh, queries, *located)
    build = f"one query in {cells} {name}"
    suites[build] = {"meshop": lambda: ops.locate(points, *mesh, queries[:1])}
    limits[build] = nbytes(points, *mesh)
    probe = f"locate and interpolate {rows} in {cells} {name}"
    suites[probe] = {
        "meshop": lambda: ops.interpolate(values, ops.locate(points, *mesh, queries)),
    }
    limits[probe] = nbytes(points, *mesh, queries, values) + 8 * rows
    mix = f"interpolate {rows} x 16 in {name}"
    node = located.nodes.clamp(min=0)
    suites[mix] = {
        "meshop": lambda: ops.interpolate(wide, located),
        "torch gather": lambda: (wide[node] * weights[..., None]).sum(1),
    }
    limits[mix] = nbytes(wide, located.nodes, weights, tall)
    back = f"interpolate backward {rows} x 16 in {name}"
    kernel = torch.ops.meshop.interpolate_transpose
    suites[back] = {
        "meshop": lambda: kernel(tall, weights, located.nodes, len(points)),
        "torch index_add": lambda: torch.zeros_like(wide).index_add_(
            0, node.reshape(-1), (tall[:, None] * weights[..., None]).reshape(-1, 16)
        ),
    }
    limits[back] = limits[mix]
    if not peers:
        return
    add_scipy(suites, locate, probe, points, values, queries)
    add_vtk(suites, locate, probe, points, mesh, values, queries, located)
    if dim == 2:
        add_matplotlib(suites, locate, points, nodes, queries, located)


def add_scipy(suites, locate, probe, points, values, queries) -> None:
    from scipy.interpolate import LinearNDInterpolator
    from scipy.spatial import Delaunay

    own = Delaunay(points.numpy())
    q, v = queries[:: SHARE["scipy LinearND"]].numpy(), values.numpy()
    count = len(own.simplices)
    suites[locate][f"scipy find_simplex, built, {count} own cells"] = lambda: own.find_simplex(q)
    field = LinearNDInterpolator(own, v)
    suites[probe][f"scipy LinearND, built, {count} own cells"] = lambda: field(q)
    found = torch.as_tensor(own.simplices).long()
    types = torch.full((count,), TETRA if points.shape[1] == 3 else TRIANGLE, dtype=torch.uint8)
    offsets = torch.arange(count + 1) * found.shape[1]
    theirs = ops.locate(points, types, offsets, found.reshape(-1), torch.as_tensor(q))
    expected = field(q)
    inside = ~np.isnan(expected[:, 0])
    same(ops.interpolate(values, theirs)[inside], torch.as_tensor(expected[inside]))
    suites[locate]["meshop on scipy's cells, with the tree"] = lambda: ops.locate(
        points, types, offsets, found.reshape(-1), queries
    )


def add_vtk(suites, locate, probe, points, mesh, values, queries, located) -> None:
    import pyvista

    def space(x: torch.Tensor) -> np.ndarray:
        return torch.nn.functional.pad(x, (0, 3 - x.shape[1])).numpy()

    types, _, nodes = mesh
    per = nodes.reshape(len(types), -1)
    flat = torch.cat([torch.full((len(types), 1), per.shape[1]), per], 1).reshape(-1)
    grid = pyvista.UnstructuredGrid(flat.numpy(), types.numpy(), space(points))
    grid.point_data["v"] = values[:, 0].numpy()
    part = queries[:: SHARE["vtk probe"]]
    cloud, few = pyvista.PolyData(space(part)), space(queries[:: SHARE["vtk find_containing_cell"]])
    # With its default tolerance the probe takes a neighbour of the right cell for half of the
    # queries on the graded mesh, and extrapolates from it; with this one still for some.
    probed = cloud.sample(grid, tolerance=1e-14)
    held = (
        torch.as_tensor(np.asarray(probed["vtkValidPointMask"])).bool()
        & located.inside[:: SHARE["vtk probe"]]
    )
    ours = ops.interpolate(values, located)[:: SHARE["vtk probe"], 0]
    theirs = torch.as_tensor(np.asarray(probed["v"]))[held].double()
    agree = float(torch.isclose(ours[held], theirs, rtol=1e-6, atol=1e-6).double().mean())
    print(f"VTK's probe agrees on {agree:.2%} of the queries")
    if agree < 0.99:
        raise SystemExit("VTK's probe and ours differ by more than its tolerance explains")
    suites[probe]["vtk probe, by pyvista's sample"] = lambda: cloud.sample(grid, tolerance=1e-14)
    grid.find_containing_cell(few[:1])  # builds its locator
    suites[locate]["vtk find_containing_cell, built"] = lambda: grid.find_containing_cell(few)


def add_matplotlib(suites, locate, points, nodes, queries, located) -> None:
    from matplotlib.tri import Triangulation

    finder = Triangulation(*points.numpy().T, nodes.numpy()).get_trifinder()
    x, y = (np.ascontiguousarray(queries[:: SHARE["matplotlib"], d]) for d in (0, 1))
    agree = (
        (torch.as_tensor(finder(x, y)).long() == located.cell[:: SHARE["matplotlib"]])
        .double()
        .mean()
    )
    if float(agree) < 0.999:  # queries on edges may go to either side
        raise SystemExit(f"matplotlib agrees on {float(agree):.4f} of the cells")
    suites[locate]["matplotlib, trapezoid map, built"] = lambda: finder(x, y)


def same(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


if __name__ == "__main__":
    main()
