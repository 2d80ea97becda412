"""meshop models [show NAME]"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SurrogateError
from ._arguments import AsJson
from ._console import guarded, print_json, say, show_error
from ._train import card_tables

if TYPE_CHECKING:
    from ..models import Operator
    from ..surrogate import Surrogate

models = typer.Typer(help="List the models, or show one.")


@models.callback(invoke_without_command=True)
@guarded
def list_models(
    context: typer.Context,
    as_json: AsJson = False,
) -> None:
    """List the trained models that are installed, and the operators that can be trained."""
    if context.invoked_subcommand is not None:
        return
    from ..models import registry
    from ..surrogate import Surrogate, available

    found = []
    for name, path in available().items():
        try:
            found.append((name, path, Surrogate.load(path)))
        except SurrogateError as error:
            show_error(error)  # a broken file does not hide the others
    if as_json:
        entries = [_entry(name, path, model) for name, path, model in found]
        operators = [_operator(name, kind) for name, kind in sorted(registry().items())]
        print_json({"command": "models", "models": entries, "operators": operators})
        return
    for name, path, model in found:
        schema = model.schema
        fields = ", ".join(field.name for field in schema.fields)
        scalars = ", ".join(scalar.name for scalar in schema.scalars)
        print(f"{name}: {schema.dim}-D, {fields} on {schema.location}s"
              + (f"; {scalars}" if scalars else "") + f"; {_size(path)}")  # fmt: skip
        for condition in schema.conditions:
            print(f"  {_condition(condition)}")
    if not found:
        say("no models are installed\n  try: meshop train CASES..., or set MESHOP_MODEL_PATH")
    print("\noperators, for meshop train --model NAME:")
    for name, kind in sorted(registry().items()):
        about = _operator(name, kind)
        print(f"  {name}: {about['line']}")
        print(f"    {about['paper']}; cost per node {about['cost']}; {about['needs']}")
    print(
        "\nwithout a network, with bands: meshop train --model mmgp, for plane or solid meshes of "
        "like shape"
    )


@models.command("show")
@guarded
def show(
    name: Annotated[str, typer.Argument(help="A name from `meshop models`, or a file.")],
    as_json: AsJson = False,
) -> None:
    """Show one model: schema, training range, errors on held-out cases, provenance, hash."""
    from ..surrogate import Surrogate, available

    model = Surrogate.load(name)
    path = available().get(name, Path(name))
    if as_json:
        print_json({"command": "models show", **_entry(model.name, path, model)})
        return
    schema = model.schema
    print(f"{model.name}\n  file        {path} ({_size(path)})\n  hash        {model.hash}")
    print(f"  operator    {model.operator_name}, {model.n_parameters:,} parameters")
    print(f"  meshes      {schema.dim}-D, fields on {schema.location}s")
    if (stepper := model.stepper) is not None:
        how: str = stepper.form
        if how == "derivative":
            how += f" by {stepper.scheme}, sub-steps {stepper.substeps}"
        print(f"  in time     steps of {stepper.dt:g}, {how}, bundle {stepper.bundle}")
    for title, items in (("fields", schema.fields), ("scalars", schema.scalars)):
        listed = ", ".join(f"{i.name} [{i.units}]" if i.units else i.name for i in items)
        print(f"  {title:<12}{listed or 'none'}")
    for condition in schema.conditions:
        print(f"  condition   {_condition(condition)}")
    for text in card_tables(model.card):
        print(f"\n{text}")
    if model.meta:
        print("\nprovenance")
        for line in _tree(model.meta):
            print(f"  {line}")


def _condition(condition: Any) -> str:
    units = f" {condition.units}" if condition.units else ""
    return f"{condition.name} from {condition.low:g} to {condition.high:g}{units}"


def _size(path: Path) -> str:
    if path.is_dir():
        path = path / "surrogate.safetensors"
    return f"{path.stat().st_size / 1e6:.1f} MB"


def _entry(name: str, path: Path, model: Surrogate) -> dict[str, Any]:
    return {
        "name": name,
        "file": path,
        "hash": model.hash,
        "operator": model.operator_name,
        "parameters": model.n_parameters,
        "schema_of_model": model.schema.model_dump(mode="json"),
        "stepper": None if model.stepper is None else model.stepper.model_dump(mode="json"),
        "card": {k: v for k, v in model.card.items() if k not in ("truth", "predicted")},
        "meta": model.meta,
    }


def _operator(name: str, kind: type[Operator]) -> dict[str, Any]:
    """What a user chooses an operator by: what it is, whose, what it costs, needs and promises."""
    needs = [
        what
        for flag, what in (
            (kind.edges, "edges"),
            (kind.positions, "positions"),
            (kind.tokens, "boundary tokens"),
        )
        if flag
    ]
    offers = [
        what
        for flag, what in (
            (kind.pointwise, "tiles exactly"),
            (kind.queries, "answers at any points"),
            (kind.linear, "linear in its inputs"),
        )
        if flag
    ]
    line = (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")
    return {
        "name": name,
        "line": line,
        "paper": kind.paper,
        "cost": kind.cost,
        "needs": "; ".join([f"needs {', '.join(needs) or 'node features alone'}", *offers]),
    }


def _tree(content: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Nested dictionaries as indented lines, numbers with four digits."""
    width = max((len(str(key)) for key in content), default=0) + 2
    for key, value in content.items():
        if isinstance(value, dict):
            leaves = value and not any(isinstance(v, (dict, list)) for v in value.values())
            if leaves and len(value) <= 6:
                row = ", ".join(f"{k} {_text(v)}" for k, v in value.items())
                if len(row) <= 90:
                    yield f"{indent}{key!s:<{width}}{row}"
                    continue
            yield f"{indent}{key}"
            yield from _tree(value, indent + "  ")
        else:
            yield f"{indent}{key!s:<{width}}{_text(value)}"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        shown = ", ".join(_text(item) for item in value[:8])
        return shown + (f", ... ({len(value)})" if len(value) > 8 else "")
    return str(value)
