"""A mesh and its conditions into a `MeshGraph`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy.spatial import cKDTree

from ..errors import ConditionError
from ..mesh import Mesh
from ._edges import mesh_edges
from ._extension import extension, off_boundary, systematic
from ._features import (
    node_features,
    potential_lift,
    potential_prior,
    token_features,
    token_positions,
    token_weights,
)
from ._geometry import Geometry, geometry
from ._graph import MeshGraph
from ._levels import LevelSpec, build_levels
from ._nested import nested_levels
from ._spec import GraphSpec


def build_graph(
    mesh: Mesh,
    conditions: Mapping[str, float],
    spec: GraphSpec,
    *,
    coarser: Sequence[Mesh] = (),
) -> MeshGraph:
    """MeshGraph of a mesh under given conditions, nodes in the order of its cells or points.

    coarser: meshes of the same domain, the finest first: their points are the graph's levels
    (`nested_levels`), and of `spec.levels` only `fixed` is read.
    Raises MeshError (dimension, no wall) and ConditionError (one is missing).
    """
    geo = geometry(mesh, spec)
    missing = [name for name in spec.conditions if name not in conditions]
    if missing:
        raise ConditionError(f"missing conditions: {', '.join(missing)}", "", f"{missing[0]}=...")
    tokens = token_features(geo, conditions, spec)
    weight = token_weights(geo)
    chosen = systematic(weight, spec.max_tokens)
    share = weight[chosen] / weight[chosen].sum() if len(chosen) == len(weight) else None
    graph = MeshGraph(
        pos=torch.as_tensor(geo.pos).float(),
        x=node_features(geo, conditions, spec).values,
        weight=torch.as_tensor(geo.weight).float(),
        prior=potential_prior(geo, conditions, spec),
        lift=potential_lift(geo, conditions, spec),
        decay=torch.as_tensor(1 / (1 + geo.dist / spec.length)).float(),
        cond=torch.tensor([[float(conditions[name]) for name in spec.conditions]]),
        wall_pos=token_positions(geo)[chosen].float(),
        wall_x=tokens.values[chosen],
        wall_weight=(
            share.float() if share is not None else torch.full((len(chosen),), 1 / len(chosen))
        ),
        wall_batch=torch.zeros(len(chosen), dtype=torch.long),
        wall_dist=torch.as_tensor(geo.dist).float(),
        wall_dir=torch.as_tensor(_toward(geo)).float(),
        kind=torch.as_tensor(geo.kind),
    )
    if spec.inputs:
        graph.inputs = torch.as_tensor(_known(mesh, geo, spec))
    if spec.wall_inputs:
        graph.wall_inputs = torch.as_tensor(_boundary_data(mesh, geo, spec))[chosen]
    if spec.edges or (spec.levels and not coarser):
        edges, rowptr = mesh_edges(mesh, spec.location, len(geo.pos))
    if spec.edges:
        rel = torch.as_tensor(geo.pos)[edges[0]] - torch.as_tensor(geo.pos)[edges[1]]
        graph.edge_index, graph.rowptr = edges, rowptr
        graph.edge_attr = torch.cat([rel, rel.norm(dim=1, keepdim=True)], dim=1).float()
    if spec.levels or coarser:
        levels = spec.levels or LevelSpec()
        fixed = levels.prescribed(torch.as_tensor(geo.kind))
        pos, weight = torch.as_tensor(geo.pos), torch.as_tensor(geo.weight)
        graph.levels = (
            nested_levels(pos, weight, coarser, fixed=fixed)
            if coarser
            else build_levels(pos, weight, rowptr, edges[0], levels, fixed=fixed)
        )
    return graph


def _known(mesh: Mesh, geo: Geometry, spec: GraphSpec) -> np.ndarray:
    """(N, A) known fields at the nodes; those known on the boundary alone are extended inwards."""
    data = mesh.cell_data if spec.location == "cell" else mesh.point_data
    columns = {name: _columns(data, name, spec.location) for name in spec.inputs}
    names = [name for name in spec.inputs if name in spec.extended]
    if names and len((facets := mesh.boundary_facets()).owner):
        inside = off_boundary(mesh, spec.location, facets)
        told = np.concatenate([columns[name] for name in names], axis=1)
        told[inside] = extension(
            mesh, spec.location, facets, told, geo.pos[inside], spec.max_tokens
        )
        ends = np.cumsum([columns[name].shape[1] for name in names])
        columns |= zip(names, np.split(told, ends[:-1], axis=1), strict=True)
    return np.concatenate(list(columns.values()), axis=1)


def _boundary_data(mesh: Mesh, geo: Geometry, spec: GraphSpec) -> np.ndarray:
    """(W, V) known values at the tokens: means over a facet's points, or its owner cell's."""
    used = geo.wall.nodes >= 0
    columns = []
    for name in spec.wall_inputs:
        if name in mesh.point_data or name not in mesh.cell_data:
            values = _columns(mesh.point_data, name, "point")[geo.wall.nodes]
            columns.append((values * used[..., None]).sum(1) / used.sum(1, keepdims=True))
        else:
            columns.append(_columns(mesh.cell_data, name, "cell")[geo.wall.owner])
    values = np.concatenate(columns, axis=1).astype(np.float32)
    if geo.basis is None:
        return values
    # Tokens are panels, in the order of the loops: each is the facet with its centre.
    middle = token_positions(geo).numpy()
    return values[cKDTree(geo.wall.centre[:, :2]).query(middle[:, :2])[1]]


def _columns(data: Mapping[str, np.ndarray], name: str, where: str) -> np.ndarray:
    if name not in data:
        raise ConditionError(
            f"no array {name!r} on the {where}s of this mesh",
            f"the model takes it as known; found {', '.join(data) or 'none'}",
            f"add it as {where} data",
        )
    values = np.asarray(data[name], dtype=np.float32).reshape(len(data[name]), -1)
    if not np.isfinite(values).all():
        raise ConditionError(f"array {name!r} holds NaN or infinity", "", "repair it")
    return values


def _toward(geo: Geometry) -> np.ndarray:
    return (geo.nearest - geo.pos) / np.maximum(geo.dist, 1e-300)[:, None]
