"""edge_attention as users call it."""

import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from meshop import ops
from meshop.ops import reference

from .specs import SPECS, cloud, ptr

ROOT = Path(__file__).parents[2]


def _features(nodes: int, heads: int, channels: int, seed: int = 0) -> torch.Tensor:
    return 2 * cloud(nodes, heads * channels, seed).reshape(nodes, heads, channels) - 1


def _case(rowptr: torch.Tensor, senders: int = 5, heads: int = 2, seed: int = 0) -> list:
    index = torch.randint(senders, (int(rowptr[-1]),), generator=_generator(seed))
    n = len(rowptr) - 1
    features = [
        _features(r, heads, c, seed + r + c) for r, c in ((n, 3), (senders, 3), (senders, 4))
    ]
    return [*features, index, rowptr]


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_on_a_complete_graph_it_is_dense_attention(dtype: torch.dtype) -> None:
    n, m, heads = 7, 90, 4
    q, k, v = (_features(r, heads, 16, s).to(dtype) for s, r in enumerate((n, m, m)))
    q.requires_grad_(), k.requires_grad_(), v.requires_grad_()
    bias = _features(n * m, heads, 1, 4)[..., 0].to(dtype).requires_grad_()
    mask = bias.reshape(n, m, heads).permute(2, 0, 1)
    found = ops.edge_attention(q, k, v, torch.arange(m).repeat(n), ptr(*[m] * n), bias)
    wide = [t.double().transpose(0, 1) for t in (q, k, v)]
    dense = F.scaled_dot_product_attention(*wide, attn_mask=mask.double()).transpose(0, 1)
    tolerance = {torch.float32: 1e-6, torch.float64: 1e-13, torch.bfloat16: 4e-3}[dtype]
    torch.testing.assert_close(found.double(), dense, rtol=tolerance, atol=tolerance)
    slope = _features(n, heads, 16, 5)
    ours = torch.autograd.grad(found, (q, k, v, bias), slope.to(dtype))
    theirs = torch.autograd.grad(dense, (q, k, v, bias), slope.to(dtype).double())
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=4 * tolerance, atol=tolerance)


@given(
    sizes=st.lists(st.integers(0, 7), max_size=6),
    heads=st.integers(1, 9),
    seed=st.integers(0, 2**31),
)
def test_the_order_of_a_receivers_edges_does_not_matter(sizes, heads, seed) -> None:
    rowptr = ptr(*sizes)
    q, k, v, index, _ = _case(rowptr, heads=heads, seed=seed)
    rows = reference.rows_of(rowptr, len(index))
    order = torch.randperm(len(index), generator=_generator(seed))
    order = order[torch.argsort(rows[order], stable=True)]
    bias = _features(len(index), heads, 1, seed + 9)[..., 0]
    found = ops.edge_attention(q, k, v, index[order], rowptr, bias[order])
    plain = ops.edge_attention(q, k, v, index, rowptr, bias)
    torch.testing.assert_close(found, plain, rtol=1e-12, atol=1e-14)


@given(sizes=st.lists(st.integers(0, 80), max_size=5), seed=st.integers(0, 2**31))
def test_a_mean_stays_among_its_values(sizes, seed) -> None:
    rowptr = ptr(*sizes)
    q, k, v, index, _ = _case(rowptr, seed=seed)
    out = ops.edge_attention(50 * q, k, v, index, rowptr)
    for i, row in enumerate(out):
        mine = v[index[rowptr[i] : rowptr[i + 1]]]
        if len(mine):
            assert (row <= mine.amax(0) + 1e-12).all() and (row >= mine.amin(0) - 1e-12).all()
        else:
            assert (row == 0).all()


def test_coords_give_the_mean_step_to_the_neighbours() -> None:
    rowptr = ptr(4, 0, 3, 1, 2)
    q, k, v, index, _ = _case(rowptr)
    x = cloud(5, 2)
    out, step = ops.edge_attention(q, k, v, index, rowptr, coords=x)
    assert torch.equal(out, ops.edge_attention(q, k, v, index, rowptr))
    assert (step[1] == 0).all()  # a node without edges stays
    weighted = ops.edge_attention(q, k, x[:, None].expand(5, 2, 2), index, rowptr)
    full = rowptr.diff() > 0
    torch.testing.assert_close((x[:, None] + step)[full], weighted[full])
    pair = ops.edge_attention(q, k, v, index, rowptr, coords=(x, x))[1]
    assert torch.equal(step, pair)


def test_steps_do_not_feel_where_the_origin_lies() -> None:
    rowptr = ptr(4, 2, 3, 1, 2)
    q, k, v, index, _ = (t.float() if t.is_floating_point() else t for t in _case(rowptr))
    x = (cloud(5, 3) * 1024).round().float() / 2**20  # exact, also far away
    near = ops.edge_attention(q, k, v, index, rowptr, coords=x)[1]
    far = ops.edge_attention(q, k, v, index, rowptr, coords=x + 8)[1]
    assert torch.equal(near, far)


def test_without_channels_the_bias_is_the_logit() -> None:
    weights = torch.tensor([[1.0], [2.0], [5.0]])
    nothing = torch.zeros(1, 1, 0)
    value = torch.tensor([1.0, 10, 100]).reshape(3, 1, 1)
    bias = weights.log()
    out = ops.edge_attention(nothing, nothing.expand(3, 1, 0), value, torch.arange(3), ptr(3), bias)
    torch.testing.assert_close(out, torch.tensor([[[521 / 8]]]))


def test_scale_is_one_over_the_root_of_the_channels() -> None:
    args = _case(ptr(3, 2))
    assert torch.equal(ops.edge_attention(*args), ops.edge_attention(*args, scale=3**-0.5))
    flat = ops.edge_attention(*args, scale=0.0)[1]
    torch.testing.assert_close(flat, args[2][args[3][3:]].mean(0))


def test_masked_edges_weigh_nothing() -> None:
    q, k, v, index, rowptr = _case(ptr(3, 2))
    bias = torch.zeros(5, 2, dtype=torch.float64)
    bias[1] = bias[3:] = -math.inf
    leaves = [t.requires_grad_() for t in (q, k, v, bias)]
    out = ops.edge_attention(q, k, v, index, rowptr, bias)
    kept = index[torch.tensor([0, 2])]
    torch.testing.assert_close(out[:1], ops.edge_attention(q[:1], k, v, kept, ptr(2)))
    assert (out[1] == 0).all()
    for grad in torch.autograd.grad(out.sum(), leaves):
        assert grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exponentials_are_exact_to_a_few_ulp(dtype: torch.dtype) -> None:
    x = torch.linspace(-700 if dtype == torch.float64 else -87, 0, 4001, dtype=dtype)
    bias = torch.stack([torch.zeros_like(x), x], 1).reshape(-1, 1)
    value = torch.tensor([0.0, 1.0], dtype=dtype).reshape(2, 1, 1)
    nothing = torch.zeros(len(x), 1, 0, dtype=dtype)
    rowptr = 2 * torch.arange(len(x) + 1)
    index = torch.arange(2).repeat(len(x))
    out = ops.edge_attention(nothing, value[..., :0], value, index, rowptr, bias)[:, 0, 0]
    ulp = torch.finfo(dtype).eps
    exact = torch.sigmoid(x.double())
    assert float(((out.double() - exact) / exact).abs().max()) < (4 if ulp > 1e-10 else 6) * ulp


def test_gradients_with_everything_twice() -> None:
    rowptr = ptr(2, 0, 3)
    q, k, v, index, _ = _case(rowptr, senders=3, heads=1)
    bias, x, y = cloud(5, 1, 1), cloud(3, 2, 2), cloud(3, 2, 3)
    floats = [t.requires_grad_() for t in (q, k, v, bias, x, y)]

    def call(q, k, v, bias, x, y):
        return ops.edge_attention(q, k, v, index, rowptr, bias, coords=(x, y))

    assert torch.autograd.gradcheck(call, floats)
    assert torch.autograd.gradgradcheck(call, floats)


def test_compiles_once_for_all_sizes() -> None:
    compiled = torch.compile(ops.edge_attention, backend="aot_eager", dynamic=True, fullgraph=True)
    for sizes in ((3, 0, 2), (4, 5, 6, 7), (1, 1)):
        args = _case(ptr(*sizes))
        leaves = [t.requires_grad_() for t in args[:3]]
        found, plain = compiled(*args), ops.edge_attention(*args)
        assert torch.equal(found, plain)
        ours = torch.autograd.grad(found.sum(), leaves)
        assert all(map(torch.equal, ours, torch.autograd.grad(plain.sum(), leaves)))


def test_nothing_as_large_as_the_edges_is_saved() -> None:
    args = _case(ptr(*[50] * 4), heads=4)
    for t in args[:3]:
        t.requires_grad_()
    sizes: list[int] = []

    def look(t: torch.Tensor) -> torch.Tensor:
        sizes.append(t.numel())
        return t

    with torch.autograd.graph.saved_tensors_hooks(look, lambda t: t):
        ops.edge_attention(*args)
    assert len(sizes) == 6 and max(sizes) == len(args[3])  # `index` itself


_PEAK = """
import sys, torch
from meshop import ops
from meshop.ops import reference
def mib(key):
    with open("/proc/self/status") as file:
        return next(int(s.split()[1]) / 1024 for s in file if s.startswith(key))
def growth(call):
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak starts over
    before = mib("VmRSS")
    call()
    return mib("VmHWM") - before
torch.set_num_threads(1)
nodes, edges, channels = 1000, 200_000, 64  # an (E, C) tensor has 49 MiB
index = torch.arange(edges) % nodes
rowptr = torch.arange(nodes + 1) * (edges // nodes)
q, k, v = (torch.rand(nodes, 4, channels // 4, requires_grad=True) for _ in range(3))
args = (index, rowptr)
def ours():
    ops.edge_attention(q, k, v, *args).sum().backward()
def plain():
    reference.edge_attention(q, k, v, *args, None, None, None, 0.25)[0].sum().backward()
growth(ours)  # what loads on first use
print(growth(ours), growth(plain))
"""


@pytest.mark.skipif(not ops.compiled, reason="the reference has such tensors")
@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux")
def test_peak_memory_holds_no_tensor_of_edges_by_channels() -> None:
    ours, plain = map(float, _python(_PEAK).split())
    assert plain > 49  # else the test would not see one
    assert ours < 25


_BITS = """
from tests.ops.test_attention import bits
print(bits())
"""


def bits() -> str:
    """A hash of all outputs of all samples, but those with NaN."""
    digest = hashlib.sha256()
    for name in ("edge_attention", "edge_attention_backward"):
        for label, args in SPECS[name].samples.items():
            for out in SPECS[name].op(*args) if label != "nan" else ():
                digest.update(out.contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.skipif(not ops.compiled, reason="torch's own instruction sets are its own affair")
@pytest.mark.parametrize("vector_bytes", ["16", "32"])
def test_every_instruction_set_gives_the_same_bits(vector_bytes: str) -> None:
    assert _python(_BITS, MESHOP_VECTOR_BYTES=vector_bytes).strip() == bits()


def _python(code: str, **env: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | env, cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout


_q, _k, _v, _index, _rowptr = _case(ptr(3, 2))


def _call(**changes):
    names = ("query", "key", "value", "index", "rowptr")
    args = dict(zip(names, (_q, _k, _v, _index, _rowptr), strict=True))
    return ops.edge_attention(**args | changes)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"query": _q[0]}, ValueError, r"query: expected shape \(N, H, D\)"),
        ({"query": _q.half()}, ValueError, "query: expected float32, float64 or bfloat16"),
        ({"query": _q[:1]}, ValueError, "rowptr: expected 2 entries.* found 3"),
        ({"key": _k.float()}, ValueError, "key: expected torch.float64, found torch.float32"),
        ({"key": _k[..., :2]}, ValueError, r"key: expected shape \(5, 2, 3\), found \(5, 2, 2\)"),
        ({"value": _v[:4]}, ValueError, r"value: expected shape \(5, 2, 4\)"),
        ({"value": _v[:, 0]}, ValueError, r"value: expected shape \(M, H, Dv\)"),
        ({"index": _index.float()}, ValueError, "index: expected an int32 or int64 tensor"),
        ({"index": _index - 9}, IndexError, "senders from 0 to 4, found -.* at edge 0"),
        ({"index": _index + 5}, IndexError, "senders from 0 to 4, found .* at edge 0"),
        ({"index": _index[:4]}, IndexError, r"rowptr\[-1\]: expected 4, the number of edges"),
        ({"rowptr": ptr(6, -1)}, ValueError, "rowptr: expected values that never decrease"),
        ({"bias": _q[0]}, ValueError, r"bias: expected shape \(5, 2\)"),
        ({"bias": torch.zeros(5, 2)}, ValueError, "bias: expected torch.float64"),
        ({"coords": cloud(5, 2)}, ValueError, r"coords of receivers: expected shape \(2, 2\)"),
        ({"coords": cloud(5, 2)[0]}, ValueError, r"coords: expected shape \(M, P\)"),
        ({"coords": (cloud(2, 2), cloud(4, 2))}, ValueError, r"coords: expected shape \(5, 2\)"),
        ({"coords": (cloud(2, 2), cloud(5, 2).float())}, ValueError, "coords: expected torch.f"),
    ],
)  # fmt: skip
def test_errors_say_what_was_found(changes, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        _call(**changes)


def test_int32_indices_are_welcome() -> None:
    assert torch.equal(_call(index=_index.int(), rowptr=_rowptr.int()), _call())


def test_bfloat16_keeps_coordinates_in_float32() -> None:
    q, k, v = (t.bfloat16() for t in (_q, _k, _v))
    x = (cloud(2, 2).float(), cloud(5, 2).float())
    out, step = _call(query=q, key=k, value=v, coords=x)
    assert out.dtype == torch.bfloat16 and step.dtype == torch.float32
