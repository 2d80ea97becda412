"""Boundary data as a field of the whole domain, the same on any mesh.

    u(x) = sum_s share_s g_s / |x - y_s|^D  /  sum_s share_s / |x - y_s|^D      facets s at y_s

the mean over the boundary by a normalised kernel, which for half-spaces and for balls is Poisson's:
there u is the harmonic function with the boundary values g. Elsewhere it is near to it at the
boundary and a weighted mean of g inside. A column of values at the boundary's nodes and zeros
inside is not a field: the share of the nodes that see the boundary halves with the edge length,
and so does every sum over them.
"""

from __future__ import annotations

import numpy as np
import torch

from ..mesh import Facets, Mesh
from ._boundary import facet_geometry

PAIRS = 1 << 16  # of nodes and facets at a time: their block stays in cache


def off_boundary(mesh: Mesh, location: str, facets: Facets) -> np.ndarray:
    """(N,) bool of the nodes that are on no facet, or cells that own none."""
    inside = np.ones(mesh.n_cells if location == "cell" else mesh.n_points, dtype=bool)
    inside[facets.owner if location == "cell" else facets.nodes[facets.nodes >= 0]] = False
    return inside


def extension(
    mesh: Mesh, location: str, facets: Facets, values: np.ndarray, pos: np.ndarray, most: int
) -> np.ndarray:
    """(M, V) extension at places pos (M, 3) of node values (N, V) on the boundary's facets.

    A facet has the mean of its points' values, or its owner's; beyond `most` facets a sample of so
    many stands for them, spread evenly by measure.
    """
    used = facets.nodes >= 0
    centre, _, measure = facet_geometry(mesh, facets.nodes)
    if location == "cell":
        given = values[facets.owner]
    else:
        given = (values[facets.nodes] * used[..., None]).sum(1) / used.sum(1, keepdims=True)
    share = torch.as_tensor(measure)
    if len(share) > most:
        chosen = systematic(share, most).numpy()
        centre, given, share = centre[chosen], given[chosen], torch.ones(most).double()
    middle = centre.mean(0)
    source, told = torch.as_tensor(centre - middle), torch.as_tensor(given).double()
    told = torch.cat([told, torch.ones(len(told), 1).double()], dim=1) * share[:, None]
    square, turned = source.square().sum(1), -2 * source.t().contiguous()
    # A place is on a facet's centre where the difference of squares is rounding.
    tiny = 1e-14 * float(square.max())
    found = []
    for part in torch.as_tensor(pos - middle).split(max(1, PAIRS // len(source))):
        away = torch.addmm(square, part, turned).add_(part.square().sum(1, keepdim=True))
        near = away.clamp_min_(tiny).amin(1, keepdim=True) / away
        sums = (near if mesh.dim == 2 else near.mul_(near.sqrt())) @ told
        found.append(sums[:, :-1] / sums[:, -1:])
    return torch.cat(found).to(torch.float32).numpy()


def systematic(weight: torch.Tensor, cap: int) -> torch.Tensor:
    """Ids of at most `cap` items, one in each equal share of the total weight."""
    if len(weight) <= cap:
        return torch.arange(len(weight))
    run = weight.cumsum(0)
    marks = (torch.arange(cap, dtype=run.dtype) + 0.5) / cap * run[-1]
    return torch.searchsorted(run, marks).clamp_max(len(weight) - 1)
