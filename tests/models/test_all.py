"""Every operator that meshop ships, held to every check."""

from __future__ import annotations

from inspect import getdoc

import pytest
import torch

from meshop.models import registry
from meshop.testing import WIDTHS, check_model, sample_graph
from meshop.testing._models import batch_graphs

#: Sizes that make a model small, and the checks that it is known to fail, with why.
SMALL = {
    "aroma": {"width": 8, "latents": 4, "code": 3, "heads": 2, "head_width": 4, "layers": 2},
    "coda-no": {"width": 8, "heads": 2, "layers": 2, "slices": 3, "embedding": 3},
    "coral": {"width": 8, "depth": 3, "code": 6, "w0_in": 3, "w0_out": 3, "hidden": 5, "blocks": 2},
    "enf2enf": {"width": 8, "layers": 1, "side": 2, "code": 3, "encoder_width": 6},
    "flare": {"width": 8, "heads": 2, "layers": 2, "latents": 4},
    "fourier": {"width": 8, "heads": 2, "layers": 2, "hidden": 12},
    "galerkin": {"width": 8, "heads": 2, "layers": 2, "hidden": 12},
    "gno": {"width": 8, "layers": 2, "rank": 3, "hidden": 6, "samples": 9},
    "gnot": {"width": 8, "heads": 2, "layers": 2, "experts": 2},
    "low-rank": {"width": 6, "rank": 2, "layers": 2, "kernel": (8, 10)},
    "amg": {"width": 8, "heads": 2, "layers": 2, "slices": 4, "local": 8, "most_global": 6},
    "beno": {"width": 8, "layers": 2, "kernels": 2, "edge_width": 4, "rank": 3, "readers": 2},
    "beno-published": {"width": 8, "layers": 2, "wall_layers": 1},
    "bvp-gnn": {"width": 8, "layers": 2, "terms": 3},
    "bsms": {"width": 8, "levels": 2},
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
    "mgno": {"width": 8, "layers": 2, "levels": 2, "rank": 3, "hidden": 6},
    "mp-pde": {"width": 8, "layers": 2, "bundle": 3},
    "multipole-gno": {"width": 8, "cycles": 2, "levels": 2, "rank": 3, "hidden": 6},
    "nuno": {"width": 8, "modes": 2, "heads": 2, "layers": 2, "depth": 2, "grid": 6},
    "rigno": {"width": 8, "rounds": 2, "levels": 2},
    "spon": {"width": 8, "levels": 2, "rounds": 2},
    "transolver": {"width": 8, "heads": 2, "layers": 2, "slices": 4},
    "grid-field": {"width": 8, "depth": 2, "latent": 6, "grid": 8, "channels": 4, "modes": 2},
    "wall-field": {"width": 8, "depth": 2, "latent": 6},
}
FAILS: dict[str, dict[str, str]] = {}


@pytest.mark.parametrize("name", sorted(SMALL))
def test_model(name):
    check_model(registry()[name], SMALL[name], FAILS.get(name))


def test_none_is_left_out():
    assert set(SMALL) == set(registry())


@pytest.mark.parametrize("name", sorted(SMALL))
def test_its_first_line_says_what_it_is(name):
    """`meshop models` prints it: words, no sizes, and no reference to elsewhere."""
    line, _, _ = (getdoc(registry()[name]) or "").partition("\n\n")
    assert 20 < len(line) < 130 and line.endswith(".") and "`" not in line
    assert not line.startswith("See ")


@pytest.mark.parametrize("name", sorted(SMALL))
def test_blocks_of_rows_change_nothing(name, monkeypatch):
    """With and without gradients, of one graph and two; nor does a pass change what it is given."""
    kind = registry()[name]
    torch.manual_seed(0)
    model = kind(WIDTHS, **SMALL[name]).double().eval()
    graphs = [sample_graph(n, n, edges=kind.edges) for n in (150, 70)]
    for graph in (graphs[0], batch_graphs(graphs)):
        whole = model.outputs(graph)
        given = {k: v.clone() for k, v in graph.to_dict().items() if torch.is_tensor(v)}
        with monkeypatch.context() as patch:
            patch.setattr("meshop.nn.rows.BLOCK", 1)
            found = [model.outputs(graph)]
            with torch.no_grad():
                found += [model.outputs(graph), model.outputs(graph)]
        for outputs in found:
            for one, other in zip(outputs, whole, strict=True):
                torch.testing.assert_close(one, other)
        assert all(torch.equal(getattr(graph, k), v) for k, v in given.items())
