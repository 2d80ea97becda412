"""Fixtures of the tests of readers and writers."""

import pytest


@pytest.fixture
def model():
    """gmsh's empty model; all of gmsh ends with the test."""
    gmsh = pytest.importorskip("gmsh")
    gmsh.initialize(["gmsh"], readConfigFiles=False, interruptible=False)
    gmsh.option.setNumber("General.Terminal", 0)
    yield gmsh.model
    gmsh.finalize()
