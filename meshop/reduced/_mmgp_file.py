"""MMGP to arrays and back: what a surrogate's file holds of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ._gaussian import GaussianProcess
from ._optimal import Motion
from ._pod import POD
from ._reference import restored_reference
from ._shape import Shapes

if TYPE_CHECKING:
    from ._mmgp import MMGP

Array = NDArray[np.float64]
PARTS = ("conditions", "size and shape", "place")  # that may tell the fields


def arrays_of(model: MMGP) -> dict[str, Array]:
    """What is needed to predict."""
    arrays = {f"reference.{k}": np.asarray(v) for k, v in model.reference.state().items()}
    arrays |= {f"keep.{k}": v for k, v in model.keep.items()}
    arrays |= {f"shape.{k}": v for k, v in model.shape.state().items()}
    arrays |= {
        "splits": model.splits,
        "mean": np.stack([b.mean for b in model.bases]),
        "modes": np.concatenate([b.modes for b in model.bases]),
        "lost": np.stack([b.lost for b in model.bases]),
        "factor": model.factor,
        "scalar_factor": model.scalar_factor,
    }
    if model.motion is not None:
        arrays |= {f"motion.{k}": v for k, v in model.motion.state().items()}
    if model.process is not None:
        arrays |= {f"process.{k}": v for k, v in model.process.state().items()}
    return arrays


def fill(found: MMGP, inputs: Iterable[str], arrays: Mapping[str, Array]) -> None:
    """A model of a location with what `arrays_of` gave, told by these parts. Raises KeyError,
    ValueError or MeshError where they do not fit."""
    if not all(np.isrealobj(a) and np.isfinite(a).all() for a in arrays.values()):
        raise ValueError("expected arrays of finite, real values")
    found.inputs = [str(k) for k in inputs]
    if not set(found.inputs) <= set(PARTS):
        raise ValueError(f"inputs {found.inputs}: expected some of {', '.join(PARTS)}")
    found.reference = restored_reference(_under(arrays, "reference."), found.location)
    found.keep = {k: np.asarray(v, bool) for k, v in _under(arrays, "keep.").items()}
    nodes, dim = len(found.reference), found.reference.dim
    found.shape = Shapes.restored(_under(arrays, "shape."), nodes)
    if found.shape.mean.shape[1] != dim:
        raise ValueError(f"shapes in {found.shape.mean.shape[1]} dimensions: expected {dim}")
    found.splits = np.asarray(arrays["splits"], np.int64)
    found.factor, found.scalar_factor = arrays["factor"], arrays["scalar_factor"]
    fields, shapes = len(found.factor), len(found.shape.basis.modes)
    modes = int(found.splits.ravel()[-1])
    for name, wanted in (
        ("mean", (fields, nodes)),
        ("lost", (fields, nodes)),
        ("modes", (modes, nodes)),
        ("factor", (fields,)),
        ("scalar_factor", (len(found.scalar_factor),)),
        ("keep.conditions", (len(arrays["keep.conditions"]),)),
        ("keep.size and shape", (1 + shapes,)),
        ("keep.place", (dim + dim * (dim - 1) // 2,)),
        ("splits", (fields + 1,)),
    ):
        if arrays[name].shape != wanted:
            raise ValueError(f"{name} {arrays[name].shape}: expected {wanted}")
    if found.splits[0] != 0 or (np.diff(found.splits) < 0).any():
        raise ValueError("splits: expected rising numbers from 0")
    found.bases = []
    for c in range(fields):
        basis = POD()
        basis.mean, basis.lost = arrays["mean"][c], arrays["lost"][c]
        basis.modes = arrays["modes"][found.splits[c] : found.splits[c + 1]]
        found.bases.append(basis)
    motion, moves = _under(arrays, "motion."), 0
    if motion:
        found.motion, found.optimal = Motion.restored(found.reference.mesh, motion), True
        moves = len(found.motion.basis.modes)
    process = _under(arrays, "process.")
    found.process = GaussianProcess.restored(process) if process else None
    wanted_inputs = sum(int(found.keep[k].sum()) for k in PARTS if k in found.inputs)
    wanted_outputs = modes + len(found.scalar_factor) + moves
    widths = (wanted_inputs, wanted_outputs)
    if found.process is None and wanted_outputs:
        raise ValueError(f"there is no process for the {wanted_outputs} outputs")
    if found.process is not None and found.process.widths != widths:
        raise ValueError(f"processes {found.process.widths}: expected {widths}, inputs, outputs")


def _under(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}
