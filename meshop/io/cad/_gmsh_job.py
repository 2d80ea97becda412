"""What a child process does with gmsh: tasks for `_gmsh.run_gmsh`, which reads what gmsh prints."""

import collections
import contextlib

import numpy as np

from .._files import Fault

# Elements by order: gmsh's type, its nodes, and where VTK has them (gmsh swaps two of tetra10).
TRIANGLES = {1: (2, [0, 1, 2]), 2: (9, [0, 1, 2, 3, 4, 5])}
TETRAHEDRA = {1: (4, [0, 1, 2, 3]), 2: (11, [0, 1, 2, 3, 4, 5, 6, 7, 9, 8])}
MANY = 1e6  # cells that are announced, since they take minutes
_INSTALL = (
    "pip install 'meshop[cad]'",
    "apt-get install libglu1-mesa libxcursor1 libxft2 libxinerama1 libgomp1",
)


@contextlib.contextmanager
def started():
    """gmsh, ready for one task; whatever it raises is a Fault."""
    try:
        import gmsh
    except (ImportError, OSError) as error:
        hint = _INSTALL[".so" in str(error)]
        raise Fault("gmsh", f"gmsh cannot be imported: {error}", hint) from None
    try:
        gmsh.initialize([""], readConfigFiles=False, interruptible=False)
        set_number = gmsh.option.setNumber
        set_number("General.Terminal", 1)
        set_number("General.Verbosity", 5)
        set_number("General.NumThreads", 1)  # the same mesh on every machine
        yield gmsh
    except (Fault, MemoryError):
        raise
    except Exception as error:  # gmsh raises bare ones
        raise Fault("content", f"gmsh failed on it: {error}", "export it again") from None


# -- CAD ---------------------------------------------------------------------------------------


def from_cad(path, job):
    """What is in the file and, unless it is only to be looked at, the arrays of its mesh."""
    with started() as gmsh:
        return mesh_shapes(gmsh, path, job)


def mesh_shapes(gmsh, path, job):
    model = gmsh.model
    names = load(gmsh, path, job)
    faces, solids = ([tag for _, tag in model.getEntities(dim)] for dim in (2, 3))
    answer = {
        "faces": [
            [tag, names.get((2, tag), ""), [int(up) for up in model.getAdjacencies(2, tag)[0]]]
            for tag in faces
        ],
        "solids": [[tag, names.get((3, tag), "")] for tag in solids],
        "corners": corners(model, faces, job["unit"]) if job["format"] == "step" else [],
        "failed": [],
        "message": "",
    }
    if job["look"]:
        return answer, {}
    if job["volume"] and not solids:
        reason = f"its {len(faces)} faces enclose no volume"
        raise Fault("solids", reason, "mesh its surface, or export a solid (STEP keeps solids)")
    answer["size"] = sizes(gmsh, job)
    for solid in solids:
        model.mesh.setOutwardOrientation(solid)
    answer["message"] = mesh_faces(gmsh, faces, answer["failed"])
    if job["volume"]:
        if answer["failed"]:
            which = called(names, 2, answer["failed"])
            reason = f"{len(answer['failed'])} of {len(faces)} faces cannot be meshed ({which})"
            raise Fault("faces", f"{reason}: {answer['message']}", "a smaller size")
        mesh_solids(gmsh, solids, names)
    if job["order"] == 2 and (message := generate(gmsh, order=2)):
        raise Fault("order 2", message, "order 1, or a smaller size")
    row, points = nodes(gmsh)
    cells, owner = elements(model, 2, faces, TRIANGLES[job["order"]])
    parts = {"triangles": row(cells), "triangle_face": owner}
    if job["volume"]:
        cells, owner = elements(model, 3, solids, TETRAHEDRA[job["order"]])
        parts |= {"tetrahedra": row(cells), "tetrahedron_solid": owner}
    return answer, used(points / job["unit"], parts)


def load(gmsh, path, job):
    """Read the shapes: (dim, tag) -> label."""
    model = gmsh.model
    set_number = gmsh.option.setNumber
    set_number("Geometry.OCCImportLabels", 1)
    if job["repair"]:
        for name in ("FixDegenerated", "FixSmallEdges", "FixSmallFaces"):
            set_number(f"Geometry.OCC{name}", 1)
    try:
        found = model.occ.importShapes(str(path), highestDimOnly=False, format=job["format"])
    except Exception as error:
        raise Fault("content", f"OpenCASCADE cannot read it: {error}", "export it again") from None
    model.occ.synchronize()
    if job["repair"] and not model.getEntities(3):
        close(gmsh)  # only then: sewing takes solids that are in order apart
    if not model.getEntities(2):
        kinds = [f"{len(model.getEntities(1))} curves", f"{len(model.getEntities(0))} points"]
        what = f"it has no faces to mesh, only {' and '.join(kinds)}" if found else "it is empty"
        raise Fault("shapes", what, "export the surfaces or the solid, not only its curves")
    names = {pair: model.getEntityName(*pair) for pair in model.getEntities()}
    if not job["conformal"]:
        return names
    parts = model.getEntities(3) or model.getEntities(2)
    try:
        _, became = model.occ.fragment(parts, [])
        model.occ.synchronize()
    except Exception as error:
        raise Fault("parts", f"they cannot be made conformal: {error}", "without it") from None
    new = {pair: model.getEntityName(*pair) for pair in model.getEntities()}
    for part, pieces in zip(parts, became, strict=False):
        new |= {tuple(piece): names[part] for piece in pieces}
    return new


def mesh_faces(gmsh, faces, failed):
    """Mesh the surface, list the faces that fail; the complaint."""
    message = generate(gmsh, 2)
    empty = {tag for tag in faces if not has_elements(gmsh.model, 2, tag)}
    if len(empty) == len(faces):
        reason = f"none of the {len(faces)} faces could be meshed: {message}"
        raise Fault("faces", reason, "a smaller size")
    if message or empty:
        bad = {tag for dim, tag in gmsh.model.mesh.getLastEntityError() if dim == 2}
        failed.extend(sorted(empty | bad))
    return message


def mesh_solids(gmsh, solids, names):
    message = generate(gmsh, 3)
    bad = [tag for tag in solids if not has_elements(gmsh.model, 3, tag)]
    if message or bad:
        which = called(names, 3, bad) or "the solids"
        reason = f"{which} cannot be filled: {message or 'no cells'}"
        raise Fault("solids", reason, "a smaller size, or its surface only (no volume)")


def called(names, dim, tags):
    """A few faces or solids, by name where they have one."""
    kind = ("", "", "face", "solid")[dim]
    known = [names.get((dim, tag), "").removeprefix("Shapes/") or f"{kind} {tag}" for tag in tags]
    return ", ".join(known[:4]) + (", ..." if len(known) > 4 else "")


def close(gmsh):
    """Sew faces into solids, as loosely as it takes: IGES files seldom are exact."""
    model = gmsh.model
    box = model.getBoundingBox(-1, -1)
    length = max(box[3] - box[0], box[4] - box[1], box[5] - box[2])
    for tolerance in (1e-6 * length, 1e-5 * length, 1e-4 * length):
        try:
            model.occ.healShapes([], tolerance, True, True, True, True, False)
            model.occ.synchronize()
            fill_each_shell(model)
            if not model.getEntities(3):  # OpenCASCADE makes one solid, and drops other shells
                model.occ.healShapes([], tolerance, True, True, True, True, True)
                model.occ.synchronize()
        except Exception:
            return
        if model.getEntities(3):
            return


def fill_each_shell(model):
    """Make a solid of each of several shells, where all are closed and none lies in another."""
    uses = {tag: model.getAdjacencies(2, tag)[1].tolist() for _, tag in model.getEntities(2)}
    shells: list[tuple[list[int], set[int]]] = []  # faces and curves of each
    for tag, curves in uses.items():
        apart = [shell for shell in shells if not shell[1] & set(curves)]
        joined = [shell for shell in shells if shell[1] & set(curves)]
        faces = [tag, *(face for shell in joined for face in shell[0])]
        shells = [*apart, (faces, set(curves).union(*(shell[1] for shell in joined)))]
    count = collections.Counter(curve for curves in uses.values() for curve in curves)
    boxes = []
    for faces, _ in shells:
        ends = np.array([model.getBoundingBox(2, face) for face in faces])
        boxes.append((ends[:, :3].min(axis=0), ends[:, 3:].max(axis=0)))
    inside = any(
        one is not two and np.all(one[0] <= two[0]) and np.all(two[1] <= one[1])
        for one in boxes
        for two in boxes
    )
    if inside or any(times != 2 for times in count.values()):
        return
    for faces, _ in shells:
        model.occ.addVolume([model.occ.addSurfaceLoop(faces)])
    model.occ.synchronize()
    # Some faces were replaced on the way.
    stale = [pair for pair in model.getEntities(2) if not len(model.getAdjacencies(*pair)[0])]
    model.occ.remove(stale)
    model.occ.synchronize()


def sizes(gmsh, job):
    """Set the sizes; refuse what no machine can hold."""
    model = gmsh.model
    box = model.getBoundingBox(-1, -1)
    diagonal = sum((box[i + 3] - box[i]) ** 2 for i in range(3)) ** 0.5
    if not 0 < diagonal < 1e150:
        raise Fault("shapes", f"its bounding box has the diagonal {diagonal:g}", "export it again")
    unit = job["unit"]  # in millimetres, which is what OpenCASCADE's numbers are
    size = (job["size"] or 0.0) * unit or diagonal / 30
    smallest = (job["min_size"] or 0.0) * unit or size / 20
    set_number = gmsh.option.setNumber
    set_number("Mesh.MeshSizeMax", size)
    set_number("Mesh.MeshSizeMin", min(smallest, size))
    set_number("Mesh.MeshSizeFromCurvature", job["curvature"])
    if job["local"]:
        smallest = min(smallest, *(local * unit for local, _, _ in job["local"]))
        set_number("Mesh.MeshSizeMin", min(smallest, size))
        fields = []
        for local, faces, solids in job["local"]:
            fields.append(model.mesh.field.add("Constant"))
            model.mesh.field.setNumber(fields[-1], "VIn", local * unit)
            model.mesh.field.setNumbers(fields[-1], "SurfacesList", faces)
            model.mesh.field.setNumbers(fields[-1], "VolumesList", solids)
        least = model.mesh.field.add("Min")
        model.mesh.field.setNumbers(least, "FieldsList", fields)
        model.mesh.field.setAsBackgroundMesh(least)
    area = sum(abs(model.occ.getMass(*face)) for face in model.getEntities(2))
    expected = 2.3 * area / size**2
    if job["volume"]:
        volume = sum(abs(model.occ.getMass(*solid)) for solid in model.getEntities(3))
        expected += 8.5 * volume / size**3
    if expected * 500 > job["memory"]:
        reason = f"size {size / unit:g} means about {expected:.1e} cells: they do not fit in memory"
        raise Fault("size", reason, f"{diagonal / unit / 100:.3g}")
    if expected > MANY:
        gmsh.logger.write(f"[  0%] about {expected / 1e6:.2g} million cells")
    return size / unit


def corners(model, faces, unit):
    """Coordinates of each face's corners: by them names in a STEP file find their faces."""
    at = {tag: (model.getValue(0, tag, []) / unit).tolist() for _, tag in model.getEntities(0)}
    found = []
    for face in faces:
        curves = model.getAdjacencies(2, face)[1]
        ends = {int(tag) for curve in curves for tag in model.getAdjacencies(1, curve)[1]}
        found.append([at[tag] for tag in sorted(ends)])
    return found


# -- a closed surface ----------------------------------------------------------------------------


def fill(path, job, points, triangles, shell):
    """Tetrahedra inside closed shells; bodies: for each its shells, the outer one first."""
    with started() as gmsh:
        return fill_shells(gmsh, job, points, triangles, shell)


def fill_shells(gmsh, job, points, triangles, shell):
    model = gmsh.model
    tags = {}
    owner = np.full(len(points), -1)
    owner[triangles] = shell[:, None]
    for number in range(int(shell.max()) + 1):
        tags[number] = tag = model.addDiscreteEntity(2)
        mine, own = np.flatnonzero(shell == number), np.flatnonzero(owner == number)
        model.mesh.addNodes(2, tag, own + 1, points[own].ravel())
        model.mesh.addElementsByType(tag, 2, mine + 1, triangles[mine].ravel() + 1)
    for body in job["bodies"]:
        loops = [model.geo.addSurfaceLoop([tags[number]]) for number in body]
        model.geo.addVolume(loops)
    model.geo.synchronize()
    if job["size"]:
        gmsh.option.setNumber("Mesh.MeshSizeMax", job["size"])
    message = generate(gmsh, 3)
    solids = [tag for _, tag in model.getEntities(3)]
    if message or not all(has_elements(model, 3, tag) for tag in solids):
        reason = f"it cannot be filled: {message or 'a part of it stays empty'}"
        raise Fault("surface", reason, "the surface may cut itself: repair it in a CAD program")
    cells, owner = elements(model, 3, solids, TETRAHEDRA[1])
    index, xyz, _ = model.mesh.getNodes()
    inner = index > len(points)  # the first ones are those of the surface, untouched
    row = np.zeros(int(index.max()) + 1, np.int64)
    row[1 : len(points) + 1] = np.arange(len(points))
    row[index[inner]] = len(points) + np.arange(int(inner.sum()))
    inside = xyz.reshape(-1, 3)[inner]
    return {"inner": inside, "tetrahedra": row[cells], "tetrahedron_solid": owner}


# -- what both share -----------------------------------------------------------------------------


def generate(gmsh, dim=0, order=0):
    """The first complaint, or "" where all went well."""
    gmsh.logger.start()
    try:
        if order:
            gmsh.option.setNumber("Mesh.HighOrderOptimize", 1)
            gmsh.model.mesh.setOrder(order)
        else:
            gmsh.model.mesh.generate(dim)
        message = ""
    except Exception as error:
        message = str(error) or type(error).__name__
    lines = gmsh.logger.get()
    gmsh.logger.stop()
    errors = [line.partition(":")[2].strip() for line in lines if line.startswith("Error")]
    return "; ".join(dict.fromkeys(errors[:3])) or message


def has_elements(model, dim, tag):
    return any(len(some) for some in model.mesh.getElements(dim, tag)[1])


def elements(model, dim, tags, shape):
    """(m, k) node tags in VTK's order, and the entity of each."""
    kind, order = shape
    cells, owner = [np.empty((0, len(order)), np.int64)], [np.empty(0, np.int32)]
    for tag in tags:
        _, conn = model.mesh.getElementsByType(kind, tag)
        cells.append(np.asarray(conn, np.int64).reshape(-1, len(order))[:, order])
        owner.append(np.full(len(cells[-1]), tag, np.int32))
    return np.concatenate(cells), np.concatenate(owner)


def nodes(gmsh):
    """A function from node tags to rows, and all points."""
    tags, xyz, _ = gmsh.model.mesh.getNodes()
    row = np.zeros(int(tags.max(initial=0)) + 1, np.int64)
    row[tags] = np.arange(len(tags))
    return row.__getitem__, xyz.reshape(-1, 3)


def used(points, parts):
    """The arrays, cells renumbered, with those points that cells use, in their order."""
    cells = [name for name in ("triangles", "tetrahedra") if name in parts]
    is_used = np.zeros(len(points), bool)
    for name in cells:
        is_used[parts[name]] = True
    row = np.cumsum(is_used) - 1
    return parts | {"points": points[is_used]} | {name: row[parts[name]] for name in cells}
