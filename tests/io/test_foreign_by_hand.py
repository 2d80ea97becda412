"""Formats that VTK and meshio read, from small files made by hand from their specifications."""

import struct

import numpy as np
import pytest

from meshop.io import read, read_series
from meshop.mesh._geometry import signed_measures

netcdf = pytest.importorskip("scipy.io").netcdf_file
POINTS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0],
                   [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1], [0.5, 0.5, 2]])  # fmt: skip


def nek5000(folder, times):
    """Two cubes of first order side by side, with velocity, pressure and temperature."""
    axes = [np.meshgrid([0, 1], [0, 1], [e, e + 1], indexing="ij")[::-1] for e in (0, 1)]
    points = np.array([[axis.ravel() for axis in cube] for cube in axes], "<f4")
    for number, time in enumerate(times, 1):
        head = f"#std 4  2  2  2 {2:10d} {2:10d} {time:20.13E} {number:9d} {0:6d} {1:6d} XUPT"
        parts = [head.ljust(132).encode(), struct.pack("<f2i", 6.54321, 1, 2), points.tobytes()]
        parts += [(points + number).tobytes(), (points[:, 0] + 100).tobytes()]
        parts += [(points[:, 1] + 200).tobytes()]
        (folder / f"a0.f{number:05d}").write_bytes(b"".join(parts))
    text = f"filetemplate: a%01d.f%05d\nfirsttimestep: 1\nnumtimesteps: {len(times)}\n"
    (folder / "a.nek5000").write_text(text)
    return points.transpose(0, 2, 1).reshape(-1, 3)


def test_nek5000(tmp_path):
    points = nek5000(tmp_path, (0.0, 0.5))
    steps = read_series(tmp_path / "a.nek5000")
    assert steps.times == (0.0, 0.5)
    for number, mesh in enumerate(steps, 1):
        assert np.array_equal(mesh.points, points)
        assert mesh.cell_types.tolist() == [12, 12]
        assert mesh.cell_measures() == pytest.approx([1, 1])
        assert np.array_equal(mesh.point_data["Velocity"], points + number)
        assert np.array_equal(mesh.point_data["Pressure"], points[:, 0] + 100)
        assert np.array_equal(mesh.point_data["Temperature"], points[:, 1] + 200)


def ensight(folder):
    """Two parts, and at three times a scalar on nodes and a vector on elements."""

    def put(name, lines):
        (folder / name).write_text("\n".join(lines) + "\n")

    def numbers(values):
        return [f"{value:12.5e}" for value in np.ravel(values)]

    def cells(kind, row):
        return [kind, f"{1:10d}", "".join(f"{node:10d}" for node in row)]

    def part(number, name, points):
        head = ["part", f"{number:10d}", name, "coordinates", f"{len(points):10d}"]
        return head + numbers(points.T)

    geometry = ["first line", "second line", "node id off", "element id off"]
    geometry += part(1, "box", POINTS) + cells("hexa8", range(1, 9))
    geometry += cells("pyramid5", (5, 6, 7, 8, 9)) + cells("penta6", (1, 2, 4, 5, 6, 8))
    put("a.geo", geometry + part(2, "wall", POINTS[:4]) + cells("quad4", range(1, 5)))
    for step in range(3):
        first, second = ["part", f"{1:10d}"], ["part", f"{2:10d}"]
        rows = [*first, "coordinates", *numbers(np.arange(9) + step)]
        put(f"a.p{step}", ["p", *rows, *second, "coordinates", *numbers(np.arange(4) + step)])
        rows = [word for kind in ("hexa8", "pyramid5", "penta6")
                for word in (kind, *numbers(np.arange(3) + step))]  # fmt: skip
        put(f"a.u{step}", ["u", *first, *rows, *second, "quad4", *numbers(np.arange(3) + step)])
    put("a.case", ["FORMAT", "type: ensight gold", "GEOMETRY", "model: a.geo", "VARIABLE",
                   "scalar per node: 1 p a.p*", "vector per element: 1 u a.u*", "TIME",
                   "time set: 1", "number of steps: 3", "filename start number: 0",
                   "filename increment: 1", "time values: 0.0 0.5 2.0"])  # fmt: skip
    put("a.sos", ["FORMAT", "type: master_server gold", "SERVERS", "number of servers: 1",
                  "#Server 1", "machine id: here", "executable: none", "data_path: .",
                  "casefile: a.case"])  # fmt: skip


@pytest.mark.parametrize("name", ["a.case", "a.sos"])
def test_ensight_at_several_times(tmp_path, name):
    ensight(tmp_path)
    steps = read_series(tmp_path / name)
    assert steps.times == (0.0, 0.5, 2.0)
    for step, mesh in enumerate(steps):
        assert np.array_equal(mesh.points, np.concatenate([POINTS, POINTS[:4]]))
        assert mesh.cell_types.tolist() == [12, 14, 13, 9]
        assert signed_measures(mesh)[:3] == pytest.approx([1, 1 / 3, 0.5])
        sizes = {key: (region.kind, len(region.ids)) for key, region in mesh.regions.items()}
        assert sizes == {"box": ("cell", 3), "wall": ("cell", 1)}
        assert mesh.point_data["p"].tolist() == [*range(step, step + 9), *range(step, step + 4)]
        assert mesh.cell_data["u"].tolist() == [[step, step + 1, step + 2]] * 4


def test_slac(tmp_path):
    with netcdf(tmp_path / "a.ncdf", "w", version=2) as file:
        sizes = {"points": 5, "three": 3, "inside": 1, "outside": 1, "five": 5, "nine": 9}
        for name, size in sizes.items():
            file.createDimension(name, size)
        points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1.0]])
        file.createVariable("coords", "f8", ("points", "three"))[:] = points
        inside = file.createVariable("tetrahedron_interior", "i4", ("inside", "five"))
        inside[:] = [[1, 0, 1, 2, 3]]
        outside = file.createVariable("tetrahedron_exterior", "i4", ("outside", "nine"))
        outside[:] = [[1, 1, 4, 2, 3, -1, 6, -1, -1]]
    mesh = read(tmp_path / "a.ncdf")
    assert np.array_equal(mesh.points, points)
    assert mesh.cell_types.tolist() == [10, 10]
    assert sorted(mesh.cell_measures()) == pytest.approx([1 / 6, 1 / 3])


def test_ugrid_in_netcdf(tmp_path):
    with netcdf(tmp_path / "a.nc", "w") as file:
        file.Conventions = b"UGRID-1.0"
        for name, size in {"node": 5, "face": 2, "most": 4}.items():
            file.createDimension(name, size)
        mesh = file.createVariable("mesh", "i4", ())
        mesh.cf_role, mesh.topology_dimension = b"mesh_topology", np.int32(2)
        mesh.node_coordinates, mesh.face_node_connectivity = b"node_x node_y", b"faces"
        file.createVariable("node_x", "f8", ("node",))[:] = [0, 1, 1, 0, 2]
        file.createVariable("node_y", "f8", ("node",))[:] = [0, 0, 1, 1, 0.5]
        faces = file.createVariable("faces", "i4", ("face", "most"))
        faces[:] = [[1, 2, 3, 4], [2, 5, 3, -999]]
        faces.start_index, faces._FillValue = np.int32(1), np.int32(-999)
        for name, where, values in (("z", "node", [1, 2, 3, 4, 5]), ("u", "face", [7, 8])):
            data = file.createVariable(name, "f8", (where,))
            data[:], data.location, data.mesh = values, where.encode(), b"mesh"
    mesh = read(tmp_path / "a.nc")
    assert mesh.points.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0.5, 0]]
    assert mesh.cell_types.tolist() == [9, 5]
    assert mesh.cell_nodes.tolist() == [0, 1, 2, 3, 1, 4, 2]
    assert mesh.point_data["z"].tolist() == [1, 2, 3, 4, 5]
    assert mesh.cell_data["u"].tolist() == [7, 8]


def test_flac3d(tmp_path):
    points = [f"G {n} {x} {y} {z}" for n, (x, y, z) in enumerate(POINTS.tolist(), 11)]
    zones = ["Z B8 1 11 12 14 15 13 18 16 17", "Z P5 2 15 16 18 19 17", "Z W6 3 11 12 15 14 16 18"]
    faces = ["F Q4 1 11 12 13 14"]
    groups = ['ZGROUP "rock" SLOT 1', " 1 3", 'FGROUP "ground" SLOT 1', " 1"]
    lines = ["* GRIDPOINTS", *points, "* ZONES", *zones, "* ZONE GROUPS", *groups[:2]]
    lines += ["* FACES", *faces, "* FACE GROUPS", *groups[2:]]
    (tmp_path / "a.f3grid").write_text("\n".join(lines) + "\n")
    mesh = read(tmp_path / "a.f3grid")
    assert np.array_equal(mesh.points, POINTS)
    kinds = sorted(mesh.cell_types.tolist())
    assert kinds == [9, 12, 13, 14]
    measures = dict(zip(mesh.cell_types.tolist(), signed_measures(mesh), strict=True))
    assert measures == pytest.approx({9: 1, 12: 1, 13: 0.5, 14: 1 / 3})
    named = {key: mesh.cell_types[region.ids].tolist() for key, region in mesh.regions.items()}
    assert sorted(map(sorted, named.values())) == [[9], [12, 13]]
