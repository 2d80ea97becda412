"""Surrogates as files: where they are, one .safetensors with a header of JSON, its hash."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from ..errors import SurrogateError

FORMAT, VERSION = "meshop-surrogate", 1
HINT = "train it again (`meshop train`), or copy the file anew"


def write_file(path: str | os.PathLike, header: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    """Written beside, then replaced; returns the hash of the content."""
    path = Path(path)
    found = digest(header, tensors)
    text = json.dumps(header | {"hash": found}, sort_keys=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(to_bytes(tensors, metadata={"meshop": text}))
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return found


def read_file(path: Path) -> tuple[dict[str, Any], dict[str, Tensor], str]:
    """Header, tensors and hash. Raises SurrogateError where the file is malformed or altered."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            header = json.loads(metadata.get("meshop", "null"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise SurrogateError(f"{path} is no readable surrogate", str(error), HINT) from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise SurrogateError(
            f"{path} is no meshop surrogate", "its header has no meshop section", HINT
        )
    if header.get("version") != VERSION:
        raise SurrogateError(
            f"{path} has surrogate version {header.get('version')}",
            f"this meshop reads version {VERSION}",
            "pip install -U meshop",
        )
    stated = header.pop("hash", None)
    if stated != digest(header, tensors):
        raise SurrogateError(f"{path} was altered", "its hash does not match its content", HINT)
    return header, tensors, stated


def available() -> dict[str, Path]:
    """Surrogates by name: files *.safetensors in $MESHOP_MODEL_PATH, the cache, and shipped."""
    cache = os.environ.get("MESHOP_CACHE_DIR") or Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "meshop"
    )
    folders = [Path(p) for p in os.environ.get("MESHOP_MODEL_PATH", "").split(os.pathsep) if p]
    folders.append(Path(cache, "models"))
    folders.append(Path(str(importlib.resources.files(__package__))) / "library")
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.safetensors")) if folder.is_dir() else ():
            found.setdefault(path.stem, path)
    return found


def find_file(path_or_name: str | os.PathLike) -> Path:
    path = Path(path_or_name)
    if path.is_file():
        return path
    if path.is_dir() and (path / "surrogate.safetensors").is_file():
        return path / "surrogate.safetensors"
    known = available()
    if str(path_or_name) in known:
        return known[str(path_or_name)]
    raise SurrogateError(
        f"no model {os.fspath(path_or_name)!r}",
        f"no such file, and the installed ones are: {', '.join(known) or 'none'}",
        "`meshop models`",
    )


def digest(header: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for key in sorted(tensors):
        value = tensors[key]
        digest.update(f"{key}{value.dtype}{tuple(value.shape)}".encode())
        if value.numel():  # strides of empty ones are of no use
            digest.update(value.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
