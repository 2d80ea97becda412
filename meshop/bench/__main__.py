"""`python -m meshop.bench JOB`: one run, in the process that measures its memory."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

from ._run import Job, execute


def main(path: str) -> int:
    """Run the job in a JSON file; 0 whether it succeeded or not: the record says."""
    content = json.loads(Path(path).read_text())
    warnings.simplefilter("ignore")  # of libraries; errors are recorded
    execute(Job(**content["job"]), Path(content["place"]), Path(content["out"]), content["threads"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
