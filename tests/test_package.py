"""The front door: cheap to import, and it knows what it offers."""

import subprocess
import sys

import pytest

import meshop


def test_import_is_lazy() -> None:
    heavy = ("torch", "numpy", "vtk", "pyvista", "lightning", "torch_geometric", "matplotlib")
    code = f"import sys, meshop; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_names_resolve() -> None:
    assert meshop.__version__ == "0.1.0"
    for name in meshop.__all__:
        assert getattr(meshop, name) is not None and name in dir(meshop)


def test_a_function_keeps_its_name_when_the_package_of_that_name_is_imported() -> None:
    import meshop.predict

    assert callable(meshop.predict)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'raed'"):
        _ = meshop.raed
