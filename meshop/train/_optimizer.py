"""Muon for the matrices of hidden layers, AdamW for all else, as one optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

SMALLEST = 16  # rows and columns: of a matrix with fewer, all directions matter as they are


class MuonAdamW(torch.optim.Optimizer):
    """One step makes a matrix's averaged gradient orthogonal, so that every direction of it moves.

        W <- W - .2 lr sqrt(max(m, n)) U V^T,  M = U S V^T its momentum     (m, n) hidden matrices
        AdamW                                                               all other parameters

    With this factor both kinds of step have entries of one size, and one lr serves both.
    parameters: of one network; lr: peak rate of both; weight_decay: of both, decoupled. A rate set
    on `param_groups` is that of the next step.

    Sources: Jordan et al., Muon, 2024; the factor: Liu et al., arXiv 2502.16982.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float = 5e-3, weight_decay: float = 1e-4
    ) -> None:
        matrices: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for p in parameters:
            hidden = p.ndim == 2 and min(p.shape) >= SMALLEST
            (matrices if hidden else others).append(p)
        self.parts: list[torch.optim.Optimizer] = []
        if others:
            self.parts.append(
                torch.optim.AdamW(others, lr=lr, weight_decay=weight_decay, fused=True)
            )
        if matrices:
            self.parts.append(
                torch.optim.Muon(
                    matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
                )
            )
        super().__init__([*others, *matrices], {"lr": lr})
        # The parts' own groups: a rate set here is theirs.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Both parts; returns what `closure` gives."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The parts' states, as `load_state_dict` takes them."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Raises ValueError for the state of another number of parts."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self.parts for group in part.param_groups]
