"""Malformed MED: small files of HDF5 with one thing wrong each."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

SUFFIX = ".med"
STEP = "ENS_MAA/m/-0000000000000000001-0000000000000000001"
FIELD = "CHA/T/0000000000000000000100000000000000000001"


def _file(change: Callable[[Any], Any] = lambda file: None) -> bytes:
    import h5py

    buffer = io.BytesIO()
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    with h5py.File(buffer, "w") as file:
        coordinates = file.create_dataset(f"{STEP}/NOE/COO", data=points.ravel(order="F"))
        coordinates.attrs["NBR"] = 4
        file[f"{STEP}/NOE/FAM"] = [0, 1, 0, 0]
        file[f"{STEP}/MAI/TE4/NOD"] = [1, 2, 3, 4]
        file[f"{STEP}/MAI/TR3/NOD"] = [1, 2, 2, 3, 3, 4]
        file[f"{STEP}/MAI/TR3/FAM"] = [-5, 0]
        file[f"{STEP}/MAI/POG/NOD"], file[f"{STEP}/MAI/POG/INN"] = [1, 2, 3], [1, 4]
        file[f"{STEP}/MAI/POE/NOD"] = [1, 3, 2, 1, 2, 4, 2, 3, 4, 3, 1, 4]
        file[f"{STEP}/MAI/POE/INN"], file[f"{STEP}/MAI/POE/IFN"] = [1, 4, 7, 10, 13], [1, 5]
        for kind, number in (("ELEME", -5), ("NOEUD", 1)):
            family = file.create_group(f"FAS/m/{kind}/FAM_{number}")
            family.attrs["NUM"] = number
            names = family.create_dataset("GRO/NOM", (1,), "80int8")
            names[0] = np.frombuffer(b"side".ljust(80), np.int8)
        file["PROFILS/second/PFL"] = [2]
        values = file.create_group(f"{FIELD}/MAI.TR3/second")
        values["CO"] = [3.0, 4.0]
        file["CHA/T"].attrs["NCO"] = 2
        file[FIELD].attrs["PDT"] = 0.5
        whole = file.create_group(f"{FIELD}/NOE/MED_NO_PROFILE_INTERNAL")
        whole["CO"] = np.arange(8.0)
        change(file)
    return buffer.getvalue()


def _put(name: str, values: Any) -> Callable[[Any], Any]:
    def change(file: Any) -> None:
        del file[name]
        file[name] = values

    return change


def _mark(name: str, key: str, value: Any) -> Callable[[Any], Any]:
    return lambda file: file[name].attrs.__setitem__(key, value)


def _drop(name: str) -> Callable[[Any], Any]:
    return lambda file: file.__delitem__(name)


def _huge(name: str) -> Callable[[Any], Any]:
    """An array of 10^10 numbers of which none is stored."""

    def change(file: Any) -> None:
        del file[name]
        file.create_dataset(name, (10**10,), "i8", chunks=(1 << 16,))

    return change


def seeds() -> dict[str, bytes]:
    return {"all": _file(), "no cells": _file(_drop(f"{STEP}/MAI"))}


def corpus() -> dict[str, bytes]:
    good = _file()
    nodes, cells = f"{STEP}/NOE/COO", f"{STEP}/MAI"
    profile, values = "PROFILS/second/PFL", f"{FIELD}/MAI.TR3/second"
    changes = {
        "no meshes": _drop("ENS_MAA"),
        "no mesh": lambda file: (_drop("ENS_MAA")(file), file.create_group("ENS_MAA")),
        "a grid": _drop(f"{STEP}/NOE"),
        "no coordinates": _drop(nodes),
        "no count": lambda file: file[nodes].attrs.__delitem__("NBR"),
        "negative count": _mark(nodes, "NBR", -4),
        "count too large": _mark(nodes, "NBR", 10**12),
        "count too small": _mark(nodes, "NBR", 3),
        "count is text": _mark(nodes, "NBR", "four"),
        "coordinates are text": _put(nodes, b"0 0 0"),
        "coordinates not stored": _huge(nodes),
        "a point not finite": lambda file: file[nodes].__setitem__(0, np.nan),
        "node beyond": _put(f"{cells}/TE4/NOD", [1, 2, 3, 5]),
        "node zero": _put(f"{cells}/TE4/NOD", [0, 1, 2, 3]),
        "node of 2^62": _put(f"{cells}/TE4/NOD", [1, 2, 3, 1 << 62]),
        "nodes are real": _put(f"{cells}/TE4/NOD", [1.0, 2.0, 3.0, 4.0]),
        "nodes missing": _drop(f"{cells}/TE4/NOD"),
        "nodes of part of a cell": _put(f"{cells}/TE4/NOD", [1, 2, 3, 4, 1]),
        "nodes not stored": _huge(f"{cells}/TE4/NOD"),
        "nodes in a table": _put(f"{cells}/TE4/NOD", [[1, 2, 3, 4]]),
        "unknown type": lambda file: file.move(f"{cells}/TE4", f"{cells}/TE5"),
        "index decreases": _put(f"{cells}/POE/INN", [1, 7, 4, 10, 13]),
        "index too long": _put(f"{cells}/POG/INN", [1, 5]),
        "index from zero": _put(f"{cells}/POG/INN", [0, 3]),
        "index missing": _drop(f"{cells}/POG/INN"),
        "polygon of two": _put(f"{cells}/POG/INN", [1, 3, 4]),
        "faces beyond": _put(f"{cells}/POE/IFN", [1, 6]),
        "families too few": _put(f"{cells}/TR3/FAM", [-5]),
        "families are real": _put(f"{cells}/TR3/FAM", [-5.0, 0.0]),
        "family without number": lambda file: file["FAS/m/ELEME/FAM_-5"].attrs.__delitem__("NUM"),
        "names are numbers": _put("FAS/m/ELEME/FAM_-5/GRO/NOM", [1.0, 2.0]),
        "profile beyond": _put(profile, [3]),
        "profile of zero": _put(profile, [0]),
        "profile missing": _drop("PROFILS"),
        "profile too long": _put(profile, [1, 2]),
        "values too few": _put(f"{values}/CO", [3.0]),
        "values not stored": _huge(f"{values}/CO"),
        "no components": _mark("CHA/T", "NCO", 0),
        "components beyond": _mark("CHA/T", "NCO", 1 << 60),
        "several at a place are text": _mark(values, "NGA", "two"),
    }
    out = {name: _file(change) for name, change in changes.items()}
    return out | {
        "empty": b"",
        "start alone": good[:8],
        "half": good[: len(good) // 2],
        "not hdf5": b"MED" + good[3:],
    }
