"""Solved cases with a known answer: potential flow, lift by Kutta-Joukowski, for training tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from meshop.graph import PotentialFlow
from meshop.mesh import Mesh
from tests.meshes import airfoil, ring


def solved(aoa: float, reynolds: float, n: int = 24, layers: int = 8) -> Mesh:
    """A ring with the potential flow on its cells, and a drag that depends on Reynolds only."""
    mesh = ring(n, layers, radius=6.0)
    flow = PotentialFlow([airfoil(n)])
    mix = np.array([np.cos(np.radians(aoa)), np.sin(np.radians(aoa)), 0.0])
    velocity, _ = flow.evaluate(mesh.cell_centers()[:, :2])
    u = np.einsum("nbd,b->nd", velocity.numpy(), mix)
    u = np.column_stack([u, np.zeros(len(u))])
    mesh.cell_data["U"] = u.astype(np.float32)
    mesh.cell_data["p"] = (0.5 * (1 - (u**2).sum(1))).astype(np.float32)
    lift = -2 * float(flow.circulation().numpy() @ mix)
    mesh.field_data |= {
        "aoa_deg": np.array([aoa]),
        "reynolds": np.array([reynolds]),
        "Cl": np.array([lift]),
        "Cd": np.array([0.01 * (1e6 / reynolds) ** 0.2]),
        "iterations": np.array([1000.0 + aoa]),
    }
    return mesh


def write_cases(folder: Path, count: int = 10, seed: int = 0) -> list[Path]:
    """Files case_00.vtu, ... at random angles and Reynolds numbers."""
    random = np.random.default_rng(seed)
    paths = []
    for i in range(count):
        mesh = solved(random.uniform(-4, 10), float(np.exp(random.uniform(13.8, 15.6))))
        paths.append(folder / f"case_{i:02d}.vtu")
        mesh.save(paths[-1])
    return paths
