"""What the accuracy benchmarks share: cases and their near field, the metric, a split, the peer."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _timing import ROOT
from torch import nn

import meshop
from meshop.graph import wall_facets, wall_loops
from meshop.mesh import Mesh
from meshop.train._nulls import contour_heights

DATA = ROOT.parent / "shared" / "data" / "airfoil_rans"
FIELDS = ("U", "p", "nut")
SCALARS = ("Cl", "Cd", "Cm")


@dataclass
class AirfoilCase:
    """One solved case. fields: U (N, 2) less the free stream, p (N,), nut (N,); area (N,) of the
    cells; near (N,) bool; conditions aoa_deg and reynolds; heights (18,) of its contour."""

    name: str
    family: str
    mesh: Mesh
    conditions: dict[str, float]
    scalars: dict[str, float]
    centres: np.ndarray
    area: np.ndarray
    near: np.ndarray
    fields: dict[str, np.ndarray]
    heights: np.ndarray

    @property
    def inputs(self) -> tuple[float, float]:
        """Angle of attack in degrees and log Reynolds number."""
        return self.conditions["aoa_deg"], float(np.log(self.conditions["reynolds"]))


def free_stream(aoa_deg: float) -> np.ndarray:
    return np.array([np.cos(np.radians(aoa_deg)), np.sin(np.radians(aoa_deg))])


def read_case(path: Path) -> AirfoilCase:
    mesh = meshop.read(path)
    number = {k: float(np.ravel(mesh.field_data[k])[0]) for k in ("aoa_deg", "reynolds", *SCALARS)}
    conditions = {k: number[k] for k in ("aoa_deg", "reynolds")}
    centres = mesh.cell_centers()
    x, y = centres[:, 0], centres[:, 1]
    loop = wall_loops(mesh.points, wall_facets(mesh, external=True).nodes)[0]
    return AirfoilCase(
        name=path.stem,
        family="UIUC" if path.name.startswith("uiuc") else "NACA",
        mesh=mesh,
        conditions=conditions,
        scalars={k: number[k] for k in SCALARS},
        centres=centres,
        area=mesh.cell_measures(),
        near=(x >= -0.5) & (x <= 2) & (np.abs(y) <= 1),
        fields={
            "U": mesh.cell_data["U"][:, :2] - free_stream(conditions["aoa_deg"]),
            "p": np.asarray(mesh.cell_data["p"]),
            "nut": np.asarray(mesh.cell_data["nut"]),
        },
        heights=contour_heights(mesh.points[loop]),
    )


def case_files(items: Iterable[str | Path]) -> list[Path]:
    """Files, and the *.vtu of folders, sorted by folder; each once."""
    found: list[Path] = []
    for item in map(Path, items):
        found += sorted(item.glob("*.vtu")) if item.is_dir() else [item]
    return list(dict.fromkeys(found))


def need_data(folder: Path = DATA) -> None:
    """Leave, with the reason, where the cases are not at hand: `make bench` goes on."""
    if not folder.is_dir():
        print(f"skipped: no solved cases at {folder} (examples/airfoil_rans generates some)")
        sys.exit(0)


def split_by_airfoil(cases: Sequence[AirfoilCase], seed: int = 0) -> tuple[list[int], list[int]]:
    """Train and held-out indices: 10 % of the NACA cases and a quarter of the UIUC ones, no airfoil
    on both sides."""
    random, held = np.random.default_rng(seed), []
    for family, share in (("NACA", 0.1), ("UIUC", 0.25)):
        groups: dict[bytes, list[int]] = {}
        for i, case in enumerate(cases):
            if case.family == family:
                groups.setdefault(np.round(case.heights, 3).tobytes(), []).append(i)
        sets, mine = list(groups.values()), []
        want = round(share * sum(map(len, sets)))
        for j in random.permutation(len(sets)):
            if len(mine) < want:
                mine += sets[j]
        held += mine
    out = set(held)
    return [i for i in range(len(cases)) if i not in out], sorted(held)


def relative_l2(predicted: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> float:
    """sqrt(sum w |predicted - truth|^2 / sum w |truth|^2), both less the free stream."""
    n = len(weight)
    miss = ((predicted - truth).reshape(n, -1) ** 2).sum(1)
    size = (truth.reshape(n, -1) ** 2).sum(1)
    return float(np.sqrt((weight @ miss) / (weight @ size)))


def near_errors(case: AirfoilCase, predicted: dict[str, np.ndarray]) -> dict[str, float]:
    """The issue's metric: near field, area-weighted; `predicted` on all cells or the near ones."""
    near, weight = case.near, case.area[case.near]
    out = {}
    for name in FIELDS:
        values = predicted[name]
        values = values[near] if len(values) == len(near) else values
        out[name] = relative_l2(values, case.fields[name][near], weight)
    return out


def nvidia_transolver(inputs: int, outputs: int, mlp_ratio: int = 4) -> nn.Module | None:
    """NVIDIA PhysicsNeMo's Transolver, 8 x 128 x 64 (1.5 M parameters at its own MLP ratio of 4),
    or None, with a message, where the package cannot be imported."""
    try:
        from physicsnemo.models.transolver import Transolver
    except Exception as error:  # a torchvision of another build fails with RuntimeError
        print(f"peer skipped: nvidia-physicsnemo is not usable here ({type(error).__name__})")
        return None
    return Transolver(
        functional_dim=inputs,
        embedding_dim=2,
        out_dim=outputs,
        n_layers=8,
        n_hidden=128,
        n_head=8,
        slice_num=64,
        mlp_ratio=mlp_ratio,
        unified_pos=False,
        structured_shape=None,
        use_te=False,
    )
