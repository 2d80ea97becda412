"""Every operator that meshop ships, held to every check."""

from __future__ import annotations

import pytest

from meshop.models import registry
from meshop.testing import check_model

#: Sizes that make a model small, and the checks that it is known to fail, with why.
SMALL = {
    "factformer": {"width": 8, "heads": 2, "head": 4, "layers": 2, "grid": 6, "projection": 8},
    "fno": {"width": 8, "modes": 2, "layers": 2, "grid": 8, "projection": 8},
    "gaot": {
        "channels": 8,
        "tokens": 4,
        "hidden": 8,
        "depth": 2,
        "patch": 2,
        "width": 16,
        "heads": 2,
        "mlp_ratio": 2,
        "scales": (1.0, 2.0),
    },
    "nuno": {"width": 8, "modes": 2, "heads": 2, "layers": 2, "depth": 2, "grid": 6},
    "transolver": {"width": 8, "heads": 2, "layers": 2, "slices": 4},
    "wall-field": {"width": 8, "depth": 2, "latent": 6},
}
FAILS: dict[str, dict[str, str]] = {}


@pytest.mark.parametrize("name", sorted(SMALL))
def test_model(name):
    check_model(registry()[name], SMALL[name], FAILS.get(name))


def test_none_is_left_out():
    assert set(SMALL) == set(registry())
