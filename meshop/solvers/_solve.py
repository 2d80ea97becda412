"""Symmetric positive definite systems by flexible conjugate gradients, and what makes them safe."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import SolveError
from ..ops import Csr, rows_of, segment_reduce
from ._multigrid import Jacobi, Multigrid, Rows
from ._net import Net

Named = Literal["multigrid", "jacobi", "none"]
Preconditioner = Named | Callable[[Any], Any]
RESTARTS = 5  # from the true residual, where rounding led the recurrence away from it


class Details(NamedTuple):
    """How a system was solved."""

    iterations: int  #: of the conjugate gradients that gave the answer
    residual: float  #: largest |b - A x| / |b| over columns and systems, computed from x itself
    residuals: list[float]  #: the same after each iteration, as the recurrence has it
    used: str  #: "preconditioner", or "fallback" where that was there first
    fault: str = ""  #: why the preconditioner was left before the end, where it was


def solve(
    A: Any,
    b: Any,
    preconditioner: Preconditioner = "multigrid",
    *,
    tol: float = 1e-8,
    max_iterations: int | None = None,
    x0: Any = None,
    ptr: Tensor | None = None,
    fallback: Preconditioner | None = "jacobi",
    directions: int | None = None,
    details: bool = False,
) -> Any:
    """The solution x of A x = b, A symmetric positive definite, |b - A x| <= tol |b|.

    A: SciPy sparse, torch sparse, or `meshop.ops.Csr`, (N, N). b: array or tensor (N,), or (N, C)
    for C right-hand sides; x is of the same kind and shape, float64 unless b is float32.
    preconditioner: "multigrid" (smoothed aggregation), "jacobi", "none", a `Multigrid` that was
    set up before, what `meshop.solvers.learn` gave, or any callable that takes a residual of b's
    kind and shape (float64) and returns something like A^-1 of it; it may be nonlinear. ptr
    (B + 1,): A is of B systems end to end (a ragged batch), each of which converges on its own. x0:
    where to begin. directions: how many of the last each is made A-orthogonal to: by default 1,
    which will do for what is symmetric and nearly linear, 2 for a `DirectionNet`. details: return
    (x, `Details`).

    A callable or learned network is not trusted: plain conjugate gradients with `fallback` run
    beside it, an extra product with A an iteration, and whichever is there first gives the answer.
    A preconditioner that is not positive, gives NaN or stagnates thus takes no more iterations than
    the fallback, and `Details.fault` says what was wrong with it.
    Singular A (no value prescribed) will do if b is in its range.

    Source: Notay, Flexible conjugate gradients, SIAM J. Sci. Comput. 22 (2000). Raises SolveError
    where A is not positive definite, and where the tolerance is not met in max_iterations (10,000
    by default): the residual that counts is computed from x.
    """
    system = _System(Csr.of(A).to(torch.float64), b, ptr, tol)
    limit = 10_000 if max_iterations is None else max_iterations
    x = torch.zeros_like(system.b) if x0 is None else system.column(x0, "x0").clone()
    chosen, fault = _chosen(system.matrix, preconditioner, fallback is not None)
    if directions is None:
        directions = int(getattr(chosen, "directions", 1))
    if directions < 0:
        raise ValueError(f"directions: expected 0 or more, found {directions}")
    tracks = [_Track(system, _called(chosen, system), x, "preconditioner", directions)]
    tracks[0].fault = tracks[0].fault or fault
    trusted = type(chosen) in TRUSTED and not fault
    if not trusted and fallback is not None:
        second = _called(_named(system.matrix, fallback), system)
        tracks.append(_Track(system, second, x, "fallback", 1))
    best = _race(system, tracks, limit)
    if not best.done:
        raise SolveError(
            f"solve: {best.iterations} iterations were not enough",
            f"expected a relative residual of {tol:.1e}, found {best.true_residual():.1e}",
            'preconditioner="multigrid", a larger max_iterations or tol',
        )
    if not details:
        return system.given(best.x)
    fault = tracks[0].fault
    told = Details(best.iterations, best.true_residual(), best.residuals, best.name, fault)
    return system.given(best.x), told


def _race(system: _System, tracks: list[_Track], limit: int) -> _Track:
    """Steps all tracks until one is there or none can go on; returns the best."""
    for _ in range(limit + 1):
        for track in tracks:
            if track.done:
                return track
        running = [t for t in tracks if not t.fault]
        if not running:
            break
        ahead = min(t.residuals[-1] for t in running)
        for track in running:
            # One that fell far behind will not win, and may be dear.
            if track.residuals[-1] > 1e3 * ahead and track.name == "preconditioner":
                track.fault = "fell behind"
            elif track.iterations < limit:
                track.step()
    indefinite = next((t.fault for t in tracks if "definite" in t.fault), "")
    if indefinite and all(t.fault for t in tracks):
        raise SolveError("solve: the matrix", indefinite, "a symmetric positive definite matrix")
    faults = {t.fault for t in tracks if t.fault}
    if len(faults) and all(t.fault for t in tracks):
        raise SolveError("solve: the preconditioner", " and ".join(faults), 'fallback="jacobi"')
    return min(tracks, key=lambda t: t.residuals[-1])


class _Identity:
    def __call__(self, r: Any) -> Any:
        return r


TRUSTED = (Multigrid, Jacobi, _Identity)  # themselves, not what is learned


def _chosen(matrix: Csr, chosen: Preconditioner, safe: bool) -> tuple[Callable[[Any], Any], str]:
    """The preconditioner, and why there is none: what a network writes need not be sound."""
    if not isinstance(chosen, Net):
        return _named(matrix, chosen), ""
    try:
        return chosen.setup(matrix), ""
    except (ArithmeticError, RuntimeError, ValueError) as error:
        if not safe:
            raise
        return _Identity(), f"could not be set up: {error}"


def _named(matrix: Csr, chosen: Preconditioner) -> Callable[[Any], Any]:
    if isinstance(chosen, Net):
        return chosen.setup(matrix)
    if callable(chosen):
        return chosen
    made: dict[str, Callable[[], Any]] = {
        "multigrid": lambda: Multigrid(matrix),
        "jacobi": lambda: Jacobi(matrix),
        "none": _Identity,
    }
    if chosen not in made:
        raise ValueError(
            f"preconditioner: expected {', '.join(made)} or a callable, found {chosen!r}"
        )
    return made[chosen]()


def _called(chosen: Callable[[Any], Any], system: _System) -> Callable[[Tensor], Tensor]:
    """On (N, C) tensors, whatever the callable works on."""
    if isinstance(chosen, TRUSTED):
        return chosen

    def call(r: Tensor) -> Tensor:
        with torch.no_grad():
            return system.column(chosen(system.shaped(r)), "preconditioner(r)")

    return call


class _System:
    """A and b as the tracks work on them: float64, columns, and the systems of a batch."""

    def __init__(self, matrix: Csr, b: Any, ptr: Tensor | None, tol: float) -> None:
        if matrix.rows != matrix.columns:
            raise ValueError(f"A: expected a square matrix, found {matrix.rows, matrix.columns}")
        self.matrix, self.product, self.kind = matrix, Rows.of(matrix), b
        self.shape = tuple(b.shape)
        self.b = self.column(b, "b")
        if not self.b.isfinite().all():
            raise SolveError("solve: b", "expected finite numbers, found NaN or infinity", "")
        self.ptr = torch.tensor([0, matrix.rows]) if ptr is None else ptr.cpu().long()
        single = len(self.ptr) == 2
        self.batch = None if single else rows_of(self.ptr, matrix.rows)
        size = self.dot(self.b, self.b).sqrt()
        self.goal, self.size = tol * size, torch.where(size > 0, size, 1.0)

    def column(self, value: Any, name: str) -> Tensor:
        """(N, C) float64 on the processor."""
        out = torch.as_tensor(value).detach().to("cpu", torch.float64)
        shape = self.shape
        if len(shape) not in (1, 2) or shape[0] != self.matrix.rows or tuple(out.shape) != shape:
            raise ValueError(
                f"{name}: expected shape ({self.matrix.rows},) or ({self.matrix.rows}, C) like b, "
                f"found {tuple(out.shape)}"
            )
        return (out[:, None] if out.dim() == 1 else out).contiguous()

    def shaped(self, x: Tensor) -> Any:
        """What a caller's function gets: of b's kind and shape, float64."""
        x = x.reshape(self.shape)
        return x.to(self.kind.device) if isinstance(self.kind, Tensor) else x.numpy()

    def given(self, x: Tensor) -> Any:
        out = self.shaped(x)
        if isinstance(out, Tensor):
            return out.float() if self.kind.dtype == torch.float32 else out
        return out.astype(np.float32) if self.kind.dtype == np.float32 else out

    def dot(self, x: Tensor, y: Tensor) -> Tensor:
        """(B, C) of (N, C), the same on any number of threads."""
        return segment_reduce(x * y, self.ptr)

    def spread(self, scalars: Tensor) -> Tensor:
        """(B, C) -> one row, or a row for each unknown."""
        return scalars if self.batch is None else scalars[self.batch]


class _Track:
    """Flexible conjugate gradients with one preconditioner, a step at a time."""

    def __init__(
        self,
        system: _System,
        precondition: Callable[[Tensor], Tensor],
        x: Tensor,
        name: str,
        directions: int,
    ) -> None:
        self.system, self.precondition, self.name = system, precondition, name
        self.last: deque[tuple[Tensor, Tensor, Tensor]] = deque(maxlen=directions)
        self.x, self.iterations, self.fault, self.done = x.clone(), 0, "", False
        self.residuals: list[float] = []
        self.restarts = 0
        self.r_before = self.rz = x  # of the step before, once there is a direction
        self._begin()

    def _begin(self) -> None:
        self.r = self.system.product(self.x, self.system.b, -1.0)
        self.last.clear()
        self._judge(true=True)

    def true_residual(self) -> float:
        r = self.system.product(self.x, self.system.b, -1.0)
        return float((self.system.dot(r, r).sqrt() / self.system.size).max().nan_to_num(torch.inf))

    def _judge(self, true: bool = False) -> None:
        """Whether all systems are there; what the recurrence says is checked against x."""
        system = self.system
        norm = system.dot(self.r, self.r).sqrt()
        self.open = norm > system.goal
        last = float((norm / system.size).max()) if norm.numel() else 0.0
        if true and self.residuals:
            self.residuals[-1] = last
        else:
            self.residuals.append(last)
        if not torch.isfinite(norm).all():
            self.fault = "led to NaN or infinity"
        elif not self.open.any():
            if true:
                self.done = True
            elif self.restarts < RESTARTS:
                self.restarts += 1
                self._begin()
            else:
                self.fault = "did not reach the tolerance: rounding leads away from it"

    def step(self) -> None:
        system = self.system
        z = self.precondition(self.r)
        rz = system.dot(self.r, z)
        if not torch.isfinite(rz).all():
            self.fault = "gave NaN or infinity"
            return
        if bool(((rz <= 0) & self.open).any()):
            self.fault = "is not positive: r^T M r <= 0"
            return
        p = z.clone()
        if self.last.maxlen == 1 and self.last:
            # Polak and Ribiere: the same, but for rounding, which the other form takes badly where
            # A is nearly singular.
            change = rz - system.dot(self.r_before, z)
            beta = torch.where(self.open & (self.rz > 0), change / self.rz, 0.0)
            p.addcmul_(self.last[0][0], system.spread(beta))
        else:
            for before, image, size in self.last:
                p.addcmul_(before, system.spread(-system.dot(p, image) / size))
        q = system.product(p)
        pq = system.dot(p, q)
        if bool(((pq <= 0) & self.open).any()):
            self.fault = "is not positive definite: p^T A p <= 0"
            return
        # Along p exactly: the error's energy never rises, whatever M is.
        alpha = torch.where(self.open, system.dot(self.r, p) / pq, 0.0)
        self.rz, self.r_before = rz, self.r
        along = system.spread(alpha)
        self.x.addcmul_(p, along)
        self.r = torch.addcmul(self.r, q, along, value=-1)
        # What is there needs no more directions, and may have none.
        self.last.append((p, q, torch.where(self.open, pq, torch.inf)))
        self.iterations += 1
        self._judge()
