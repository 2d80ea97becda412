"""NUNO: leaves and what lies between them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from meshop.models.fno import FNO
from meshop.models.nuno import NUNO
from meshop.nn import nodes
from meshop.nn.leaf_attention import LeafAttention
from meshop.testing import WIDTHS, check_model, sample_graph

SMALL = {"width": 8, "modes": 2, "heads": 2, "layers": 2, "depth": 2, "grid": 6}


def test_factformer_leaves_hold_the_contract_too():
    check_model(NUNO, SMALL | {"inner": "factformer"})


def test_fields_do_not_jump_between_leaves():
    """The published field does: each leaf answers alone for the points in it."""
    torch.manual_seed(0)
    model = NUNO(WIDTHS, **SMALL | {"depth": 3}).double()
    graph = sample_graph(200, 1)
    boxes = model.boxes(nodes(graph))
    lo, hi = boxes.lo, boxes.lo + boxes.size
    faces = torch.cat([lo[:, 0], hi[:, 0], ((lo + hi) / 2)[:, 0]])
    y = torch.linspace(-0.8, 0.8, 9, dtype=torch.float64)
    places = torch.cartesian_prod(faces, y)
    graph.query_x = torch.zeros(len(places), 5).double()
    answers = []
    for side in (-1e-8, 1e-8):
        graph.query_pos = places + torch.tensor([side, 0.0], dtype=torch.float64)
        with torch.no_grad():
            answers.append(model(graph))
    assert (answers[0] - answers[1]).abs().max() < 1e-5 * answers[0].abs().max()


def test_one_leaf_that_says_nothing_to_itself_is_an_fno():
    torch.manual_seed(2)
    leaves = NUNO(WIDTHS, **SMALL | {"depth": 1}).double()
    leaves.depth = 0
    whole = FNO(WIDTHS, width=8, modes=2, layers=2, grid=6, pad=0).double()
    missing, unexpected = whole.load_state_dict(leaves.state_dict(), strict=False)
    assert not missing and all(name.split(".")[0] in ("exchange", "leaf") for name in unexpected)
    with torch.no_grad():
        for part in (*leaves.exchange, leaves.leaf):
            for p in part.parameters():
                p.zero_()
        graph = sample_graph(40, 3)
        torch.testing.assert_close(leaves(graph), whole(graph))


def test_every_leaf_hears_every_other():
    """Blocks see one leaf each: without the exchange a far corner would never matter."""
    torch.manual_seed(4)
    model = NUNO(WIDTHS, **SMALL | {"depth": 3, "layers": 2}).double()
    graph = sample_graph(300, 5)
    first = model(graph)
    near = graph.pos.sum(1).argmin()
    graph.inputs[near] += 1
    moved = (model(graph) - first).abs().amax(1)
    assert (moved > 0).all()


def test_leaves_have_no_order_and_empty_ones_no_say():
    torch.manual_seed(6)
    layer = LeafAttention(8, heads=2).double()
    v = torch.randn(2 * 4, 3, 3, 8, dtype=torch.float64)
    coverage, mass = torch.rand(8, 3, 3, 1).double(), torch.rand(8).double()
    order = torch.tensor([2, 0, 3, 1])
    all_ = torch.cat([order, 4 + order])
    out = layer(v, coverage, mass, 4)
    torch.testing.assert_close(layer(v[all_], coverage[all_], mass[all_], 4), out[all_])
    mass[1] = 0
    out = layer(v, coverage, mass, 4)
    v[1] = 50.0
    again = layer(v, coverage, mass, 4)
    kept = [0, 2, 3, 4, 5, 6, 7]
    torch.testing.assert_close(again[kept], out[kept])
    with pytest.raises(ValueError, match="no multiple"):
        LeafAttention(9, heads=2)


def test_defaults_are_the_published_sizes():
    flat, solid = NUNO(WIDTHS), NUNO(replace(WIDTHS, dim=3))
    blocks = sum(p.numel() for p in flat.blocks.parameters())
    assert blocks == 4 * (2 * 12**2 * 32**2 * 2 + 32 * 33)
    assert (flat.depth, solid.depth) == (3, 4) and solid.blocks[0].convolution.modes == 8
    with pytest.raises(ValueError, match="inner"):
        NUNO(WIDTHS, inner="unet")
