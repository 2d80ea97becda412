"""MMGP at its edges: few cases, nothing that varies, meshes that cannot be morphed."""

from __future__ import annotations

import numpy as np
import pytest

from meshop.errors import MeshError
from meshop.mesh import Mesh
from meshop.reduced import MMGP, GaussianProcess


def sheet(n: int = 4, width: float = 1.0, left_out: tuple[int, ...] = ()) -> Mesh:
    """Quads on a rectangle about the origin."""
    x, y = (v.ravel() for v in np.meshgrid(*2 * [np.linspace(-0.5, 0.5, n + 1)]))
    node = np.arange((n + 1) ** 2).reshape(n + 1, n + 1)
    quads = np.stack([node[:-1, :-1], node[:-1, 1:], node[1:, 1:], node[1:, :-1]], -1)
    quads = np.delete(quads.reshape(-1, 4), left_out, axis=0)
    return Mesh.from_blocks(np.column_stack([width * x, y]), [("quad", quads)])


def wave(mesh: Mesh, height: float = 1.0) -> np.ndarray:
    return height * np.sin(mesh.points[:, :1] + 1)


@pytest.mark.parametrize("count", [1, 2, 6])
def test_where_nothing_varies_the_mean_comes_back_with_the_spread(count: int):
    meshes, random = [sheet()] * count, np.random.default_rng(0)
    heights = random.normal(1, 0.3, count)
    model = MMGP().fit(
        meshes, np.ones((count, 1)), [wave(meshes[0], h) for h in heights], heights[:, None]
    )
    (found,) = model.predict(meshes[:1], [[1.0]])
    np.testing.assert_allclose(found.fields, wave(meshes[0], heights.mean()), rtol=1e-6)
    assert found.scalars[0] == pytest.approx(heights.mean(), rel=1e-6)
    if count == 6:  # as wide as the heights are apart, of so few
        assert 0.5 < found.scalar_deviation[0] / heights.std(ddof=1) < 2
    again = MMGP.restored(model.options, model.state()).predict(meshes[:1], [[1.0]])[0]
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_place_that_varies_by_rounding_is_no_input():
    widths = np.linspace(1, 2, 6)
    meshes = [sheet(5, w) for w in widths]
    model = MMGP(modes=2, shapes=2, kernel="rbf", trend="constant")
    model.fit(meshes, np.ones((6, 1)), [wave(m) for m in meshes])
    assert model.inputs == ["size and shape"] and not model.keep["place"].any()


def test_a_mesh_that_cannot_be_morphed_is_named():
    meshes = [sheet(), sheet(4, 1.2), sheet(4, 1.1, (5, 10))]  # cells that meet at a corner
    names = ["a.vtu", "b.vtu", "c.vtu"]
    fields = [wave(m) for m in meshes]
    with pytest.raises(MeshError, match=r"^c\.vtu: this mesh cannot be morphed"):
        MMGP().fit(meshes, np.ones((3, 0)), fields, names=names)
    meshes[2] = sheet(4, 1.1, (5,))
    with pytest.raises(MeshError, match=r"^c\.vtu: .*\nexpected 0 holes, found 1"):
        MMGP().fit(meshes, np.ones((3, 0)), fields, names=names)


def test_more_than_memory_is_for_is_refused_before_it_is_taken():
    with pytest.raises(ValueError, match="200000 points"):
        GaussianProcess().fit(np.zeros((200000, 1)), np.zeros((200000, 1)))
