"""The functions of torch_cluster 1.6 on meshop's kernels: exact, deterministic, no compiler needed.

Names, arguments and return layouts are torch_cluster's. What differs:

- Where `radius` and `radius_graph` cut a row at ``max_num_neighbors``, they keep the nearest;
  torch_cluster keeps those that its search meets first. ``None`` is no cap.
- The neighbours of a point stand by ascending distance, ties by index.
- `knn_graph` without loops gives every point its k others, also where points coincide; one that
  has more than k duplicates gets k + 1 edges from torch_cluster.
- ``k`` may exceed 100 and ``cosine`` works, on every device; ``num_workers`` has no effect: torch's
  threads are used (`torch.set_num_threads`), also for batches.
- Half precision is searched as float32, integers as float64.
- What is drawn at random comes from torch's generator: `torch.manual_seed` makes it repeatable.
- Wrong arguments, also batches that are not sorted, raise ValueError or IndexError.
- The functions cannot be compiled by TorchScript.

`graclus_cluster`, `random_walk` and `neighbor_sampler` are plain torch and Python.
"""

import torch
from torch import Tensor

from .. import ops
from ._matching import graclus_cluster
from ._walks import neighbor_sampler, random_walk

__all__ = [
    "fps",
    "graclus_cluster",
    "grid_cluster",
    "knn",
    "knn_graph",
    "nearest",
    "neighbor_sampler",
    "radius",
    "radius_graph",
    "random_walk",
]

__version__ = "1.6.3"  # of the interface


def knn(
    x: Tensor,
    y: Tensor,
    k: int,
    batch_x: Tensor | None = None,
    batch_y: Tensor | None = None,
    cosine: bool = False,
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    """The ``k`` nearest points of x (N, F) for each of y (M, F), of the same batch entry.

    Returns (2, E) int64: row 0 into y, rising, row 1 into x. A batch entry of fewer than k points
    gives fewer. ``cosine`` compares directions; none may be zero then.
    """
    if x.numel() == 0 or y.numel() == 0:
        return _no_edges(x)
    ptr_x, ptr_y = _pointers(x, y, batch_x, batch_y, batch_size)
    return knn_by_ptr(x, y, ptr_x, ptr_y, k, cosine)


def knn_by_ptr(
    x: Tensor,
    y: Tensor | None,
    ptr_x: Tensor | None = None,
    ptr_y: Tensor | None = None,
    k: int = 1,
    cosine: bool = False,
    num_workers: int = 1,
) -> Tensor:
    """`knn` of batches by pointers, as of pyg-lib; without y, of each point of x but itself."""
    if y is not None:
        y, (ptr_x, ptr_y) = _points(y, cosine), _alike(ptr_x, ptr_y)
    x = _points(x, cosine)
    found = ops.knn(x, k, y, ptr_x, ptr_y, exclude_self=y is None)
    return torch.stack([found.receivers, found.index])


def knn_graph(
    x: Tensor,
    k: int,
    batch: Tensor | None = None,
    loop: bool = False,
    flow: str = "source_to_target",
    cosine: bool = False,
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    """Edges (2, E) from the ``k`` nearest points of each to it; ``target_to_source``: reversed.

    With ``loop`` the point itself is one of the k, unless k duplicates of it stand before it.
    """
    _check_flow(flow)
    if x.numel() == 0:
        return _no_edges(x)
    ptr, _ = _pointers(x, None, batch, None, batch_size)
    edges = knn_by_ptr(x, x if loop else None, ptr, ptr if loop else None, k, cosine)
    return edges.flip(0) if flow == "source_to_target" else edges


def radius(
    x: Tensor,
    y: Tensor,
    r: float,
    batch_x: Tensor | None = None,
    batch_y: Tensor | None = None,
    max_num_neighbors: int | None = 32,
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    """The points of x (N, F) nearer than ``r`` to each of y (M, F), of the same batch entry.

    Returns (2, E) int64: row 0 into y, rising, row 1 into x. The nearest ``max_num_neighbors`` of
    each are kept; `meshop.ops.radius` says how many more there were. A point at distance r is left
    out, as by torch_cluster (`meshop.ops.radius` has it).
    """
    if x.numel() == 0 or y.numel() == 0:
        return _no_edges(x)
    ptr_x, ptr_y = _pointers(x, y, batch_x, batch_y, batch_size)
    return radius_by_ptr(x, y, ptr_x, ptr_y, r, max_num_neighbors)


def radius_by_ptr(
    x: Tensor,
    y: Tensor | None,
    ptr_x: Tensor | None = None,
    ptr_y: Tensor | None = None,
    r: float = 1.0,
    max_num_neighbors: int | None = 32,
    num_workers: int = 1,
    ignore_same_index: bool = False,
) -> Tensor:
    """`radius` of batches by pointers, as of pyg-lib; without y, around each of x but itself."""
    if ignore_same_index and y is not None:
        if not torch.equal(x, y):
            raise ValueError("ignore_same_index: expected x and y to be the same points")
        y = ptr_y = None
    if y is not None:
        y, (ptr_x, ptr_y) = _points(y), _alike(ptr_x, ptr_y)
    x = _points(x)
    reach = torch.tensor(float(r), dtype=x.dtype, device=x.device)
    limit = torch.tensor(float(r) * float(r), dtype=x.dtype, device=x.device)
    # One step further than r, so that rounding loses nothing; what lies at r or beyond then goes.
    # It is the last of its row, so a cap does not mind.
    reach = torch.nextafter(reach, reach.new_full((), torch.inf))
    found = ops.radius(
        x, reach, y, ptr_x, ptr_y, exclude_self=y is None, max_neighbors=max_num_neighbors
    )
    edges = torch.stack([found.receivers, found.index])
    inside = found.dist2 < limit
    return edges if bool(inside.all()) else edges[:, inside]


def radius_graph(
    x: Tensor,
    r: float,
    batch: Tensor | None = None,
    loop: bool = False,
    max_num_neighbors: int | None = 32,
    flow: str = "source_to_target",
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    """Edges (2, E) from the points nearer than ``r`` to each; ``target_to_source``: reversed.

    With ``loop`` the point itself is one of them. Otherwise as `radius`.
    """
    _check_flow(flow)
    if x.numel() == 0:
        return _no_edges(x)
    ptr, _ = _pointers(x, None, batch, None, batch_size)
    edges = radius_by_ptr(x, x if loop else None, ptr, ptr if loop else None, r, max_num_neighbors)
    return edges.flip(0) if flow == "source_to_target" else edges


def nearest(
    x: Tensor, y: Tensor, batch_x: Tensor | None = None, batch_y: Tensor | None = None
) -> Tensor:
    """The nearest point of y (M, F) for each of x (N, F), of the same batch entry: (N,) int64.

    Of equally near ones the first. Raises ValueError where a batch entry of x has none in y.
    """
    if batch_x is None and batch_y is not None:
        batch_x = batch_y.new_zeros(x.shape[0])
    if batch_y is None and batch_x is not None:
        batch_y = batch_x.new_zeros(y.shape[0])
    ptr_x, ptr_y = _pointers(x, y, batch_x, batch_y)
    return nearest_by_ptr(x, y, ptr_x, ptr_y)


def nearest_by_ptr(
    x: Tensor, y: Tensor, ptr_x: Tensor | None = None, ptr_y: Tensor | None = None
) -> Tensor:
    """`nearest` of batches by pointers, as of pyg-lib."""
    if x.shape[0] == 0:
        return torch.empty(0, dtype=torch.int64, device=x.device)
    ptr_x, ptr_y = _alike(ptr_x, ptr_y)
    alone = y.shape[0] == 0
    if ptr_x is not None and ptr_y is not None:
        alone = bool(((ptr_x.diff() > 0) & (ptr_y.diff() == 0)).any())
    if alone:
        raise ValueError("nearest: some batch indices occur in batch_x that do not in batch_y")
    return ops.knn(_points(y), 1, _points(x), ptr_y, ptr_x).index


def fps(
    src: Tensor,
    batch: Tensor | None = None,
    ratio: float | Tensor | None = None,
    random_start: bool = True,
    batch_size: int | None = None,
    ptr: Tensor | list[int] | None = None,
) -> Tensor:
    """Farthest point sampling: the indices (K,) of ceil(ratio * points) of each batch entry.

    src (N, ...); ``ratio`` is a number, 0.5 where None, or a tensor, also of one for each entry;
    the product is rounded as torch_cluster rounds it, in float32. ``ptr`` replaces ``batch``. A
    random first point comes from torch's generator; else it is the first of each entry. No point is
    taken twice.
    """
    points = _points(src)
    if ptr is not None:
        ptr = torch.as_tensor(ptr, device=src.device)
    else:
        ptr, _ = _pointers(src, None, batch, None, batch_size)
    if ptr is None:
        ptr = torch.tensor([0, src.shape[0]], device=src.device)
    if src.numel() == 0:
        return torch.empty(0, dtype=torch.int64, device=src.device)
    share = 0.5 if ratio is None else ratio
    if not isinstance(share, Tensor):
        share = torch.tensor(share, dtype=points.dtype)
    size = ptr.diff()
    counts = (size.float() * share.to(src.device)).ceil().to(torch.int64)
    start = None
    if random_start:
        drawn = torch.rand(size.shape, device=src.device, dtype=torch.float64) * size
        start = ptr[:-1] + drawn.to(torch.int64)
    return ops.farthest_points(points, counts, ptr, start).index


def grid_cluster(
    pos: Tensor, size: Tensor, start: Tensor | None = None, end: Tensor | None = None
) -> Tensor:
    """The voxel of each point of pos (N, ...), of a grid from ``start`` to ``end``: (N,) int64.

    size, start and end have a number for each of the D coordinates; start and end are the extremes
    of pos where None. Voxels are numbered along the first coordinate first. As in torch_cluster,
    points outside the grid share numbers with others; `meshop.ops.voxel_downsample` has no such
    limits, and consecutive numbers.
    """
    pos = _flat(pos)
    for name, value in (("size", size), ("start", start), ("end", end)):
        if value is not None and value.numel() != pos.shape[1]:
            raise ValueError(f"{name}: expected {pos.shape[1]} numbers, found {value.numel()}")
    if pos.numel() == 0:
        return torch.empty(pos.shape[0], dtype=torch.int64, device=pos.device)
    pos = pos.T.contiguous()  # a coordinate after the other: long rows are quick
    start = pos.amin(1) if start is None else start.reshape(-1)
    end = pos.amax(1) if end is None else end.reshape(-1)
    size = size.reshape(-1)
    span = (end - start) / size
    if not float((span.double().trunc() + 1).prod().abs()) < 2.0**63:
        raise ValueError(
            f"size: expected a grid of fewer than 2^63 voxels, found {span.tolist()} of them along "
            "the coordinates; try meshop.ops.voxel_downsample, which numbers those that hold points"
        )
    counts = span.to(torch.int64) + 1
    stride = torch.cat([counts.new_ones(1), counts[:-1].cumprod(0)])
    cell = torch.zeros(pos.shape[1], dtype=torch.int64, device=pos.device)
    for d in range(len(pos)):
        cell += ((pos[d] - start[d]) / size[d]).to(torch.int64) * stride[d]
    return cell


def _no_edges(like: Tensor) -> Tensor:
    return torch.empty(2, 0, dtype=torch.int64, device=like.device)


def _check_flow(flow: str) -> None:
    if flow not in ("source_to_target", "target_to_source"):
        raise ValueError(f"flow: expected source_to_target or target_to_source, found {flow!r}")


def _flat(x: Tensor) -> Tensor:
    return x.flatten(1) if x.dim() > 1 else x.reshape(-1, 1)


def _points(x: Tensor, cosine: bool = False) -> Tensor:
    """(N, D) in a type that can be searched; on the unit sphere, where distances are cosines'."""
    x = _flat(x.detach())
    if x.dtype not in (torch.float32, torch.float64):
        x = x.float() if x.is_floating_point() else x.double()
    if cosine:
        largest = x.abs().amax(1, keepdim=True)
        if not bool((largest > 0).all()):
            raise ValueError("cosine: expected vectors other than zero, which has no direction")
        x = x / largest  # so that no square leaves the dtype's range
        x = x / x.norm(dim=1, keepdim=True)
    return x


def _pointers(
    x: Tensor,
    y: Tensor | None,
    batch_x: Tensor | None,
    batch_y: Tensor | None,
    batch_size: int | None = None,
) -> tuple[Tensor | None, Tensor | None]:
    """The pointers of sorted batches, where there are any."""
    found: list[Tensor | None] = []
    for name, batch, points in (("batch_x", batch_x, x), ("batch_y", batch_y, y)):
        if batch is None or points is None:
            found.append(None)
            continue
        if batch.dim() != 1 or batch.shape[0] != points.shape[0]:
            raise ValueError(
                f"{name}: expected shape ({points.shape[0]},), found {tuple(batch.shape)}"
            )
        if bool((batch[1:] < batch[:-1]).any()):
            raise ValueError(f"{name}: expected a sorted batch, found one that is not")
        first, last = (int(batch[0]), int(batch[-1])) if batch.numel() else (0, 0)
        if first < 0 or (batch_size is not None and last >= batch_size):
            limit = "from 0 on" if batch_size is None else f"from 0 to {batch_size - 1}"
            raise ValueError(f"{name}: expected entries {limit}, found {first} to {last}")
        ends = torch.arange(max(batch_size or 1, last + 1) + 1, device=batch.device)
        found.append(torch.bucketize(ends, batch.to(torch.int64).contiguous()))
    return found[0], found[1]


def _alike(ptr_x: Tensor | None, ptr_y: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Pointers of as many entries, the last ones empty; None is one entry."""
    sizes = [2 if ptr is None else ptr.numel() for ptr in (ptr_x, ptr_y)]
    if max(sizes) == 2:
        return None, None
    for name, ptr in (("x", ptr_x), ("y", ptr_y)):
        if ptr is None:
            raise ValueError(
                f"batch_{name}: expected one, as there are {max(sizes) - 1} entries, found none"
            )
    assert ptr_x is not None and ptr_y is not None
    padded = [torch.cat([ptr, ptr[-1:].expand(max(sizes) - ptr.numel())]) for ptr in (ptr_x, ptr_y)]
    return padded[0], padded[1]
