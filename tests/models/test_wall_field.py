import numpy as np
import pytest
import torch

from meshop.graph import GraphSpec, MeshGraph, build_graph
from meshop.models import Operator, WallField, Widths, build_operator, registry
from meshop.train._sampling import collate
from tests.meshes import ring

SPEC = GraphSpec(conditions=("aoa_deg",), direction="aoa_deg", external=True, potential=True)


def graph(n: int = 24, layers: int = 5, angle: float = 3.0) -> MeshGraph:
    return build_graph(ring(n, layers), {"aoa_deg": angle}, SPEC)


def model(seed: int = 0) -> WallField:
    torch.manual_seed(seed)
    g = graph()
    operator = WallField(
        Widths(features=g.x.shape[1], tokens=g.wall_x.shape[1], cond=1, out=4, scalars=2),
        width=32, depth=3, latent=16,
    )  # fmt: skip
    with torch.no_grad():  # blocks start unmodulated: give the condition something to do
        operator.modulate[-1].weight.normal_(std=0.3)
    return operator.eval()


def nodes(g: MeshGraph, ids: torch.Tensor) -> MeshGraph:
    part = g.clone()
    part.x, part.weight = g.x[ids], g.weight[ids]
    return part


def test_values_against_the_equations():
    operator, g = model(), graph()
    with torch.no_grad():
        fields, scalars = operator.outputs(g)
        cond = g.cond.expand(len(g.wall_x), -1)
        tokens = operator.encoder.phi(torch.cat([g.wall_x, cond], 1))
        z = (g.wall_weight[:, None] * tokens).sum(0)
        parts = operator.modulate(z).view(3, 2, 32)
        h = operator.lift(torch.cat([g.x, g.cond.expand(len(g.x), -1)], 1))
        for block, (scale, shift) in zip(operator.blocks, parts, strict=True):
            inner = (1 + scale) * block.norm(h) + shift
            h = h + block.down(torch.nn.functional.silu(block.up(inner)))
        local = operator.integral.local(torch.cat([tokens, z.expand(len(tokens), -1)], 1))
        expected = operator.integral.whole(z) + (g.wall_weight[:, None] * local).sum(0)
    torch.testing.assert_close(fields, operator.project(h), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(scalars[0], expected, atol=1e-5, rtol=1e-4)


def test_batched_equals_single_for_ragged_graphs():
    operator = model()
    graphs = [graph(24, 5, 3.0), graph(40, 3, -2.0), graph(16, 7, 8.0)]
    with torch.no_grad():
        together, scalars = operator.outputs(collate(graphs))
        alone = [operator.outputs(g) for g in graphs]
    torch.testing.assert_close(together, torch.cat([f for f, _ in alone]), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(scalars, torch.cat([s for _, s in alone]), atol=1e-5, rtol=1e-4)


def test_permutation_and_tiles_change_nothing():
    operator, g = model(), graph()
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(g.x)))
    with torch.no_grad():
        whole = operator(g)
        torch.testing.assert_close(operator(nodes(g, order)), whole[order], atol=1e-6, rtol=1e-5)
        tiles = [operator(nodes(g, ids)) for ids in torch.arange(len(g.x)).split(17)]
        torch.testing.assert_close(torch.cat(tiles), whole, atol=1e-6, rtol=1e-5)


def test_splitting_a_wall_token_changes_nothing():
    operator, g = model(), graph()
    split = g.clone()
    split.wall_x = torch.cat([g.wall_x, g.wall_x[:1]])
    weight = torch.cat([g.wall_weight, 0.5 * g.wall_weight[:1]])
    weight[0] *= 0.5
    split.wall_weight, split.wall_batch = weight, torch.zeros(len(weight), dtype=torch.long)
    with torch.no_grad():
        for a, b in zip(operator.outputs(g), operator.outputs(split), strict=True):
            torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_gradients_are_finite_and_reach_every_parameter():
    operator = model()
    fields, scalars = operator.outputs(collate([graph(), graph(32, 4)]))
    (fields.square().mean() + scalars.square().mean()).backward()
    for name, parameter in operator.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_registry_builds_by_name():
    assert {"wall-field", "transolver"} <= set(registry())
    widths = Widths(features=3, tokens=2, cond=1, out=1)
    found = build_operator("wall-field", widths, width=8)
    assert isinstance(found, Operator)
    with pytest.raises(ValueError, match="known: "):
        build_operator("wall-feild", widths)
