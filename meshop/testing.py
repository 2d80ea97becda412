"""The checks that meshop holds its own parts to, for those who add to it.

An op is described by an `OpSpec`; `check_op` runs every check on it and reports all that fail. An
exception to the contract is data (``expected_failures={check: reason}``), and is strict: a check
expected to fail must fail.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

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
    exact: bool = False  # floating outputs equal the reference's to the last bit


def check_op(spec: OpSpec, expected_failures: Mapping[str, str] | None = None) -> None:
    """Runs all of `OP_CHECKS`; raises AssertionError that names each failed check and why."""
    expected = dict(expected_failures or {})
    unknown = set(expected) - set(OP_CHECKS)
    if unknown:
        raise ValueError(f"expected_failures: no check {sorted(unknown)}, known {list(OP_CHECKS)}")
    faults = []
    for name, check in OP_CHECKS.items():
        try:
            check(spec)
        except Exception as error:
            if name not in expected:
                faults.append(f"{name}: {error}")
        else:
            if name in expected:
                faults.append(f"{name}: passed, though expected to fail ({expected[name]})")
    if faults:
        raise AssertionError(f"{spec.op}:\n" + "\n".join(faults))


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


OP_CHECKS: dict[str, Callable[[OpSpec], None]] = {
    "reference": check_reference,
    "layout": check_layout,
    "threads": check_threads,
    "registration": check_registration,
    "gradients": check_gradients,
}


def _tuple(outputs: Any) -> tuple[Tensor, ...]:
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def _same(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return bool(torch.isclose(a, b, rtol=0, atol=0, equal_nan=True).all())


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


def _with_grad(spec: OpSpec) -> dict[str, list[Any]]:
    return {
        label: [
            a.detach().clone().requires_grad_()
            if isinstance(a, Tensor) and a.dtype.is_floating_point and i not in spec.constants
            else a
            for i, a in enumerate(args)
        ]
        for label, args in spec.grad_samples.items()
    }
