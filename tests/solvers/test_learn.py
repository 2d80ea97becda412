"""Learned preconditioners: what holds for any weights, what training gains, files, and safety."""

import json
from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import meshop
from meshop.errors import SolveError, SurrogateError
from meshop.ops import Csr, csr_matmul
from meshop.solvers import (
    CycleNet,
    DirectionNet,
    LearnedMultigrid,
    Multigrid,
    aggregation,
    learn,
    load,
    solve,
)  # fmt: skip
from meshop.solvers._reading import read
from meshop.solvers._two_grid import TwoGrid, coarser
from tests.nn.test_v_cycle import stiffness
from tests.solvers.test_solve import cycle_factor, relative, right_side


@cache
def rough(n, seed=0):
    """Diffusion whose coefficient jumps from edge to edge, by exp of 1.5 times a normal number."""
    a = stiffness(n, seed).tocoo()
    up = a.row < a.col
    i, j, weight = a.row[up], a.col[up], np.abs(a.data[up]) + 1e-3
    weight = weight * np.exp(1.5 * np.random.default_rng(seed).standard_normal(len(i)))
    edge = sp.csr_matrix((weight, (i, j)), a.shape)
    edge = edge + edge.T
    held = np.maximum(np.asarray(a.tocsr().sum(1)).ravel(), 0)
    return (sp.diags(np.asarray(edge.sum(1)).ravel() + held) - edge).tocsr()


def wild(net, seed=0, size=0.7):
    """A network with weights that nobody trained."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(size * torch.randn(p.shape, generator=random))
    return net


def dense(m, n):
    return np.asarray(m(np.eye(n)))


CYCLES = [{}, {"smoothing": 2, "degree": 3}, {"rounds": 0, "degree": 1}, {"rounds": 2, "width": 5}]


@pytest.mark.parametrize("config", CYCLES, ids=str)
def test_any_weights_write_a_cycle_that_is_symmetric_and_positive(config):
    for a, seed in ((stiffness(150), 0), (rough(150), 1), (rough(200, 2), 2)):
        cycle = wild(CycleNet(**config), seed)(a, 12)
        assert len(cycle.sizes) >= 3
        m = dense(cycle, a.shape[0])
        np.testing.assert_allclose(m, m.T, atol=1e-12 * np.abs(m).max())
        half = np.linalg.cholesky(a.toarray())
        spectrum = np.linalg.eigvalsh(half.T @ (0.5 * (m + m.T)) @ half)  # of M A
        assert spectrum.min() > 1e-3 and spectrum.max() < 1 + 1e-9


def test_an_untrained_cycle_is_the_classical_one():
    a = rough(600)
    for k, degree in ((1, 2), (2, 3)):
        ours = CycleNet(smoothing=k, degree=degree)(a, 20)
        theirs = Multigrid(a, smoothing=k, degree=degree, coarsest=20)
        assert ours.sizes == theirs.sizes and len(ours.levels) == len(theirs.levels) >= 2
        for mine, given in zip(ours.levels, theirs.levels, strict=True):
            for x, y in ((mine.a, given.a), (mine.up, given.up)):
                assert torch.equal(x.index, y.index)
                torch.testing.assert_close(x.value, y.value, rtol=1e-9, atol=1e-12)
            torch.testing.assert_close(mine.scale, given.scale)
            assert mine.rho == pytest.approx(given.rho, rel=0.05)  # from more steps of Lanczos


def test_the_loss_is_of_the_cycle_that_solves():
    a = Csr.of(rough(300)).to(torch.float64)
    net = wild(CycleNet(smoothing=2))
    tentative, _ = aggregation(a, net.theta)
    cycle = net(a, tentative.columns)
    assert cycle.sizes == [a.rows, tentative.columns]
    e = torch.randn(a.rows, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    grids = TwoGrid(net, a, tentative)
    torch.testing.assert_close(grids(e), e - cycle(a(e)), rtol=1e-7, atol=1e-9)
    below = coarser(a, tentative, grids.weight).dense()
    torch.testing.assert_close(below, grids.up.t() @ a.dense() @ grids.up, rtol=1e-9, atol=1e-12)


def test_prolongations_keep_the_constant_where_rows_sum_to_zero():
    a = Csr.of(rough(400)).to(torch.float64)
    net = wild(CycleNet(smoothing=2))
    tentative, _ = aggregation(a, net.theta)
    one = torch.ones(tentative.columns, 1, dtype=torch.float64)
    up = tentative
    for weight in net.write(a, tentative).weight:
        up = csr_matmul(a.with_value(weight.detach()), up)
        total = a(torch.ones(a.rows, 1, dtype=torch.float64))[:, 0] / a.diagonal()
    inside = total.abs() < 1e-12
    near = torch.tensor(abs(sp.csr_matrix(rough(400))) @ (~inside).double().numpy() > 0)
    kept = inside & ~near
    assert int(kept.sum()) > 100
    torch.testing.assert_close(up(one)[kept], torch.ones_like(up(one)[kept]))


def test_a_cycle_of_c_times_a_matrix_is_the_cth_of_it():
    a, net = rough(500), wild(CycleNet())
    r = right_side(a.shape[0])
    first = net(a, 30)(r)
    np.testing.assert_array_equal(net(a * 2.0**20, 30)(r), 2.0**-20 * first)
    np.testing.assert_allclose(
        net(3 * a, 30)(r), first / 3, rtol=1e-5, atol=1e-6 * abs(first).max()
    )
    np.testing.assert_array_equal(net(a, 30)(2.0**-40 * r), 2.0**-40 * first)


def test_a_direction_descends_and_follows_the_units_of_residual_and_matrix():
    a, net = rough(500), wild(DirectionNet(), size=0.4)
    r = right_side(a.shape[0])
    first = net(a, 30)(r)
    assert r @ first > 0
    for c in (2.0**20, 3.0):
        again = net(c * a, 30)(r)
        np.testing.assert_allclose(again * c, first, rtol=1e-3, atol=1e-5 * abs(first).max())
    np.testing.assert_allclose(
        net(a, 30)(2.0**-40 * r), 2.0**-40 * first, rtol=1e-4, atol=2.0**-40 * 1e-6
    )


def test_what_is_written_follows_a_permutation_of_the_unknowns():
    a = rough(400)
    order = np.random.default_rng(3).permutation(a.shape[0])
    net = wild(CycleNet(smoothing=2))
    plain = Csr.of(a).to(torch.float64)
    moved = Csr.of(a[order][:, order].tocsr()).to(torch.float64)
    tentative, _ = aggregation(plain, net.theta)  # the aggregates themselves depend on the order
    taken = Csr.of(tentative.to_scipy()[order]).to(torch.float64)
    one, two = net.write(plain, tentative), net.write(moved, taken)
    torch.testing.assert_close(two.scale, one.scale[order], rtol=1e-5, atol=0)
    for w, v in zip(one.weight, two.weight, strict=True):
        was = plain.with_value(w.detach()).dense()[order][:, order]
        torch.testing.assert_close(moved.with_value(v.detach()).dense(), was, rtol=1e-4, atol=1e-6)
    b = right_side(a.shape[0])
    counts = [
        solve(m, r, net(m, 30), details=True)[1].iterations
        for m, r in ((a, b), (a[order][:, order].tocsr(), b[order]))
    ]
    assert abs(counts[0] - counts[1]) <= 0.2 * counts[0] + 1


@cache
def trained(kind):
    return learn([rough(n, 10 + n) for n in (300, 400, 500)], kind, steps=60, rate=0.02)


def untrained(kind):
    return learn([rough(n, 10 + n) for n in (300, 400, 500)], kind, steps=0)


def test_training_lowers_the_convergence_factor_of_matrices_not_seen():
    after, before = trained("cycle"), untrained("cycle")
    assert after.config == before.config
    for n in (500, 2000):
        a = rough(n, 99)
        factors = [cycle_factor(net(a, 60), a, 20) for net in (after, before)]
        assert factors[0] < 0.93 * factors[1], factors


def test_training_lowers_the_iterations_with_directions():
    after, before = trained("direction"), untrained("direction")
    for n in (500, 2000):
        a = rough(n, 99)
        b = right_side(a.shape[0])
        taken = [
            solve(a, b, net, fallback=None, details=True)[1].iterations for net in (after, before)
        ]
        assert taken[0] < taken[1], taken


@pytest.mark.parametrize("kind", ["cycle", "direction"])
def test_a_learned_solver_takes_a_third_of_jacobis_iterations_or_less(kind):
    a = rough(4000, 7)
    b = right_side(a.shape[0])
    x, details = meshop.solve(a, b, preconditioner=trained(kind), details=True)
    assert relative(a, x, b) <= 1e-8 and details.used == "preconditioner" and not details.fault
    assert 3 * details.iterations <= solve(a, b, "jacobi", details=True)[1].iterations
    both = solve(a, np.column_stack([b, -2 * b]), trained(kind))
    np.testing.assert_allclose(both[:, 1], -2 * both[:, 0], rtol=1e-5, atol=1e-6)
    tensor = solve(a, torch.as_tensor(b), trained(kind)(a))
    assert relative(a, tensor.numpy(), b) <= 1e-8


def test_directions_are_orthogonal_to_as_many_as_asked_for():
    a, net = rough(900), trained("direction")
    b = right_side(a.shape[0])
    taken = {
        k: solve(a, b, net, directions=k, fallback=None, details=True)[1].iterations
        for k in (0, 1, 2)
    }
    assert taken[2] <= taken[1] <= taken[0]
    assert solve(a, b, net, fallback=None, details=True)[1].iterations == taken[2]
    # With all of them, a space as large as the matrix is enough.
    small = rough(30)
    _, details = solve(
        small, right_side(30)[: small.shape[0]], lambda r: r**3, directions=100, tol=1e-7,
        fallback=None, details=True,
    )  # fmt: skip
    assert details.iterations <= small.shape[0] + 3
    with pytest.raises(ValueError, match="directions: expected 0 or more, found -1"):
        solve(a, b, directions=-1)


def test_the_same_seed_gives_the_same_weights_and_leaves_no_trace():
    state = torch.random.get_rng_state()
    matrices = [rough(300, 1), rough(200, 2)]
    for kind in ("cycle", "direction"):
        nets = [learn(matrices, kind, steps=3, seed=seed) for seed in (5, 5, 6)]
        one, same, other = (
            torch.cat([p.flatten() for p in net.state_dict().values()]) for net in nets
        )
        assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("kind", [CycleNet, DirectionNet])
def test_a_file_gives_the_same_preconditioner(kind, tmp_path):
    net = wild(kind(width=6), size=0.4)
    net.meta = {"steps": 3}
    net.save(tmp_path / "net.safetensors")
    found = load(tmp_path / "net.safetensors")
    assert type(found) is kind and found.config == net.config and found.meta == net.meta
    a = rough(300)
    r = right_side(a.shape[0])
    np.testing.assert_array_equal(found(a, 30)(r), net(a, 30)(r))


def header(path, **change):
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        told = json.loads(file.metadata()["meshop"])
    save_file(tensors | change.pop("tensors", {}), path, {"meshop": json.dumps(told | change)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "meshop surrogate"}, "is no meshop solver"),
        ({"version": 2}, "found version 2, this meshop reads 1"),
        ({"kind": "magic"}, "does not fit its own header"),
        ({"config": {"width": 10**9}}, "expected a whole number 1 to 256, found 1000000000"),
        ({"config": {"width": 7}}, "size mismatch"),
        ({"config": {"theta": "x"}}, "does not fit"),
        ({"config": 3}, "does not fit"),
        ({"tensors": {"rows.bias": torch.tensor([np.nan, 0.0])}}, "expected finite weights"),
    ],
)
def test_a_file_that_is_not_right_is_refused_in_words(change, message, tmp_path):
    path = tmp_path / "net.safetensors"
    CycleNet().save(path)
    header(path, **change)
    with pytest.raises(SurrogateError, match=message) as told:
        load(path)
    assert len(str(told.value).splitlines()) == 3


def test_bytes_that_are_no_file_are_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    for content in (b"", b"\x80\x04N.", b"\xff" * 64):
        path.write_bytes(content)
        with pytest.raises(SurrogateError, match="no readable solver"):
            load(path)
    with pytest.raises(SurrogateError, match="no readable solver"):
        load(tmp_path / "none.safetensors")


def test_a_network_of_nan_or_of_nonsense_costs_no_more_than_the_fallback():
    a = rough(900)
    b = right_side(a.shape[0])
    alone = solve(a, b, "jacobi", details=True)[1].iterations
    for kind in (CycleNet, DirectionNet):
        broken = kind()
        with torch.no_grad():
            for p in broken.parameters():
                p.fill_(torch.nan)
        for net in (broken, wild(kind(), size=30.0)):
            x, details = solve(a, b, net, details=True)
            assert relative(a, x, b) <= 1e-8 and details.iterations <= alone
        x, details = solve(a, b, broken, details=True)
        assert details.used == "fallback" and details.fault
        with pytest.raises((SolveError, ValueError, RuntimeError)):
            solve(a, b, broken, fallback=None, max_iterations=alone)


def test_what_was_wrong_with_a_preconditioner_is_told():
    a = rough(900)
    b = right_side(a.shape[0])
    faults = {
        "gave NaN": lambda r: r * np.nan,
        "not positive": lambda r: -r,
        "not positive: ": lambda r: 0 * r,
        "fell behind": lambda r: 1e-3 * r + r[::-1].copy() ** 2 / np.linalg.norm(r),
    }
    for name, bad in faults.items():
        x, details = solve(a, b, bad, fallback="multigrid", details=True)
        assert details.used == "fallback" and relative(a, x, b) <= 1e-8
        if name != "fell behind":
            assert name.strip(": ") in details.fault
        assert details.iterations <= solve(a, b, details=True)[1].iterations
    # One that is good, and then is not.
    multigrid, calls = Multigrid(a), []

    def fails(r):
        calls.append(0)
        return multigrid(r) if len(calls) < 4 else r * np.inf

    with np.errstate(invalid="ignore"):
        x, details = solve(a, b, fails, details=True)
    assert details.used == "fallback" and "NaN or infinity" in details.fault
    assert relative(a, x, b) <= 1e-8


def test_what_cannot_be_learned_from_is_refused_in_words():
    with pytest.raises(ValueError, match="expected a matrix or more"):
        learn([])
    with pytest.raises(ValueError, match="kind: expected cycle or direction, found 'magic'"):
        learn([rough(100)], "magic")
    with pytest.raises(SolveError, match="positive diagonal"):
        learn([-rough(100)])
    with pytest.raises(SolveError, match="no unknowns that aggregate"):
        learn([sp.identity(100).tocsr()], net=CycleNet())
    with pytest.raises(ValueError, match="smoothing: expected a whole number 1 to 3, found 0"):
        CycleNet(smoothing=0)


def test_graphs_of_nothing_and_unknowns_that_stand_alone():
    net = trained("cycle")
    held = sp.block_diag([rough(900), sp.diags([2.0] * 700)], "csr")
    b = right_side(held.shape[0])
    for one in (net, trained("direction")):
        x = solve(held, b, one)
        assert relative(held, x, b) <= 1e-8
        assert solve(sp.csr_matrix((0, 0)), np.zeros(0), one).shape == (0,)
        assert (
            relative(np.diag([2.0]), solve(sp.csr_matrix([[2.0]]), np.ones(1), one), [1.0]) < 1e-8
        )
    assert isinstance(net(held), LearnedMultigrid)
    reading = read(Csr.of(held).to(torch.float64), aggregation(Csr.of(held), 0.04)[0])
    assert all(bool(part.isfinite().all()) for part in (reading.node, reading.edge, reading.share))
