"""Writes the malformed files of this folder: ``python tests/corrupt/make_corpus.py``."""

from __future__ import annotations

import shutil
from pathlib import Path

from cases import CASES

HERE = Path(__file__).parent


def file_name(case: str, name: str) -> Path:
    """Where the file of a format's corpus lies."""
    return HERE / case / f"{name.replace('/', '+')}{CASES[case].SUFFIX}"


if __name__ == "__main__":
    for case, module in CASES.items():
        shutil.rmtree(HERE / case, ignore_errors=True)
        (HERE / case).mkdir()
        files = module.corpus()
        for name, content in files.items():
            file_name(case, name).write_bytes(content)
        print(f"{case}: {len(files)} files")
