"""What all tests share."""

import os
from pathlib import Path

import matplotlib
import pytest
from hypothesis import settings

matplotlib.use("Agg")
os.environ.setdefault("PYVISTA_OFF_SCREEN", "true")

# The same examples on every run, and no deadline: shared machines pause.
settings.register_profile("meshop", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("meshop")


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the project."""
    return Path(__file__).parents[1]
