"""How many seconds does the whole command `meshop predict geometries/airfoil.vtu` take?

    python benchmarks/predict_wall_time.py [FILE] [key=value ...] [--repeats 5]

A fresh process each time, from the shell's point of view: start, imports, reading, features,
operator, writing, picture. The result goes to a temporary folder.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _timing import ROOT, machine, write_json


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("given", nargs="*", help="as for `meshop predict`: FILE key=value ...")
    args.add_argument("--model", default="airfoil-rans")
    args.add_argument("--repeats", type=int, default=5)
    args.add_argument("--json")
    opt = args.parse_args()
    given = opt.given
    if all("=" in word for word in given):
        given = [str(ROOT / "geometries" / "airfoil.vtu"), *given]
    beside = Path(sys.executable).with_name("meshop")
    program = str(beside) if beside.exists() else shutil.which("meshop")
    if program is None:
        sys.exit("no `meshop` command: pip install -e .")
    times = []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.vtu"
        command = [program, "predict", *given, "-m", opt.model, "-o", str(out)]
        for _ in range(opt.repeats + 1):
            start = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            times.append(time.perf_counter() - start)
            if done.returncode or not out.exists():
                sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        pictures = [p.name for p in Path(folder).glob("*.png")]
    first, rest = times[0], times[1:]
    print(f"first run {first:.2f} s; then median of {len(rest)}: {statistics.median(rest):.2f} s")
    print(f"runs {[round(t, 2) for t in rest]}, picture {pictures or 'none'}; {machine()}")
    result = {"first": first, "median": statistics.median(rest), "runs": rest}
    write_json(opt.json, result | {"machine": machine()})


if __name__ == "__main__":
    main()
