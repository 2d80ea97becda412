import numpy as np
import pytest
import torch

from meshop.reduced import POD, GaussianProcess, PODRegression
from meshop.reduced._gaussian import _matern, _negative_log_likelihood


def test_pod_modes_are_orthonormal_under_the_weights_and_as_good_as_can_be():
    random = np.random.default_rng(0)
    weight = random.uniform(0.1, 3, 50)
    u = random.normal(size=(12, 4)) @ random.normal(size=(4, 50)) + 3.0
    basis = POD(energy=1.0).fit(u, weight)
    assert basis.modes.shape == (4, 50)
    np.testing.assert_allclose((basis.modes * weight) @ basis.modes.T, np.eye(4), atol=1e-10)
    np.testing.assert_allclose(basis.decode(basis.encode(u)), u, atol=1e-9)
    assert basis.floor(u).max() < 1e-10
    short = POD(modes=2).fit(u, weight)
    gap = ((short.decode(short.encode(u)) - u) ** 2 @ weight).sum()
    lost = (POD(energy=1.0).fit(u, weight).values[2:] ** 2).sum()
    assert gap == pytest.approx(lost)  # Eckart and Young
    assert short.kept == pytest.approx(1 - lost / (basis.values**2).sum())


def test_pod_of_constant_snapshots_has_no_modes():
    u = np.ones((3, 5))
    model = PODRegression().fit(np.arange(3.0)[:, None], u)
    mean, deviation = model.predict(np.zeros((2, 1)))
    assert np.array_equal(mean, np.ones((2, 5))) and not deviation.any()


def test_likelihood_and_prediction_match_the_formulas():
    random = np.random.default_rng(1)
    x, y = random.normal(size=(9, 2)), random.normal(size=(9, 1))
    process = GaussianProcess(steps=5).fit(x, y)
    s, z = process.x.numpy(), (y - y.mean()) / y.std()
    length, noise = process.lengths[0].numpy(), float(process.noise[0])

    def k(a, b):
        r = np.sqrt(5 * (((a - b) / length) ** 2).sum())
        return (1 + r + r * r / 3) * np.exp(-r)

    matrix = np.array([[k(a, b) for b in s] for a in s]) + (noise + 1e-10) * np.eye(9)
    signal = (z.T @ np.linalg.solve(matrix, z)).item() / 9
    full = signal * matrix
    expected = -0.5 * (z.T @ np.linalg.solve(full, z)).item() - 0.5 * np.linalg.slogdet(full)[1]
    expected -= 4.5 * np.log(2 * np.pi)
    assert float(process.log_likelihood[0]) == pytest.approx(expected, rel=1e-6)
    q = random.normal(size=(3, 2))
    cross = np.array([[k((a - x.mean(0)) / x.std(0), b) for b in s] for a in q])
    mean, deviation = process.predict(q)
    np.testing.assert_allclose(
        mean[:, 0], (cross @ np.linalg.solve(matrix, z))[:, 0] * y.std() + y.mean(), rtol=1e-6
    )
    variance = signal * (1 - np.einsum("ij,ji->i", cross, np.linalg.solve(matrix, cross.T)))
    np.testing.assert_allclose(deviation[:, 0], np.sqrt(variance) * y.std(), rtol=1e-5)


def test_gradients_of_the_likelihood():
    x, z = torch.randn(5, 2, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    logs = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    noise = torch.full((2,), -3.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda a, b: _negative_log_likelihood(x, z, a.exp(), b.exp()), (logs, noise)
    )
    same = _matern(x, x, torch.ones(1, 2, dtype=torch.float64))
    torch.testing.assert_close(same.diagonal(dim1=1, dim2=2), torch.ones(1, 5).double())


def test_a_smooth_function_is_learned_and_what_does_not_matter_is_found():
    random = np.random.default_rng(2)
    x = random.uniform(-1, 1, (60, 3))
    y = np.stack([np.sin(3 * x[:, 0]), np.exp(x[:, 1])], axis=1)
    process = GaussianProcess().fit(x, y)
    q = random.uniform(-0.9, 0.9, (40, 3))
    mean, deviation = process.predict(q)
    truth = np.stack([np.sin(3 * q[:, 0]), np.exp(q[:, 1])], axis=1)
    assert np.abs(mean - truth).max() < 0.02
    assert (np.abs(mean - truth) < 4 * deviation + 1e-6).mean() > 0.9
    assert process.lengths[0, 2] > 10 * process.lengths[0, 0]
    assert process.lengths[1, 2] > 10 * process.lengths[1, 1]


def test_noise_is_found_and_many_points_use_few_for_the_lengths():
    random = np.random.default_rng(3)
    x = random.uniform(-2, 2, (300, 1))
    y = np.sin(x) + 0.1 * random.normal(size=x.shape)
    process = GaussianProcess(limit=80).fit(x, y)
    mean, _ = process.predict(x)
    assert np.sqrt(np.mean((mean - np.sin(x)) ** 2)) < 0.04
    assert process.factor.shape == (1, 300, 300)


def test_pod_with_regression_beats_the_mean_by_far():
    random = np.random.default_rng(4)
    place = np.linspace(0, 1, 80)

    def field(mu):
        return np.sin(2 * np.pi * (place + 0.1 * mu[:, :1])) * np.exp(-mu[:, 1:] * place)

    mu, query = random.uniform(0, 1, (50, 2)), random.uniform(0.05, 0.95, (20, 2))
    model = PODRegression().fit(mu, field(mu))
    mean, deviation = model.predict(query)
    miss = np.linalg.norm(mean - field(query)) / np.linalg.norm(field(query))
    assert miss < 2e-3 and deviation.shape == mean.shape


def test_wrong_shapes_say_so():
    with pytest.raises(ValueError, match="expected"):
        GaussianProcess().fit(np.zeros((3, 1)), np.zeros((4, 1)))
    with pytest.raises(ValueError, match="NaN"):
        GaussianProcess().fit(np.zeros((3, 1)), np.full((3, 1), np.nan))
    with pytest.raises(ValueError, match="snapshots"):
        POD().fit(np.zeros(3))
    with pytest.raises(ValueError, match="weight"):
        POD().fit(np.zeros((3, 2)), np.ones(3))


def test_leave_one_out_is_what_leaving_out_gives():
    random = np.random.default_rng(5)
    x, y = random.normal(size=(8, 2)), random.normal(size=(8, 2))
    process = GaussianProcess(steps=5).fit(x, y)
    found = process.leave_one_out()
    s = (x - x.mean(0)) / x.std(0)
    for q in range(2):
        lengths = process.lengths[q : q + 1]
        matrix = _matern(torch.tensor(s), torch.tensor(s), lengths)[0].numpy()
        matrix = matrix + (float(process.noise[q]) + 1e-10) * np.eye(8)
        z = (y[:, q] - y[:, q].mean()) / y[:, q].std()
        for i in range(8):
            rest = np.arange(8) != i
            mean = matrix[i, rest] @ np.linalg.solve(matrix[np.ix_(rest, rest)], z[rest])
            assert found[i, q] == pytest.approx((mean - z[i]) * y[:, q].std(), rel=1e-6)
