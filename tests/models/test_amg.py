"""AMG against dense attention over the whole graphs, and the faults of the public code."""

from __future__ import annotations

import torch
from torch.nn.functional import gelu, layer_norm, leaky_relu

from meshop.models import Widths
from meshop.models.amg import AMG, detail, strongest
from meshop.nn import nodes
from meshop.nn.hierarchy import coarse_size, farthest_order, interpolation, sample
from meshop.testing import sample_graph
from meshop.testing._models import WIDTHS, batch_graphs

from .graph_learning import relative_error, waves

SIZES = {"width": 8, "heads": 2, "layers": 2, "slices": 4, "local": 7, "k_local": 3, "k_global": 2}


def tiny(**sizes):
    torch.manual_seed(0)
    return AMG(WIDTHS, **SIZES | sizes).double().eval()


def ln(norm, v):
    return layer_norm(v, v.shape[-1:], norm.weight, norm.bias)


def two(layers, v, act):
    return layers[2](act(layers[0](v)))


def attend(layer, h, chosen, near_by, weight, pos):
    """GATv2 over all nodes, a self-loop on each, one receiver and head at a time."""
    width, y = h.shape[1], torch.zeros_like(h)
    place = {n: m for m, n in enumerate(chosen)}
    for i in range(len(h)):
        row, log_weight = [i], torch.zeros(1, dtype=h.dtype)
        if i in place:
            gap = (near_by - near_by[place[i]]).norm(dim=1)
            near = gap.argsort()[: layer.k + 1].tolist()
            assert place[i] in near
            row, log_weight = [chosen[m] for m in near], weight[near].log()
        step = pos[row] - pos[i]
        step = torch.cat([step, step.norm(dim=1, keepdim=True)], 1)
        for head in range(layer.heads):
            cols = slice(head * width, (head + 1) * width)
            z = layer.left(h[i])[cols] + layer.right(h[row])[:, cols] + layer.edge(step)[:, cols]
            a = torch.softmax(leaky_relu(z, 0.2) @ layer.logit[head] + log_weight, 0)
            y[i] += a @ layer.right(h[row])[:, cols] / layer.heads
    h = ln(layer.norm1, h + y)
    return ln(layer.norm2, h + two(layer.ffn, h, torch.relu))


def oracle(model, g):
    points = nodes(g)
    n, pos = len(g.pos), g.pos
    order = farthest_order(points, (coarse_size(n, model.ratio),))[0]
    h = start = two(model.lift, points.x, gelu)
    for block in model.blocks:
        begin = h
        h = ln(block.norm1, h + block.attention(h, points))
        h = ln(block.norm2, h + two(block.ffn, h, torch.relu))
        d2 = (pos[:, None] - pos[order][None]).square().sum(-1).clamp(min=1e-40)
        best = d2.topk(3, dim=1, largest=False)
        pull = (1 / best.values) / (1 / best.values).sum(1, keepdim=True)
        indicator = (h - (pull[..., None] * h[order][best.indices]).sum(1)).abs().sum(1)
        chosen = indicator.topk(block.local[0]).indices.tolist()
        block.near.k, block.far.k = block.local[1], block.k_global
        h = attend(block.near, h, chosen, pos[chosen], points.weight[chosen], pos)
        chosen = order[: model.most_global]
        owner = torch.cdist(pos, pos[chosen]).argmin(1)
        mass = torch.zeros(len(chosen), dtype=h.dtype).index_add(0, owner, points.weight)
        unit = h[chosen] / h[chosen].norm(dim=1, keepdim=True)
        h = attend(block.far, h, chosen.tolist(), unit, mass, pos)
        h = two(block.mlp, ln(block.norm3, h + begin), gelu)
    return two(model.head, ln(model.norm, h + start), gelu)


def test_values_match_attention_over_the_whole_graphs():
    for most in (2048, 4):
        model, g = tiny(most_global=most), sample_graph(34, 1)
        with torch.no_grad():
            torch.testing.assert_close(model(g), oracle(model, g), rtol=1e-7, atol=1e-9)


def test_local_nodes_are_those_of_each_graph_that_vary_most_and_samples_come_last():
    g = batch_graphs([sample_graph(n, n) for n in (20, 3, 9)])
    points = nodes(g)
    h = torch.randn(32, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    order = farthest_order(points, tuple(coarse_size(n, 0.25) for n in points.sizes))
    quarter = sample(points, order)
    score = detail(h, quarter.index, interpolation(quarter.points, points))
    assert bool((score[quarter.index] < 0).all()) and int((score < 0).sum()) == len(quarter.index)
    index, sizes = strongest(score, points, 6)
    assert sizes == (6, 3, 6)
    for part, (a, b) in zip(index.split(sizes), ((0, 20), (20, 23), (23, 32)), strict=True):
        expected = a + score[a:b].topk(len(part)).indices
        assert part.tolist() == expected.tolist()
    # Samples in order of sampling, whatever rounding makes of their zeros.
    last = strongest(score, points, 32)[0][:20][-5:]
    assert last.tolist() == order[0].tolist()


def test_evaluation_does_not_draw_random_numbers():
    model, g = tiny(), sample_graph(40, 2)
    before = torch.random.get_rng_state()
    model(g)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_graph_of_equal_nodes_gives_equal_answers():
    """No differences of state to choose by, and no cosine between them: still finite."""
    model, g = tiny(), sample_graph(30, 3)
    g.x, g.inputs = torch.zeros_like(g.x), torch.zeros_like(g.inputs)
    assert model(g).isfinite().all()


def test_defaults_are_the_published_sizes():
    model = AMG(Widths(features=3, out=1))
    block = model.blocks[0]
    assert len(model.blocks) == 3 and block.near.heads == 8 and block.local == (512, 6)
    assert block.k_global == 4 and block.attention.slice.out_features == 32
    assert block.near.left.weight.shape == (8 * 128, 128)
    assert model.ratio == 0.25


def test_it_learns_a_smooth_field():
    torch.manual_seed(0)
    small = {"width": 32, "heads": 2, "layers": 1, "slices": 8, "local": 20}
    model = AMG(Widths(features=2, cond=2, out=1), **small)
    assert relative_error(model, waves(), 60) < 0.1
