"""The ten point formats of LAS, field by field, and the package that packs them."""

from __future__ import annotations

from typing import Any

from ._files import Fault

_XYZ = [("X", "<i4"), ("Y", "<i4"), ("Z", "<i4"), ("intensity", "<u2")]
_OLD = [*_XYZ, ("returns", "u1"), ("class", "u1"), ("scan_angle_rank", "i1"), ("user_data", "u1"),
        ("point_source_id", "<u2")]  # fmt: skip
_NEW = [*_XYZ, ("returns", "u1"), ("flags", "u1"), ("classification", "u1"), ("user_data", "u1"),
        ("scan_angle", "<i2"), ("point_source_id", "<u2"), ("gps_time", "<f8")]  # fmt: skip
_TIME = [("gps_time", "<f8")]
_RGB = [("red", "<u2"), ("green", "<u2"), ("blue", "<u2")]
_NIR = [("nir", "<u2")]
_WAVE = [("wavepacket_index", "u1"), ("wavepacket_offset", "<u8"), ("wavepacket_size", "<u4"),
         ("return_point_wave_location", "<f4"), ("x_t", "<f4"), ("y_t", "<f4"),
         ("z_t", "<f4")]  # fmt: skip
FORMATS: list[list[tuple[str, str]]] = [
    _OLD, _OLD + _TIME, _OLD + _RGB, _OLD + _TIME + _RGB, _OLD + _TIME + _WAVE,
    _OLD + _TIME + _RGB + _WAVE, _NEW, _NEW + _RGB, _NEW + _RGB + _NIR, _NEW + _WAVE,
    _NEW + _RGB + _NIR + _WAVE,
]  # fmt: skip
# Bit fields: name, byte it lies in, first bit, bits.
_OLD_BITS = [
    ("return_number", "returns", 0, 3), ("number_of_returns", "returns", 3, 3),
    ("scan_direction_flag", "returns", 6, 1), ("edge_of_flight_line", "returns", 7, 1),
    ("classification", "class", 0, 5), ("synthetic", "class", 5, 1), ("key_point", "class", 6, 1),
    ("withheld", "class", 7, 1),
]  # fmt: skip
_NEW_BITS = [
    ("return_number", "returns", 0, 4), ("number_of_returns", "returns", 4, 4),
    ("synthetic", "flags", 0, 1), ("key_point", "flags", 1, 1), ("withheld", "flags", 2, 1),
    ("overlap", "flags", 3, 1), ("scanner_channel", "flags", 4, 2),
    ("scan_direction_flag", "flags", 6, 1), ("edge_of_flight_line", "flags", 7, 1),
]  # fmt: skip
BYTES = {"returns", "class", "flags"}
EXTRA = ("", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")


def bits_of(format: int) -> list[tuple[str, str, int, int]]:
    return _OLD_BITS if format < 6 else _NEW_BITS


def lazrs_of() -> Any:
    try:
        import lazrs
    except ImportError:
        hint = "pip install laspy[lazrs]"
        raise Fault("compression", "LAZ needs the lazrs package", hint) from None
    return lazrs
