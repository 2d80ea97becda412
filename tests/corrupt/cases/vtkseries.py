"""Malformed file series: the JSON list beside one good file."""

from __future__ import annotations

import json
from pathlib import Path

from .vtu import ASCII

SUFFIX = ".vtu.series"
GOOD = '{"file-series-version": "1.0", "files": [{"name": "good.vtu", "time": 0.5}]}'


def place(folder: Path, name: str, data: bytes) -> Path:
    """The list, and the file that it names."""
    (folder / "good.vtu").write_text(ASCII)
    path = folder / f"{name.replace(' ', '_')}{SUFFIX}"
    path.write_bytes(data)
    return path


def listed(*files: object) -> str:
    return json.dumps({"file-series-version": "1.0", "files": list(files)})


def corpus() -> dict[str, bytes]:
    """File name -> content."""
    files = {
        "cut_in_half": GOOD[: len(GOOD) // 2],
        "cut_before_end": GOOD[:-2],
        "no_files": '{"file-series-version": "1.0"}',
        "files_empty": listed(),
        "files_is_text": '{"file-series-version": "1.0", "files": "good.vtu"}',
        "files_is_number": '{"file-series-version": "1.0", "files": 1e999}',
        "list_at_the_top": '[{"name": "good.vtu", "time": 0}]',
        "number_at_the_top": "17",
        "entry_is_text": listed("good.vtu"),
        "name_missing": listed({"time": 0}),
        "name_empty": listed({"name": "", "time": 0}),
        "name_number": listed({"name": 7, "time": 0}),
        "name_with_nul": listed({"name": "good\0.vtu", "time": 0}),
        "name_of_nothing": listed({"name": "gone.vtu", "time": 0}),
        "name_of_a_folder": listed({"name": ".", "time": 0}),
        "name_of_a_device": listed({"name": "/dev/zero", "time": 0}),
        "name_too_long": listed({"name": "x" * 1500, "time": 0}),
        "name_of_itself": listed({"name": "name_of_itself.vtu.series", "time": 0}),
        "name_of_a_series": listed({"name": "other.VTU.SERIES", "time": 0}),
        "name_surrogate": '{"files": [{"name": "\\ud800.vtu", "time": 0}]}',
        "time_text": listed({"name": "good.vtu", "time": "now"}),
        "time_nan": '{"files": [{"name": "good.vtu", "time": NaN}]}',
        "time_infinite": '{"files": [{"name": "good.vtu", "time": 1e999}]}',
        "time_null": listed({"name": "good.vtu", "time": None}),
        "time_enormous": listed({"name": "good.vtu", "time": 10**400}),
        "time_endless": '{"files": [{"name": "good.vtu", "time": ' + "9" * 1800 + "}]}",
        "nested": "[" * 900 + "]" * 900,
        "underscore": '{"files": [{"name": "good.vtu", "time": 1_000}]}',
        "two_values": GOOD + GOOD,
        "xml": ASCII[:400],
        "utf16": None,
        "truncated_to_nothing": "",
    }
    return {
        name: GOOD.encode("utf-16") if text is None else text.encode()
        for name, text in files.items()
    } | {
        "zeros": bytes(1500),
        "random_bytes": bytes((i * 7919 + 13) % 251 for i in range(1500)),
        "bad_utf8": GOOD.encode().replace(b"good", b"g\xff\xfed"),
    }


def seeds() -> dict[str, bytes]:
    """Good lists."""
    twice = listed({"name": "good.vtu", "time": 1}, {"name": "./good.vtu", "time": 0})
    return {
        "one": GOOD.encode(),
        "two": twice.encode(),
        "loose": GOOD.replace("}]", "},]").encode(),
        "no times": b'{"files": [{"name": "good.vtu"}]}',
    }
