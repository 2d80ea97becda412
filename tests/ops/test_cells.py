"""cell_edges as users call it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from meshop import ops

from .specs import boxes, cells


def test_a_mesh_of_boxes_has_the_edges_that_euler_counts() -> None:
    side = 4
    edges = ops.cell_edges(*boxes(side))
    assert len(edges) == 3 * side * (side + 1) ** 2
    assert torch.equal(edges, edges.unique(dim=0))
    assert bool((edges[:, 0] < edges[:, 1]).all())


def test_mixed_cells() -> None:
    mesh = cells((9, [[0, 1, 2, 3]]), (5, [[1, 4, 2]]))
    assert ops.cell_edges(*mesh).tolist() == [[0, 1], [0, 3], [1, 2], [1, 4], [2, 3], [2, 4]]


@given(st.permutations(range(8)), st.permutations(range(6)))
def test_neither_cell_order_nor_numbering_matters(cell_order: list, numbers: list) -> None:
    rows = [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 2, 4], [1, 3, 5], [0, 1, 5], [2, 4, 5]]
    renumber = torch.tensor(numbers)
    plain = ops.cell_edges(*cells((5, rows)))
    types, offsets, nodes = cells((5, [rows[i] for i in cell_order]))
    found = ops.cell_edges(types, offsets, renumber[nodes])
    assert torch.equal(found, renumber[plain].sort(1).values.unique(dim=0))


def test_int32_and_wide_types_are_welcome() -> None:
    types, offsets, nodes = boxes(2)
    found = ops.cell_edges(types.long(), offsets.int(), nodes.int())
    assert torch.equal(found, ops.cell_edges(types, offsets, nodes))


_types, _offsets, _nodes = cells((5, [[0, 1, 2], [2, 1, 3]]))


@pytest.mark.parametrize(
    ("mesh", "error", "words"),
    [
        ((_types, _offsets, _nodes - 1), IndexError, r"cell_nodes\[0\]: expected .* found -1"),
        ((_types, _offsets + 1, _nodes), ValueError, r"cell_offsets\[0\]"),
        ((_types, _offsets * 2, _nodes), IndexError, r"cell_offsets\[-1\]: expected 6"),
        ((_types, torch.tensor([0, 7, 6]), _nodes), ValueError, "never decrease"),
        ((_types, _offsets[:2], _nodes), ValueError, "expected 3 entries, found 2"),
        ((_types + 4, _offsets, _nodes), ValueError, "VTK type 9: expected 4 nodes, found 3"),
        ((_types + 17, _offsets, _nodes), ValueError, "linear VTK cell.* found 22"),
        ((_types.long() + 300, _offsets, _nodes), ValueError, "no VTK type 305"),
        ((_types.float(), _offsets, _nodes), ValueError, "1-D VTK codes"),
        ((_types, _offsets.double(), _nodes), ValueError, "int32 or int64"),
    ],
)
def test_errors_say_what_was_found(mesh: tuple, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        ops.cell_edges(*mesh)
