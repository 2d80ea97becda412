"""Every op gives the same bits whichever vector instructions the machine has."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from meshop import ops
from tests.ops.specs import SPECS


def bits() -> list[str]:
    """A hash of each op's outputs on all samples. NaN counts as NaN, whatever its sign."""
    lines = []
    for name, spec in SPECS.items():
        digest = hashlib.sha256()
        for args in spec.samples.values():
            out = spec.op(*args)
            for t in (out,) if isinstance(out, torch.Tensor) else out:
                same = t.masked_fill(t != t, torch.nan) if t.is_floating_point() else t
                digest.update(same.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        lines.append(f"{name} {digest.hexdigest()}")
    return lines


@pytest.mark.skipif(not ops.compiled, reason="torch's own instruction sets are its own affair")
@pytest.mark.parametrize("vector_bytes", ["16", "32"])
def test_every_instruction_set_gives_the_same_bits(vector_bytes: str) -> None:
    code = "from tests.ops.test_instruction_sets import bits; print('\\n'.join(bits()))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"MESHOP_VECTOR_BYTES": vector_bytes},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.split("\n")[:-1] == bits()
