"""Every operator that meshop ships, held to every check."""

from __future__ import annotations

import pytest

from meshop.models import registry
from meshop.testing import check_model

#: Sizes that make a model small, and the checks that it is known to fail, with why.
SMALL = {
    "aroma": {"width": 8, "latents": 4, "code": 3, "heads": 2, "head_width": 4, "layers": 2},
    "coda-no": {"width": 8, "heads": 2, "layers": 2, "slices": 3, "embedding": 3},
    "coral": {"width": 8, "depth": 3, "code": 6, "w0_in": 3, "w0_out": 3, "hidden": 5, "blocks": 2},
    "enf2enf": {"width": 8, "layers": 1, "side": 2, "code": 3, "encoder_width": 6},
    "flare": {"width": 8, "heads": 2, "layers": 2, "latents": 4},
    "fourier": {"width": 8, "heads": 2, "layers": 2, "hidden": 12},
    "galerkin": {"width": 8, "heads": 2, "layers": 2, "hidden": 12},
    "gnot": {"width": 8, "heads": 2, "layers": 2, "experts": 2},
    "low-rank": {"width": 6, "rank": 2, "layers": 2, "kernel": (8, 10)},
    "amg": {"width": 8, "heads": 2, "layers": 2, "slices": 4, "local": 8, "most_global": 6},
    "beno": {"width": 8, "layers": 2, "kernels": 2, "edge_width": 4, "rank": 3, "readers": 2},
    "beno-published": {"width": 8, "layers": 2, "wall_layers": 1},
    "latent-spectral": {"width": 8, "widest": 16, "levels": 2, "heads": 2, "tokens": 2, "basis": 2},
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
    "mesh-graph-net": {"width": 8, "layers": 2},
    "mp-pde": {"width": 8, "layers": 2, "bundle": 3},
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
