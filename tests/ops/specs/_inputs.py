"""Points, pointers and cells that specs and tests share; small and fixed."""

import math

import torch

INF = math.inf


def cloud(n: int, dim: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(n, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def lattice(side: int, dim: int) -> torch.Tensor:
    """A grid: every distance occurs many times over."""
    axis = torch.arange(side, dtype=torch.float64)
    return torch.cartesian_prod(*[axis] * dim).reshape(-1, dim)


def graded(n: int, dim: int, seed: int = 0) -> torch.Tensor:
    """Spacing from 1e-5 to 20, as a boundary layer has it."""
    points = cloud(n, dim, seed)
    points[:, -1] = 10 ** (points[:, -1] * 6.3 - 5)
    return points


def ptr(*sizes: int) -> torch.Tensor:
    return torch.tensor([0, *sizes]).cumsum(0)


def cells(*blocks: tuple[int, list[list[int]]]) -> tuple[torch.Tensor, ...]:
    types = [kind for kind, rows in blocks for _ in rows]
    sizes = [len(row) for _, rows in blocks for row in rows]
    nodes = [n for _, rows in blocks for row in rows for n in row]
    return (
        torch.tensor(types, dtype=torch.uint8),
        ptr(*sizes),
        torch.tensor(nodes, dtype=torch.int64),
    )


def polyhedra(*mesh: list[list[int]]) -> tuple[torch.Tensor, ...]:
    """Polyhedra from their faces: the arguments of `cells`, faces and face_offsets."""
    types, offsets, nodes = cells((42, [sorted({n for face in one for n in face}) for one in mesh]))
    stream, ends = [], []
    for one in mesh:
        stream += [len(one), *(v for face in one for v in (len(face), *face))]
        ends.append(len(stream))
    return types, offsets, nodes, torch.tensor(stream, dtype=torch.int64), torch.tensor(ends)


def beside(*meshes: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """Meshes as one, cell after cell; those of three arrays have no polyhedra."""
    types, offsets, nodes, faces, ends = [], [torch.zeros(1, dtype=torch.int64)], [], [], []
    for mesh in (cells(), *meshes):
        types.append(mesh[0])
        offsets.append(mesh[1][1:] + sum(map(len, nodes)))
        nodes.append(mesh[2])
        solid = len(mesh) > 3
        ends.append(mesh[4] + sum(map(len, faces)) if solid else torch.full_like(mesh[1][1:], -1))
        faces += [mesh[3]] if solid else []
    faces.append(torch.empty(0, dtype=torch.int64))
    return tuple(torch.cat(part) for part in (types, offsets, nodes, faces, ends))


def boxes(side: int) -> tuple[torch.Tensor, ...]:
    """side^3 hexahedra."""
    n = side + 1
    i, j, k = torch.meshgrid(*[torch.arange(side)] * 3, indexing="ij")
    corner = ((i * n + j) * n + k).reshape(-1, 1)
    place = torch.tensor([0, n * n, n * n + n, n, 1, n * n + 1, n * n + n + 1, n + 1])
    nodes = (corner + place).reshape(-1)
    return torch.full((side**3,), 12, dtype=torch.uint8), ptr(*[8] * side**3), nodes
