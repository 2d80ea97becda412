"""What every operator is held to: `check_model`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor

from ..graph import MeshGraph
from ..models import Operator, Widths
from ..ops import knn
from ._faults import run_checks

WIDTHS = Widths(features=5, inputs=2, tokens=4, wall_inputs=1, cond=2, out=3, scalars=2)


@dataclass(frozen=True)
class _Subject:
    kind: type[Operator]
    config: dict[str, Any]

    def build(self, widths: Widths = WIDTHS) -> Operator:
        torch.manual_seed(0)
        model = self.kind(widths, **self.config).double()
        _stir(model)
        return model.eval()

    def graph(self, n: int, seed: int, **options: Any) -> MeshGraph:
        return sample_graph(n, seed, edges=self.kind.edges, **options)


def check_model(
    kind: type[Operator],
    config: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
) -> None:
    """Runs all of `MODEL_CHECKS` on an operator with small sizes `config`, in float64.

    Raises AssertionError that names each failed check and why.
    """
    run_checks(kind.__name__, MODEL_CHECKS, _Subject(kind, dict(config or {})), expected_failures)


def sample_graph(
    n: int,
    seed: int,
    widths: Widths = WIDTHS,
    *,
    edges: bool = False,
    tokens: int = 7,
    queries: int = 0,
    dtype: torch.dtype = torch.float64,
) -> MeshGraph:
    """A graph of n random nodes in general position, weights over three decades.

    edges: of the four nearest nodes. tokens, queries: how many of each.
    """
    dim = widths.dim
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64).to(dtype)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=draw, dtype=torch.float64).to(dtype)

    graph = MeshGraph(
        pos=2 * uniform(n, dim) - 1,
        x=normal(n, widths.features),
        inputs=normal(n, widths.inputs),
        weight=10 ** (-3 * uniform(n)),
        cond=normal(1, widths.cond),
        wall_pos=2 * uniform(tokens, dim) - 1,
        wall_x=normal(tokens, widths.tokens),
        wall_inputs=normal(tokens, widths.wall_inputs),
        wall_weight=uniform(tokens) + 0.1,
        wall_batch=torch.zeros(tokens, dtype=torch.long),
    )
    if edges:
        found = knn(graph.pos, min(4, n))
        graph.edge_index = torch.stack([found.index, torch.arange(n).repeat_interleave(min(4, n))])
        graph.rowptr = torch.arange(n + 1) * min(4, n)
        step = graph.pos[graph.edge_index[0]] - graph.pos[graph.edge_index[1]]
        graph.edge_attr = torch.cat([step, step.norm(dim=1, keepdim=True)], dim=1)
    if queries:
        graph.query_pos = 2 * uniform(queries, dim) - 1
        graph.query_x = normal(queries, widths.features)
    return graph


def batch_graphs(graphs: list[MeshGraph]) -> MeshGraph:
    """Graphs end to end, with ptr, wall_ptr and query_ptr."""
    out = MeshGraph()
    skip = {"wall_batch", "edge_index", "rowptr"}
    for name in graphs[0].keys():  # noqa: SIM118 - a Data object, not a dict
        if name not in skip:
            out[name] = torch.cat([g[name] for g in graphs])
    sizes = [len(g.x) for g in graphs]
    out.ptr = _pointer(sizes)
    out.wall_ptr = _pointer([len(g.wall_x) for g in graphs])
    out.wall_batch = torch.repeat_interleave(out.wall_ptr.diff())
    if "query_x" in graphs[0]:
        out.query_ptr = _pointer([len(g.query_x) for g in graphs])
    if "edge_index" in graphs[0]:
        starts = out.ptr[:-1].tolist()
        shifted = [g.edge_index + s for g, s in zip(graphs, starts, strict=True)]
        out.edge_index = torch.cat(shifted, dim=1)
        counts = torch.cat([g.rowptr.diff() for g in graphs])
        out.rowptr = _pointer(counts.tolist())
    return out


def check_shapes(subject: _Subject) -> None:
    """Finite outputs of the right shape in 2-D and 3-D, for graphs of one node and more, and
    without inputs, conditions or scalars."""
    bare = replace(WIDTHS, inputs=0, wall_inputs=0, cond=0, scalars=0)
    for dim in (2, 3):
        for widths in (replace(WIDTHS, dim=dim), replace(bare, dim=dim)):
            model = subject.build(widths)
            for n in (1, 2, 30):
                fields, scalars = model.outputs(subject.graph(n, n, widths=widths))
                _same_shape(f"{n} nodes in {dim}-D", fields, (n, widths.out))
                _same_shape(f"{n} nodes in {dim}-D", scalars, (1, widths.scalars))


def check_determinism(subject: _Subject) -> None:
    """At evaluation the same graph gives the same bits, whatever came between."""
    model, graph = subject.build(), subject.graph(25, 1)
    first = model.outputs(graph)
    torch.manual_seed(123)
    model.outputs(subject.graph(13, 2))
    for a, b in zip(first, model.outputs(graph), strict=True):
        if not torch.equal(a, b):
            raise AssertionError("two evaluations of one graph differ")


def check_permutation(subject: _Subject) -> None:
    """The order of nodes and of boundary tokens does not matter."""
    model, graph = subject.build(), subject.graph(40, 3)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(4))
    moved = _reorder(graph, order)
    for name in ("wall_x", "wall_inputs", "wall_weight", "wall_pos"):
        moved[name] = graph[name].flip(0)
    (f0, s0), (f1, s1) = model.outputs(graph), model.outputs(moved)
    _close("fields", f1, f0[order])
    _close("scalars", s1, s0)


def check_batch(subject: _Subject) -> None:
    """A ragged batch, and one of equal sizes, give what its members give."""
    model = subject.build()
    for sizes in ((30, 1, 12), (9, 9)):
        graphs = [subject.graph(n, 5 + i, tokens=3 + i) for i, n in enumerate(sizes)]
        fields, scalars = model.outputs(batch_graphs(graphs))
        alone = [model.outputs(g) for g in graphs]
        _close(f"fields of {sizes}", fields, torch.cat([f for f, _ in alone]))
        _close(f"scalars of {sizes}", scalars, torch.cat([s for _, s in alone]))


def check_translation(subject: _Subject) -> None:
    """Where it is promised, moving nodes, boundary and queries together changes nothing."""
    model, graph = subject.build(), subject.graph(25, 6)
    moved = graph.clone()
    for name in ("pos", "wall_pos"):
        moved[name] = graph[name] + torch.tensor([3.0, -2.0])
    same = _is_close(model(moved), model(graph))
    if subject.kind.translation and not same:
        raise AssertionError("the answer depends on where the origin lies")
    if not subject.kind.translation and same:
        raise AssertionError("translation is not promised, yet holds: promise it")


def check_refinement(subject: _Subject) -> None:
    """Where it is promised, splitting a node in two of half the weight changes nothing, and so
    does another unit of measure."""
    if not subject.kind.refinement:
        return
    model, graph = subject.build(), subject.graph(25, 7)
    heavy = int(graph.weight.argmax())
    twice = torch.cat([torch.arange(25), torch.tensor([heavy])])
    refined = _reorder(graph, twice)
    refined.weight[[heavy, -1]] /= 2
    (f0, s0), (f1, s1) = model.outputs(graph), model.outputs(refined)
    _close("fields", f1, f0[twice])
    _close("scalars", s1, s0)
    scaled = graph.clone()
    scaled.weight = graph.weight * 1e-12
    _close("fields in another unit", model(scaled), f0)


def check_pointwise(subject: _Subject) -> None:
    """Where it is promised, a subset of the nodes gets the fields that it has among all."""
    if not subject.kind.pointwise:
        return
    # Known fields may be known everywhere, for those that say so of themselves.
    model, graph = subject.build(), subject.graph(25, 8)
    if not model.pointwise:
        widths = replace(WIDTHS, inputs=0)
        model, graph = subject.build(widths), subject.graph(25, 8, widths=widths)
        assert model.pointwise, "not pointwise, with or without known fields"
    some = torch.tensor([3, 11, 20])
    _close("fields", model(_reorder(graph, some)), model(graph)[some])


def check_linearity(subject: _Subject) -> None:
    """Where it is promised, fields are linear in the inputs of nodes and boundary."""
    if not subject.kind.linear:
        return
    model = subject.build()
    one, two = subject.graph(25, 9), subject.graph(25, 9)
    names = ("inputs", "wall_inputs")
    draw = torch.Generator().manual_seed(10)
    for name in names:
        two[name] = torch.randn(one[name].shape, generator=draw, dtype=torch.float64)
    mixed = one.clone()
    for name in names:
        mixed[name] = 2.5 * one[name] - 0.5 * two[name]
    _close("fields", model(mixed), 2.5 * model(one) - 0.5 * model(two))


def check_queries(subject: _Subject) -> None:
    """Where it is promised, fields come at the queries, and asked at the nodes are the nodes'."""
    if not subject.kind.queries:
        return
    model = subject.build()
    graphs = [subject.graph(20, 11, queries=6), subject.graph(14, 12, queries=9)]
    fields, _ = model.outputs(batch_graphs(graphs))
    _same_shape("fields at queries", fields, (15, WIDTHS.out))
    _close("fields at queries", fields, torch.cat([model(g) for g in graphs]))
    graph = subject.graph(20, 11)
    asked = graph.clone()
    asked.query_x, asked.query_pos, asked.query_weight = graph.x, graph.pos, graph.weight
    _close("fields asked for at the nodes", model(asked), model(graph))


def check_gradients(subject: _Subject) -> None:
    """Every parameter, and every input that is read, has a finite gradient; with checkpoints it is
    the same."""
    model, graph = subject.build(), batch_graphs([subject.graph(n, n) for n in (17, 8)])
    graph.x.requires_grad_()
    plain = _gradients(model, graph)
    for name, grad in plain.items():
        if grad is None:
            raise AssertionError(f"{name} has no gradient: it is not used")
        if not grad.isfinite().all():
            raise AssertionError(f"{name}: the gradient is not finite")
    model.checkpointing = True
    for name, grad in _gradients(model, graph).items():
        _close(f"gradient of {name} with checkpoints", grad, plain[name])


def check_save(subject: _Subject) -> None:
    """Saved and loaded into a model built anew, it gives the same bits."""
    model, graph = subject.build(), subject.graph(25, 13)
    torch.manual_seed(99)
    other = subject.kind(WIDTHS, **subject.config).double().eval()
    other.load_state_dict(from_bytes(to_bytes(model.state_dict())))
    if not torch.equal(other(graph), model(graph)):
        raise AssertionError("a loaded model gives other values: something is not in its state")


def check_bfloat16(subject: _Subject) -> None:
    """Under bfloat16 autocast the fields are finite and within 10 % of float32's."""
    model = subject.build().float()
    graph = subject.graph(200, 14, dtype=torch.float32)
    with torch.no_grad():
        exact = model(graph)
        with torch.autocast("cpu", torch.bfloat16):
            half = model(graph).float()
    gap = float((half - exact).norm() / exact.norm())
    if not gap < 0.1:
        raise AssertionError(f"bfloat16 is {100 * gap:.1f} % from float32")


def check_compile(subject: _Subject) -> None:
    """torch.compile gives the same for graphs of other sizes."""
    model = subject.build()
    torch._dynamo.reset()
    try:
        with torch.no_grad():
            compiled = torch.compile(model, backend="eager")
            for n in (20, 31):
                graph = subject.graph(n, n)
                _close(f"fields of {n} nodes", compiled(graph), model(graph))
    finally:
        torch._dynamo.reset()


MODEL_CHECKS: dict[str, Callable[[_Subject], None]] = {
    "shapes": check_shapes,
    "determinism": check_determinism,
    "permutation": check_permutation,
    "batch": check_batch,
    "translation": check_translation,
    "refinement": check_refinement,
    "pointwise": check_pointwise,
    "linearity": check_linearity,
    "queries": check_queries,
    "gradients": check_gradients,
    "save": check_save,
    "bfloat16": check_bfloat16,
    "compile": check_compile,
}


def _stir(model: torch.nn.Module) -> None:
    """Noise on every parameter, so that layers that start at zero or flat show their mistakes."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            fan = p[0].numel() if p.ndim > 1 else 16
            p.add_(0.5 * torch.randn(p.shape, generator=draw).to(p) / fan**0.5)


def _gradients(model: Operator, graph: MeshGraph) -> dict[str, Tensor | None]:
    model.zero_grad()
    fields, scalars = model.outputs(graph)
    ((fields - 1).square().sum() + (scalars + 1).square().sum()).backward()
    found = {name: p.grad for name, p in model.named_parameters()}
    found["x"], graph.x.grad = graph.x.grad, None
    return {name: None if grad is None else grad.clone() for name, grad in found.items()}


def _reorder(graph: MeshGraph, order: Tensor) -> MeshGraph:
    """The graph of nodes `order`, which may leave some out or hold some twice (without edges)."""
    out = graph.clone()
    for name in ("pos", "x", "inputs", "weight"):
        out[name] = graph[name][order]
    if "edge_index" in graph:
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order))
        sender, receiver = place[graph.edge_index]
        sort = torch.argsort(receiver, stable=True)
        out.edge_index = torch.stack([sender, receiver])[:, sort]
        out.edge_attr = graph.edge_attr[sort]
        out.rowptr = _pointer(torch.bincount(receiver, minlength=len(order)).tolist())
    return out


def _pointer(sizes: list[int]) -> Tensor:
    return torch.tensor([0, *sizes]).cumsum(0)


def _same_shape(where: str, found: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(found.shape) != shape:
        raise AssertionError(f"{where}: expected shape {shape}, found {tuple(found.shape)}")
    if not found.isfinite().all():
        raise AssertionError(f"{where}: not finite")


def _is_close(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-7, atol=1e-9)


def _close(where: str, found: Tensor | None, expected: Tensor | None) -> None:
    try:
        torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)
    except AssertionError as error:
        raise AssertionError(f"{where}: {error}") from None
