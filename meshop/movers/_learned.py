"""The learned movers as a function of a mesh and a monitor, behind the limiter."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import MeshError
from ..mesh import Mesh
from ..solvers.saved import load_saved
from ._dmm_net import DMM
from ._domain import Domain
from ._flow_net import FlowMover
from ._monitor import Monitor, positive
from ._move import Moved, led, positive_corners
from ._mover_net import MoverNet
from ._um2n_net import M2N, UM2N

KINDS: dict[str, type[MoverNet]] = {"um2n": UM2N, "m2n": M2N, "flow": FlowMover, "dmm": DMM}
RECIPE = "examples/um2n/train.py"
LIBRARY = Path(__file__).parent / "library"
SHIPPED = {2: LIBRARY / "um2n.safetensors", 3: LIBRARY / "um2n_solid.safetensors"}
DATA_FREE = dict.fromkeys((2, 3), LIBRARY / "dmm.safetensors")


def um2n(
    mesh: Mesh,
    monitor: Monitor | np.ndarray,
    *,
    net: MoverNet | str | os.PathLike | None = None,
    passes: int = 8,
) -> Moved:
    """The mesh moved by a network to where a monitor wants its points, in a few steps.

    monitor: a positive function of points (n, d), or values (N,) at the mesh's points, which are
    all that the networks here read of it. Any convex cells without mid-side nodes, in a plane or
    solid; boundary nodes slide along edges, polylines and faces, and corners stay. net: one of
    one's own (`FlowMover`, `UM2N`, `M2N`) or its file. Deterministic; of linear cost but for the
    factorisation of a sparse matrix, of large meshes an iteration.

    The shipped networks, one for the plane and one for solids, are `FlowMover`s that were trained
    to `hessian_monitor`s, so that P1 solutions have the least error on the moved mesh. They spread
    the monitor over the cells less evenly than `monge_ampere`, whose equation they do not solve,
    and lower the error more.

    What the network says passes the limiter, so no cell is inverted whatever that is.
    `report.iterations` are the network's steps; `report.residual` is |m J - theta| over theta, root
    mean square over the mesh as it was, J how much each simplex grew. Raises MeshError for other
    cells and for monitors that are not positive, SurrogateError for a file that is no mover.
    """
    return by_network(mesh, monitor, net, SHIPPED, passes)


def dmm(
    mesh: Mesh,
    monitor: Monitor | np.ndarray,
    *,
    net: MoverNet | str | os.PathLike | None = None,
    passes: int = 8,
) -> Moved:
    """The mesh moved to where m det(I + D^2 phi) is even, by a convex potential in a few steps.

    As `um2n` has it, with the network `DMM`: a data-free mover, trained to the Monge-Ampere
    equation on functions as monitors, of any kind. On convex domains the cells come to be as even
    as by `monge_ampere`, in little more than half of its time; `net=DMM(steps=5)` does so without a
    network, and more steps where a monitor is steep. Around holes and re-entrant corners no such
    map need exist: it stops where phi would not stay convex, which harms less than what
    `monge_ampere` does, and `um2n` is better. Raises MeshError and SurrogateError as `um2n` does.
    """
    return by_network(mesh, monitor, net, DATA_FREE, passes)


def by_network(
    mesh: Mesh,
    monitor: Monitor | np.ndarray,
    net: MoverNet | str | os.PathLike | None,
    shipped: Mapping[int, Path],
    passes: int,
) -> Moved:
    """The mesh moved as a network says, or its file, or the one of its dimension, as far as the
    limiter lets."""
    nodes = positive_corners(mesh)
    domain = Domain.of(mesh)
    if net is None:
        net = _shipped(shipped[domain.d])
    mover = net if isinstance(net, MoverNet) else load_mover(net)
    value = _Sampler(domain, monitor)
    with torch.no_grad():
        steps = mover(domain, value)
        moved = led(mesh, steps[-1].numpy(), nodes, domain.slide, passes)
        x = torch.from_numpy(moved.mesh.points[:, : domain.d].copy())
        grown = domain.volumes(x) / domain.measure * value(x)[domain.simplices].mean(1)
    weight = domain.measure / domain.measure.sum()
    theta = weight @ grown
    residual = float((weight @ (grown - theta) ** 2).sqrt() / theta)
    return Moved(moved.mesh, replace(moved.report, iterations=len(steps), residual=residual))


def load_mover(path: str | os.PathLike | None = None, dim: int = 2) -> MoverNet:
    """A network that `net.save(path)` wrote, or `um2n`'s of a dimension: safetensors, JSON.

    Raises SurrogateError where the file is missing, malformed or of another kind, ValueError for
    dimensions that there is none of.
    """
    if dim not in SHIPPED:
        raise ValueError(f"dim {dim}: expected {' or '.join(map(str, SHIPPED))}")
    return _shipped(SHIPPED[dim]) if path is None else load_saved(path, KINDS, RECIPE)


@cache
def _shipped(path: Path) -> MoverNet:
    return load_saved(path, KINDS, RECIPE)


class _Sampler:
    """A monitor at points (N, d), each of them a node of the domain that has moved."""

    def __init__(self, domain: Domain, monitor: Monitor | np.ndarray) -> None:
        self.domain = domain
        self.function = monitor if callable(monitor) else None
        self.values = torch.empty(0)
        if not callable(monitor):
            self.values = torch.from_numpy(positive(monitor, len(domain.points)).copy())

    def __call__(self, x: Tensor) -> Tensor:
        if not x.isfinite().all():
            raise MeshError(
                "a learned mover's step is not finite",
                "the monitor's values are too far apart, or the network is at fault",
                "a monitor of less contrast, or --method elastic",
            )
        if self.function is not None:
            return torch.from_numpy(positive(self.function(x.numpy()), len(x)).copy())
        return self.values if x is self.domain.points else self.domain.sample(self.values, x)
