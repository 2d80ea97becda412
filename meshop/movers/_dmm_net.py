"""DMM: a network for the potential of Monge and Ampere, trained on monitors alone."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ..ops import segment_reduce
from ._domain import Domain
from ._flow_net import Reader
from ._mover_net import Sampler

RATE, SETTLED = 0.6, 3  # of a step, where steep monitors need more of them than these
CONVEX = 0.1  # part of the eigenvalues of I + D^2 phi that a step has to leave
SINGULAR = 1e-10  # least eigenvalue over the trace: below it rounding decides on the sign
TINY = 1e-24


class DMM(Reader):
    """x = xi + grad phi, with a convex phi that a network proposes and its equation corrects.

    A graph transformer reads the monitor m once and says at each node a source b and gains a_k:
        S dphi_k = M (mean f_k - f_k),    f_k = c_k (1 + a_k) det^(1/d) r_k + [k = 0] rho b
        r_k = log theta - log m(xi + grad phi) - log det,    det = det(I + D^2 phi)
    theta the mean of m det, c_k = 1 in the first three steps and .6 later, rho the root mean square
    of log m less its mean; S, M the stiffness and lumped mass, so that phi has no slope across the
    boundary, and grad phi of nodes there goes along it. Gradients and Hessians are those of one
    ring with lumped mass, as `monge_ampere` has them; each dphi is taken as far as I + D^2 phi
    keeps a tenth of each of its eigenvalues, exactly: phi stays convex at all points. With a and b
    zero, as they are before training, this is a fixed-point iteration for the logarithm of the
    Monge-Ampere equation.

    What the network sees are scalars: the way commutes with translations, rotations, mirrors and
    uniform scaling, and does not change where the monitor is multiplied. A constant monitor moves
    nothing. The gradient of a potential is what Monge and Ampere have: around holes and re-entrant
    corners it cannot spread a monitor evenly.

    Source: the data-free mover of MM-PDE, Hu et al., "Better Neural PDE Solvers Through Data-Free
    Mesh Movers", ICLR 2024 (arXiv 2312.05583): m det(I + D^2 phi) = const as the loss, no targets.
    Where this differs: theirs is phi(u; xi), a branch of convolutions on 48 x 48 sensors and a
    trunk of coordinates, derived by autograd, with the boundary and the convexity, of the diagonal
    alone, as penalties (`examples/um2n/published.py`, whose README has what came of it).
    """

    kind: ClassVar[str] = "dmm"

    def outputs(self, steps: int) -> int:
        return steps + 1

    def forward(self, domain: Domain, monitor: Sampler) -> list[Tensor]:
        return [way for _, way in self.iterates(domain, monitor)]

    def iterates(self, domain: Domain, monitor: Sampler) -> list[tuple[Tensor, Tensor]]:
        """phi (N,) after each step, and its gradient (N, d), along the boundary there."""
        value = monitor(domain.points)
        spread, seen = look(domain, value)
        found = self.read(seen, domain)
        gain, start = 1 + torch.tanh(found[:, 1:]), spread * found[:, 0]
        gain[:, SETTLED:] *= RATE
        phi, way = torch.zeros_like(value), torch.zeros_like(domain.points)
        jacobian = torch.eye(domain.d, dtype=value.dtype).expand(len(value), -1, -1)
        out: list[tuple[Tensor, Tensor]] = []
        for k in range(self.config["steps"]):
            det = torch.linalg.det(jacobian)
            m = monitor(domain.moved(way)) if k else value
            rest = domain.mean(m * det).log() - m.log() - det.log()
            source = gain[:, k] * det ** (1 / domain.d) * rest
            change = domain.potential(source if k else source + start)
            slope, bend = jet(domain, change)
            part = convex(domain, jacobian, bend)
            phi, way = phi + part * change, way + part[:, None] * slope
            jacobian = jacobian + part[:, None, None] * bend
            out.append((phi, way))
        return out


def jet(domain: Domain, phi: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient (N, d), along the boundary there, and Hessian (N, d, d) of phi (N,) at points.

    By lumped mass, the Hessian by one integration by parts; phi has no slope across the boundary.
    """
    d = domain.d
    flat = phi[domain.simplices][:, None] @ domain.slope  # (S, 1, d)
    bend = -domain.slope[..., None] @ flat[:, :, None]  # (S, d + 1, d, d)
    near = (flat / (d + 1)).expand(-1, d + 1, -1)
    parts = torch.cat([near, bend.flatten(2)], 2) * domain.measure[:, None, None]
    found = domain.gathered(parts)
    size = domain.area.norm(dim=1, keepdim=True)
    normal, edge = domain.area / size, flat[domain.owner, 0]
    along = edge - (edge * normal).sum(1, keepdim=True) * normal
    wall = (along[:, :, None] * domain.area[:, None] / d).flatten(1)
    hessian = found[:, d:].index_add(
        0, domain.ends.reshape(-1), wall.repeat_interleave(domain.ends.shape[1], 0)
    )
    mass = (domain.mass * domain.length**d)[:, None]
    hessian = (hessian / mass).unflatten(1, (d, d))
    slope = (domain.tangent @ (found[:, :d] / mass)[:, :, None])[:, :, 0]
    return slope, (hessian + hessian.mT) / 2


def convex(domain: Domain, jacobian: Tensor, change: Tensor) -> Tensor:
    """(N,) the part of a change, of each mesh, up to 1, after which (N, d, d) are as positive.

    Of J + s H no eigenvalue, with respect to J, is below `CONVEX`: s <= (1 - CONVEX) / nu, with
    nu the largest one of -H. None where J + s H would be singular to rounding.
    """
    factor = torch.linalg.cholesky(jacobian)
    half = torch.linalg.solve_triangular(factor, change, upper=False)
    both = torch.linalg.solve_triangular(factor, half.mT, upper=False)
    least = -torch.linalg.eigvalsh(both)[:, :1]
    most = segment_reduce(least, domain.ptr, reduce="max")[domain.batch, 0]
    part = (1 - CONVEX) / most.clamp_min(1 - CONVEX)
    with torch.no_grad():
        after = jacobian + part[:, None, None] * change
        rim = SINGULAR * after.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]
        wrong = torch.linalg.cholesky_ex(after - rim * torch.eye(domain.d).to(after)).info > 0
        lost = segment_reduce(wrong[:, None].to(part), domain.ptr, reduce="max")[domain.batch, 0]
    return part * (1 - lost)


def look(domain: Domain, monitor: Tensor) -> tuple[Tensor, Tensor]:
    """The root mean square (N,) of log m less its mean, and what the network sees (N, 9)."""
    size, d = domain.length, domain.d
    log_mu = (monitor / domain.mean(monitor)).log()
    spread = (domain.mean(log_mu * log_mu) + TINY).sqrt()
    slope = domain.derivatives(log_mu)
    way, bend = jet(domain, domain.potential(-log_mu))
    many = torch.tensor(domain.sizes, dtype=size.dtype)[domain.batch]
    columns = [
        log_mu,
        4 * spread,
        (slope[:, :d] ** 2).sum(1) * size**2 / 16,
        slope[:, d] * size**2 / 16,
        4 * (slope[:, :d] * way).sum(1),
        64 * (way * way).sum(1) / size**2,
        (bend * bend).sum((1, 2)),
        (domain.mass * many).log(),
        domain.boundary.double() - 0.5,
    ]
    return spread, torch.asinh(torch.stack(columns, 1).float())
