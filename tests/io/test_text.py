"""Numbers in text against Python's own, over chunk borders; everything else is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshop.io import _text
from meshop.io._files import Fault


@given(
    values=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40),
    spaces=st.sampled_from([b" ", b"\n", b" \r\n\t "]),
    tail=st.sampled_from([b"", b"\n", b" rest 1 2"]),
    chunk=st.integers(1, 60),
)
def test_the_numbers_and_the_place_behind_them(values, spaces, tail, chunk):
    data = spaces + spaces.join(str(v).encode() for v in values) + tail
    whole, _text._CHUNK = _text._CHUNK, chunk
    try:
        found, place = _text.take_numbers(data, 0, len(values), "i8", "x")
    finally:
        _text._CHUNK = whole
    assert found.tolist() == values
    assert data[place:].strip() == tail.strip()
    assert not values or data[:place].split()[-1] == str(values[-1]).encode()


def test_floats_are_exact():
    values = np.random.default_rng(0).random(1000) * 10.0 ** np.arange(-500, 500).clip(-300, 300)
    data = b" ".join(repr(float(v)).encode() for v in values)
    assert np.array_equal(_text.take_numbers(data, 0, 1000, "f8", "x")[0], values)


@pytest.mark.parametrize(
    ("data", "count", "dtype"),
    [
        (b"1 2 3", 4, "f8"),
        (b"1 2 3", 10**12, "f8"),
        (b"1 2 3", -1, "f8"),
        (b"1 two 3", 3, "f8"),
        (b"1 2.5 3", 3, "i4"),
        (b"1 1_000 3", 3, "i8"),
        (b"1 300 3", 3, "u1"),
        (b"1 -3 3", 3, "u2"),
        (b"1 99999999999999999999 3", 3, "i8"),
    ],
)
def test_what_is_no_list_of_numbers(data, count, dtype):
    with pytest.raises(Fault):
        _text.take_numbers(data, 0, count, dtype, "x")
