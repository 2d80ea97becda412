"""Systems against direct solutions, preconditioners of every kind, and what makes them safe."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

import meshop
from meshop.errors import SolveError
from meshop.ops import Csr
from meshop.solvers import Jacobi, Multigrid, solve, spectral_radius
from meshop.solvers._coarsen import smoother_scale
from tests.nn.test_v_cycle import stiffness


def right_side(n, columns=None, seed=0):
    return np.random.default_rng(seed).standard_normal((n,) if columns is None else (n, columns))


A = stiffness(3000)
B = right_side(A.shape[0])
X = sp.linalg.spsolve(A.tocsc(), B)


def relative(a, x, b):
    return np.linalg.norm(a @ x - b) / np.linalg.norm(b)


@pytest.mark.parametrize("preconditioner", ["multigrid", "jacobi", "none", Multigrid(A)])
def test_the_answer_is_the_direct_one(preconditioner):
    x, details = solve(A, B, preconditioner, tol=1e-10, details=True)
    np.testing.assert_allclose(x, X, rtol=1e-7, atol=1e-9)
    assert details.residual == pytest.approx(relative(A, x, B), rel=1e-3) and x.shape == B.shape
    assert details.residual <= 1e-10 and len(details.residuals) == details.iterations + 1
    assert meshop.solve is solve


def test_multigrid_takes_few_iterations_however_fine_the_mesh():
    taken = []
    for n in (1000, 4000, 16000):
        a = stiffness(n)
        b = right_side(a.shape[0])
        taken.append(solve(a, b, details=True)[1].iterations)
    assert max(taken) <= 9
    plain = solve(a, b, "jacobi", details=True)[1].iterations
    assert plain > 15 * taken[-1]


def test_iterations_are_no_more_than_a_fifth_above_pyamgs():
    pyamg = pytest.importorskip("pyamg")
    levels, residuals = pyamg.smoothed_aggregation_solver(A), []
    levels.solve(B, tol=1e-8, accel="cg", residuals=residuals)
    assert solve(A, B, details=True)[1].iterations <= 1.2 * (len(residuals) - 1)


def cycle_factor(multigrid, a, cycles=12):
    r, sizes = right_side(a.shape[0], seed=3), []
    for _ in range(cycles):
        r = r - a @ multigrid(r)
        sizes.append(np.linalg.norm(r))
    return (sizes[-1] / sizes[3]) ** (1 / (cycles - 4))


def test_a_cycle_contracts_residuals_by_four_or_better_at_any_size():
    factors = []
    for n in (1000, 4000, 16000):
        a = stiffness(n)
        factors.append(cycle_factor(Multigrid(a), a))
    assert max(factors) < 0.25 and factors[-1] < 1.3 * factors[0]


def test_bad_elements_are_damped_where_they_are():
    good = Csr.of(A)
    torch.testing.assert_close(smoother_scale(good), 1 / good.diagonal())
    stiff = sp.lil_matrix(A.shape)
    for i, j, v in ((100, 101, 60), (200, 201, 60), (300, 301, 60)):
        stiff[i, i] = stiff[j, j] = 2 * v
        for k in range(5):
            stiff[i, j + k] = stiff[j + k, i] = v
    bad = Csr.of((A + stiff).tocsr())
    scale = smoother_scale(bad)
    assert spectral_radius(bad, scale) < 2.251 < spectral_radius(bad, 1 / bad.diagonal())
    others = scale * bad.diagonal() > 0.999
    assert int((~others).sum()) <= 21 and bool(others.any())


def test_a_cycle_is_linear_symmetric_and_positive():
    multigrid = Multigrid(A)
    r, s = right_side(A.shape[0], seed=1), right_side(A.shape[0], seed=2)
    np.testing.assert_allclose(
        multigrid(2 * r - 3 * s), 2 * multigrid(r) - 3 * multigrid(s), rtol=1e-9, atol=1e-12
    )
    assert s @ multigrid(r) == pytest.approx(r @ multigrid(s), rel=1e-10)
    assert r @ multigrid(r) > 0


def test_columns_kinds_and_precisions():
    multigrid = Multigrid(A, dtype=torch.float32)
    b = right_side(A.shape[0], 3)
    x = solve(A, b, multigrid)
    assert x.shape == b.shape and relative(A, x, b) < 1e-7
    for k in range(3):
        np.testing.assert_allclose(solve(A, b[:, k].copy(), multigrid), x[:, k], atol=1e-5)
    tensor = torch.as_tensor(b)
    y = solve(Csr.of(A), tensor, multigrid)
    tiny = solve(A, 1e-60 * b, multigrid)
    np.testing.assert_allclose(1e60 * tiny, x, atol=1e-6)
    assert isinstance(y, torch.Tensor) and torch.equal(y, torch.as_tensor(x))
    single = solve(A, tensor.float(), multigrid, tol=1e-6)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), y, rtol=1e-3, atol=1e-4)
    with_torch = solve(Csr.of(A).dense()[:200, :200], tensor[:200])
    assert relative(A[:200, :200], with_torch.numpy(), b[:200]) < 1e-7


def test_threads_do_not_change_a_bit():
    threads = torch.get_num_threads()
    a = stiffness(70_000)  # enough for torch to share out sums
    b = right_side(a.shape[0])
    one = solve(a, b)
    try:
        torch.set_num_threads(3)
        three = solve(a, b)
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(one, three)


def test_systems_end_to_end_converge_each_on_its_own():
    parts = [stiffness(n, seed=n) for n in (300, 80, 600)]
    a = sp.block_diag(parts, "csr")
    sizes = [p.shape[0] for p in parts]
    ptr = torch.tensor([0, *sizes]).cumsum(0)
    b = right_side(a.shape[0])
    b[: sizes[0]] *= 1e6  # would hide the others in one norm
    b[sizes[0] : sizes[0] + sizes[1]] = 0
    x = solve(a, b, "jacobi", ptr=ptr)
    for part, u, f in zip(parts, np.split(x, ptr[1:-1]), np.split(b, ptr[1:-1]), strict=True):
        assert np.linalg.norm(part @ u - f) <= 1.01e-8 * np.linalg.norm(f)
    assert not x[sizes[0] : sizes[0] + sizes[1]].any()


class Counted:
    """A preconditioner that is asked, and how often."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, r):
        self.calls += 1
        return self.function(r)


JACOBI = Jacobi(A)
ALONE = solve(A, B, "jacobi", details=True)[1].iterations
WRONG = {
    "nan": lambda r: r * np.nan,
    "minus": lambda r: -r,
    "zero": lambda r: 0 * r,
    "constant": lambda r: np.ones_like(r),
    "at random": lambda r: np.random.default_rng(0).standard_normal(r.shape),
    "one sided": lambda r: np.cumsum(r),
    "hardly a change": lambda r: 1e-9 * r + r.mean(),
    "large": lambda r: 1e200 * r**3,
}


@pytest.mark.parametrize("name", WRONG)
def test_a_bad_preconditioner_is_never_worse_than_the_fallback(name):
    bad = Counted(WRONG[name])
    with np.errstate(all="ignore"):
        x, details = solve(A, B, bad, details=True)
    assert relative(A, x, B) <= 1e-8
    assert details.iterations <= ALONE and details.used == "fallback"
    assert bad.calls <= ALONE
    with pytest.raises(SolveError), np.errstate(all="ignore"):
        solve(A, B, bad, fallback=None, max_iterations=ALONE)


def test_a_good_callable_wins_and_a_changing_one_is_right_too():
    multigrid = Multigrid(A)
    x, details = solve(A, B, lambda r: multigrid(r), details=True)
    assert details.used == "preconditioner" and details.iterations <= 9
    state = Counted(lambda r: (1 + 0.3 * np.sin(state.calls)) * multigrid(r))
    y, changing = solve(A, B, state, details=True)
    assert changing.used == "preconditioner" and changing.iterations <= details.iterations + 3
    np.testing.assert_allclose(x, y, atol=1e-6)
    # A network: nonlinear, on tensors.
    b = torch.as_tensor(B)[:, None]
    bent = solve(A, b, lambda r: multigrid(r + 0.1 * r.abs().mean() * torch.tanh(r)), details=True)
    assert bent[1].used == "preconditioner" and relative(A, bent[0][:, 0].numpy(), B) <= 1e-8


def test_failures_say_what_and_what_to_try():
    with pytest.raises(
        SolveError, match=r"3 iterations were not enough\n.*1\.0e-08.*\ntry: "
    ) as told:
        solve(A, B, "none", max_iterations=3)
    assert len(str(told.value).splitlines()) == 3
    with pytest.raises(SolveError, match="positive diagonal, found -"):
        solve(-A, B)
    indefinite = sp.csr_matrix(np.array([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(SolveError, match="not positive definite"):
        solve(indefinite, np.array([1.0, -1.0]), "jacobi")
    with pytest.raises(SolveError, match="expected finite numbers"):
        solve(A, B * np.nan)
    with pytest.raises(ValueError, match="expected multigrid, jacobi, none or a callable"):
        solve(A, B, "ilu")
    with pytest.raises(ValueError, match="b: expected shape"):
        solve(A, B[1:])
    with pytest.raises(ValueError, match="as many rows as columns"):
        Multigrid(A[:, 1:])


def test_a_singular_system_is_solved_where_it_can_be():
    n = 400
    path = sp.diags([-np.ones(n - 1), np.r_[1, 2 * np.ones(n - 2), 1], -np.ones(n - 1)], [-1, 0, 1])
    b = right_side(n)
    b -= b.mean()
    x = solve(path.tocsr(), b, tol=1e-9)
    assert relative(path, x, b) < 1e-9


@given(st.integers(1, 40), st.integers(0, 99))
def test_any_definite_matrix_and_any_start(n, seed):
    random = np.random.default_rng(seed)
    half = sp.random(n, n, 0.3, random_state=random)
    a = (half @ half.T + sp.identity(n)).tocsr()
    b, start = random.standard_normal((2, n))
    x = solve(a, b, Multigrid(a, coarsest=3), x0=start, tol=1e-10)
    np.testing.assert_allclose(x, np.linalg.solve(a.toarray(), b), rtol=1e-6, atol=1e-8)


def test_rows_that_stand_alone_and_matrices_of_nothing():
    held = sp.block_diag([A, sp.diags([2.0] * 700)], "csr")
    b = right_side(held.shape[0])
    assert solve(held, b, details=True)[1].iterations <= 14
    assert solve(sp.csr_matrix((0, 0)), np.zeros(0)).shape == (0,)
    assert not solve(A, 0 * B).any()


def test_the_spectral_radius_is_an_upper_estimate():
    for seed in range(3):
        a = stiffness(400, seed)
        scale = 1 / a.diagonal()
        true = np.linalg.eigvals(a.toarray() * scale[:, None]).real.max()
        assert true <= spectral_radius(Csr.of(a), torch.as_tensor(scale)) <= 1.1 * true
