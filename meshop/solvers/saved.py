"""Small networks as files: safetensors with a header of JSON, nothing unpickled."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from ..errors import SurrogateError

VERSION = 1


class SavedNet(nn.Module):
    """A network that is made by kind(**config) and saved as one file, which `load_saved` reads.

    what: the family it belongs to ("solver"); kind: its name in that family; config: whole numbers
    and the like; meta: how it was trained (JSON).
    """

    what: ClassVar[str] = ""
    kind: ClassVar[str] = ""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.config, self.meta = dict(config), dict[str, Any]()

    def save(self, path: str | os.PathLike) -> None:
        """Writes one .safetensors file, beside and then in place."""
        path = Path(path)
        header = {
            "format": f"meshop {self.what}", "version": VERSION, "kind": self.kind,
            "config": self.config, "meta": self.meta,
        }  # fmt: skip
        tensors = {key: value.contiguous() for key, value in self.state_dict().items()}
        beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            text = json.dumps(header, sort_keys=True)
            beside.write_bytes(to_bytes(tensors, metadata={"meshop": text}))
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)


Net = TypeVar("Net", bound=SavedNet)


def load_saved(path: str | os.PathLike, kinds: Mapping[str, type[Net]], recipe: str) -> Net:
    """What `save` wrote, of one of these kinds; recipe: how to train another, for messages.

    Raises SurrogateError where the file holds something else.
    """
    what = next(iter(kinds.values())).what
    hint = f"train it again ({recipe}), or copy the file anew"
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("meshop", "null"))
            tensors: dict[str, Tensor] = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        raise SurrogateError(f"{path} is no readable {what}", str(error), hint) from error
    if not isinstance(header, dict) or header.get("format") != f"meshop {what}":
        raise SurrogateError(f"{path} is no meshop {what}", "its header does not say so", hint)
    if header.get("version") != VERSION:
        found = f"found version {header.get('version')}, this meshop reads {VERSION}"
        raise SurrogateError(f"{path}: {what}", found, "pip install -U meshop")
    try:
        with torch.random.fork_rng([]):  # made with random weights, which leave no trace
            net = kinds[header["kind"]](**header["config"])
        net.load_state_dict(tensors)
        if not all(bool(value.isfinite().all()) for value in tensors.values()):
            raise ValueError("expected finite weights, found NaN or infinity")
        net.meta = dict(header["meta"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise SurrogateError(f"{path} does not fit its own header", str(error), hint) from error
    return net.eval()


def whole(value: Any, name: str, least: int, most: int) -> int:
    """value, where it is a whole number between; a file may claim anything."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name}: expected a whole number {least} to {most}, found {value!r}")
    return value
