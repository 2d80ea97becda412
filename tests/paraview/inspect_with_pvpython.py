"""What ParaView sees in files: ``pvpython inspect_with_pvpython.py REQUESTS.json ANSWERS.json``.

The first file lists paths; the second gets, for each, the times, and at each time points, cells by
type, bounds and arrays, all blocks together; or {"error": ...}. It runs in ParaView's own Python.
"""

import json
import sys

import numpy as np
from paraview import simple
from paraview.servermanager import Fetch
from vtkmodules.util.numpy_support import vtk_to_numpy


def leaves(data):
    """The data sets inside, with their names."""
    if not data.IsA("vtkCompositeDataSet"):
        return [("", data)]
    found, walk = [], data.NewIterator()
    walk.InitTraversal()
    while not walk.IsDoneWithTraversal():
        info = walk.GetCurrentMetaData() if walk.HasCurrentMetaData() else None
        key = type(data).NAME() if hasattr(type(data), "NAME") else None
        name = info.Get(key) if info is not None and key is not None and info.Has(key) else ""
        found.append((name or "", walk.GetCurrentDataObject()))
        walk.GoToNextItem()
    return found


def summary(array):
    """Components, and numbers that depend on every value and its place."""
    if not array.IsA("vtkDataArray"):
        return {"text": [array.GetValue(i) for i in range(array.GetNumberOfValues())]}
    values = np.asarray(vtk_to_numpy(array), dtype=float)
    return numbers(values.reshape(len(values), -1))


def numbers(values):
    flat = values.ravel()
    place = np.sin(np.arange(len(flat)))
    return {
        "components": int(values.shape[1]),
        "length": len(values),
        "range": [float(flat.min()), float(flat.max())] if len(flat) else [],
        "sum": float(flat.sum()),
        "moment": float(flat @ place),
    }


def joined(found):
    """One summary of the arrays of all blocks."""
    parts = [np.asarray(vtk_to_numpy(array), dtype=float) for array in found]
    return numbers(np.concatenate([part.reshape(len(part), -1) for part in parts]))


def arrays(sets, of):
    names = {}
    for data in sets:
        holder = getattr(data, of)()
        for i in range(holder.GetNumberOfArrays()):
            array = holder.GetAbstractArray(i)
            if array is not None:
                names.setdefault(array.GetName(), []).append(array)
    return {
        name: joined(found) if len(found) > 1 and found[0].IsA("vtkDataArray") else
        summary(found[0])
        for name, found in names.items()
    }  # fmt: skip


def state(data):
    blocks = leaves(data)
    sets = [block for _, block in blocks if block is not None and block.IsA("vtkDataSet")]
    cells, points = {}, []
    for block in sets:
        for i in range(block.GetNumberOfCells()):
            kind = str(block.GetCellType(i))
            cells[kind] = cells.get(kind, 0) + 1
        points += [block.GetPoint(i) for i in range(block.GetNumberOfPoints())]
    points = np.array(points, dtype=float).reshape(-1, 3)
    return {
        "blocks": [name for name, _ in blocks],
        "points": numbers(points),
        "bounds": [points.min(axis=0).tolist(), points.max(axis=0).tolist()] if len(points) else [],
        "cells": cells,
        "point_data": arrays(sets, "GetPointData"),
        "cell_data": arrays(sets, "GetCellData"),
        "field_data": arrays([data, *(s for s in sets if s is not data)], "GetFieldData"),
    }


def inspect(path):
    if path.endswith(".vtkhdf"):  # whose suffix ParaView 5.11 does not know yet
        reader = simple.VTKHDFReader(FileName=path)
    else:
        reader = simple.OpenDataFile(path)
    if reader is None:
        return {"error": "no reader of ParaView takes it"}
    reader.UpdatePipelineInformation()
    times = [float(time) for time in getattr(reader, "TimestepValues", None) or []]
    steps = []
    for time in times or [None]:
        if time is None:
            reader.UpdatePipeline()
        else:
            reader.UpdatePipeline(time)
        steps.append(state(Fetch(reader)))
    simple.Delete(reader)
    return {"times": times, "steps": steps}


def main(requests, answers):
    with open(requests) as file:
        paths = json.load(file)
    out = {}
    for path in paths:
        try:
            out[path] = inspect(path)
        except Exception as error:
            out[path] = {"error": f"{type(error).__name__}: {error}"}
    with open(answers, "w") as file:
        json.dump(out, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
