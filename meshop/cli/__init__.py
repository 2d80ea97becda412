"""The command line: `meshop VERB FILE...`. Thin: each command parses, calls and prints.

Exit codes: 0 success, 1 bad input, 2 usage or internal error, 130 Ctrl-C. Standard output carries
results, standard error talk. Heavy imports wait until a command needs them.
"""

from __future__ import annotations

import io
import os
import sys

import typer

from .._version import __version__
from ._bench import bench
from ._convert import convert
from ._doctor import doctor
from ._info import info
from ._mesh import mesh
from ._models import models
from ._move import move
from ._predict import predict
from ._train import train
from ._validate import validate
from ._view import view

_EXAMPLES = """
\b
Examples
  meshop predict airfoil.vtu                          conditions from the file's field data
  meshop predict airfoil.vtu aoa_deg=4 reynolds=3e6   writes airfoil.pred.vtu and .png
  meshop predict *.vtu -o results/ aoa_deg=4          many meshes, one model
  meshop train cases/ --minutes 30 -o my-model        learn from solved cases
  meshop bench --tasks gfn_graetz --minutes 1          operators compared at equal budgets
  meshop mesh bracket.step --size 4 --volume          CAD to tetrahedra, names kept
  meshop move flow.vtu --monitor error:p              points to where p needs them, fields carried
  meshop info airfoil.vtu                             what a mesh file holds, and how good it is
  meshop validate *.stl                               every fault, with ids; exit code 1 on errors
  meshop convert wing.cgns wing.vtu                   any readable format to any writable one
  meshop convert *.msh -o new/ --to .vtu --surface    many files; only their boundaries
  meshop view case/ --array p                         a picture: case.png
  meshop models show airfoil-rans                     fields, training range, errors
  meshop doctor                                       is this installation in order?

\b
Exit codes
  0  success
  1  bad input: a file, condition or name; one of several files; `validate` found an error
  2  a command line that makes no sense, or an internal error
  130  Ctrl-C
"""

app = typer.Typer(
    name="meshop",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EXAMPLES,
)
for command in (predict, train, bench, info, validate, convert, view, mesh, move):
    app.command()(command)
app.add_typer(models, name="models")
app.command()(doctor)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"meshop {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Simulation meshes in, trained predictions out: the same mesh back, with the flow on it."""


def main() -> None:
    """Entry point of the `meshop` command."""
    # OpenMP's threads spin while they wait. Where other programs use the cores too, that made the
    # same prediction take 9 s instead of 0.4; waiting asleep costs microseconds. Yours wins.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):  # file names may hold what a terminal cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except KeyboardInterrupt:  # before or after a command; within one, it has been dealt with
        sys.exit(130)


__all__ = ["app", "main"]
