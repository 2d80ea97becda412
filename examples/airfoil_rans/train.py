"""The recipe of the shipped surrogate `airfoil-rans`: 250 RANS cases in, one file out.

    python examples/airfoil_rans/train.py CASES --out runs/airfoil-rans

CASES is a folder of solved cases: the airfoil_rans data set, or what `generate.py` makes. Seed,
sizes and budget are those of the shipped file; on two cores it takes 35 to 60 minutes. The same as
`meshop train CASES --name airfoil-rans --steps 13000`: targets, scalars and conditions are found in
the files.
"""

from __future__ import annotations

import argparse

from meshop.train import train

UNITS = {
    "U": "free-stream speed",
    "p": "p / rho over the square of the free-stream speed, 0 in the free stream",
    "nut": "free-stream speed times chord",
    "aoa_deg": "deg",
    "reynolds": "of the chord",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="+", help="folder of solved cases, or files")
    parser.add_argument("--out", default="runs/airfoil-rans", help="folder of the run")
    parser.add_argument("--steps", type=int, default=13000)
    parser.add_argument("--resume", action="store_true", help="go on where --out stopped")
    options = parser.parse_args()
    result = train(
        options.cases,
        options.out,
        name="airfoil-rans",
        units=UNITS,
        steps=options.steps,
        batch=8,
        points=768,
        validation=0.1,
        seed=0,
        resume=options.resume,
    )
    print((result.folder / "validation.md").read_text())
    print(f"wrote {result.path}")


if __name__ == "__main__":
    main()
