"""info: what a file holds, in numbers."""

import json

import numpy as np

from meshop.mesh import Mesh, Region
from meshop.predict import info

from .fake import ring


def test_a_ring() -> None:
    mesh = ring(around=12, layers=3, aoa_deg=4.0)
    mesh.cell_data["U"] = np.tile(np.float32([3, 4, 0]), (36, 1))
    mesh.cell_data["bad"] = np.full(36, np.nan)
    mesh.regions["wall"] = Region("point", np.arange(12))
    mesh.field_data["meshop_meta"] = np.array(["text"])
    found = info(mesh)
    assert (found["points"], found["cells"], found["types"]) == (48, 36, {"quad": 36})
    assert (found["dimension"], found["planar"]) == (2, True)
    np.testing.assert_allclose(found["extent"]["x"], [-19.5, 20.5])
    assert found["boundary"]["wall"] == found["boundary"]["far_field"] == 12
    assert found["boundary"]["wall_extent_x"] == 1.0
    assert found["field_data"] == {"aoa_deg": 4.0, "meshop_meta": "text"}
    assert found["regions"] == {"wall": {"kind": "point", "size": 12}}
    arrays = {entry["name"]: entry for entry in found["arrays"]}
    assert (arrays["U"]["min"], arrays["U"]["max"], arrays["U"]["components"]) == (5, 5, 3)
    assert (arrays["bad"]["not_finite"], arrays["bad"]["min"]) == (36, None)
    assert (arrays["boundary"]["location"], arrays["boundary"]["max"]) == ("point", 2)
    assert found["quality"] == {"not_finite cell bad": 36}
    json.dumps(found)


def test_points_alone() -> None:
    found = info(Mesh.from_blocks(np.zeros((0, 3))))
    assert (found["points"], found["cells"], found["boundary"]["facets"]) == (0, 0, 0)


def test_facets_are_found_once(monkeypatch):
    import meshop.ops

    calls = []
    found = meshop.ops.cell_facets
    monkeypatch.setattr(meshop.ops, "cell_facets", lambda *cells: calls.append(1) or found(*cells))
    mesh = Mesh.from_blocks(np.eye(4, 3), [("tetra", [[0, 1, 2, 3]])])
    assert info(mesh)["boundary"]["facets"] == 4 and len(calls) == 1
