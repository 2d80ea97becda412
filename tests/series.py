"""Series with a known law, and steppers that know it: two fields that turn and decay in a box.

d(a, b)/dt = turn (-b, a) - decay (a, b),   decay the condition
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import meshop
from meshop.graph import GraphSpec
from meshop.mesh import Mesh
from meshop.surrogate import Condition, Field, Schema, Sizes, Stepper, Surrogate

TURN, DT = 1.0, 0.1


def square(n: int = 5) -> Mesh:
    """The unit square in triangles, n cells a side."""
    axis = np.linspace(0, 1, n + 1)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    at = np.arange((n + 1) ** 2).reshape(n + 1, n + 1)
    a, b, c, d = (part.ravel() for part in (at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]))
    points = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1)
    return Mesh.from_blocks(points, [("triangle", np.r_[np.c_[a, b, c], np.c_[a, c, d]])])


def start(seed: int = 0, decay: float = 0.5) -> Mesh:
    """A plane mesh with a smooth first state, the vector `ab`, and an array of its own."""
    random = np.random.default_rng(seed)
    mesh = square()
    x = mesh.points[:, :2]
    waves = [np.sin(x @ random.normal(0, 1.5, 2) + random.uniform(0, 6)) for _ in range(2)]
    mesh.point_data = {
        "ab": np.stack([*waves, np.zeros(len(x))], axis=1).astype(np.float32),
        "mark": np.arange(len(x)),
    }
    mesh.field_data["decay"] = np.array([decay])
    return mesh


def state(mesh: Mesh, time: float) -> np.ndarray:
    """(N, 3) the exact state that follows from the mesh's after some time."""
    decay = float(mesh.field_data["decay"][0])
    a, b = mesh.point_data["ab"].T[:2].astype(np.float64)
    c, s, fall = np.cos(TURN * time), np.sin(TURN * time), np.exp(-decay * time)
    return fall * np.stack([c * a - s * b, s * a + c * b, 0 * a], axis=1)


def steps(mesh: Mesh, count: int, dt: float = DT) -> list[tuple[float, Mesh]]:
    found = []
    for k in range(count + 1):
        now = mesh.copy()
        now.point_data["ab"] = state(mesh, k * dt).astype(np.float32)
        found.append((k * dt, now))
    return found


def write_series(folder: Path, count: int = 6, length: int = 8, suffix: str = ".vtkhdf"):
    random = np.random.default_rng(5)
    paths = []
    for i in range(count):
        paths.append(folder / f"case_{i}{suffix}")
        mesh = start(i, random.uniform(0.2, 1.0))
        meshop.write_series(paths[-1], steps(mesh, length))
    return paths


class Law(torch.nn.Module):
    """The law as an operator: the derivative, or the exact change over one step."""

    pointwise = True

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form

    def outputs(self, graph):
        a, b = graph.inputs[:, 0], graph.inputs[:, 1]
        decay = graph.cond[0, 0]  # of one graph
        if self.form == "derivative":
            out = torch.stack([-TURN * b - decay * a, TURN * a - decay * b], 1)
        else:
            c, s, fall = np.cos(TURN * DT), np.sin(TURN * DT), torch.exp(-decay * DT)
            out = torch.stack([fall * (c * a - s * b), fall * (s * a + c * b)], 1)
            out = out - graph.inputs[:, :2] if self.form == "residual" else out
        return out, graph.x.new_zeros(len(graph.cond), 0)


def surrogate(form: str = "derivative", **stepper) -> Surrogate:
    """A stepper that knows the law; its file would not, for the operator is no weights."""
    found = blank(Stepper(form=form, dt=DT, **stepper))
    found.operator = Law(form)
    return found


def blank(stepper: Stepper | None) -> Surrogate:
    """A small untrained surrogate for these meshes."""
    torch.manual_seed(0)
    from meshop.graph import build_graph

    schema = Schema(
        location="point",
        dim=2,
        fields=(Field(name="ab", components=3, constant=(None, None, 0.0)),),
        scalars=(),
        conditions=(Condition(name="decay", low=0.2, high=1.0),),
        extent=(0.5, 2.0),
        thickness=(0.5, 2.0),
    )
    spec = GraphSpec(location="point", conditions=("decay",), edges=True, inputs=("ab",))
    graph = build_graph(start(), {"decay": 0.5}, spec)
    bundle = 1 if stepper is None else stepper.bundle
    sizes = Sizes(
        features=graph.x.shape[1], inputs=3, tokens=graph.wall_x.shape[1], cond=1, out=2 * bundle
    )
    config = {"width": 8, "layers": 1, "hidden": 1}
    return Surrogate(
        schema, spec, "mesh-graph-net", config, sizes=sizes, stepper=stepper, name="law"
    )
