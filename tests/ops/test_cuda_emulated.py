"""Every CUDA kernel against the reference, run by the CPU: see tests/cuda_emulation."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshop import ops
from meshop.testing import check_layout, check_reference

from ..cuda_emulation import Build, Device, build, compiler
from .specs import HOST_SPECS, SPECS

SOURCES = Path(__file__).parents[2] / "cpp_ext"
KERNELS = [name for name in SPECS if name not in HOST_SPECS]

pytestmark = [
    pytest.mark.skipif(compiler() is None, reason="no C++ compiler"),
    pytest.mark.skipif(not ops.compiled, reason="once is enough: the run with the library has it"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build(SOURCES, tmp_path_factory.mktemp("cuda_emulation"))


@pytest.fixture(scope="module")
def device(built: Build) -> Device:
    return Device(built.library)


def test_every_kernel_file_translates_and_compiles(built: Build) -> None:
    assert not built.faults, "\n".join(built.faults.values())


@pytest.fixture(params=["in order, 0xFB", "shuffled, 0xFF"])
def arrangement(request: pytest.FixtureRequest, device: Device) -> Iterator[Device]:
    shuffled = request.param.startswith("shuffled")
    device.configure(shuffle=20 if shuffled else 0, garbage=0xFF if shuffled else 0xFB)
    yield device
    device.configure()


@pytest.mark.parametrize("name", KERNELS)
def test_the_kernel_equals_the_reference(name: str, arrangement: Device) -> None:
    assert arrangement.has(name), f"no CUDA kernel registers {name}"
    check_reference(dataclasses.replace(SPECS[name], op=arrangement.op(name)))


@pytest.mark.parametrize("name", KERNELS)
def test_the_layout_of_inputs_changes_nothing(name: str, device: Device) -> None:
    assert device.has(name), f"no CUDA kernel registers {name}"
    check_layout(dataclasses.replace(SPECS[name], op=device.op(name)))
