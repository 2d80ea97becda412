"""Coverage-guided fuzzing of one reader: ``python tests/corrupt/fuzz.py CASE [--seconds 600]``.

Needs atheris (`pip install atheris`). It starts from the seeds and the corpus of `cases/CASE.py`.
A find (anything but a mesh or a MeshFileError, or more than 2 s of computing) is saved as
finds/CASE/VARIANT.HASH, which the tests then read for ever; more than 1.5 GB ends the run. The last
lines say how many runs it was.
"""

from __future__ import annotations

import argparse
import hashlib
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["meshop.io", "meshop.mesh"]):
    from cases import CASES, place

    from meshop.errors import MeshFileError
    from meshop.io._dispatch import format_of
    from meshop.io.foreign import FORMATS as FOREIGN

HERE = Path(__file__).parent


class Slow(Exception):
    """A read that does not end."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=sorted(CASES))
    parser.add_argument("--seconds", type=int, default=600)
    options = parser.parse_args()
    case = CASES[options.case]
    seeds = case.seeds()
    variants = list(seeds)
    folder = Path(tempfile.mkdtemp())
    starts = folder / "starts"
    starts.mkdir()
    # The first byte of an input chooses the variant: where the file goes, for folders of files.
    for number, data in enumerate(seeds.values()):
        (starts / f"seed{number}").write_bytes(bytes([number]) + data)
    for number, (name, data) in enumerate(case.corpus().items()):
        first = variants.index(name) if name in variants else number % len(variants)
        (starts / f"bad{number}").write_bytes(bytes([first]) + data)
    finds = HERE / "finds" / options.case
    place_in = folder / "one"
    place_in.mkdir()

    def too_slow(*_: object) -> None:
        raise Slow("over 2 s of computing")

    signal.signal(signal.SIGVTALRM, too_slow)

    def one(data: bytes) -> None:
        if not data:
            return
        variant = variants[data[0] % len(variants)]
        path = place(case, place_in, variant, data[1:])
        signal.setitimer(signal.ITIMER_VIRTUAL, 2)
        try:
            format = format_of(path)
            if format in FOREIGN:  # a child process with limits of its own, too slow to search in
                return
            mesh = format.read(path) if format.read else format.series(path)[-1]
            mesh.check()
        except MeshFileError:
            pass
        except BaseException:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            finds.mkdir(parents=True, exist_ok=True)
            name = variant.replace("/", "+") + "." + hashlib.sha1(data).hexdigest()[:10]
            (finds / name).write_bytes(data[1:])
            print(f"FIND {name}\n{traceback.format_exc(limit=-3)}", flush=True)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    limits = [
        f"-max_total_time={options.seconds}",
        "-rss_limit_mb=1500",
        "-verbosity=0",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *limits, "-max_len=20000", str(starts)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
