"""Series as cases of one step each, and the states that training gives in place of the true ones.

A one-step operator that has seen true states only meets its own errors in a rollout. Two remedies,
alone or together; gradients are those of the last step in both:

    noise        u + e, e ~ N(0, s^2), with the target corrected so that the step still leads where
                 it should (Sanchez-Gonzalez et al., ICML 2020, arXiv 2002.09405; Pfaff et al., ICLR
                 2021, arXiv 2010.03409)
    pushforward  the state that r calls of the operator made of one r calls before, without
                 gradients, r random (Brandstetter et al., ICLR 2022, arXiv 2202.03376)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..graph import MeshGraph
from ..surrogate import Schema, Stepper, with_state
from ._store import StoredCase

WARM_UP = 0.1  # share of the budget before an operator is worth unrolling


class Transitions(Sequence[StoredCase]):
    """Each time of each series that has a target, as a case: its inputs hold the state, its y is
    what the stepper's operator is to give.

    past: calls of the operator before that time whose states come along. Views: nothing is read
    before it is asked for.
    """

    def __init__(
        self, cases: Sequence[StoredCase], stepper: Stepper, schema: Schema, past: int = 0
    ) -> None:
        self.cases, self.stepper, self.past = cases, stepper, past
        self.columns = schema.state_columns
        self.first = past * stepper.bundle
        counts = [max(0, stepper.starts(len(c.states)) - self.first) for c in cases]  # type: ignore[arg-type]
        self.ends = np.cumsum(counts)

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def __getitem__(self, index: Any) -> Any:
        index = range(len(self))[index]
        number = int(np.searchsorted(self.ends, index, side="right"))
        case = self.cases[number]
        return self.at(case, self.first + index - (int(self.ends[number - 1]) if number else 0))

    def at(self, case: StoredCase, time: int) -> StoredCase:
        """A series at one of its times."""
        assert case.states is not None and case.inputs is not None
        inputs = np.array(case.inputs)
        inputs[:, self.columns] = case.states[time]
        y = self.stepper.target(case.states, time)
        share = np.diff(case.chance, prepend=0.0)[:, None]
        # A state is judged by what it is beyond its mean, a change by all of it.
        reference = (share * y).sum(0) if self.stepper.form == "state" else np.zeros(y.shape[1])
        back = [time - (r + 1) * self.stepper.bundle for r in range(self.past)]
        return replace(
            case,
            inputs=inputs,
            y=y,
            reference=reference,
            energy=(share * (y - reference) ** 2).sum(0),
            states=None,
            past=case.states[back].transpose(1, 0, 2) if back else None,
        )

    def some(self, count: int) -> list[StoredCase]:
        """At most `count` of them, spread evenly."""
        chosen = np.linspace(0, len(self) - 1, min(count, len(self))).astype(int)
        return [self[int(i)] for i in chosen]


@dataclass(frozen=True)
class Perturbation:
    """Gives a batch other states than the true ones, and corrects its targets.

    noise: standard deviation, in those of the states over the cases; pushforward: at most so many
    calls of the operator are unrolled. The same (seed, step) gives the same.
    """

    stepper: Stepper
    schema: Schema
    noise: float = 0.0
    pushforward: int = 0
    seed: int = 0

    def __call__(
        self,
        graph: MeshGraph,
        fields: Callable[[MeshGraph], Tensor],
        deviation: Tensor,
        step: int,
        done: float,
    ) -> MeshGraph:
        """A batch with perturbed inputs and y. fields: graph -> what the operator gives, physical;
        deviation: (A,) of the inputs over the cases; done: share of the budget that is used."""
        columns = self.schema.state_columns
        true = state = graph.inputs[:, columns]
        random = np.random.default_rng([self.seed, step])
        unrolled = int(random.integers(self.pushforward + 1)) if done >= WARM_UP else 0
        if unrolled:
            with torch.no_grad():
                state = graph.past[:, unrolled - 1]
                march = self.stepper.march(lambda u: fields(with_state(graph, columns, u)), state)
                calls = unrolled * self.stepper.bundle
                state = next(islice(march, calls - 1, None))
        if self.noise:
            noise = torch.from_numpy(random.standard_normal(tuple(true.shape), np.float32))
            state = state + self.noise * deviation[columns] * noise.to(state)
        if state is true:
            return graph
        graph = with_state(graph, columns, state)
        graph.y = self.stepper.corrected(graph.y, true, state)
        return graph
