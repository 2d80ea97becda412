"""Each check of `check_model` finds the fault it is there for, in a model that has it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from meshop.models import Operator
from meshop.nn import nodes
from meshop.testing import MODEL_CHECKS, check_model


class Honest(Operator):
    """A pointwise linear map of (x, inputs, cond), and the mean of its fields."""

    pointwise = True

    def __init__(self, widths):
        super().__init__(widths)
        self.head = nn.Linear(widths.nodes, widths.out)

    def outputs(self, graph):
        points = nodes(graph)
        fields = self.fields(points)
        mean = points.mean(fields)[:, :1]
        return fields, mean.repeat(1, self.widths.scalars)

    def fields(self, points):
        return self.head(points.x)


class Random(Honest):
    def fields(self, points):
        return super().fields(points) + torch.randn(()).double()


class Ordered(Honest):
    def fields(self, points):
        return super().fields(points) * torch.arange(len(points))[:, None]


class Mixed(Honest):
    """Graphs of a batch see each other."""

    def fields(self, points):
        return super().fields(points) + points.x.mean()


class Counting(Honest):
    pointwise = False

    def fields(self, points):
        return super().fields(points) + points.spread(
            torch.stack([part.mean(0) for part in points.x.split(points.sizes)])[:, :1]
        )


class Absolute(Honest):
    def fields(self, points):
        return super().fields(points) + points.pos[:, :1]


class Timid(Honest):
    translation = False


class Boastful(Honest):
    linear = True


class Unused(Honest):
    def __init__(self, widths):
        super().__init__(widths)
        self.more = nn.Linear(2, 2)


class Forgetful(Honest):
    def __init__(self, widths):
        super().__init__(widths)
        self.factor = torch.rand(())

    def fields(self, points):
        return super().fields(points) * self.factor


class Exploding(Honest):
    def fields(self, points):
        return (super().fields(points) * 0).sqrt() + super().fields(points)


class Deaf(Honest):
    queries = True


class Wide(Honest):
    def fields(self, points):
        fields = super().fields(points)
        return torch.cat([fields, fields], dim=1)


class Coarse(Honest):
    """Loses all but a few bits in half precision."""

    def fields(self, points):
        fields = super().fields(points)
        return (
            fields + 1e3 - torch.full_like(fields, 1e3) if fields.dtype != torch.float64 else fields
        )


def test_an_honest_model_passes():
    check_model(Honest)


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (Random, "determinism"),
        (Ordered, "permutation"),
        (Mixed, "batch"),
        (Counting, "refinement"),
        (Ordered, "pointwise"),
        (Absolute, "translation"),
        (Timid, "translation"),
        (Boastful, "linearity"),
        (Unused, "gradients"),
        (Exploding, "gradients"),
        (Forgetful, "save"),
        (Deaf, "queries"),
        (Wide, "shapes"),
        (Coarse, "bfloat16"),
    ],
)
def test_a_fault_is_found(kind, check):
    with pytest.raises(AssertionError, match=f"(?m)^{check}: "):
        check_model(kind)


def test_an_expected_failure_must_fail():
    with pytest.raises(AssertionError, match="batch: passed, though expected"):
        check_model(Honest, expected_failures={"batch": "because"})
    with pytest.raises(ValueError, match="no check"):
        check_model(Honest, expected_failures={"speed": "because"})
    faults = {"determinism", "permutation"} & set(MODEL_CHECKS)
    assert faults == {"determinism", "permutation"}
