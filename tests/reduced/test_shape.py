"""Numbers of a shape: stretches by their logarithms, turns left to the place."""

from __future__ import annotations

import numpy as np
import pytest

from meshop.reduced._shape import Shapes

random = np.random.default_rng(0)
POINTS = random.uniform(-0.5, 0.5, (60, 2))
POINTS -= POINTS.mean(0)
WEIGHT = np.full(60, 1 / 60)


def turned(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def test_stretches_by_equal_factors_are_equally_far_apart_whichever_way_they_are_turned():
    factors, angles = [0.5, 1.0, 2.0, 4.0], [0.3, -1.0, 2.0, 0.0]
    family = [POINTS * [f, 1 / f] @ turned(a).T for f, a in zip(factors, angles, strict=True)]
    shapes = Shapes.of(family, WEIGHT, 8, 1e-6)
    codes, rests, turns = zip(*(shapes.code(image) for image in family), strict=True)
    gaps = np.linalg.norm(np.diff(codes, axis=0), axis=1)
    np.testing.assert_allclose(gaps, gaps[0], rtol=0.05)  # the mean is no member of the family
    assert max(rests) < 1e-4
    np.testing.assert_allclose(np.diff(np.ravel(turns)), np.diff(angles), atol=0.2)


def test_a_pure_turn_is_no_shape():
    family = [POINTS @ turned(a).T for a in np.linspace(0, 2 * np.pi, 7)]
    shapes = Shapes.of(family, WEIGHT, 8, 1e-6)
    assert len(shapes.basis.modes) == 0 and shapes.rest < 1e-12
    turn = [shapes.code(image)[2][0] for image in family[:3]]
    np.testing.assert_allclose(np.diff(turn), np.pi / 3)


def test_what_no_stretching_says_is_told_too_in_space_as_well():
    points = np.random.default_rng(1).normal(size=(50, 3))
    points -= points.mean(0)
    bump = np.sin(2 * points[:, [1]]) * [1.0, 0, 0]
    amounts = np.array([0.0, 0.05, 0.1, 0.15])
    family = [points + a * bump for a in amounts]
    shapes = Shapes.of(family, np.ones(50), 8, 1e-6)
    codes = np.stack([shapes.code(image)[0] for image in family])
    assert shapes.code(family[0])[2].shape == (3,)
    first = codes[:, 0] - codes[0, 0]
    np.testing.assert_allclose(first / first[-1], amounts / amounts[-1], atol=0.02)


def test_state_is_restored_exactly_and_what_does_not_fit_is_refused():
    family = [POINTS * [f, 1] for f in (1.0, 1.3, 1.7)]
    shapes = Shapes.of(family, WEIGHT, 8, 1e-6)
    again = Shapes.restored(shapes.state(), 60)
    for one, other in zip(shapes.code(family[1]), again.code(family[1]), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match=r"shape\.centre"):
        Shapes.restored(shapes.state(), 61)
    with pytest.raises(ValueError, match=r"shape\.range"):
        Shapes.restored(shapes.state() | {"range": np.zeros((2, 9))}, 60)
