"""An op is described by an `OpSpec`; `check_op` runs every check on it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ._faults import run_checks

#: (rtol, atol) by dtype, for floating outputs of a kernel against its reference.
TOLERANCES = {
    torch.float64: (1e-12, 1e-14),
    torch.float32: (1e-6, 1e-7),
    torch.bfloat16: (8e-3, 1e-6),
    torch.float16: (1e-3, 1e-6),
}


@dataclass(frozen=True)
class OpSpec:
    """What there is to know of an op to check it.

    ``samples`` and ``grad_samples`` map a label to the arguments of one call; the floating tensors
    of a grad sample are float64, in general position (no ties, nothing at the rim of a cutoff).
    """

    op: Any  # torch.ops.<namespace>.<name>.default
    reference: Callable[..., Any]  # same arguments, plain torch
    samples: Mapping[str, Sequence[Any]]
    grad_samples: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    second_order: bool = True
    constants: Sequence[int] = ()  # places of floating arguments that have no gradient
    graphs: int = 1  # that torch.compile may make of calls that differ in numbers of rows
    exact: bool = False  # floating outputs equal the reference's to the last bit


def check_op(spec: OpSpec, expected_failures: Mapping[str, str] | None = None) -> None:
    """Runs all of `OP_CHECKS`; raises AssertionError that names each failed check and why."""
    run_checks(str(spec.op), OP_CHECKS, spec, expected_failures)


def check_reference(spec: OpSpec) -> None:
    """The op's outputs are the reference's: shape, dtype and values."""
    for label, args in spec.samples.items():
        _compare(spec, label, spec.op(*args), spec.reference(*args))


def check_layout(spec: OpSpec) -> None:
    """Inputs that are not contiguous change nothing, and no input is written to."""
    for label, args in spec.samples.items():
        before = [a.clone() if isinstance(a, Tensor) else a for a in args]
        plain = _tuple(spec.op(*args))
        for given, kept in zip(args, before, strict=True):
            if isinstance(given, Tensor) and not _same(given, kept):
                raise AssertionError(f"{label}: an input was changed")
        strided = _tuple(spec.op(*[_strided(a) for a in args]))
        if not all(map(_same, plain, strided)):
            raise AssertionError(f"{label}: results differ for inputs that are not contiguous")


def check_threads(spec: OpSpec) -> None:
    """One thread and several give the same bits."""
    threads = torch.get_num_threads()
    try:
        for label, args in spec.samples.items():
            torch.set_num_threads(1)
            one = _tuple(spec.op(*args))
            torch.set_num_threads(3)
            if not all(map(_same, one, _tuple(spec.op(*args)))):
                raise AssertionError(f"{label}: results depend on the number of threads")
    finally:
        torch.set_num_threads(threads)


def check_registration(spec: OpSpec) -> None:
    """torch.library.opcheck: schema, autograd registration, fake tensors, dynamic compilation."""
    for args in spec.samples.values():
        # opcheck compares with NaN != NaN.
        if not any(isinstance(a, Tensor) and bool(a.isnan().any()) for a in args):
            cheap = ("test_schema", "test_faketensor")
            torch.library.opcheck(spec.op, tuple(args), test_utils=cheap)
    for args in (_with_grad(spec) or spec.samples).values():
        torch.library.opcheck(spec.op, tuple(args))


def check_gradients(spec: OpSpec) -> None:
    """First, and where promised second, derivatives against finite differences in float64."""

    def floating(*args: Any) -> tuple[Tensor, ...]:
        return tuple(out for out in _tuple(spec.op(*args)) if out.dtype.is_floating_point)

    for label, args in _with_grad(spec).items():
        try:
            torch.autograd.gradcheck(floating, tuple(args))
            if spec.second_order:
                torch.autograd.gradgradcheck(floating, tuple(args))
        except Exception as error:
            raise AssertionError(f"{label}: {error}") from error


def check_bounds(spec: OpSpec) -> None:
    """Indices and pointers out of range raise where the reference does, and never pass unseen."""
    for label, args in spec.samples.items():
        for i, given in enumerate(args):
            if not isinstance(given, Tensor) or given.dtype != torch.int64 or not given.numel():
                continue
            for place, value in ((0, -1), (-1, int(given.flatten()[-1]) + 1_000_000)):
                wrong = given.clone()
                wrong.view(-1)[place] = value
                changed = [*args[:i], wrong, *args[i + 1 :]]
                where = f"{label}, argument {i} with {value} at [{place}]"
                found, expected = _attempt(spec.op, changed), _attempt(spec.reference, changed)
                refused = (found is None, expected is None)
                if refused == (False, True) and _equal(found, spec.op(*args)):
                    continue  # nothing wrong with a value that is provably not looked at
                if refused[0] != refused[1]:
                    words = ("a result", "an error")
                    raise AssertionError(
                        f"{where}: expected {words[refused[1]]}, found {words[refused[0]]}"
                    )
                if found is not None:
                    _compare(spec, where, found, expected)


def check_empty(spec: OpSpec) -> None:
    """There are samples with nothing in them, and gradients pass through them as through others."""
    bare = {
        at: args
        for at, args in spec.samples.items()
        if any(isinstance(a, Tensor) and a.shape[:1] == (0,) for a in args)
    }
    if not bare:
        raise AssertionError("no sample has a tensor of no rows; add one")
    differentiable = bool(spec.grad_samples)
    for label, args in (_with_grad(spec, bare) if differentiable else {}).items():
        inputs = [a for a in args if isinstance(a, Tensor) and a.requires_grad]
        ends = [out for out in _tuple(spec.op(*args)) if out.requires_grad]
        ones = [torch.ones_like(end) for end in ends]
        grads = torch.autograd.grad(ends, inputs, ones, allow_unused=True)
        for given, grad in zip(inputs, grads, strict=True):
            if grad is None or not all(_finite(a) for a in args):
                continue
            if grad.shape != given.shape or not grad.isfinite().all():
                raise AssertionError(f"{label}: a gradient is wrong in shape, or not finite")


def check_compile(spec: OpSpec) -> None:
    """torch.compile gives the same, forward and backward, from one graph for all sizes."""
    groups = _alike(spec.samples)
    most = max(groups, key=lambda group: (len(group), -_numel(group)), default=[])
    least = min(groups, key=_numel, default=[])
    for group in (most, least):
        _check_graph(spec, group[:4], backward=False)
    if spec.grad_samples:
        grown = _alike(_with_grad(spec))
        _check_graph(spec, max(grown, key=len)[:3], backward=True)


OP_CHECKS: dict[str, Callable[[OpSpec], None]] = {
    "reference": check_reference,
    "layout": check_layout,
    "threads": check_threads,
    "registration": check_registration,
    "gradients": check_gradients,
    "bounds": check_bounds,
    "empty": check_empty,
    "compile": check_compile,
}


def _check_graph(spec: OpSpec, group: Sequence[tuple[str, Sequence[Any]]], backward: bool) -> None:
    """Few graphs (OpSpec.graphs) serve the calls of ``group``, which differ in sizes alone."""
    if not group:
        return
    graphs = 0
    eager = torch._dynamo.lookup_backend("aot_eager")

    def counted(graph: Any, inputs: Any) -> Any:
        nonlocal graphs
        graphs += 1
        return eager(graph, inputs)

    constants = [None if isinstance(a, Tensor) else a for a in group[0][1]]

    def call(*tensors: Tensor) -> tuple[Tensor, ...]:
        rest = iter(tensors)
        filled = [next(rest) if at in places else c for at, c in enumerate(constants)]
        return _tuple(spec.op(*filled))

    places = {at for at, a in enumerate(group[0][1]) if isinstance(a, Tensor)}
    torch._dynamo.reset()
    try:
        compiled = torch.compile(call, backend=counted, fullgraph=True, dynamic=True)
        for label, args in group:
            tensors = [a for a in args if isinstance(a, Tensor)]
            found, expected = compiled(*tensors), call(*tensors)
            pairs = [*zip(found, expected, strict=True)]
            if backward:
                pairs += zip(_slopes(found, tensors), _slopes(expected, tensors), strict=True)
            if not all(_same(a, b) for a, b in pairs):
                raise AssertionError(f"{label}: compiled, the op gives something else")
    finally:
        torch._dynamo.reset()
    if graphs > spec.graphs:
        raise AssertionError(
            f"{graphs} graphs for {[label for label, _ in group]}, expected {spec.graphs} at most"
        )


def _slopes(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of a fixed combination of the outputs."""
    ends = [out for out in outputs if out.requires_grad]
    weights = [torch.arange(e.numel(), dtype=e.dtype).reshape(e.shape).cos() for e in ends]
    heads = [a for a in inputs if a.requires_grad]
    slopes = torch.autograd.grad(ends, heads, weights, allow_unused=True)
    return [
        a.new_zeros(0) if slope is None else slope for a, slope in zip(heads, slopes, strict=True)
    ]


def _alike(samples: Mapping[str, Sequence[Any]]) -> list[list[tuple[str, Sequence[Any]]]]:
    """Samples that differ in numbers of rows alone, as the compiler sees it: to it 0 and 1 are
    kinds of their own, equal sizes are one size, and one tensor given twice is one tensor.
    """
    groups: dict[Any, list[tuple[str, Sequence[Any]]]] = {}
    for label, args in samples.items():
        tensors = [a for a in args if isinstance(a, Tensor)]
        rows = [a.shape[0] for a in tensors if a.dim()]
        sizes = tuple(min(n, 2) * len(rows) + rows.index(n) for n in rows)
        same = tuple(next(i for i, b in enumerate(tensors) if a is b) for a in tensors)
        kinds = tuple(
            (a.dtype, a.shape[1:], a.is_contiguous()) if isinstance(a, Tensor) else repr(a)
            for a in args
        )
        groups.setdefault((sizes, same, kinds), []).append((label, args))
    return list(groups.values())


def _numel(group: Sequence[tuple[str, Sequence[Any]]]) -> int:
    return sum(a.numel() for _, args in group for a in args if isinstance(a, Tensor))


def _finite(value: Any) -> bool:
    return not isinstance(value, Tensor) or bool(value.isfinite().all())


def _attempt(call: Callable[..., Any], args: Sequence[Any]) -> Any:
    """The result, or None where the call refuses its arguments."""
    try:
        return call(*args)
    except (RuntimeError, ValueError, IndexError):
        return None


def _tuple(outputs: Any) -> tuple[Tensor, ...]:
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def _same(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return bool(torch.isclose(a, b, rtol=0, atol=0, equal_nan=True).all())


def _equal(found: Any, expected: Any) -> bool:
    return all(map(_same, _tuple(found), _tuple(expected)))


def _compare(spec: OpSpec, label: str, found: Any, expected: Any) -> None:
    for i, (a, b) in enumerate(zip(_tuple(found), _tuple(expected), strict=True)):
        exact = spec.exact or not a.dtype.is_floating_point
        rtol, atol = (0.0, 0.0) if exact else TOLERANCES[a.dtype]
        try:
            torch.testing.assert_close(a, b, rtol=rtol, atol=atol, equal_nan=True)
        except AssertionError as error:
            raise AssertionError(f"{label}, output {i}: {error}") from None


def _strided(value: Any) -> Any:
    """The same values with a gap after each."""
    if not isinstance(value, Tensor) or value.dim() == 0:
        return value
    return torch.stack([value, value], -1)[..., 0]


def _with_grad(
    spec: OpSpec, samples: Mapping[str, Sequence[Any]] | None = None
) -> dict[str, list[Any]]:
    return {
        label: [
            a.detach().clone().requires_grad_()
            if isinstance(a, Tensor) and a.dtype.is_floating_point and i not in spec.constants
            else a
            for i, a in enumerate(args)
        ]
        for label, args in (spec.grad_samples if samples is None else samples).items()
    }
