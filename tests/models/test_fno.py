"""FNO on a bridged grid: values, published sizes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import gelu, pad

from meshop.models import Widths
from meshop.models.fno import FNO
from meshop.nn import nodes
from meshop.nn.grid_bridge import GridBridge, one_box_each
from meshop.testing import WIDTHS, sample_graph


def plain_spectral(layer, v):
    """The convolution as its authors write it: whole transforms, two corners of the spectrum."""
    m, (n1, n2) = layer.modes, v.shape[1:-1]
    f = torch.fft.rfft2(v, dim=(1, 2))
    r = torch.view_as_complex(layer.weight)
    out = f.new_zeros(len(v), n1, n2 // 2 + 1, r.shape[-1])
    out[:, :m, :m] = torch.einsum("bxyi,xyio->bxyo", f[:, :m, :m], r[:m])
    out[:, -m:, :m] = torch.einsum("bxyi,xyio->bxyo", f[:, -m:, :m], r[m:])
    return torch.fft.irfft2(out, s=(n1, n2), dim=(1, 2))


def test_values_match_the_published_layers():
    torch.manual_seed(0)
    model = FNO(WIDTHS, width=4, modes=3, layers=3, grid=8, pad=2, projection=8).double()
    graph = sample_graph(30, 1)
    points = nodes(graph)
    with torch.no_grad():
        bridge = GridBridge(points, one_box_each(points), (8, 8))
        axis = torch.linspace(-1, 1, 8).double()
        place = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1)[None]
        v = bridge.to_grid(model.lift(points.x))
        v = v + model.place(torch.cat([place, bridge.coverage], -1))
        for i, block in enumerate(model.blocks):
            far = plain_spectral(block.convolution, pad(v, (0, 0, 0, 2, 0, 2)))[:, :8, :8]
            v = block.pointwise(v) + far
            v = v if i == 2 else gelu(v)
        expected = model.project(
            torch.cat([bridge.at_points(v), graph.x, graph.cond.expand(30, -1)], 1)
        )
        torch.testing.assert_close(model(graph), expected)


def count(model):
    return sum(p.numel() for p in model.parameters())


def test_defaults_are_the_published_sizes():
    """12 modes and width 32: 2 (signs) 12 12 32 32 2 (real, imaginary) and W for each of 4 layers.
    In 3-D, 8 modes and width 20."""
    flat, solid = FNO(WIDTHS), FNO(replace(WIDTHS, dim=3))
    assert count(flat.blocks) == 4 * (2 * 12**2 * 32**2 * 2 + 32 * 33) == 2363520
    assert count(solid.blocks) == 4 * (4 * 8**3 * 20**2 * 2 + 20 * 21)
    assert flat.shape == (64, 64) and flat.blocks[0].pad == 8
    assert [b.last for b in flat.blocks] == [False, False, False, True]


def test_finer_meshes_of_one_field_approach_one_answer():
    torch.manual_seed(1)
    model = FNO(Widths(features=1, out=1), width=8, modes=4, grid=16, pad=2).double()
    asked = 2 * torch.rand(50, 2, dtype=torch.float64) - 1
    answers = []
    for n in (400, 1600, 6400, 100000):
        pos = 2 * torch.rand(n, 2, dtype=torch.float64) - 1
        pos[:4] = torch.tensor([[-1.0, -1], [-1, 1], [1, -1], [1, 1]])
        graph = sample_graph(n, 2, Widths(features=1, out=1))
        graph.pos, graph.weight = pos, torch.ones(n).double()
        graph.x = (3 * pos[:, :1]).sin() * pos[:, 1:]
        graph.inputs = graph.x[:, :0]
        graph.query_pos, graph.query_x = asked, torch.zeros(50, 1).double()
        with torch.no_grad():
            answers.append(model(graph))
    gaps = [float((a - answers[-1]).norm() / answers[-1].norm()) for a in answers[:-1]]
    assert gaps[2] < gaps[0] / 3 and gaps[2] < 0.01


def test_too_many_modes_for_the_grid_are_an_error():
    with pytest.raises(ValueError, match="fewer than 12 modes"):
        FNO(WIDTHS, grid=16)(sample_graph(9, 3, dtype=torch.float32))
