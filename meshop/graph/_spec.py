"""GraphSpec: what an operator needs of a graph; saved with it, so that users' meshes get it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ._levels import LevelSpec

Location = Literal["cell", "point"]


class GraphSpec(BaseModel):
    """How a mesh becomes a `MeshGraph`.

    location: fields live on cells or on points. dim: topological dimension of the meshes, 2 or 3.
    conditions: names of the scalar conditions, in the order of `MeshGraph.cond`. direction: the
    condition that is the angle of the free stream in degrees, if any. external: the wall must lie
    inside a far field. potential: add the plane potential flow about the wall (needs `external`,
    dim 2 and `direction`). length: reference length of the training cases, in mesh units.
    max_tokens: wall facets beyond this number are sampled evenly by measure. edges: build edges.
    inputs: arrays at the nodes that are known beforehand (coefficients, sources, initial states).
    wall_inputs: arrays whose values on the boundary's facets are known (boundary data). extended:
    those of inputs that are known on the boundary alone; nodes off it get a mean over the boundary
    in place of what the array says there. surface: the mesh is a surface in space; it is its own
    wall. levels: build coarser node sets.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    location: Location = "cell"
    dim: Literal[2, 3] = 2
    conditions: tuple[str, ...] = ()
    direction: str | None = None
    external: bool = False
    potential: bool = False
    length: float = Field(default=1.0, gt=0)
    max_tokens: int = Field(default=512, ge=1)
    edges: bool = False
    inputs: tuple[str, ...] = ()
    wall_inputs: tuple[str, ...] = ()
    extended: tuple[str, ...] = ()
    surface: bool = False
    levels: LevelSpec | None = None

    @property
    def space(self) -> int:
        """Coordinates of a point: one more than `dim` on a surface."""
        return 3 if self.surface else self.dim
