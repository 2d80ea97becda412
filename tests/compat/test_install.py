"""`install`, in processes of their own: it changes what other imports find."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

HAS_ORIGINALS = any(find_spec(name) for name in ("torch_scatter", "torch_cluster"))


def run(code: str) -> str:
    """What ``code`` prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_names_and_back() -> None:
    """The names and those of their parts, twice in a row, and what was there before."""
    print(
        run("""
import sys
import meshop.compat

before = {n: m for n, m in sys.modules.items() if n.startswith(("torch_scatter", "torch_cluster"))}
meshop.compat.install(force=True)
meshop.compat.install(force=True)
import torch_cluster, torch_scatter
from torch_cluster import knn_graph
from torch_scatter import scatter
from torch_scatter.composite import scatter_softmax
from torch_scatter.scatter import scatter_max
from torch_scatter.utils import broadcast
from torch_cluster.knn import knn
assert torch_scatter is meshop.compat.torch_scatter and knn is torch_cluster.knn
assert scatter.__module__.startswith("meshop.compat")
meshop.compat.uninstall()
after = {n: m for n, m in sys.modules.items() if n.startswith(("torch_scatter", "torch_cluster"))}
assert after == before, after
meshop.compat.install(force=True)
""")
    )


@pytest.mark.skipif(not HAS_ORIGINALS, reason="nothing of the originals that could be replaced")
def test_leaves_the_originals_alone() -> None:
    found = run("""
import sys
import meshop.compat

try:
    meshop.compat.install()
except RuntimeError as error:
    print(error)
print("meshop's", sys.modules.get("torch_scatter"))
""")
    assert "force=True" in found and "meshop's None" in found


def test_torch_geometric() -> None:
    """Its layers, pools and transforms run on ours, and give what its own code gives."""
    pytest.importorskip("torch_geometric", reason="torch_geometric is not here")
    print(
        run("""
import torch
import meshop.compat
meshop.compat.install(force=True)
from meshop.compat import torch_cluster as ours

from torch_geometric import nn, transforms, typing, utils
from torch_geometric.data import Data
from torch_geometric.utils._scatter import scatter_argmax as argmax
assert typing.torch_scatter is meshop.compat.torch_scatter and typing.WITH_TORCH_SCATTER

torch.manual_seed(0)
pos, x = torch.rand(60, 3), torch.randn(60, 8)
batch, half = torch.arange(60) // 30, torch.arange(30) // 15
edges = nn.knn_graph(pos, 5, batch)
assert torch.equal(edges, ours.knn_graph(pos, 5, batch))
assert torch.equal(nn.radius_graph(pos, 0.4, batch), ours.radius_graph(pos, 0.4, batch))
assert torch.equal(nn.knn(pos, pos[:9], 3, batch, batch[:9]),
                   ours.knn(pos, pos[:9], 3, batch, batch[:9], batch_size=2))
assert torch.equal(nn.radius(pos, pos[:9], 0.3), ours.radius(pos, pos[:9], 0.3))
assert torch.equal(nn.nearest(pos, pos[::2], batch, half),
                   ours.nearest(pos, pos[::2], batch, half))
assert torch.equal(nn.fps(pos, batch, 0.2, random_start=False),
                   ours.fps(pos, batch, 0.2, random_start=False))

# A layer whose max is by our kernel where its edges are sorted: counted, and beside a loop
calls = []
real = meshop.compat.torch_scatter.segment_csr
def counted(src, ptr, reduce):
    calls.append(reduce)
    return real(src, ptr, reduce=reduce)
meshop.compat.torch_scatter.segment_csr = counted
conv = nn.SAGEConv(8, 4, aggr="max")
x.requires_grad_()
ptr = torch.arange(61) * 5
found = conv.lin_l(conv.aggr_module(x[edges[0]], ptr=ptr)) + conv.lin_r(x)
assert calls == ["max"], calls
top = torch.stack([x[edges[0][edges[1] == i]].amax(0) for i in range(60)])
by_hand = conv.lin_l(top) + conv.lin_r(x)
for other in (by_hand, conv(x, edges)):
    torch.testing.assert_close(found, other)
    slopes = (torch.autograd.grad(o.norm(), x, retain_graph=True) for o in (found, other))
    torch.testing.assert_close(*slopes)
assert torch.equal(utils.scatter(x, batch, 0, reduce="max")[1], x[30:].amax(0))
assert torch.equal(argmax(x, batch), meshop.compat.torch_scatter.scatter_max(x, batch, 0)[1])

for layer in (nn.GATConv(8, 4), nn.GCNConv(8, 4), nn.GraphConv(8, 4, aggr="mean")):
    layer(x, edges).sum().backward()
nn.PointNetConv(torch.nn.Linear(11, 4))(x, pos, edges).sum().backward()
nn.DynamicEdgeConv(torch.nn.Linear(16, 4), k=4)(x, batch).sum().backward()
nn.XConv(8, 4, dim=3, kernel_size=4, hidden_channels=4)(x, pos, batch).sum().backward()
nn.GravNetConv(8, 4, 2, 3, k=4)(x, batch).sum().backward()
nn.knn_interpolate(x[::2], pos[::2], pos, half, batch)
nn.global_max_pool(x, batch)
assert len(nn.voxel_grid(pos, 0.5, batch)) == len(nn.graclus(edges)) == 60
data = Data(pos=pos)
assert transforms.KNNGraph(4)(data).edge_index.shape[1] >= 4 * 60
transforms.GridSampling(0.5)(Data(pos=pos))
meshop.compat.uninstall()
assert not typing.WITH_KNN
""")
    )
