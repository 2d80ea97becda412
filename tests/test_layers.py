"""The layer rule: imports go to the layers below, never up, never to a private file of another.

Reads the source, so imports inside functions and under TYPE_CHECKING count too.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

# Top to bottom, as in CONTRIBUTING.md.
LAYERS = (
    "compat", "cli", "bench", "predict", "train", "viz", "surrogate", "movers", "reduced", "models",
    "nn", "graph", "io", "mesh", "solvers", "ops", "celltypes", "errors",
)  # fmt: skip
# Above all layers: the lazy front door, and the checks for those who extend meshop.
FREE = ("__init__", "_version", "testing")

# The doors up, each inside a function and for a reason. One that is no longer used fails the test.
DOORS = {
    ("meshop.mesh._mesh", "io"): "mesh.save(path) is the counterpart of meshop.read(path)",
    ("meshop.surrogate._surrogate", "predict"): "surrogate.predict(mesh) is the API of the README",
}

PACKAGE = Path(__file__).parents[1] / "meshop"


def imported(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """(line, full dotted name) of everything that ``module`` imports, relative names resolved."""
    home = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = home[: len(home) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{stem}.{alias.name}"
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            called = node.func.id if isinstance(node.func, ast.Name) else called
            first = node.args[0]
            if called in ("import_module", "__import__") and isinstance(first, ast.Constant):
                yield node.lineno, str(first.value)


def faults(source: str, module: str, is_package: bool = False) -> list[str]:
    """The imports of ``module`` (``meshop.graph.build``) that break the rule."""
    own = module.split(".")[1] if "." in module else "__init__"
    found = []
    for line, name in imported(ast.parse(source), module, is_package):
        parts = name.split(".")
        if parts[0] != "meshop" or own in FREE:
            continue
        other = parts[1] if len(parts) > 1 else ""
        if other not in LAYERS:
            if other not in (*FREE, "__version__"):
                found.append(f"{module}:{line}: {name} goes round the layers; name its package")
            elif other == "testing":
                found.append(f"{module}:{line}: {name} points up")
            continue
        if other == own:
            continue
        if LAYERS.index(other) < LAYERS.index(own):
            found.append(f"{module}:{line}: {name} points up, from {own} to {other}")
        if any(part.startswith("_") for part in parts[2:]):
            found.append(f"{module}:{line}: {name} is private to {other}")
    return found


def test_imports_point_down() -> None:
    found, unused = [], set(DOORS)
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        for fault in faults(path.read_text("utf-8"), module, is_package):
            door = next((d for d in DOORS if d[0] == module and f"to {d[1]}" in fault), None)
            if door and "points up" in fault:
                unused.discard(door)
            else:
                found.append(fault)
    assert not found, "\n".join(found)
    assert not unused, f"no longer needed: {unused}"


def test_every_part_has_a_layer() -> None:
    parts = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert parts <= {*LAYERS, *FREE}


@pytest.mark.parametrize(
    ("source", "module", "fault"),
    [
        ("from ..graph import MeshGraph", "meshop.mesh.storage", "points up, from mesh to graph"),
        ("import meshop.cli", "meshop.ops.cells", "points up"),
        ("from .. import train", "meshop.nn.blocks", "points up"),
        ("def f():\n    from meshop.models import x", "meshop.nn.blocks", "points up"),
        (
            "import importlib\nimportlib.import_module('meshop.viz')",
            "meshop.io.vtk_xml.vtu",
            "points up",
        ),
        ("from ..ops._library import compiled", "meshop.graph.build", "private to ops"),
        ("from ..ops import _library", "meshop.graph.build", "private to ops"),
        ("from meshop import read", "meshop.graph.build", "goes round the layers"),
        ("from ..testing import check_op", "meshop.ops.cells", "points up"),
    ],
)
def test_the_rule_catches(source: str, module: str, fault: str) -> None:
    assert any(fault in line for line in faults(source, module))


@pytest.mark.parametrize(
    ("source", "module", "is_package"),
    [
        ("from ..ops import knn", "meshop.graph.build", False),
        ("from ._edges import edges", "meshop.graph.build", False),
        ("from ._build import build", "meshop.graph", True),
        ("from .. import errors", "meshop.io.vtk_xml.vtu", False),
        ("from meshop._version import __version__", "meshop.surrogate.file", False),
        ("import meshio, numpy.linalg", "meshop.io.other", False),
    ],
)
def test_the_rule_allows(source: str, module: str, is_package: bool) -> None:
    assert not faults(source, module, is_package)
