"""Where points are in a mesh, and fields between its nodes."""

from typing import NamedTuple

import torch
from torch import Tensor

from . import _library  # noqa: F401  (registers torch.ops.meshop)
from ._checks import explained, floating_rows, index_tensor, rowptr_values, same_device, tensor
from .reference.location import slope_parts
from .reference.simplices import KINDS


class Location(NamedTuple):
    """Where each query is: its cell, and the nodes that carry it with their weights.

    The weights of a row are barycentric coordinates: they add up to 1 (to 0 where there is no
    cell), and ``(weights[:, :, None] * points[nodes]).sum(1)`` is the query itself, or the closest
    point of the mesh. ``weights`` and ``distance2`` are differentiable.
    """

    cell: Tensor  # (Q,) int64; -1: none
    nodes: Tensor  # (Q, D + 1) int64, rising; -1 in the places that are not needed
    weights: Tensor  # (Q, D + 1); 0 where nodes is -1
    inside: Tensor  # (Q,) bool
    distance2: Tensor  # (Q,) squared distance to the mesh: 0 in a cell, infinite without one


def locate(
    points: Tensor,
    cell_types: Tensor,
    cell_offsets: Tensor,
    cell_nodes: Tensor,
    queries: Tensor,
    nearest: bool = True,
    tolerance: float | None = None,
    faces: Tensor | None = None,
    face_offsets: Tensor | None = None,
) -> Location:
    """The cell of each query and its barycentric coordinates there; exact and deterministic.

    points (N, D) and queries (Q, D), float32 or float64, D = 1, 2 or 3; cell_types (M,) VTK codes;
    cell_offsets (M + 1,); cell_nodes (K,). Polyhedra also need faces (L,) with face_offsets (M,)
    as in `Mesh`. The cells of the highest dimension present take part: solids, else surfaces, else
    lines, else points. Surfaces and lines may lie in more dimensions than they have.

    Cells are cut into simplices: polygons into fans from their lowest-numbered node, solids into
    tetrahedra from their lowest node to the fans of the faces that do not have it; quadratic cells
    by their corners. Cells must be convex, or star-shaped from that node. Neighbours agree on a
    face that they share, so `interpolate` is continuous, and exact for linear fields.

    A query belongs to the lowest-numbered cell that holds it: no barycentric coordinate in one of
    its simplices is below -1e-9 (and, for surfaces and lines, the query is within ``tolerance`` of
    it). A query in no cell gets the closest point of the mesh; among cells at the same distance,
    the lowest. It counts as ``inside`` if that is within ``tolerance``, a length; by default four
    units in the last place of the largest coordinate. With ``nearest=False`` queries farther
    than that get cell -1. Cells without volume are only found as closest.

    Coordinates are computed in float64; those of the mesh should lie between 1e-30 and 1e30 in
    size, so that products of three are in its range. The tree has O(M) boxes; a query costs
    O(log M).

    Raises ValueError or IndexError for wrong shapes, dtypes and cells, nodes beyond points, and
    coordinates that are not finite.
    """
    _points(points, "points")
    _points(queries, "queries")
    if queries.shape[1] != points.shape[1]:
        raise ValueError(
            f"queries: expected shape (Q, {points.shape[1]}), found {tuple(queries.shape)}"
        )
    if queries.dtype != points.dtype:
        raise ValueError(f"queries: expected {points.dtype}, found {queries.dtype}")
    same_device(queries, "queries", points.device)
    if cell_types.dim() != 1 or cell_types.dtype.is_floating_point:
        raise ValueError(
            f"cell_types: expected 1-D VTK codes, found {cell_types.dtype} "
            f"of shape {tuple(cell_types.shape)}"
        )
    same_device(cell_types, "cell_types", points.device)
    types = cell_types
    if types.dtype != torch.uint8:  # codes beyond a byte become 255, which no cell has
        wide = types.to(torch.int64)
        types = torch.where((wide >= 0) & (wide < 256), wide, 255).to(torch.uint8)
    offsets = index_tensor(cell_offsets, "cell_offsets", points.device)
    nodes = index_tensor(cell_nodes, "cell_nodes", points.device)
    if offsets.shape[0] != types.shape[0] + 1:
        raise ValueError(
            f"cell_offsets: expected {types.shape[0] + 1} entries, found {offsets.shape[0]}"
        )
    if (faces is None) != (face_offsets is None):
        raise ValueError("faces and face_offsets: expected both or neither, found one")
    if faces is not None:
        faces = index_tensor(faces, "faces", points.device)
        face_offsets = index_tensor(face_offsets, "face_offsets", points.device)
        if face_offsets.shape[0] != types.shape[0]:
            raise ValueError(
                f"face_offsets: expected {types.shape[0]} entries, found {face_offsets.shape[0]}"
            )
    if tolerance is not None and not float(tolerance) >= 0:
        raise ValueError(f"tolerance: expected a length >= 0, found {tolerance!r}")
    reach = -1.0 if tolerance is None else float(tolerance)
    weights, distance2, cell, carriers, inside = explained(
        lambda: torch.ops.meshop.locate(
            points, types, offsets, nodes, faces, face_offsets, queries, bool(nearest), reach
        ),
        lambda: _explain(points, cell_types, offsets, nodes, faces, queries),
        points,
        queries,
    )
    return Location(cell, carriers, weights, inside, distance2)


def interpolate(values: Tensor, location: Location) -> Tensor:
    """Nodal values (N, ...) at located queries, (Q, ...): piecewise linear and continuous.

    Any floating type; half precision is summed in float32. Differentiable in the values and,
    through ``location.weights``, in the queries and the mesh's points: the gradient of the
    interpolant in the query's simplex, or along the boundary for queries outside. A query without
    a cell gives 0.

    Raises ValueError for values of another kind or device, IndexError for nodes beyond them.
    """
    nodes, weights = location.nodes, location.weights
    floating_rows(values, "values", "(N, ...)")
    same_device(nodes, "location", values.device)
    wide = torch.float64 if values.dtype == torch.float64 else torch.float32

    def explain() -> None:
        if nodes.numel() and int(nodes.max()) >= values.shape[0]:
            raise IndexError(
                f"values: expected a row for each of the mesh's points, at least "
                f"{int(nodes.max()) + 1}, found {values.shape[0]}"
            )

    return explained(
        lambda: torch.ops.meshop.interpolate(values, weights.to(wide), nodes),
        explain,
        values,
        weights,
    )


def _points(value: Tensor, name: str) -> None:
    tensor(value, name)
    if value.dim() != 2 or not 1 <= value.shape[1] <= 3:
        raise ValueError(
            f"{name}: expected shape (N, 1), (N, 2) or (N, 3), found {tuple(value.shape)}"
        )
    if value.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{name}: expected float32 or float64, found {value.dtype}")


def _explain(
    points: Tensor,
    types: Tensor,
    offsets: Tensor,
    nodes: Tensor,
    faces: Tensor | None,
    queries: Tensor,
) -> None:
    for name, value in (("points", points), ("queries", queries)):
        if not bool(value.isfinite().all()):
            row = int((~value.isfinite()).any(1).nonzero()[0])
            raise ValueError(
                f"{name}: expected finite coordinates, found {value[row].tolist()} in row {row}"
            )
    rowptr_values(offsets, nodes.shape[0], "cell_offsets", "cell_nodes")
    beyond = (nodes < 0) | (nodes >= points.shape[0])
    if bool(beyond.any()):
        at = int(beyond.nonzero()[0])
        raise IndexError(
            f"cell_nodes[{at}]: expected a node in [0, {points.shape[0]}), found {int(nodes[at])}"
        )
    sizes = offsets.diff()
    for kind in types.unique().tolist():
        cell = int((types == kind).nonzero()[0])
        if kind not in KINDS:
            raise ValueError(
                f"cell_types[{cell}]: expected a linear or quadratic VTK cell, found {kind}"
            )
        dim, form, expected, _ = KINDS[kind]
        if dim > points.shape[1]:
            raise ValueError(
                f"points: expected {dim} coordinates for cells of VTK type {kind}, "
                f"found {points.shape[1]}"
            )
        if form == "polyhedron" and faces is None:
            raise ValueError(f"faces: expected the faces of polyhedron {cell}, found none")
        wrong = (types == kind) & (sizes != expected)
        if expected and bool(wrong.any()):
            cell = int(wrong.nonzero()[0])
            raise ValueError(
                f"cell {cell} of VTK type {kind}: expected {expected} nodes, "
                f"found {int(sizes[cell])}"
            )
    if faces is not None:
        raise ValueError(
            "faces: expected [n_faces, (n, nodes...)...] of each polyhedron, ending at its "
            f"face_offsets, with nodes in [0, {points.shape[0]}); found something else"
        )


# What the compiler and autograd need to know.


@torch.library.register_fake("meshop::locate")
def _(
    points, cell_types, cell_offsets, cell_nodes, faces, face_offsets, queries, nearest, tolerance
):
    rows, width = queries.shape[0], points.shape[1] + 1
    cell = points.new_empty(rows, dtype=torch.int64)
    return (
        points.new_empty(rows, width),
        points.new_empty(rows),
        cell,
        cell.new_empty(rows, width),
        cell.new_empty(rows, dtype=torch.bool),
    )


@torch.library.register_fake("meshop::locate_backward")
def _(grad_weights, grad_distance2, points, queries, nodes, with_points):
    rows = points.shape[0] if with_points else 0
    return points.new_empty(rows, points.shape[1]), points.new_empty(queries.shape)


def _remember_locate(ctx, inputs, output):
    ctx.save_for_backward(inputs[0], inputs[6], output[3])
    ctx.mark_non_differentiable(*output[2:])


def _backward_locate(ctx, grad_weights, grad_distance2, _cell, _nodes, _inside):
    points, queries, nodes = ctx.saved_tensors
    with_points = ctx.needs_input_grad[0]
    # An infinite distance has no slope, and its row no nodes.
    to_points, to_queries = torch.ops.meshop.locate_backward(
        grad_weights, grad_distance2, points, queries, nodes, with_points
    )
    return (
        to_points if with_points else None,
        None,  # cell_types
        None,  # cell_offsets
        None,  # cell_nodes
        None,  # faces
        None,  # face_offsets
        to_queries,
        None,  # nearest
        None,  # tolerance
    )


def _remember_slopes(ctx, inputs, output):
    *tensors, ctx.with_points = inputs
    ctx.save_for_backward(*tensors)


def _backward_slopes(ctx, along_points, along_queries):
    """How the slopes change as the points and queries move along what came in.

    The slopes are the gradient of one function of points and queries, so their derivative is
    symmetric: the change of a slope is also what flows back. Names as in
    cpp_ext/location_slopes.h: M the duals, E the edges, w the weights, r the residual; d is a
    change.
    """
    grad_weights, grad_distance2, points, queries, nodes = ctx.saved_tensors
    dim = points.shape[1]
    M, w, E, r = slope_parts(points, queries, nodes)

    def duals(x):  # M x
        return (M * x[:, None]).sum(2)

    def spread(y):  # M^T y
        return (M * y[..., None]).sum(1)

    def inverse(y):  # (E^T E)^-1 y
        return duals(spread(y))

    c = (grad_weights - grad_weights[:, :1]).double()
    h = grad_distance2.double()[:, None]
    t = spread(c)
    s = duals(t)
    u = t + 2 * h * r

    pad = (0, 3 - dim)
    db = torch.nn.functional.pad(along_queries.double(), pad)
    if ctx.with_points:
        rows = torch.cat([along_points.double(), along_points.new_zeros(1, dim).double()])
        da = torch.nn.functional.pad(rows, pad)[torch.where(nodes >= 0, nodes, len(points))]
    else:
        da = torch.zeros_like(M)
    dE = (da - da[:, :1]) * (M != 0).any(2, keepdim=True)
    shift = db - (w[..., None] * da).sum(1)

    def turned(x):  # dE^T x
        return (dE * x[:, None]).sum(2)

    dw = inverse(turned(r)) + duals(shift)
    full = (nodes >= 0).sum(1, keepdim=True) > dim  # no residual, now or later
    dr = (shift - (E * dw[..., None]).sum(1)).masked_fill(full, 0.0)
    bent = (dE * s[..., None]).sum(1)  # dE s
    dt = bent - (E * duals(bent)[..., None]).sum(1) - spread(turned(t))
    ds = -inverse(turned(t)) - duals(bent)
    du = dt + 2 * h * dr
    dw, s, ds = (torch.cat([-y[:, 1:].sum(1, keepdim=True), y[:, 1:]], 1) for y in (dw, s, ds))
    to_points = None
    if ctx.needs_input_grad[2]:
        u, du, r, dr = (y[:, None] for y in (u, du, r, dr))
        dw, w, s, ds = (y[..., None] for y in (dw, w, s, ds))
        share = (ds * r + s * dr - dw * u - w * du)[..., :dim].reshape(-1, dim)
        one = share.new_ones(share.shape[0], 1)
        to_points = torch.ops.meshop.interpolate_transpose(
            share, one, nodes.reshape(-1, 1), points.shape[0]
        ).to(points.dtype)
        du, dw, r = du[:, 0], dw[..., 0], r[:, 0]
    return (
        dw.to(points.dtype),
        2 * (r * shift).sum(1).to(points.dtype),
        to_points,
        du[:, :dim].to(points.dtype),
        None,  # nodes
        None,  # with_points
    )


torch.library.register_autograd("meshop::locate", _backward_locate, setup_context=_remember_locate)
torch.library.register_autograd(
    "meshop::locate_backward", _backward_slopes, setup_context=_remember_slopes
)


# The three ops of interpolation are linear in each of their two floating inputs, and each is the
# derivative of the others.


@torch.library.register_fake("meshop::interpolate")
def _(values, weights, nodes):
    return values.new_empty(nodes.shape[0], *values.shape[1:])


@torch.library.register_fake("meshop::interpolate_transpose")
def _(grad, weights, nodes, num_nodes):
    return grad.new_empty(num_nodes, *grad.shape[1:])


@torch.library.register_fake("meshop::interpolate_dot")
def _(grad, values, nodes):
    wide = torch.float64 if values.dtype == torch.float64 else torch.float32
    return values.new_empty(nodes.shape, dtype=wide)


def _remember_three(ctx, inputs, output):
    first, second, nodes, *_ = inputs
    ctx.num_nodes = first.shape[0]
    ctx.save_for_backward(first, second, nodes)


def _backward_interpolate(ctx, grad):
    values, weights, nodes = ctx.saved_tensors
    to_values = to_weights = None
    if ctx.needs_input_grad[0]:
        to_values = torch.ops.meshop.interpolate_transpose(grad, weights, nodes, ctx.num_nodes)
    if ctx.needs_input_grad[1]:
        to_weights = torch.ops.meshop.interpolate_dot(grad, values, nodes)
    return (
        to_values,
        to_weights,
        None,  # nodes
    )


def _backward_transpose(ctx, slope):
    grad, weights, nodes = ctx.saved_tensors
    to_grad = to_weights = None
    if ctx.needs_input_grad[0]:
        to_grad = torch.ops.meshop.interpolate(slope, weights, nodes)
    if ctx.needs_input_grad[1]:
        to_weights = torch.ops.meshop.interpolate_dot(grad, slope, nodes)
    return (
        to_grad,
        to_weights,
        None,  # nodes
        None,  # num_nodes
    )


def _remember_dot(ctx, inputs, output):
    grad, values, nodes = inputs
    ctx.num_nodes = values.shape[0]
    ctx.save_for_backward(grad, values, nodes)


def _backward_dot(ctx, slope):
    grad, values, nodes = ctx.saved_tensors
    to_grad = to_values = None
    if ctx.needs_input_grad[0]:
        to_grad = torch.ops.meshop.interpolate(values, slope, nodes)
    if ctx.needs_input_grad[1]:
        to_values = torch.ops.meshop.interpolate_transpose(grad, slope, nodes, ctx.num_nodes)
    return (
        to_grad,
        to_values,
        None,  # nodes
    )


for _name, _backward, _remember in (
    ("interpolate", _backward_interpolate, _remember_three),
    ("interpolate_transpose", _backward_transpose, _remember_three),
    ("interpolate_dot", _backward_dot, _remember_dot),
):
    torch.library.register_autograd(f"meshop::{_name}", _backward, setup_context=_remember)
