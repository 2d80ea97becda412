"""Every op against every check of meshop.testing."""

import pytest

from meshop.testing import OP_CHECKS

from .specs import SPECS


@pytest.mark.parametrize("check", OP_CHECKS)
@pytest.mark.parametrize("name", SPECS)
def test_op(name: str, check: str) -> None:
    OP_CHECKS[check](SPECS[name])
