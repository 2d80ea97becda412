"""Random scatters, and what they should give, by a loop over every output."""

from typing import NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor

from meshop.compat.torch_scatter import broadcast


class Case(NamedTuple):
    src: Tensor
    index: Tensor
    dim: int
    size: int | None
    seed: int

    @property
    def groups(self) -> int:
        """The size of the output along dim."""
        if self.size is not None:
            return self.size
        return int(self.index.max()) + 1 if self.src.numel() else 0

    @property
    def full(self) -> Tensor:
        return broadcast(self.index, self.src, self.dim).to(torch.int64)

    def output(self) -> Tensor:
        """Something to reduce into."""
        shape = [*self.src.shape]
        shape[self.dim] = self.groups
        g = torch.Generator().manual_seed(self.seed + 1)
        return torch.randint(-9, 9, shape, generator=g).to(self.src.dtype)


@st.composite
def cases(
    draw: st.DrawFn,
    dtypes=(torch.float64,),
    smallest: int = 0,
    ties: bool = True,
    coo: bool = False,
) -> Case:
    """Shapes up to (4, 4, 4), with an index 1-D, of the leading dimensions, full, or expanded."""
    shape = draw(st.lists(st.integers(smallest, 4), min_size=1, max_size=3))
    dim = draw(st.integers(0, len(shape) - 1))
    seed, groups = draw(st.integers(0, 999)), draw(st.integers(1, 4))
    g = torch.Generator().manual_seed(seed)
    dtype = draw(st.sampled_from(dtypes))
    if ties or not dtype.is_floating_point:
        src = torch.randint(-3, 3, shape, generator=g).to(dtype)
    else:
        src = torch.randn(shape, generator=g, dtype=torch.float64).to(dtype)
    kinds = ["leading"] if coo else ["flat", "leading", "full", "expanded"]
    kind = draw(st.sampled_from(kinds))
    wide = {"flat": [shape[dim]], "leading": shape[: dim + 1], "full": shape}
    if kind == "expanded":
        among = [n if draw(st.booleans()) else 1 for n in shape]
        index = torch.randint(groups, among, generator=g).expand(shape)
    else:
        index = torch.randint(groups, wide[kind], generator=g)
    if coo or draw(st.booleans()):
        index = index.sort(dim if index.dim() > 1 else 0).values
    if draw(st.booleans()):
        index = index.to(torch.int32)
    size = draw(st.sampled_from([None, groups, groups + 2]))
    return Case(src, index, dim - draw(st.sampled_from([0, len(shape)])), size, seed)


def plain(case: Case, how: str, **options) -> Tensor:
    """Of each output, ``how`` of its values, taken out one after the other."""
    src, index = case.src.movedim(case.dim, -1), case.full.movedim(case.dim, -1)
    lead = src.shape[:-1]
    src, index = (t.reshape(lead.numel(), t.shape[-1]) for t in (src, index))
    out = [ONE[how](row[i == g], **options) for row, i in zip(src, index, strict=True)
           for g in range(case.groups)]  # fmt: skip
    found = torch.stack(out) if out else src.new_zeros(0)
    return found.reshape(*lead, case.groups).movedim(-1, case.dim)


def places(case: Case, how: str) -> Tensor:
    """Where the extreme of each output is first found."""
    src, index = case.src.movedim(case.dim, -1), case.full.movedim(case.dim, -1)
    out = torch.full([*src.shape[:-1], case.groups], src.shape[-1])
    for at in torch.cartesian_prod(*map(torch.arange, out.shape)).reshape(-1, out.dim()).tolist():
        row, i = src[tuple(at[:-1])], index[tuple(at[:-1])]
        mine = (i == at[-1]).nonzero()[:, 0].tolist()
        if mine:
            best = (max if how == "max" else min)(float(row[j]) for j in mine)
            out[tuple(at)] = next(j for j in mine if float(row[j]) == best)
    return out.movedim(-1, case.dim)


def _mean(v: Tensor) -> Tensor:
    if v.is_floating_point():
        return v.sum() / max(len(v), 1)
    return (v.sum() // max(len(v), 1)).to(v.dtype)


def _std(v: Tensor, unbiased: bool = True) -> Tensor:
    count = max(len(v) - 1, 1) if unbiased else max(len(v), 1)
    return (((v - v.mean()) ** 2).sum() / (count + 1e-6)).sqrt()


ONE = {
    "sum": lambda v: v.sum().to(v.dtype),
    "mul": lambda v: v.prod().to(v.dtype),
    "mean": _mean,
    "min": lambda v: v.min() if len(v) else v.sum().to(v.dtype),
    "max": lambda v: v.max() if len(v) else v.sum().to(v.dtype),
    "std": _std,
    "logsumexp": lambda v: v.logsumexp(0) if len(v) else v.sum(),
}
