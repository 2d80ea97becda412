"""Elastic morphing: a mesh moved onto another domain, its boundary on the other's.

The boundary goes part by part (`brought`), the interior as an elastic body whose small cells are
stiff: less the affine map nearest to the boundary's motion, by a flow whose velocity is elastic on
the mesh as it lies, in steps that turn nothing over. There is no theorem that it arrives, so that
it is checked. Source of the elastic mover: Stein, Tezduyar, Benney, J. Appl. Mech. 70 (2003).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..errors import MeshError, SolveError
from ..mesh import P1, Mesh, elastic_field
from ..ops import simplex_sign
from ._features import KINDS, Features, features, simplicial, volumes
from ._surface import (
    Affine,
    Match,
    between_moments,
    brought,
    gist,
    matched,
    moments,
    nearest_affine,
)

TURNS = (60.0, 45.0, 30.0, 180.0)  # degrees at a sharp edge that are tried; 180: none is
MIDDLING = 0.25, 0.75  # quantiles of the number of points
FIRST_STEP, LEAST_STEP = 0.5, 1e-3  # of the way
LEAST_SHRINK = 0.3  # of a cell's measure in one step
TOLERANCE = 1e-7  # of the elastic systems
LEAST_AFFINE = 0.05  # determinant of the affine part, over that of the moments
WHAT = "this mesh cannot be morphed to the reference"


class Body:
    """A mesh that is to be moved onto others: simplices alone, with its boundary's parts.

    turn: degrees of sharp edges, see `features`.
    """

    def __init__(self, mesh: Mesh, turn: float) -> None:
        self.mesh, self.turn = mesh, turn
        self.nodes = mesh.cell_nodes.reshape(-1, mesh.dim + 1)
        self.features = features(mesh, turn)
        self.moments = moments(mesh.points, self.nodes)

    @classmethod
    def of(cls, mesh: Mesh, family: Sequence[Mesh]) -> Body:
        """With the most ridges that all of a family have alike, at the largest angle."""
        base, best = simplicial(mesh), None
        for turn in TURNS:
            body = cls(base, turn)
            if best is None or len(body.features.ridges) > len(best.features.ridges):
                best = body if turn == TURNS[-1] or body._gists(family) is not None else best
        assert best is not None
        return best  # without ridges where they differ, which `match` says, mesh by mesh

    @classmethod
    def central(cls, mesh: Mesh, family: Sequence[Mesh]) -> Body:
        """`of` the mesh that is nearest to the family's mean shape, of those of middling size; of
        the mesh given where a family is not alike."""
        body = cls.of(mesh, family)
        gists, own = body._gists(family), body._gists([mesh])
        if gists is None or own is None:
            return body
        size = np.array([m.n_points for m in family])
        low, high = np.quantile(size, MIDDLING)
        far = np.linalg.norm(gists - gists.mean(0), axis=1)
        chosen = int(np.argmin(np.where((size >= low) & (size <= high), far, np.inf)))
        if np.linalg.norm(own - gists.mean(0)) <= (1 + 1e-6) * far[chosen]:
            return body
        other = cls(simplicial(family[chosen]), body.turn)
        return body if other._gists(family) is None else other

    def _gists(self, family: Sequence[Mesh]) -> np.ndarray | None:
        """(n, 4 P) where the parts of each mesh of a family lie; None if some do not correspond."""
        found = []
        for mesh in family:
            try:
                two, match, place = self.match(mesh)
            except MeshError:
                return None
            size = np.linalg.det(place.matrix) ** (1 / self.mesh.dim)
            parts = [two.ridges[k].nodes for k in match.ridges]
            parts += [two.patches[k].triangles.ravel() for k in match.patches]
            found.append([gist((two.points[part] - place.end) / size) for part in parts])
        return np.array(found).reshape(len(family), -1)

    def match(self, other: Mesh) -> tuple[Features, Match, Affine]:
        """The parts of another boundary, which of them is which, and the map by moments.

        Raises MeshError where they do not correspond.
        """
        if other.dim != self.mesh.dim:
            raise MeshError(WHAT, f"expected cells of dimension {self.mesh.dim}, found {other.dim}")
        p1 = other.p1()
        found = features(other, self.turn)
        place = between_moments(self.moments, moments(p1.corners, _upright(p1)))
        (start, _), end = self.moments, place.end
        size = float(np.linalg.det(place.matrix)) ** (1 / self.mesh.dim)
        scale = np.diag([size] * self.mesh.dim + [1.0] * (3 - self.mesh.dim))
        match = matched(self.features, found, [place, Affine(start, scale, end)])
        if match is None:
            raise MeshError(WHAT, _unlike(self.features, found), "shapes of one kind")
        return found, match, place

    def onto(self, other: Mesh) -> np.ndarray:
        """(N, 3) where the points go, those of the boundary on the other's, to rounding.

        Raises MeshError where cells would turn over.
        """
        found, match, place = self.match(other)
        try:
            goal = brought(self.features, found, match, place)
            return self._followed(goal, place)
        except SolveError as error:
            raise MeshError(WHAT, f"it would crush cells: {error.why}") from error

    def _followed(self, goal: np.ndarray, place: Affine) -> np.ndarray:
        points, nodes, d = self.mesh.points, self.nodes, self.mesh.dim
        known = np.flatnonzero(~np.isnan(goal[:, 0]))
        weight = self.mesh.p1().boundary.lumped[known]
        near = nearest_affine(points[known], goal[known], weight)
        if not np.linalg.det(near.matrix) > LEAST_AFFINE * np.linalg.det(place.matrix):
            near = place
        x = near(points)
        done, step = 0.0, FIRST_STEP
        scale = float(np.ptp(goal[known], axis=0).max())
        if np.abs(goal[known] - x[known]).max() <= 1e-12 * scale:
            done = 1.0
        while done < 1:
            step = min(step, 1 - done)
            way = (goal[known] - x[known]) * (step / (1 - done))
            now = Mesh.from_blocks(x, [(KINDS[d], nodes)])
            trial = x.copy()
            trial[:, :d] += elastic_field(now, known, way[:, :d], tol=TOLERANCE)
            before, after = volumes(x, nodes), volumes(trial, nodes)
            if (after > LEAST_SHRINK * before).all():
                x, done, step = trial, done + step, 1.5 * step
            elif (step := step / 2) < LEAST_STEP:
                raise MeshError(
                    WHAT,
                    f"{int((after <= LEAST_SHRINK * before).sum())} cells of the reference would "
                    f"turn over {100 * done:.0f} % of the way",
                    "shapes that differ less, or a finer and more even reference",
                )
        x[known] = goal[known]
        sign = simplex_sign(torch.from_numpy(x[:, :d].copy()), torch.from_numpy(nodes))
        if not bool((sign > 0).all()):
            raise MeshError(
                WHAT, f"{int((sign <= 0).sum())} cells of the reference would turn over"
            )
        return x


def _unlike(one: Features, two: Features) -> str:
    """Why two boundaries have no match."""
    told = [
        "{} corners, {} ridges, {} faces".format(*part.counts)
        if part.ridges
        else f"{len(part.patches)} closed surfaces with {part.handles} holes through them"
        for part in (one, two)
    ]
    if told[0] == told[1]:
        return "its corners and edges meet in another way"
    return f"expected a boundary of {told[0]}, found {told[1]}"


def _upright(p1: P1) -> np.ndarray:
    """The simplices of a mesh, all positive."""
    nodes = p1.simplices.nodes.copy()
    turned = volumes(p1.corners, nodes) < 0
    nodes[turned] = nodes[turned][:, [1, 0, *range(2, nodes.shape[1])]]
    return nodes


def morph_onto(mesh: Mesh, other: Mesh, turn: float | None = None) -> Mesh:
    """A plane or solid mesh moved onto another domain: its simplices, all positive, boundary points
    on the other's boundary.

    turn: degrees that facets turn by at sharp edges, which go to sharp edges, and these at corners,
    which go to corners; the one of 60, 45 and 30 under which the two boundaries have the most parts
    alike unless given, else none (180). Raises MeshError where boundaries differ in kind, or cells
    would turn over.
    """
    body = Body.of(mesh, [other]) if turn is None else Body(simplicial(mesh), turn)
    return Mesh.from_blocks(body.onto(other), [(KINDS[mesh.dim], body.nodes)])
