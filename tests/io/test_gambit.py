"""GAMBIT's neutral files, by hand."""

import sys
from pathlib import Path

import numpy as np
import pytest

from meshop.errors import MeshFileError
from meshop.io import read

sys.path.insert(0, str(Path(__file__).parents[1] / "corrupt"))
from cases import CASES

SEEDS = CASES["gambit"].seeds()


@pytest.mark.parametrize("name", ["good", "around", "crlf"])
def test_brick_and_pyramid(tmp_path, name):
    (tmp_path / "a.neu").write_bytes(SEEDS[name])
    mesh = read(tmp_path / "a.neu")
    assert mesh.cell_types.tolist() == [12, 14]
    assert mesh.cell_nodes.tolist() == [0, 1, 3, 2, 4, 5, 7, 6, 4, 5, 7, 6, 8]
    assert mesh.cell_measures() == pytest.approx([1, 0.5]) and np.all(mesh.quality() > 0)
    found = {key: (region.kind, region.ids.tolist()) for key, region in mesh.regions.items()}
    assert found == {
        "fluid": ("cell", [0, 1]),
        "in let": ("facet", [[1, 0, 2, 3], [4, 5, 8, -1]]),
        "top": ("point", [8]),
    }


def test_plane(tmp_path):
    (tmp_path / "a.neu").write_bytes(SEEDS["plane"])
    mesh = read(tmp_path / "a.neu")
    assert mesh.cell_nodes.tolist() == [0, 1, 2, 0, 2, 3] and mesh.storage == {"dimension": "2"}
    assert mesh.regions["wall"].ids.tolist() == [[0, 1], [2, 3]]


def test_curved_elements_are_refused_by_name(tmp_path):
    (tmp_path / "a.neu").write_bytes(
        SEEDS["plane"].replace(b"1 3 3 1 2 3\n", b"1 3 6 1 2 3 4 1 2\n")
    )
    with pytest.raises(MeshFileError, match="not in the middle"):
        read(tmp_path / "a.neu")
