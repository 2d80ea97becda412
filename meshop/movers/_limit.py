"""The limiter: what every displacement passes through, so that no simplex is inverted."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ..errors import MeshError
from ..ops import node_least, rows_of, segment_reduce, simplex_sign, simplex_width, step_limit
from ._order import morton, scattered

REACH = 0.45  # of the least width around a node; below a half
STRIDE = 0.9  # of the way to the first simplex that collapses
SHORT = 0.05  # of the way: a mesh that cannot make more together goes node by node from then on
KEEP = 0.05  # of a simplex's measure, or width, counts as collapsed


class Limited(NamedTuple):
    """Points that were moved as far as no simplex is inverted."""

    points: Tensor  #: (N, d), of the dtype that was given
    done: Tensor  #: (B,) float64, the part of each mesh's displacement that was made
    passes: Tensor  #: (B,) int64, how many it took


class State(NamedTuple):
    """Where nodes are: `free` (N, d), or `arc` (N,) along a curve for those that are led by one."""

    free: Tensor
    arc: Tensor | None = None


class Guide(Protocol):
    """What boundary nodes may do."""

    def begin(self, points: Tensor, displacement: Tensor) -> tuple[State, State]:
        """The state at points, and the one that the displacement leads to."""

    def points(self, state: State) -> Tensor:
        """(N, d) where the nodes are."""

    def rest(self, state: State, target: State) -> Tensor:
        """(N,) how far each node has to go, not less than the straight way."""


class Free:
    """Every node may go anywhere."""

    def begin(self, points: Tensor, displacement: Tensor) -> tuple[State, State]:
        return State(points), State(points + displacement)

    def points(self, state: State) -> Tensor:
        return state.free

    def rest(self, state: State, target: State) -> Tensor:
        return length(target.free - state.free)


def limit(
    points: Tensor,
    displacement: Tensor,
    simplices: Tensor,
    ptr: Tensor | None = None,
    *,
    guide: Guide | None = None,
    passes: int = 8,
    keep: float = KEEP,
    local: bool = True,
) -> Limited:
    """Points moved along a displacement as far as every simplex stays positive.

    points, displacement (N, d), d = 2 or 3, of one floating dtype; simplices (S, d + 1) int64 of
    positive determinant; ptr (B + 1,): nodes of B meshes end to end, each limited on its own;
    guide: what boundary nodes may do, see `sliding`; local: whether nodes also go on their own, or
    all make the same part of their way, so that a body that is moved keeps its shape.

    A displacement that inverts nothing is made as it is. Otherwise each pass moves each mesh 0.9 of
    the way to where its first simplex would have `keep` of its measure left; then each node by what
    is left to go, but no more than 0.45 of what the simplices around it are wider than `keep` of
    their width at the start: that cannot invert any, and one that is stuck holds up no others. Once
    the way that all can make together is short, it is left out.
    After each pass the exact signs of all simplices are looked at, on coordinates as they are
    returned, and what is not positive is not done. A mesh that cannot move comes back as it was,
    with `done` 0.

    Differentiable once, in points and displacement; which simplex is the narrowest counts as given.
    Computed in float64, deterministic. Raises MeshError for simplices that are inverted or flat at
    the start and for what is not finite; ValueError for shapes that do not fit.
    """
    if displacement.shape != points.shape:
        raise ValueError(
            f"displacement: expected {tuple(points.shape)}, like points, found "
            f"{tuple(displacement.shape)}"
        )
    x, step = points.double(), displacement.double()
    if not (x.isfinite().all() and step.isfinite().all()):
        name = "points" if not x.isfinite().all() else "displacement"
        raise MeshError(f"limit: {name}", "found NaN or infinity, expected finite numbers")
    batch = _Batch(points, simplices, ptr)
    batch.refuse_inverted(x)
    guide = guide or Free()
    start, target = guide.begin(x, step)
    return _move(batch, guide, start, target, x, points.dtype, passes, keep, local)


def _move(
    batch: _Batch,
    guide: Guide,
    state: State,
    target: State,
    x: Tensor,
    dtype: torch.dtype,
    passes: int,
    keep: float,
    local: bool,
) -> Limited:
    first = x
    wanted = guide.rest(state, target).detach()
    count = torch.zeros_like(batch.ptr[1:])
    full = guide.points(target)
    whole = batch.good(full)
    if not whole.all():
        batch.tidy(x)
        batch.floors(x, keep)
    state = _between(state, target, whole.double()[batch.of_node])
    x = _choose(whole, full, x, batch)
    going = ~whole & (batch.most(wanted) > 0)
    count += batch.most(wanted) > 0
    able = going  # to go on together
    bold = torch.ones_like(count, dtype=torch.float64)  # less where ways are curved
    for turn in range(passes):
        if not going.any():
            break
        count += going if turn else 0
        one, x1 = state, x
        if able.any():
            stride = torch.where(able, bold * batch.stride(x, full - x), 0.0)
            one = _between(state, target, stride[batch.of_node])
            x1 = guide.points(one)
            able = able & ((stride > SHORT) | (not local))
        two, x2 = one, x1
        if local:
            two = _between(one, target, batch.share(x1, guide.rest(one, target)))
            x2 = guide.points(two)
        good = batch.good(x2)
        if not good.all():  # rounding, or a curve that is no line
            fine = batch.good(x1) if local else good
            state, x = _pick(fine, one, state, batch), _choose(fine, x1, x, batch)
            able, bold = able & (fine | (not local)), torch.where(fine, bold, 0.25 * bold)
        state, x = _pick(good, two, state, batch), _choose(good, x2, x, batch)
        left = guide.rest(state, target).detach()
        going = going & (batch.most(left) > 1e-14 * batch.most(wanted))
    left = guide.rest(state, target).detach()
    total, rest = batch.sum(wanted), batch.sum(left)
    done = torch.where(total > 0, 1 - rest / torch.where(total > 0, total, 1.0), 1.0)
    moved = batch.most((x - first).detach().abs().amax(1)) > 0
    done = torch.where(moved | (total == 0), done, 0.0)
    return Limited(x.to(dtype), done, count)


class _Batch:
    """Meshes end to end: minima over the simplices of each."""

    def __init__(self, points: Tensor, simplices: Tensor, ptr: Tensor | None) -> None:
        n = len(points)
        self.simplices, self.dtype = simplices, points.dtype
        ptr = torch.tensor([0, n]) if ptr is None else ptr
        self.ptr = ptr.to(points.device, torch.int64)
        if (
            len(self.ptr) < 2
            or self.ptr[0] != 0
            or self.ptr[-1] != n
            or (self.ptr.diff() < 0).any()
        ):
            raise ValueError(f"ptr: expected values that rise from 0 to {n}, found {ptr}")
        self.count = len(self.ptr) - 1
        self.of_node = rows_of(self.ptr, n)
        inside = simplices.numel() == 0 or (simplices.amin() >= 0 and simplices.amax() < n)
        if not inside:
            raise IndexError(f"simplices: expected numbers from 0 to {n - 1} of points")
        self.of_simplex = self.of_node[simplices[:, 0]]
        if self.count > 1 and (self.of_node[simplices] != self.of_simplex[:, None]).any():
            raise ValueError("simplices: expected nodes of one mesh each, found some of two")
        self.order: Tensor | None = None

    def refuse_inverted(self, x: Tensor) -> None:
        sign = simplex_sign(x, self.simplices)
        wrong = (sign <= 0).nonzero()[:, 0]
        if len(wrong):
            s = int(wrong[0])
            kind = "flat" if sign[s] == 0 else "inverted"
            raise MeshError(
                f"{len(wrong)} of {len(sign)} simplices are inverted or flat before they move",
                f"simplex {s} of nodes {self.simplices[s].tolist()} is {kind}; expected "
                "determinants above zero",
                "mesh.validate() lists such cells; repair them, or wind all cells alike",
            )

    def tidy(self, x: Tensor) -> None:
        """Numbers nodes and simplices along a curve through space, where they are scattered in
        memory; to be done before `floors`. Results are minima, so that nothing depends on it."""
        if self.count > 1 or not scattered(self.simplices, len(x)):
            return
        self.order = morton(x.detach()).argsort(stable=True)
        self.number = torch.empty_like(self.order)
        self.number[self.order] = torch.arange(len(x), device=x.device)
        simplices = self.number[self.simplices]
        self.simplices = simplices[simplices.amin(1).argsort(stable=True)]

    def placed(self, x: Tensor) -> Tensor:
        """Rows of nodes, as the simplices number them."""
        return x if self.order is None else x[self.order]

    def good(self, x: Tensor) -> Tensor:
        """(B,) whether all simplices are positive, in the dtype that is returned."""
        sign = simplex_sign(self.placed(x.detach()).to(self.dtype).double(), self.simplices)
        return self._least(sign.double(), 1.0) > 0

    def floors(self, x: Tensor, keep: float) -> None:
        """Takes down what each simplex may not fall below."""
        x = self.placed(x)
        e = x[self.simplices[:, 1:]] - x[self.simplices[:, :1]]
        self.measure = keep * _det(e)
        self.width, self.keep = keep * simplex_width(x, self.simplices), keep
        self.begin = x

    def stride(self, x: Tensor, step: Tensor) -> Tensor:
        """(B,) the part of a straight step that each mesh makes."""
        x, step = self.placed(x), self.placed(step)
        t = step_limit(x, step, self.simplices, self.measure)
        least = self._least(t, 1.0)
        if (x.requires_grad or step.requires_grad) and torch.is_grad_enabled():
            some = ((least > 0) & (least < 1)).nonzero()[:, 0]
            number = torch.arange(len(t), device=t.device)
            number = torch.where(t == least[self.of_simplex], number, len(t))
            none = torch.full_like(self.ptr[1:], len(t))
            which = none.scatter_reduce(0, self.of_simplex, number, "amin")[some]
            value, slope = _root(x, step, self.simplices[which], least[some], self.measure[which])
            # The root as a function of all that it depends on (implicit function theorem).
            least = least.index_put((some,), least[some] - (value - value.detach()) / slope)
        return torch.where(least < 1, STRIDE * least, least)

    def share(self, x: Tensor, rest: Tensor) -> Tensor:
        """(N,) the part of its way that each node makes on its own."""
        if not (rest > 0).any():
            return torch.ones_like(rest)
        x = self.placed(x)
        spare = simplex_width(x, self.simplices) - self.width
        least, which = node_least(spare, self.simplices, len(x))
        if self.order is not None:
            least, which = least[self.number], which[self.number]
        limited = (REACH * least < rest).nonzero()[:, 0]
        cap = REACH * least[limited]
        if x.requires_grad and torch.is_grad_enabled():
            some = self.simplices[which[limited]]
            own = _width(x[some]) - self.keep * _width(self.begin[some])
            cap = cap + torch.where(cap > 0, REACH * (own - own.detach()), 0.0)
        return torch.ones_like(rest).index_put((limited,), cap / rest[limited])

    def most(self, values: Tensor) -> Tensor:
        """(B,) the largest of values (N,) >= 0."""
        return values.new_zeros(self.count).scatter_reduce(0, self.of_node, values, "amax")

    def sum(self, values: Tensor) -> Tensor:
        return segment_reduce(values, self.ptr)

    def _least(self, values: Tensor, most: float) -> Tensor:
        if self.count == 1:
            return values.amin().clamp(max=most)[None] if len(values) else values.new_ones(1)
        start = values.new_full((self.count,), most)
        return start.scatter_reduce(0, self.of_simplex, values, "amin")


def _between(state: State, target: State, share: Tensor) -> State:
    """Each node its share (N,) of the way; exactly there where it is one."""
    part = share[:, None]
    free = torch.where(part >= 1, target.free, state.free + part * (target.free - state.free))
    if state.arc is None or target.arc is None:
        return State(free, None)
    arc = torch.where(share >= 1, target.arc, state.arc + share * (target.arc - state.arc))
    return State(free, arc)


def _choose(chosen: Tensor, yes: Tensor, no: Tensor, batch: _Batch) -> Tensor:
    """Rows of the meshes that are chosen from one, of the others from the other."""
    if chosen.all():
        return yes
    return torch.where(chosen[batch.of_node].reshape(-1, *[1] * (yes.dim() - 1)), yes, no)


def _pick(chosen: Tensor, yes: State, no: State, batch: _Batch) -> State:
    free = _choose(chosen, yes.free, no.free, batch)
    if yes.arc is None or no.arc is None:
        return State(free, None)
    return State(free, _choose(chosen, yes.arc, no.arc, batch))


def length(vectors: Tensor) -> Tensor:
    """(N,) lengths, with a slope of zero at zero."""
    square = (vectors * vectors).sum(1)
    some = square > 0
    return torch.where(some, torch.where(some, square, 1.0).sqrt(), 0.0)


def _root(
    x: Tensor, step: Tensor, simplices: Tensor, t: Tensor, least: Tensor
) -> tuple[Tensor, Tensor]:
    """det(E + t D) - least of some simplices, and its slope in t."""
    e, d = (v[simplices][:, 1:] - v[simplices][:, :1] for v in (x, step))
    at = e + t[:, None, None] * d
    slope = torch.zeros_like(t)
    for i in range(e.shape[1]):
        row = torch.arange(e.shape[1], device=e.device)[:, None] == i
        slope = slope + _det(torch.where(row, d, at)).detach()
    return _det(at) - least, slope


def _det(e: Tensor) -> Tensor:
    if e.shape[1] == 2:
        return e[:, 0, 0] * e[:, 1, 1] - e[:, 0, 1] * e[:, 1, 0]
    return (e[:, 0] * torch.linalg.cross(e[:, 1], e[:, 2])).sum(1)


def _width(corner: Tensor) -> Tensor:
    """(n,) widths of simplices (n, d + 1, d), as `meshop.ops.node_width` has them."""
    e = corner[:, 1:] - corner[:, :1]
    if e.shape[1] == 2:
        across = torch.stack([e[:, 0], e[:, 1], e[:, 1] - e[:, 0]], 1)
    else:
        last = e.roll(-2, 1) - e.roll(-1, 1)  # edges away from the first corner
        normals = torch.linalg.cross(e.roll(-1, 1), e.roll(-2, 1))
        far = torch.linalg.cross(last[:, :1], last[:, 1:2])
        across = torch.cat([normals, torch.linalg.cross(e, last), far], 1)
    return _det(e) / (across * across).sum(2).amax(1).sqrt()
