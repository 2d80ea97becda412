"""meshop predict FILES... [key=value ...]"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import MeshFileError, MeshopError
from ._arguments import AsJson, Quiet, split_arguments
from ._console import (
    BAD_INPUT,
    INTERNAL,
    error_json,
    guarded,
    internal,
    print_json,
    progress,
    say,
    show_error,
    table,
    usage_error,
    warn,
)
from ._rollout import march

if TYPE_CHECKING:
    from ..predict import Prediction
    from ..surrogate import Surrogate


@guarded
def predict(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|KEY=VALUE",
            help="Meshes (.vtu, .su2, .msh, ..., an OpenFOAM case) and conditions, such as "
            "aoa_deg=4. Conditions that are not given are looked up in each file's field data.",
        ),
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="A name from `meshop models`, or a file.")
    ] = "airfoil-rans",
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            help="File, or folder; by default airfoil.pred.vtu beside airfoil.vtu. "
            "An OpenFOAM case gets the predictions as fields.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    tile: Annotated[
        int | None, typer.Option(min=1, help="Cells evaluated at once; the result is the same.")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Time steps, of a model that advances the state in the file; the output is then "
            "a series, airfoil.pred.vtkhdf (or .pvd, .vtu.series).",
        ),
    ] = None,
    time: Annotated[
        float | None, typer.Option(help="With --steps: where to start; the file's last time.")
    ] = None,
    no_picture: Annotated[bool, typer.Option("--no-picture", help="Write no PNG.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Predict the flow around meshes.

    Writes each mesh with its predicted fields to a file that ParaView opens, and a picture; prints
    Cl, Cd, Cm. With --steps, advances the state in each file and writes the series of states.
    """
    files, conditions = split_arguments(arguments)
    if not files:
        usage_error(
            "no mesh file is given", f"found only conditions: {', '.join(arguments)}",
            f"meshop predict airfoil.vtu {' '.join(arguments)}",
        )  # fmt: skip
    from ..predict import plan_outputs

    outputs = plan_outputs(files, out, series=steps is not None)
    if steps is not None:
        march(files, outputs, model, steps, time, device, tile, conditions, as_json, quiet)
        return
    if time is not None:
        usage_error("--time is where a rollout starts", "without --steps there is none", "--steps")
    job = _Job(model, conditions, device, tile, not no_picture)
    many = len(files) > 1
    entries: list[dict[str, Any]] = []
    done: list[tuple[str, Prediction]] = []
    code = 0
    with progress(len(files), many and not quiet and not as_json) as step:
        for file, output in zip(files, outputs, strict=True):
            step(file)
            try:
                result, picture = job.run(file, output)
            except MeshopError as error:
                if job.surrogate is None and not isinstance(error, MeshFileError):
                    raise  # the model or the conditions: no file would fare better
                failure, code = error, max(code, BAD_INPUT)
            except Exception as error:
                if not many:
                    raise
                failure, code = internal(error), INTERNAL
            else:
                entries.append(_entry(file, output, picture, result))
                done.append((file, result))
                for text in result.warnings:
                    warn(f"{file}: {text}" if many else text)
                if not quiet and not as_json and not many:
                    _report(result, output, picture)
                continue
            show_error(failure, "" if isinstance(failure, MeshFileError) else f"{file}: ")
            entries.append({"input": file, "ok": False, "error": error_json(failure)})
    if as_json:
        print_json({"command": "predict", "results": entries, "failed": len(files) - len(done)})
    elif many and not quiet:
        _summary(done, outputs, len(files))
    if code:
        raise typer.Exit(code)


class _Job:
    """One model for all files, loaded when the first of them has turned out to be a mesh."""

    def __init__(
        self,
        model: str,
        conditions: dict[str, float],
        device: str,
        tile: int | None,
        picture: bool,
    ) -> None:
        self.model, self.conditions, self.device = model, conditions, device
        self.tile, self.picture = tile, picture
        self.surrogate: Surrogate | None = None

    def run(self, file: str, output: Path) -> tuple[Prediction, str | None]:
        from ..io import read
        from ..predict import check_names, evaluate, load, write

        start = perf_counter()
        mesh = read(file)
        timings = {"read": perf_counter() - start}
        if self.surrogate is None:
            surrogate = load(self.model)
            check_names(surrogate.schema, self.conditions)
            self.surrogate = surrogate
            timings["load"] = perf_counter() - start - timings["read"]
        result = evaluate(mesh, self.surrogate, self.conditions, device=self.device, tile=self.tile)
        output.parent.mkdir(parents=True, exist_ok=True)
        picture = write(result, output, picture=self.picture)
        result.timings = timings | result.timings | {"total": perf_counter() - start}
        return result, picture


def _report(result: Prediction, output: Path, picture: str | None) -> None:
    given = ", ".join(f"{name} = {value:g}" for name, value in result.conditions.items())
    say(f"{result.model}: {given}" if given else result.model)
    if result.scalars:
        print(table(_scalar_rows(result)))
    errors = result.errors or {}
    areas = [area for area in ("near", "whole") if errors.get(area)]
    if areas:
        rows = [["relative L2 error", *areas]]
        for name in errors[areas[0]]:
            rows.append([name, *(f"{100 * errors[area][name]:.2f} %" for area in areas)])
        print(f"\n{table(rows)}")
    steps = ", ".join(
        f"{name} {seconds:.2f}"
        for name, seconds in result.timings.items()
        if name != "total" and seconds >= 0.005
    )
    stub = next(iter(sorted(output.glob("*.foam"))), None) if output.is_dir() else output
    what = f"{', '.join(f'{name}_pred' for name in result.fields)} into " if stub != output else ""
    say(f"\nwrote {what}{output}" + (f" and {picture}" if picture else ""))
    say(f"in {result.timings['total']:.2f} s ({steps})")
    opener = "paraFoam -case" if stub is None else "paraview"
    say(f"open it: {opener} {shlex.quote(str(stub or output))}")


def _scalar_rows(result: Prediction) -> list[list[str]]:
    """Cl, Cd, Cm: by the scalar head, by the wall's pressure, their difference, the truth."""
    errors = (result.errors or {}).get("scalars", {})
    integrated, gap = result.integrated, result.disagreement
    rows = [["", "scalar head", *["90 % band"] * bool(result.bands)]]
    rows[0] += ["wall pressure", "difference"] if integrated else []
    rows[0] += ["error"] if errors else []
    for name, value in result.scalars.items():
        row = [name, _digits(value)]
        if result.bands:
            row.append(f"+- {_digits(result.bands[name])}")
        if integrated:
            row += [_digits(integrated.get(name)), _digits(gap.get(name))]
        if errors:
            row.append(_digits(errors.get(name)))
        rows.append(row)
    return rows


def _summary(done: Sequence[tuple[str, Prediction]], outputs: Sequence[Path], total: int) -> None:
    if done:
        names = list(done[0][1].scalars)
        rows = [["", *names, "Cl by wall" if "Cl" in names else "", "in range"]]
        for file, result in done:
            rows.append([
                file, *(_digits(result.scalars[name]) for name in names),
                _digits(result.integrated.get("Cl")), "yes" if result.in_range else "no",
            ])  # fmt: skip
        print(table(rows))
        folder = outputs[0].parent
        say(f"\nwrote {len(done)} of {total} results: {done[0][0]} -> {outputs[0]}, ...")
        say(f"open them: paraview {shlex.quote(str(folder))}/*.pred.vtu")
    else:
        say(f"none of {total} files gave a result")


def _entry(file: str, output: Path, picture: str | None, result: Prediction) -> dict[str, Any]:
    return {
        "input": file,
        "ok": True,
        "output": output,
        "picture": picture,
        "model": {"name": result.model, "hash": result.model_hash},
        "conditions": result.conditions,
        "scalars": result.scalars,
        "bands": {k: v for k, v in result.bands.items() if k in result.scalars},
        "integrated": result.integrated,
        "disagreement": result.disagreement,
        "in_training_range": int(result.in_range),
        "warnings": result.warnings,
        "errors": result.errors,
        "seconds": result.timings,
    }


def _digits(value: float | None) -> str:
    if value is None:
        return "-"
    if not 1e-4 <= abs(value) < 1000 and value != 0:
        return f"{value:.3g}"
    return f"{value:.4f}" if abs(value) >= 0.01 or value == 0 else f"{value:.5f}"
