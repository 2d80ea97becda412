"""The null models: exact where they must be, and no better than they should be."""

from __future__ import annotations

import numpy as np
import pytest

from meshop.train._nulls import contour_heights, least_squares, nearest_case, wall_moments


def naca(camber=0.0, thickness=0.12, n=60):
    """NACA 4-digit with its camber at .4, counter-clockwise from the trailing edge."""
    x = (1 - np.cos(np.linspace(0, np.pi, n))) / 2
    root = 0.2969 * np.sqrt(x) - 0.126 * x - 0.3516 * x**2 + 0.2843 * x**3 - 0.1015 * x**4
    half = 5 * thickness * root
    fore, aft = 0.8 * x - x**2, 0.2 + 0.8 * x - x**2
    line = camber * np.where(x < 0.4, fore / 0.16, aft / 0.36)
    upper = np.stack([x, line + half], 1)[::-1]
    lower = np.stack([x, line - half], 1)[1:]
    return np.vstack([upper, lower]), line, half, x


@pytest.mark.parametrize("camber", [0.0, 0.04])
def test_heights_of_a_known_contour(camber):
    loop, line, half, x = naca(camber)
    at = np.arange(1, 10) / 10
    got = contour_heights(loop)
    np.testing.assert_allclose(got[:9], np.interp(at, x, line + half), atol=1e-12)
    np.testing.assert_allclose(got[9:], np.interp(at, x, line - half), atol=1e-12)


def test_heights_ignore_direction_start_place_size_and_z():
    loop = naca(0.03)[0]
    want = contour_heights(loop, 5)
    other = 2.5 * np.roll(loop[::-1], 17, axis=0) + [3.0, -1.0]
    np.testing.assert_allclose(contour_heights(np.c_[other, np.zeros(len(other))], 5), want)
    assert want.shape == (10,)


def test_heights_of_a_blunt_trailing_edge_stay_finite():
    box = np.array([[0, 0], [1, -0.1], [1, 0.1]])
    at = np.arange(1, 10) / 10
    np.testing.assert_allclose(contour_heights(box), np.r_[at, -at] * 0.1, atol=1e-12)


def test_a_contour_without_extent_is_refused():
    with pytest.raises(ValueError, match="extent in x"):
        contour_heights([[0, 0], [0, 1], [0, 2]])


def test_wall_moments_of_a_square_frame():
    c = np.array([[0.5, 0, 0], [1, 0.5, 0], [0.5, 1, 0], [0, 0.5, 0]])
    m = wall_moments(c + np.array([2, 0, 0]), np.ones(4))
    np.testing.assert_allclose(m[:4], [4, 2.5, 0.5, 0])
    np.testing.assert_allclose(m[4:7], [np.sqrt(0.125), np.sqrt(0.125), 0])
    np.testing.assert_allclose(m[7:], 0, atol=1e-12)


def test_wall_moments_do_not_depend_on_how_the_wall_is_cut():
    c, w = np.array([[0, 0, 0], [3.0, 1, 2]]), np.array([1.0, 2.0])
    cut = wall_moments(c[[0, 1, 1]], [1.0, 0.5, 1.5])
    np.testing.assert_allclose(cut, wall_moments(c, w))


class Lazy(list):
    """A case list that records which of its members were opened."""

    def __init__(self, *a):
        super().__init__(*a)
        self.opened = []

    def __getitem__(self, i):
        self.opened.append(i)
        return super().__getitem__(i)


def case(value):
    centres = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])
    return {"centres": centres, "fields": {"p": value + np.arange(3.0), "U": np.eye(3) * value}}


def test_nearest_case_finds_a_training_case_itself():
    conditions = np.array([[0.0, 1e6], [4.0, 2e6], [8.0, 6e6]])
    shapes = np.random.default_rng(0).normal(size=(3, 6))
    cases = Lazy(case(v) for v in (10.0, 20.0, 30.0))
    target = np.array([[2.2, 0, 0], [0.1, 0.3, 0], [0.9, 0, 0], [1.1, 0, 0]])
    got = nearest_case(conditions, shapes, cases, conditions[1], shapes[1], target)
    assert got.case == 1 and got.distance == 0 and cases.opened == [1]
    np.testing.assert_array_equal(got.fields["p"], [22, 20, 21, 21])
    np.testing.assert_array_equal(got.fields["U"], np.eye(3)[[2, 0, 1, 1]] * 20)


def test_nearest_case_does_not_depend_on_units_and_weighs_the_shape_as_one_number():
    conditions = np.array([[0.0, 1e6], [1.0, 1e6], [0.0, 3e6]])
    query = [0.9, 1.2e6]
    none = np.zeros((3, 0))
    for unit in (1.0, 1e-6, 1e6):
        c = conditions * [unit, 1 / unit]
        got = nearest_case(
            c, none, [case(1.0)] * 3, query * np.array([unit, 1 / unit]), [], [[0] * 3]
        )
        assert got.case == 1
    # One shape number or a hundred copies of it: the same case is the nearest.
    shape = np.array([[0.0], [1.0], [0.4]])
    picks = {
        nearest_case(
            conditions, np.repeat(shape, n, 1), [case(1.0)] * 3, query, np.full(n, 0.45), [[0] * 3]
        )[:2]
        for n in (1, 100)
    }
    assert len({i for i, _ in picks}) == 1 and np.ptp([d for _, d in picks]) < 1e-9


def test_a_constant_descriptor_is_no_obstacle():
    c, s = np.arange(6.0)[:, None], np.full((6, 2), 7.0)
    got = least_squares(c, s, c**2, [[2.5]], [[7.0, 7.0]])
    np.testing.assert_allclose(got, [[6.25]], rtol=1e-5)


def test_least_squares_recovers_a_quadratic_exactly():
    g = np.random.default_rng(1)
    c, s = g.normal(size=(80, 2)) * [5, 1] + [3, 14], g.normal(size=(80, 3)) * 0.05
    a, b = g.normal(size=(5, 5)), g.normal(size=5)

    def truth(c, s):
        z = np.hstack([c, s])
        return np.stack([1 + z @ b + ((z @ a) * z).sum(1), z @ b], 1)

    cq, sq = g.normal(size=(9, 2)) * [5, 1] + [3, 14], g.normal(size=(9, 3)) * 0.05
    got = least_squares(c, s, truth(c, s), cq, sq)
    np.testing.assert_allclose(got, truth(cq, sq), rtol=1e-4, atol=1e-4 * np.ptp(truth(c, s)))


def test_least_squares_with_more_columns_than_cases_is_better_than_the_mean():
    g = np.random.default_rng(2)
    z = g.normal(size=(240, 10))  # 66 columns
    y = 2 * z[:, :1] + 0.5 * z[:, :1] * z[:, 1:2] + z[:, 5:6]
    got = least_squares(z[:50, :2], z[:50, 2:], y[:50], z[50:, :2], z[50:, 2:])
    assert np.abs(got - y[50:]).mean() < 0.6 * np.abs(y[50:] - y[:50].mean()).mean()


def test_the_penalty_is_the_one_with_the_least_leave_one_out_error():
    """Against brute force: drop a case, fit by plain normal equations, over the same penalties."""
    g = np.random.default_rng(3)
    z = g.normal(size=(25, 3))
    y = np.sin(2 * z[:, 0]) + 0.3 * g.normal(size=25)
    got = least_squares(z[:, :1], z[:, 1:], y[:, None], z[:2, :1], z[:2, 1:])[:, 0]
    scaled = (z - z.mean(0)) / z.std(0)
    i, j = np.triu_indices(3)
    basis = np.hstack([np.ones((25, 1)), scaled, scaled[:, i] * scaled[:, j]])
    target, best = y - y.mean(), (np.inf, None)
    for ridge in np.logspace(-8, 1, 28) * np.linalg.norm(basis, 2) ** 2 / 25:

        def fit(rows, ridge=ridge):
            a = basis[rows]
            return np.linalg.solve(a.T @ a + ridge * np.eye(10), a.T @ target[rows])

        loo = [basis[k] @ fit(np.arange(25) != k) - target[k] for k in range(25)]
        best = min(best, (np.mean(np.square(loo)), tuple(basis[:2] @ fit(np.arange(25)))))
    np.testing.assert_allclose(got, np.array(best[1]) + y.mean(), rtol=1e-6)
