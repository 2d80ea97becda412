"""Stepper: how an operator that knows the state at one time gives the states at the next ones.

    state        u(t + dt) = f(u(t))                          f: the next state
    residual     u(t + dt) = u(t) + f(u(t))                   f: the change
    derivative   du/dt = f(u), integrated over dt in m sub-steps of h = dt / m:
        euler    u + h f(u)                                                        order 1
        heun     u + h (f(u) + f(u + h f(u))) / 2                                  order 2
        ab2      u + h (3 f(u) - f of the sub-step before) / 2, Euler at first     order 2
        rk4      the classical method, four evaluations                            order 4

With a bundle of K, states and residuals are learned K steps ahead at once (Brandstetter et al.,
ICLR 2022, arXiv 2202.03376: temporal bundling). A derivative is that of the physics and not of one
dt: predictions may choose another scheme, and other sub-steps, than were trained with (Zhou and
Farimani, "Predicting change, not states", 2024, arXiv 2412.13074). Schemes: Hairer, Norsett and
Wanner, Solving Ordinary Differential Equations I, sections II.1 and III.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

Form = Literal["state", "residual", "derivative"]
Scheme = Literal["euler", "heun", "ab2", "rk4"]
Rate = Callable[[Tensor], Tensor]


class Stepper(BaseModel):
    """Form, time step dt (in the cases' unit of time), scheme, sub-steps, and bundle of a surrogate
    that advances in time; saved with it. Raises ValidationError (a ValueError)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    form: Form = "residual"
    dt: float = Field(gt=0, allow_inf_nan=False)
    scheme: Scheme = "rk4"
    substeps: int = Field(default=1, ge=1)
    bundle: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> Stepper:
        if self.form == "derivative" and self.bundle > 1:
            raise ValueError("bundle: a derivative is that of one time, it has no steps ahead")
        return self

    # -- forward --------------------------------------------------------------------------------

    def march(self, f: Rate, u: Tensor) -> Iterator[Tensor]:
        """The states (N, C) at dt, 2 dt, ... after u (N, C), without end.

        f gives (N, bundle C), step by step, in the units of the state (over time, for derivatives).
        """
        if self.form == "derivative":
            yield from self._integrate(f, u)
        while True:
            ahead = f(u).unflatten(1, (self.bundle, u.shape[1]))
            if self.form == "residual":
                ahead = ahead + u[:, None]
            yield from ahead.unbind(1)
            u = ahead[:, -1]

    def _integrate(self, f: Rate, u: Tensor) -> Iterator[Tensor]:
        h, before = self.dt / self.substeps, None
        while True:
            for _ in range(self.substeps):
                k = f(u)
                if self.scheme == "rk4":
                    k2 = f(u + h / 2 * k)
                    k3 = f(u + h / 2 * k2)
                    slope = (k + 2 * k2 + 2 * k3 + f(u + h * k3)) / 6
                elif self.scheme == "heun":
                    slope = (k + f(u + h * k)) / 2
                elif self.scheme == "ab2" and before is not None:
                    slope = (3 * k - before) / 2
                else:
                    slope = k
                u, before = u + h * slope, k
            yield u

    # -- what is learned ------------------------------------------------------------------------

    def starts(self, times: int) -> int:
        """How many of the states of a series, from its first, have a `target`."""
        if self.form == "derivative":
            return times if times >= len(_FIVE) else 0
        return max(0, times - self.bundle)

    def target(self, states: np.ndarray, at: int) -> np.ndarray:
        """(N, bundle C) what the operator is to give for the state at time index `at` of a series
        (T, N, C). Derivatives by five equidistant times, of order four: around `at`, or the first
        or last five of the series. Raises IndexError where there is none (`starts`)."""
        if not 0 <= at < self.starts(len(states)):
            raise IndexError(f"no target at {at} of {len(states)} times")
        if self.form == "derivative":
            first = min(max(at - 2, 0), len(states) - 5)
            weights = np.array(_FIVE[at - first], states.dtype) / (12 * self.dt)
            return np.tensordot(weights.astype(states.dtype), states[first : first + 5], axes=1)
        ahead = np.asarray(states[at + 1 : at + 1 + self.bundle])
        if self.form == "residual":
            ahead = ahead - states[at]
        return ahead.transpose(1, 0, 2).reshape(states.shape[1], -1)

    def corrected(self, target: Tensor, true: Tensor, given: Tensor) -> Tensor:
        """The target for an operator that is given another state (N, C) than the true one: its step
        leads where it would have led from there. Exact for states and residuals (Sanchez-Gonzalez
        et al., ICML 2020); a derivative gets the gap over dt, which is exact for one Euler step."""
        if self.form == "state":
            return target
        gap = (true - given).repeat(1, self.bundle)
        return target + (gap / self.dt if self.form == "derivative" else gap)


# Weights over 12 dt of the derivative at the first, second, ... of five times: exact for quartics.
_FIVE = (
    (-25.0, 48.0, -36.0, 16.0, -3.0),
    (-3.0, -10.0, 18.0, -6.0, 1.0),
    (1.0, -8.0, 0.0, 8.0, -1.0),
    (-1.0, 6.0, -18.0, 10.0, 3.0),
    (3.0, -16.0, 36.0, -48.0, 25.0),
)
