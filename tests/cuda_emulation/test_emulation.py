"""The emulated GPU computes what a GPU would, and refuses what a GPU would get wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from . import Device, build, compiler
from .translate import TranslationError, translate

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Device:
    folder = tmp_path_factory.mktemp("probe")
    done = build(Path(__file__).with_name("probe"), folder, "meshop_probe")
    assert not done.faults, done.faults
    return Device(done.library, "meshop_probe")


@pytest.fixture(params=[0, 3, 4], ids=["in order", "shuffled", "shuffled again"])
def probe(request: pytest.FixtureRequest, device: Device) -> Callable[[str, Tensor], Tensor]:
    device.configure(shuffle=request.param, garbage=0xFF if request.param else 0xFB)
    return device.op("probe")


numbers = torch.tensor([(i * 37 + 11) % 101 for i in range(96)])


def test_barriers_and_shared_memory(probe: Callable) -> None:
    padded = torch.cat([numbers, torch.zeros(32, dtype=torch.int64)])
    assert torch.equal(probe("block_sums", numbers), padded.reshape(2, 64).sum(1))
    assert torch.equal(probe("reversed", numbers), numbers.flip(0))


def test_warp_operations(probe: Callable) -> None:
    warps = numbers.reshape(3, 32)
    expected = torch.stack([warps.sum(1), (warps % 2).sum(1), torch.tensor([1, 33, 65])], 1)
    assert torch.equal(probe("warp_sums", numbers).reshape(3, 3), expected)


def test_places_in_three_dimensions(probe: Callable) -> None:
    z, y, x = torch.meshgrid(torch.arange(4), torch.arange(3), torch.arange(2), indexing="ij")
    inner = (x + 10 * y + 100 * z).reshape(1, -1)
    v, u = torch.meshgrid(torch.arange(3), torch.arange(2), indexing="ij")
    outer = (1000 * u + 10000 * v).reshape(-1, 1)
    assert torch.equal(probe("places", numbers), (inner + outer).reshape(-1))


def test_another_order_shows_in_what_depends_on_it(device: Device) -> None:
    device.configure(shuffle=0)
    assert device.op("probe")("arrivals", numbers).tolist() == list(range(96))
    device.configure(shuffle=5)
    shuffled = device.op("probe")("arrivals", numbers)
    assert shuffled.tolist() != list(range(96))
    assert shuffled.sort().values.tolist() == list(range(96))


def test_device_wide_algorithms(probe: Callable) -> None:
    assert torch.equal(probe("scan", numbers), numbers.cumsum(0) - numbers)
    for _ in range(2):  # the result is in one buffer, then in the other
        order = (numbers % 16).argsort(stable=True)
        assert torch.equal(probe("sort", numbers), numbers[order])
    assert torch.equal(probe("select", numbers), numbers[numbers % 2 == 0])
    runs = torch.tensor([4, 4, 4, 1, 1, 9])
    assert probe("runs", runs).tolist() == [3, 2, 1]
    assert probe("max", numbers).tolist() == [100] * 96


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("reads_beyond", "reads_beyond reads byte 768 of an allocation of 768"),
        ("writes_beyond", "writes_beyond writes byte 768"),
        ("parted", "different barriers, lines"),
        ("absent_lane", "reads a lane that does not take part"),
        ("missing_lane", "deadlock"),
        ("host_reads", "host code reads device memory"),
        ("host_pointer", "expected device memory, found host memory"),
        ("stream", "not on torch's current stream"),
        ("no_block", "CUDA error 9"),
        ("in_place", "does not sort in place"),
    ],
)
def test_faults_are_refused(probe: Callable, what: str, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        probe(what, numbers)
    # The process goes on as if nothing had been.
    assert torch.equal(probe("reversed", numbers), numbers.flip(0))


@pytest.mark.parametrize(("garbage", "value"), [(0xFB, -289360691352306693), (0xFF, -1)])
def test_what_nobody_set_is_garbage(device: Device, garbage: int, value: int) -> None:
    device.configure(garbage=garbage)
    run = device.op("probe")
    assert run("uninitialised", numbers).unique().tolist() == [value]
    assert run("unset", numbers[:3]).tolist() == [value, 7, value]
    assert run("no_wait", numbers).unique().tolist() == [garbage]  # not numbers[0], which is 11


def test_launches_are_translated_where_they_stand() -> None:
    source = (
        'int a; // f<<<1, 2>>>(x)\nconst char* s = "<<<";\n'
        "if (b) ns::f<T, (3 > 2)><<<dim3(n, m),\n  k, 0, stream>>>(g(x, y),\n z); else\nlast();"
    )
    lines = translate(source, "file.cu", "space").splitlines()
    assert lines[0] == '#line 1 "file.cu"'
    assert lines[1:3] == source.splitlines()[:2]
    assert "{ ns::f<T, (3 > 2)>(emulated...); }" in "".join(lines)
    assert lines[6] == "last();"


def test_shared_variables_are_translated() -> None:
    found = translate("__shared__ Pair<int, 3> a[4][N], b;", "f.cu", "space").splitlines()[1]
    assert found == (
        "static Pair<int, 3> a[4][N], b; ::emulation::shared(a); ::emulation::shared(b);"
    )
    found = translate("extern __shared__ float all[];", "f.cu", "space").splitlines()[1]
    assert found == "float* all = static_cast<float*>(::emulation::dynamic_shared());"


@pytest.mark.parametrize("source", ["f<<<1, 2;", "<<<1, 2>>>(x);", "__shared__ int a = 3;"])
def test_what_cannot_be_translated_is_refused(source: str) -> None:
    with pytest.raises(TranslationError, match=r"file.cu:2"):
        translate(f"\n{source}", "file.cu", "space")
