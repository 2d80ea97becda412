"""Steppers against ordinary differential equations whose solutions are known."""

from itertools import islice

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from meshop.surrogate import Stepper

# A damped, rotating system: complex eigenvalues, so that no scheme is right by symmetry.
A = torch.tensor([[-0.3, 1.1, 0.2], [-0.9, -0.2, 0.4], [0.1, -0.5, -0.6]], dtype=torch.float64)
START = torch.tensor([[1.0, -0.5, 0.3], [0.2, 0.8, -1.0]], dtype=torch.float64)


def exact(time: float) -> torch.Tensor:
    return START @ torch.from_numpy(expm(A.numpy() * time)).T


def after(stepper: Stepper, f, count: int) -> torch.Tensor:
    return next(islice(stepper.march(f, START), count - 1, None))


@pytest.mark.parametrize(("scheme", "order"), [("euler", 1), ("heun", 2), ("ab2", 2), ("rk4", 4)])
@pytest.mark.parametrize("by_substeps", [False, True])
def test_each_scheme_converges_with_its_order(scheme: str, order: int, by_substeps: bool):
    errors = []
    for n in (20, 40, 80):
        # Finer time steps, and finer sub-steps of the same time step, are the same refinement.
        count, m = (5, n // 5) if by_substeps else (n, 1)
        stepper = Stepper(form="derivative", dt=2.0 / count, scheme=scheme, substeps=m)
        found = after(stepper, lambda u: u @ A.T, count)
        errors.append(float((found - exact(2.0)).norm()))
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.abs(rates - order).max() < 0.2, rates


def test_substeps_are_smaller_steps_and_nothing_else():
    for scheme in ("euler", "heun", "ab2", "rk4"):
        coarse = Stepper(form="derivative", dt=0.4, scheme=scheme, substeps=4)
        fine = Stepper(form="derivative", dt=0.1, scheme=scheme)
        torch.testing.assert_close(
            after(coarse, lambda u: u @ A.T, 3), after(fine, lambda u: u @ A.T, 12)
        )


@pytest.mark.parametrize("bundle", [1, 3])
@pytest.mark.parametrize("form", ["state", "residual"])
def test_states_and_residuals_are_exact_for_an_exact_operator(form: str, bundle: int):
    stepper = Stepper(form=form, dt=0.3, bundle=bundle)
    calls = []

    def f(u: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        maps = [torch.from_numpy(expm(A.numpy() * 0.3 * (k + 1))) for k in range(bundle)]
        ahead = torch.stack([u @ m.T for m in maps], 1)
        return (ahead - (u[:, None] if form == "residual" else 0)).flatten(1)

    found = list(islice(stepper.march(f, START), 7))
    for k, state in enumerate(found):
        torch.testing.assert_close(state, exact(0.3 * (k + 1)))
    assert len(calls) == -(-7 // bundle)  # one call for each bundle


@pytest.mark.parametrize("form", ["state", "residual", "derivative"])
@pytest.mark.parametrize("bundle", [1, 2])
def test_targets_of_a_series_are_what_the_march_undoes(form: str, bundle: int):
    if form == "derivative" and bundle > 1:
        with pytest.raises(ValueError, match="bundle"):
            Stepper(form=form, dt=0.1, bundle=bundle)
        return
    stepper = Stepper(form=form, dt=0.1, bundle=bundle, scheme="euler")
    random = np.random.default_rng(0)
    states = random.normal(size=(8, 4, 2))
    assert stepper.starts(8) == (8 if form == "derivative" else 8 - bundle)
    for at in range(stepper.starts(8)):
        target = torch.from_numpy(stepper.target(states, at))
        assert target.shape == (4, 2 * bundle)
        if form != "derivative":
            march = stepper.march(lambda u, target=target: target, torch.from_numpy(states[at]))
            for k, state in enumerate(islice(march, bundle)):
                np.testing.assert_allclose(state.numpy(), states[at + 1 + k])
    for at in (-1, stepper.starts(8)):
        with pytest.raises(IndexError):
            stepper.target(states, at)


def test_derivatives_of_series_are_exact_for_quartics_and_of_order_four():
    t = 0.1 * np.arange(9)
    quartic = (1 - 2 * t + 3 * t**2 - t**3 + 0.5 * t**4)[:, None, None]
    slope = -2 + 6 * t - 3 * t**2 + 2 * t**3
    stepper = Stepper(form="derivative", dt=0.1)
    found = [stepper.target(quartic, at).item() for at in range(stepper.starts(9))]
    np.testing.assert_allclose(found, slope, atol=1e-11)
    for place in (0.0, 0.5, 1.0):  # one-sided, around, one-sided
        errors = []
        for n in (16, 32, 64):
            times = np.linspace(0, 1, n + 1)
            finer = Stepper(form="derivative", dt=1 / n)
            wave = np.sin(3 * times)[:, None, None]
            errors.append(abs(finer.target(wave, round(place * n)).item() - 3 * np.cos(3 * place)))
        assert np.abs(np.log2(np.array(errors[:-1]) / errors[1:]) - 4).max() < 0.3
    assert stepper.starts(4) == 0


@pytest.mark.parametrize("form", ["state", "residual", "derivative"])
@pytest.mark.parametrize("bundle", [1, 2])
def test_a_corrected_target_leads_from_another_state_to_where_it_should(form: str, bundle: int):
    if form == "derivative":
        bundle = 1
    stepper = Stepper(form=form, dt=0.25, bundle=bundle, scheme="euler")
    states = np.random.default_rng(1).normal(size=(7, 5, 2))
    true, given = torch.from_numpy(states[3]), torch.from_numpy(states[3] + 0.1)
    target = torch.from_numpy(stepper.target(states, 3))
    corrected = stepper.corrected(target, true, given)
    ends = [
        list(islice(stepper.march(lambda u, f=f: f, u), bundle))
        for u, f in ((true, target), (given, corrected))
    ]
    for meant, found in zip(*ends, strict=True):
        torch.testing.assert_close(found, meant)


def test_gradients_flow_through_every_form_of_step():
    for stepper in (Stepper(form="residual", dt=0.1), Stepper(form="derivative", dt=0.1)):
        matrix = A.clone().requires_grad_()
        assert torch.autograd.gradcheck(
            lambda m, s=stepper: after(s, lambda u: u @ m.T, 2), (matrix,)
        )


def test_a_stepper_that_makes_no_sense_is_refused():
    for wrong in ({"dt": 0.0}, {"dt": np.inf}, {"substeps": 0}, {"scheme": "rk5"}, {"form": "x"}):
        with pytest.raises(ValueError):
            Stepper(**{"dt": 0.1, **wrong})
