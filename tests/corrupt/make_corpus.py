"""Writes all malformed files, for a look at them: ``python tests/corrupt/make_corpus.py FOLDER``.

The tests make them afresh from `cases/`. Files that differ with the version of a compressor or of
HDF5 would be no use in the repository.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cases import CASES, place

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for case, module in CASES.items():
        files = module.corpus()
        for number, (name, content) in enumerate(files.items()):
            folder = Path(sys.argv[1], case, f"{number:03}")
            folder.mkdir(parents=True, exist_ok=True)
            place(module, folder, name, content)
        print(f"{case}: {len(files)} files")
