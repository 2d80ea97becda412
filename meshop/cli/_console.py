"""What every command shares: two streams, three-line errors, tables, exit codes."""

from __future__ import annotations

import functools
import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar

import typer

from ..errors import MeshFileWarning, MeshopError

OK, BAD_INPUT, INTERNAL, INTERRUPTED = 0, 1, 2, 130
USAGE = INTERNAL
_STYLES = {"bold": "1", "dim": "2", "red": "1;31", "yellow": "33", "green": "32"}
_PARAVIEW = (
    ".vtu", ".vtk", ".vtp", ".vts", ".vtr", ".vti", ".vtm", ".pvd", ".pvtu", ".vtkhdf", ".stl",
    ".ply", ".obj", ".xdmf", ".xmf", ".cgns", ".e", ".ex2", ".exo", ".case", ".foam",
)  # fmt: skip
Command = TypeVar("Command", bound=Callable[..., Any])


def paint(text: str, style: str, stream: TextIO) -> str:
    """`text` in a style where `stream` is a terminal and NO_COLOR does not forbid it."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return text
    return f"\033[{_STYLES[style]}m{text}\033[0m"


def say(text: str = "") -> None:
    """Talk, for people: standard error."""
    print(text, file=sys.stderr, flush=True)


def warn(text: str) -> None:
    say(f"{paint('warning:', 'yellow', sys.stderr)} {text}")


def show_error(error: MeshopError, prefix: str = "") -> None:
    """what, why, try: at most three lines."""
    what, *rest = str(error).splitlines()
    say(f"{paint('error:', 'red', sys.stderr)} {prefix}{what}")
    for line in rest:
        say(f"  {line}")


def usage_error(what: str, why: str = "", hint: str = "") -> NoReturn:
    """A command that makes no sense as typed: three lines, exit code 2."""
    show_error(MeshopError(what, why, hint))
    raise typer.Exit(USAGE)


def print_json(content: dict[str, Any]) -> None:
    """One object on standard output, with its version; numbers JSON does not have become null."""
    print(json.dumps(_plain({"schema": 1} | content), indent=2, allow_nan=False))


def error_json(error: MeshopError) -> dict[str, str]:
    return {"what": error.what, "why": error.why, "hint": error.hint}


@contextmanager
def going_on(many: bool, results: list[dict[str, Any]], **entry: Any) -> Iterator[None]:
    """One of several files may fail: it is told, entered in the results, and the others go on."""
    try:
        yield
    except MeshopError as error:
        if not many:
            raise
        show_error(error)
        results.append(entry | {"ok": False, "error": error_json(error)})


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns of text under a heading row: the first to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    lines[0] = paint(lines[0], "bold", sys.stdout)
    return "\n".join(lines)


def guarded(command: Command) -> Command:
    """No traceback reaches a user: errors become lines and exit codes.

    MESHOP_DEBUG=1 lets an internal error through with its traceback.
    """

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            with mesh_warnings():
                return command(*args, **kwargs)
        except MeshopError as error:
            if kwargs.get("as_json"):
                print_json({"error": error_json(error)})
            show_error(error)
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt:
            say("interrupted; files that were complete are kept")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader of our output has gone (`| head`): not an error of ours.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(OK) from None
        except (typer.Exit, typer.Abort):
            raise
        except OSError as error:  # a full disk, a folder that is not ours
            show_error(
                MeshopError(error.filename or "input or output", error.strerror or str(error))
            )
            raise typer.Exit(BAD_INPUT) from None
        except Exception as error:
            if os.environ.get("MESHOP_DEBUG", "") not in ("", "0") or _is_usage(error):
                raise
            show_error(internal(error))
            raise typer.Exit(INTERNAL) from None

    return run  # type: ignore[return-value]


@contextmanager
def mesh_warnings() -> Iterator[list[str]]:
    """What readers and writers had to leave out, as `warning:` lines; yields them, each once."""
    found: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", MeshFileWarning)
        others = warnings.showwarning

        def show(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
            if not issubclass(category, MeshFileWarning):
                others(message, category, *place, **more)
            elif (text := " ".join(str(message).split())) not in found:
                found.append(text)
                warn(text)

        warnings.showwarning = show
        yield found


@contextmanager
def progress(total: int, wanted: bool) -> Iterator[Callable[[str], None]]:
    """A bar on standard error if that is a terminal; yields what is called before each file."""
    if not wanted or not sys.stderr.isatty():
        yield lambda file: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("{task.description}"))  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        seen = [-1]

        def step(file: str) -> None:
            seen[0] += 1
            bar.update(task, completed=seen[0], description=Path(file).name)

        yield step


@contextmanager
def working(wanted: bool) -> Iterator[Callable[[str], None]]:
    """What goes on now, on standard error if that is a terminal; yields what is told."""
    if not wanted or not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda text: bar.update(task, description=text)


def size_text(count: float | None) -> str:
    """Bytes for people: 512 B, 3.4 kB, 1.2 GB."""
    if count is None:
        return "-"
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    return ""


def viewer(path: Path) -> str:
    """The program that opens a file."""
    return "paraview" if path.suffix.lower() in _PARAVIEW else "meshop view"


def internal(error: Exception) -> MeshopError:
    """What to say about an error that no one foresaw."""
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return MeshopError("out of memory", str(error), "--tile 4096, or --device cpu")
    return MeshopError(
        f"internal error, a fault of meshop: {type(error).__name__}",
        str(error),
        "again with MESHOP_DEBUG=1, and report the traceback with the output of `meshop doctor`",
    )


def _is_usage(error: Exception) -> bool:
    """Errors about the command line itself (typer.BadParameter), which typer prints: exit 2."""
    return isinstance(error, typer.BadParameter)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value
