from typing import Any

import pytest
import torch
import torch.nn.functional as F

from meshop.models import Widths, registry
from meshop.models.grid_field import SCALES, GridField
from meshop.nn.spectral import FourierLayer
from meshop.testing import sample_graph
from tests.models.learning import share_unexplained

WIDTHS = Widths(features=3, tokens=4, wall_inputs=1, cond=2, out=2, scalars=1)
SMALL = {"width": 8, "depth": 2, "latent": 5, "grid": 6, "channels": 4, "modes": 2, "layers": 2}


def model(widths: Widths = WIDTHS, **sizes: Any) -> GridField:
    torch.manual_seed(0)
    operator = GridField(widths, **{**SMALL, **sizes}).double().eval()
    with torch.no_grad():  # blocks start unmodulated: give the condition something to do
        operator.modulate[-1].weight.normal_(std=0.3)
    return operator


def convolved(layer: FourierLayer, v: torch.Tensor) -> torch.Tensor:
    """On a grid of less than eight points a side nothing is padded."""
    assert not any(layer.pad)
    return layer.convolution(v)


def test_values_against_the_equations():
    """One graph, node by node and grid point by grid point."""
    operator, g = model(), sample_graph(9, 1, WIDTHS)
    share = g.wall_weight / g.wall_weight.sum()
    tokens = torch.cat([g.wall_x, g.wall_inputs, g.cond.expand(len(g.wall_x), -1)], 1)
    hidden = operator.encoder.phi(tokens)
    z = share @ hidden
    side = torch.linspace(-1, 1, 6, dtype=torch.float64)
    rows = []
    for a in side:
        for b in side:
            place = torch.stack([a, b])
            away = g.wall_pos[:, :2] - place
            near = int(away.norm(dim=1).argmin())
            far = [(-away[near].norm() / s).exp() for s in SCALES]
            rows.append(
                operator.place(torch.cat([place, away[near], torch.stack(far)]))
                + operator.case(torch.cat([g.cond[0], z]))
                + operator.token(hidden[near])
            )
    shape = operator.enter(F.silu(torch.stack(rows))).view(1, 6, 6, 4)
    for layer in operator.shapes:
        shape = shape + F.gelu(layer.pointwise(shape) + convolved(layer, shape))
    v = shape
    for layer, gate in zip(operator.layers, operator.gates, strict=True):
        y = layer.pointwise(v) + convolved(layer, v)
        v = v + (1 + gate(shape)) * torch.cat([y[..., :2], F.gelu(y[..., 2:])], -1)
    read = F.grid_sample(
        v.permute(0, 3, 2, 1), g.pos[None, None, :, :2], padding_mode="border", align_corners=True
    )[0, :, 0].T
    h = operator.lift(torch.cat([g.x, g.cond.expand(9, -1)], 1)) + operator.read(read)
    for block, part in zip(operator.blocks, operator.modulate(z).chunk(2), strict=True):
        scale, shift = part.chunk(2)
        h = h + block.down(F.silu(block.up((1 + scale) * block.norm(h) + shift)))
    h = operator.norm(h)
    expected = operator.project(h) + operator.product(h * operator.mix(read))
    torch.testing.assert_close(operator(g), expected, atol=1e-10, rtol=1e-8)


def test_a_stretched_grid_follows_each_case():
    """Moved and scaled with its boundary, a grid reads the same values at the same nodes."""
    widths = Widths(features=3, tokens=4, cond=2, out=2, boxes=True)
    operator, g = model(widths), sample_graph(20, 2, widths)
    assert operator.stretch and not model().stretch
    assert not GridField(Widths(features=3, inputs=1, tokens=4, out=1, boxes=True)).stretch
    with torch.no_grad():  # of a grid point, only its nearest token: no lengths
        operator.place.weight.zero_()
    other = g.clone()
    for name in ("pos", "wall_pos"):
        moved = g[name].clone()
        moved[:, :2] = moved[:, :2] * 0.4 + torch.tensor([0.3, -0.2])
        other[name] = moved
    torch.testing.assert_close(operator(other), operator(g))
    common = model(widths, stretch=False)
    common.load_state_dict(operator.state_dict())
    assert not torch.allclose(common(other), common(g))


def test_without_a_boundary_the_grid_knows_places_and_conditions():
    operator = model()
    graph = sample_graph(9, 1, WIDTHS, tokens=0)
    other = graph.clone()
    other.cond = graph.cond + 1
    assert torch.isfinite(operator(graph)).all()
    assert not torch.allclose(operator(graph), operator(other))
    stretched = model(stretch=True)  # to the box that stands for none
    torch.testing.assert_close(stretched(graph), operator(graph))


def test_known_fields_reach_every_node():
    widths = Widths(features=3, inputs=1, tokens=4, cond=2, out=2)
    operator, graph = model(widths), sample_graph(12, 2, widths)
    assert not operator.pointwise and model().pointwise
    graph.inputs = graph.inputs.requires_grad_()
    (slope,) = torch.autograd.grad(operator(graph)[7].sum(), graph.inputs)
    assert (slope.abs() > 0).all()


def test_the_default_sizes():
    count = sum(p.numel() for p in registry()["grid-field"](WIDTHS).parameters())
    spectral = 6 * (12 * 6 * 24 * 24 * 2)
    assert spectral < count < spectral + 400_000
    assert len(GridField(Widths(features=3, tokens=4, out=1, dim=3)).shape) == 3


def test_it_learns_an_operator():
    torch.manual_seed(0)
    widths = Widths(features=2, inputs=1, tokens=2, out=1)
    operator = GridField(
        widths, width=32, depth=2, latent=8, grid=8, channels=12, modes=3, layers=2
    )
    assert share_unexplained(operator, steps=150, lr=5e-3) < 0.05


def test_a_grid_and_modes_of_their_own_along_each_axis():
    graph = sample_graph(9, 1, WIDTHS)
    torch.testing.assert_close(model(grid=[6, 6], modes=[2, 2])(graph), model()(graph))
    long = model(grid=[16, 5], modes=[4, 2])
    assert tuple(long.layers[0].convolution.weight.shape[:2]) == (8, 2)
    assert long.layers[0].pad == [2, 0]
    changed = graph.clone()
    changed.wall_x = graph.wall_x + 1
    assert not torch.allclose(long(changed), long(graph))
    for wrong in ({"grid": [6]}, {"modes": [2, 2, 2]}):
        with pytest.raises(ValueError, match="expected one number, or 2"):
            model(**wrong)
