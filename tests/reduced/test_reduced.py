import numpy as np
import pytest
import torch

from meshop.reduced import POD, GaussianProcess, PODRegression
from meshop.reduced._gaussian import _Hyper, negative_log_likelihood
from meshop.reduced._kernels import KERNELS, TRENDS, correlation, trend_basis


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


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("trend", TRENDS[:3])
def test_gradients_of_the_likelihood(kernel: str, trend: str):
    random = torch.Generator().manual_seed(0)
    x, z = (torch.randn(5, 2, dtype=torch.float64, generator=random) for _ in range(2))
    hyper = [torch.full(s, v, dtype=torch.float64) for s, v in (((2, 2), 0.0), ((2,), -3.0))]
    hyper = [h.requires_grad_() for h in (*hyper, torch.full((2,), 0.7, dtype=torch.float64))]
    h = trend_basis(trend, x)
    assert torch.autograd.gradcheck(
        lambda *a: negative_log_likelihood(kernel, x, z, h, _Hyper(*a)), hyper
    )
    one = torch.ones(1, dtype=torch.float64)
    same = correlation(kernel, x, x, torch.ones(1, 2, dtype=torch.float64), one)
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
    assert process.fits[0][1].factor.shape == (1, 300, 300)


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


def kriging(kernel: str, trend: str, x, z, q, process, column: int):
    """Means, variances over s^2, and log likelihood, by the formulas with plain inverses."""

    def k(a, b):
        length = process.lengths[column : column + 1]
        power = process.power[column : column + 1]
        return correlation(kernel, torch.tensor(a), torch.tensor(b), length, power)[0].numpy()

    inverse = np.linalg.inv(k(x, x) + (float(process.noise[column]) + 1e-10) * np.eye(len(x)))
    h, g = (trend_basis(trend, torch.tensor(v)).numpy() for v in (x, q))
    gram = h.T @ inverse @ h
    slope = np.linalg.solve(gram, h.T @ inverse @ z)
    free = len(x) - h.shape[1]
    signal = (z - h @ slope) @ inverse @ (z - h @ slope) / free
    cross = k(q, x)
    left = g.T - h.T @ inverse @ cross.T
    mean = g @ slope + cross @ inverse @ (z - h @ slope)
    share = 1 - np.einsum("ij,ji->i", cross, inverse @ cross.T)
    share = share + np.einsum("ji,ji->i", left, np.linalg.solve(gram, left))
    log_det = np.linalg.slogdet(inverse)[1] - np.linalg.slogdet(gram)[1]
    value = 0.5 * (log_det - free * (np.log(signal) + 1 + np.log(2 * np.pi)))
    return mean, signal * share, value, signal


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("trend", TRENDS)
def test_universal_kriging_matches_the_formulas_and_leaving_out(kernel: str, trend: str):
    random = np.random.default_rng(5)
    x, y = random.normal(size=(14, 2)), random.normal(size=(14, 2))
    process = GaussianProcess(steps=5, kernel=kernel, trend=trend, least_noise=1e-3).fit(x, y)
    s, z = (x - x.mean(0)) / x.std(0), (y - y.mean(0)) / y.std(0)
    q = random.normal(size=(3, 2))
    found, deviation = process.predict(q)
    _, noisy = process.predict(q, noise=True)
    left, spread = process.leave_one_out(), process.leave_one_out_deviation()
    for c in range(2):
        size = y[:, c].std()
        a = (q - x.mean(0)) / x.std(0)
        mean, variance, value, signal = kriging(kernel, trend, s, z[:, c], a, process, c)
        np.testing.assert_allclose(found[:, c], mean * size + y[:, c].mean(), rtol=1e-6)
        np.testing.assert_allclose(deviation[:, c], np.sqrt(variance) * size, rtol=1e-6)
        more = float(process.noise[c]) * signal
        np.testing.assert_allclose(noisy[:, c], np.sqrt(variance + more) * size, rtol=1e-6)
        assert float(process.log_likelihood[c]) == pytest.approx(value, rel=1e-6)
        for i in range(14):
            rest = np.arange(14) != i
            one = s[i : i + 1]
            mean, variance, _, other = kriging(kernel, trend, s[rest], z[rest, c], one, process, c)
            assert left[i, c] == pytest.approx((mean[0] - z[i, c]) * size, rel=1e-6, abs=1e-9)
            # The variance s^2 is that of all points.
            expected = np.sqrt(variance[0] / other * signal + more) * size
            assert spread[i, c] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
def test_bands_hold_samples_of_a_known_process(kernel: str):
    random = np.random.default_rng(6)
    x = random.uniform(-1, 1, (140, 2))
    lengths, power = torch.tensor([[0.8, 0.5]]).double(), torch.tensor([2.0]).double()
    at = torch.tensor(x)
    matrix = correlation(kernel, at, at, lengths, power)[0].numpy() + 1e-4 * np.eye(140)
    y = np.linalg.cholesky(matrix) @ random.normal(size=(140, 24))
    process = GaussianProcess(kernel=kernel).fit(x[:70], y[:70])
    mean, deviation = process.predict(x[70:], noise=True)
    inside = (np.abs(mean - y[70:]) < 1.6449 * deviation).mean()
    assert 0.82 < inside < 0.96


def test_what_a_trend_and_a_kernel_can_do_is_found():
    random = np.random.default_rng(7)
    x = random.uniform(-1, 1, (40, 2))

    def f(x):
        return np.stack(
            [1 + 2 * x[:, 0] - x[:, 0] * x[:, 1] + x[:, 1] ** 2, np.sin(4 * x[:, 0])], 1
        )

    far = random.uniform(-1, 1, (20, 2)) * 3
    process = GaussianProcess(kernel="auto", trend="auto").fit(x, f(x))
    assert process.trends[0] == "quadratic"
    mean, deviation = process.predict(far)
    plain, _ = GaussianProcess().fit(x, f(x)).predict(far)
    miss, worse = (np.abs(m - f(far))[:, 0].max() for m in (mean, plain))
    assert miss < 1e-3 < 0.1 < worse
    again = GaussianProcess(kernel="auto", trend="auto").fit(x, f(x)).predict(far)
    assert np.array_equal(mean, again[0]) and np.array_equal(deviation, again[1])
    smooth = GaussianProcess(kernel="auto").fit(x, f(x))
    assert smooth.kernels[1] != "matern"
    near = 0.3 * far
    best, rough = (p.predict(near)[0][:, 1] for p in (smooth, GaussianProcess().fit(x, f(x))))
    truth = f(near)[:, 1]
    assert np.abs(best - truth).max() < 0.3 * np.abs(rough - truth).max()


def test_what_modes_leave_out_is_in_the_bands():
    random = np.random.default_rng(8)
    shapes = np.linalg.qr(random.normal(size=(60, 3)))[0].T
    parameters = random.uniform(-1, 1, (40, 1))
    part = np.column_stack([10 * parameters, *random.normal(size=(2, 40))])
    weight = random.uniform(0.5, 2, 60)
    model = PODRegression(modes=1).fit(parameters, part @ shapes, weight)
    _, deviation = model.predict([[0.3]])
    expected = np.sqrt(((part[:, 1:] @ shapes[1:]) ** 2).mean(0))
    assert np.median(deviation[0] / expected) == pytest.approx(1, abs=0.15)


def test_names_that_are_not_known_and_trends_of_too_few_rows_say_so():
    with pytest.raises(ValueError, match="rational"):
        GaussianProcess(kernel="cubic")
    with pytest.raises(ValueError, match="quadratic"):
        GaussianProcess(trend="cubic")
    with pytest.raises(ValueError, match="more than 5 rows"):
        GaussianProcess(trend="quadratic").fit(np.zeros((5, 2)), np.zeros((5, 1)))


def test_leaving_folds_out_tells_more_than_leaving_one_out():
    random = np.random.default_rng(9)
    x = random.uniform(-1, 1, (24, 3))
    y = np.sin(3 * x[:, :1] + x[:, 1:2] * x[:, 2:])
    process = GaussianProcess().fit(x, y)
    errors, deviations = process.folds_left_out()
    assert np.abs(errors).mean() > np.abs(process.leave_one_out()).mean()
    assert (deviations > 0).all() and errors.shape == y.shape
    few = GaussianProcess().fit(x[:6], y[:6])
    assert np.array_equal(few.folds_left_out()[0], few.leave_one_out())
