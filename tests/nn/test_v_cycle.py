"""The V-cycle layer against a textbook solver in SciPy and against convolutions on a grid."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from scipy.spatial import Delaunay
from torch import nn

from meshop.graph import LevelSpec, build_levels
from meshop.nn import LevelTransfer, Relaxation, VCycle, classical_v_cycle
from meshop.ops import gather_reduce
from meshop.solvers import solve
from tests.graph.test_levels import joined, triangles


def stiffness(n, seed=0):
    """P1 stiffness of about n interior points of a square, triangulated at random."""
    side = round(n**0.5) + 2
    random = np.random.default_rng(seed)
    axis = np.arange(side) / (side - 1)
    points = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    inside = ((points > 0) & (points < 1)).all(1)
    points += inside[:, None] * random.uniform(-0.3, 0.3, points.shape) / (side - 1)
    cells = Delaunay(points).simplices
    n, corner = len(points), points[cells]
    edge = corner[:, 1:] - corner[:, :1]
    inverse = np.linalg.inv(edge)
    slope = np.concatenate([-inverse.sum(2, keepdims=True), inverse], 2)
    area = 0.5 * np.abs(np.linalg.det(edge))
    each = np.einsum("mij,mik,m->mjk", slope, slope, area)
    row, column = np.repeat(cells, 3, 1).ravel(), np.tile(cells, (1, 3)).ravel()
    matrix = sp.csr_matrix((each.ravel(), (row, column)), (n, n))
    return matrix[inside][:, inside].tocsr()


def textbook(a, coarsest, theta=0.08):
    """Smoothed aggregation in plain SciPy: (A, omega D^-1, P) of each level, and the last A."""
    levels = []
    while a.shape[0] > coarsest:
        n, d = a.shape[0], a.diagonal()
        dense = a.toarray()
        limit = theta * 0.5 ** len(levels) * np.sqrt(np.outer(d, d))
        strong = (np.abs(dense) >= limit) & (dense != 0) & ~np.eye(n, dtype=bool)
        near = [np.flatnonzero(row) for row in strong]
        cluster, count = np.full(n, -1), 0
        for i in range(n):
            if cluster[i] < 0 and len(near[i]) and (cluster[near[i]] < 0).all():
                cluster[[i, *near[i]]] = count
                count += 1
        settled = cluster.copy()
        for i in range(n):
            beside = [settled[j] for j in near[i] if settled[j] >= 0]
            if settled[i] < 0 and beside:
                cluster[i] = beside[0]
        for i in range(n):
            if cluster[i] < 0 and len(near[i]):
                cluster[[i, *(j for j in near[i] if cluster[j] < 0)]] = count
                count += 1
        flat = np.zeros((n, count))
        flat[np.flatnonzero(cluster >= 0), cluster[cluster >= 0]] = 1
        # The same estimate of the spectral radius: 1.1 times Lanczos', at most Gershgorin's.
        from meshop.ops import Csr
        from meshop.solvers import spectral_radius

        rho = spectral_radius(Csr.of(a), torch.as_tensor(1 / d))
        true = np.abs(np.linalg.eigvals(dense / d[:, None])).max()
        assert true <= rho <= 1.1 * true + 1e-9
        jacobi = 4 / 3 / rho / d
        up = sp.csr_matrix(flat - jacobi[:, None] * (dense @ flat))
        levels.append((a, jacobi, up))
        a = (up.T @ a @ up).tocsr()
    return levels, a.toarray()


def textbook_cycle(levels, last, f, number=0):
    if number == len(levels):
        return np.linalg.solve(last, f)
    a, jacobi, up = levels[number]
    u = jacobi[:, None] * f
    u = u + up @ textbook_cycle(levels, last, up.T @ (f - a @ u), number + 1)
    return u + jacobi[:, None] * (f - a @ u)


def residual_factors(a, cycle, count=8):
    r = np.random.default_rng(0).standard_normal((a.shape[0], 1))
    sizes = [np.linalg.norm(r)]
    for _ in range(count):
        r = r - a @ cycle(r)
        sizes.append(np.linalg.norm(r))
    return np.array(sizes[1:]) / sizes[:-1]


def test_with_a_fixed_matrix_it_is_the_textbooks_solver():
    a = stiffness(500)
    layer = classical_v_cycle(a, coarsest=40)
    levels, last = textbook(a, coarsest=40)
    assert len(levels) == len(layer.transfers) == 2
    found = residual_factors(a, lambda r: layer(torch.as_tensor(r)).numpy())
    expected = residual_factors(a, lambda r: textbook_cycle(levels, last, r))
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    assert found[-1] < 0.6  # V(1,1) with damped Jacobi


def test_as_a_module_it_preconditions_a_solve():
    a = stiffness(500)
    b = torch.as_tensor(np.random.default_rng(4).standard_normal((a.shape[0], 2)))
    single = classical_v_cycle(a).float()
    x, details = solve(a, b, lambda r: single(r.float()), tol=1e-9, details=True)
    assert details.used == "preconditioner" and details.iterations <= 20
    np.testing.assert_allclose(a @ x.numpy(), b.numpy(), atol=1e-7)
    with pytest.raises(ValueError, match=r"f: expected shape \(N, C\)"):
        solve(a, b[:, 0], classical_v_cycle(a))


def test_more_smoothing_contracts_more_and_sizes_hardly_matter():
    factors = {}
    for n in (400, 1600):
        a = stiffness(n)
        for steps in (1, 3):
            layer = classical_v_cycle(a, steps=steps, coarsest=30)
            factor = residual_factors(a, lambda r, v=layer: v(torch.as_tensor(r)).numpy())
            factors[n, steps] = float(np.exp(np.log(factor).mean()))
    assert factors[400, 3] < 0.75 * factors[400, 1]
    assert factors[1600, 3] < 1.5 * factors[400, 3] < 0.4


@pytest.mark.parametrize("learned", [False, True])
def test_linear_in_single_precision(learned):
    torch.manual_seed(0)
    if learned:
        layer, contexts, n = learned_cycle(LevelSpec(count=3))
    else:
        a = stiffness(600)
        layer, contexts, n = classical_v_cycle(a).float(), None, a.shape[0]
    u, v = torch.randn(n, 4), torch.randn(n, 4)
    with torch.no_grad():
        left = layer(2.5 * u - 0.5 * v, contexts)
        right = 2.5 * layer(u, contexts) - 0.5 * layer(v, contexts)
    assert float((left - right).norm() / right.norm()) < 1e-5


class Around(nn.Module):
    """x W_0 plus the mean of neighbours' x W_1: linear, of a level's own edges."""

    def __init__(self, before, after):
        super().__init__()
        self.own = nn.Linear(before, after, bias=False)
        self.near = nn.Linear(before, after, bias=False)

    def forward(self, x, at):
        mean = gather_reduce(x, at.index, at.rowptr, reduce="mean")
        return self.own(x) + self.near(mean)


class Finest:
    """The nodes themselves as a context."""

    def __init__(self, rowptr, index, fixed):
        self.rowptr, self.index, self.fixed = rowptr, index, fixed


def learned_cycle(spec, channels=4, graph=None, ptr=None, start=False):
    torch.manual_seed(1)
    (pos, weight, rowptr, index) = triangles(150, 3)[0] if graph is None else graph
    fixed = (pos - 0.5).abs().amax(1) > 0.42
    below = build_levels(pos, weight, rowptr, index, spec, ptr=ptr, fixed=fixed)
    contexts = [Finest(rowptr, index, fixed), *(level.to(torch.float32) for level in below)]

    def around():
        return Around(channels, channels)

    def steps():
        return [[Relaxation(around(), around())] for _ in contexts]

    transfers = [LevelTransfer((channels,) * 2, (channels,) * 2, start) for _ in below]
    operators = [around() for _ in below]
    return VCycle(steps(), steps(), transfers, operators), contexts, len(pos)


@pytest.mark.parametrize("method", ["smoothed", "farthest", "bistride"])
def test_batches_are_their_graphs_and_gradients_reach_all_weights(method):
    spec = LevelSpec(method=method, count=2)
    graphs = [triangles(n, n)[0] for n in (70, 40)]
    both, ptr = joined(*graphs)
    layer, contexts, n = learned_cycle(spec, graph=both, ptr=ptr, start=True)
    f, u = torch.randn(2, n, 4)
    out = layer(f, contexts, u)
    parts = (t.split([70, 40]) for t in (f, u, out))
    for graph, part, begin, expected in zip(graphs, *parts, strict=True):
        alone = learned_cycle(spec, graph=graph)[1]
        torch.testing.assert_close(layer(part, alone, begin), expected, rtol=1e-4, atol=1e-5)
    out.square().sum().backward()
    for name, weight in layer.named_parameters():
        assert weight.grad is not None and float(weight.grad.abs().sum()) > 0, name


def test_nothing_is_added_to_prescribed_nodes():
    layer, contexts, _ = learned_cycle(LevelSpec(count=2))
    transfer, below = layer.transfers[0], contexts[1]
    added = transfer.prolong(torch.randn(len(below.weight), 4), contexts[0], below)
    fixed = contexts[0].fixed
    assert bool(fixed.any()) and not added[fixed].any() and bool(added[~fixed].any())


class Stencil(nn.Module):
    """A 3 x 3 convolution as sums over a grid's edges: nine indicator bases, a matrix for each."""

    def __init__(self, conv, height, width, stride=1, transposed=False):
        super().__init__()
        self.weight = conv.weight
        high, wide = (height + stride - 1) // stride, (width + stride - 1) // stride
        target = torch.arange(high * wide).reshape(high, wide)
        self.size = height * width if transposed else high * wide
        self.edges = []
        for k in range(9):
            i = torch.arange(high)[:, None] * stride + k // 3 - 1
            j = torch.arange(wide)[None] * stride + k % 3 - 1
            inside = ((i >= 0) & (i < height) & (j >= 0) & (j < width)).expand(high, wide)
            at = (i * width + j).expand(high, wide)[inside], target[inside]
            self.edges.append(at[::-1] if transposed else at)
        self.transposed = transposed

    def forward(self, x, at=None):
        out = 0
        for k, (sender, receiver) in enumerate(self.edges):
            order = receiver.argsort(stable=True)
            ends = torch.bincount(receiver, minlength=self.size).cumsum(0)
            rowptr = torch.cat([ends.new_zeros(1), ends])
            matrix = self.weight[:, :, k // 3, k % 3]
            mixed = x @ (matrix if self.transposed else matrix.t())
            out = out + gather_reduce(mixed, sender[order], rowptr)
        return out


class StencilTransfer(nn.Module):
    def __init__(self, down, up, height, width):
        super().__init__()
        self.down = Stencil(down, height, width, 2)
        self.up = Stencil(up, height, width, 2, transposed=True)

    def restrict(self, f, below):
        return self.down(f)

    def start(self, u, below):
        return None

    def prolong(self, u, above, below):
        return self.up(u)


def test_on_a_grid_it_is_the_convolutional_v_cycle():
    torch.manual_seed(0)
    sizes, channels = [(12, 16), (6, 8), (3, 4)], 3

    def conv(stride=1):
        return nn.Conv2d(channels, channels, 3, stride, 1, bias=False)

    a, s, t = ([conv() for _ in sizes] for _ in range(3))
    down = [conv(2) for _ in sizes[1:]]
    up = [
        nn.ConvTranspose2d(channels, channels, 3, 2, 1, output_padding=1, bias=False)
        for _ in sizes[1:]
    ]

    def grid_cycle(f, level=0):
        u = s[level](f)
        if level + 1 < len(sizes):
            u = u + up[level](grid_cycle(down[level](f - a[level](u)), level + 1))
        return u + t[level](f - a[level](u))

    operators = [Stencil(one, *size) for one, size in zip(a, sizes, strict=True)]
    before = [
        [Relaxation(op, Stencil(one, *size))]
        for op, one, size in zip(operators, s, sizes, strict=True)
    ]
    after = [
        [Relaxation(op, Stencil(one, *size))]
        for op, one, size in zip(operators, t, sizes, strict=True)
    ]
    transfers = [StencilTransfer(d, p, *size) for d, p, size in zip(down, up, sizes, strict=False)]
    layer = VCycle(before, after, transfers, operators[:-1])
    f = torch.randn(1, channels, *sizes[0])
    expected = grid_cycle(f).flatten(2)[0].t()
    torch.testing.assert_close(layer(f.flatten(2)[0].t()), expected, rtol=1e-4, atol=1e-6)
    assert F.mse_loss(expected, f.flatten(2)[0].t()) > 1e-3


def test_what_does_not_fit_is_refused_in_words():
    with pytest.raises(ValueError, match="1 transfers and operators, as `before` has 2 levels"):
        VCycle([[], []], [[], []], [], [])
    layer = classical_v_cycle(stiffness(200), coarsest=20)
    with pytest.raises(ValueError, match="one for each set of nodes, found 1"):
        layer(torch.ones(3, 1), [None])
    with pytest.raises(ValueError, match="the channels of both or of neither"):
        LevelTransfer((3, 3))
