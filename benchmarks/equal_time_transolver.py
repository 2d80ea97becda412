"""At equal training time on equal cores, how much better is meshop's operator than a Transolver?

    python benchmarks/equal_time_transolver.py --minutes 25 [--threads 2] [--peer nvidia|meshop]

The peer is NVIDIA PhysicsNeMo's Transolver (8 x 128 x 64) where the package is installed, else
meshop's with weighted=False, as published. It reads x, y, wall distance and the conditions, and is
trained on all cases but the held-out ones (10 % of NACA, a quarter of UIUC, by airfoil) for as many
minutes: AdamW 1e-3, one cycle, points drawn by area damped away from the wall (the same norm that
meshop trains in), the mean over fields of the relative L2 error as loss. meshop's operator then
gets the same files, threads and minutes through `meshop.train`. Preparing cases is in neither's
budget. Both are scored in the near field by area. The peer is scored twice, on the whole mesh at
once and on points drawn as in its training, and is credited with the better.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from _common import (
    DATA,
    FIELDS,
    AirfoilCase,
    case_files,
    free_stream,
    near_errors,
    need_data,
    read_case,
    split_by_airfoil,
)
from _peer import Prepared, fit_peer, make_peer, score_peer
from _timing import machine, table, write_json

from meshop.train import train as meshop_train


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--minutes", type=float, default=5.0)
    args.add_argument("--points", type=int, default=4096, help="of one case, in a step of the peer")
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--seed", type=int, default=0)
    args.add_argument("--data", type=Path, default=DATA)
    args.add_argument("--peer", choices=("nvidia", "meshop"), help="default: NVIDIA's if at hand")
    args.add_argument("--only", choices=("peer", "ours"))
    args.add_argument("--json")
    opt = args.parse_args()
    need_data(opt.data)
    torch.set_num_threads(opt.threads)
    torch.manual_seed(opt.seed)
    files = case_files([opt.data])
    cases = [read_case(path) for path in files]
    fit, held = split_by_airfoil(cases, opt.seed)
    scored = [cases[i] for i in held]

    scores: dict[str, list[dict[str, float]]] = {}
    if opt.only != "ours":
        name, model, forward = make_peer(opt.peer)
        data = Prepared([cases[i] for i in fit])
        print(f"{name}: {sum(p.numel() for p in model.parameters())} parameters")
        fit_peer(model, forward, data, 60 * opt.minutes, opt.points, opt.seed)
        model.eval()
        scores |= score_peer(name, forward, data, scored, opt.points)
        del data
    if opt.only != "peer":
        scores["meshop"] = run_ours([files[i] for i in fit], scored, opt)
    report(scores, scored, opt)


def run_ours(
    files: Sequence[Path], cases: Sequence[AirfoilCase], opt: argparse.Namespace
) -> list[dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        found = meshop_train(
            files, folder, minutes=opt.minutes, steps=10**6, validation=0.04, seed=opt.seed,
            patience=0, device="cpu", workers=opt.threads, quiet=True,
        )  # fmt: skip
    print(
        f"meshop: {found.surrogate.n_parameters} parameters, {found.surrogate.meta['steps']} steps"
    )
    rows = []
    for case in cases:
        got = found.surrogate.evaluate(case.mesh, case.conditions).fields
        fields = {k: np.asarray(got[k], dtype=np.float64) for k in FIELDS}
        fields["U"] = fields["U"][:, :2] - free_stream(case.conditions["aoa_deg"])
        rows.append(near_errors(case, fields))
    return rows


def report(
    scores: dict[str, list[dict[str, float]]], cases: Sequence[AirfoilCase], opt: argparse.Namespace
) -> None:
    families = ("NACA", "UIUC")
    mean = {
        who: {family: {k: mean_of(rows, cases, family, k) for k in FIELDS} for family in families}
        for who, rows in scores.items()
    }
    head = ["%", *(f"{k} {f}" for f in families for k in FIELDS)]
    rows = [[w, *(100 * m[f][k] for f in families for k in FIELDS)] for w, m in mean.items()]
    ratio = None
    if len(mean) == 3:
        peers = [m for who, m in mean.items() if who != "meshop"]
        ratio = {
            f"{k} {f}": min(p[f][k] for p in peers) / mean["meshop"][f][k]
            for f in families
            for k in FIELDS
        }
        rows.append(["times better (its better one)", *(f"{v:.2f}" for v in ratio.values())])
    print(f"{opt.minutes:g} minutes, {opt.threads} threads, {len(cases)} held-out cases")
    print(table(rows, head))
    write_json(
        opt.json, {"minutes": opt.minutes, "mean": mean, "ratio": ratio, "machine": machine()}
    )


def mean_of(
    rows: Sequence[dict[str, float]], cases: Sequence[AirfoilCase], family: str, key: str
) -> float:
    return float(np.mean([r[key] for r, c in zip(rows, cases, strict=True) if c.family == family]))


if __name__ == "__main__":
    main()
