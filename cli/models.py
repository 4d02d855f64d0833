"""`met2net-ops models`: the models there are, and how to get one more."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from met2net_ops.cli.common import (
    JsonOption,
    WorkspaceOption,
    end_with,
    print_json,
    print_lines,
    print_table,
    print_text,
)
from met2net_ops.visible import visible

if TYPE_CHECKING:
    from met2net_ops.models.checkpoint import PublishedCheckpoint
    from met2net_ops.models.folder import ModelFolder
    from met2net_ops.models.importing import ImportFacts

app = typer.Typer(help="List, show, check and import models.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="The model's name.")]


@app.command("list")
def list_command(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the workspace's models and those that ship with the package."""
    from met2net_ops.models.registry import list_models

    models = list_models(_workspace_models(workspace))
    if json:
        print_json(
            [
                {
                    "name": model.name,
                    "origin": model.origin,
                    "path": model.path,
                    "problem": model.problem,
                    "checksum": model.folder.checksum if model.folder else None,
                    "variables": model.folder.description.variables if model.folder else None,
                }
                for model in models
            ]
        )
        return
    rows = [
        (
            model.name,
            model.origin,
            ",".join(model.folder.description.variables) if model.folder else "",
            model.folder.description.grid.name if model.folder else "",
            model.folder.description.licence if model.folder else "",
            model.folder.checksum[:12] if model.folder else "",
            model.problem.split("\n"),
        )
        for model in models
    ]
    print_table(
        "",
        ("model", "origin", "variables", "grid", "licence", "checksum", "problem"),
        rows,
    )


@app.command()
def show(name: NameArgument, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Show what a model is: its card, or with --json its description."""
    folder = _find(name, workspace)
    if json:
        document = folder.description.model_dump(mode="json")
        print_json({**document, "path": folder.path, "checksum": folder.checksum})
        return
    from met2net_ops.errors import ModelError
    from met2net_ops.models.folder import CARD_FILE

    card = folder.path / CARD_FILE
    try:
        text = card.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ModelError(f"cannot read {card}: {error.strerror}; --json shows the rest") from error
    print_lines(folder.path, f"checksum {folder.checksum}", "")
    print_text(text)


@app.command()
def check(name: NameArgument, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Check a model's files, weights and arithmetic; exit code 6 if something is wrong."""
    from met2net_ops.errors import ModelError
    from met2net_ops.models.checks import check_model

    checks = check_model(_find(name, workspace))
    if json:
        print_json(checks)
    else:
        rows = [
            (item.name, "ok" if item.ok else "FAIL", item.finding.split("\n")) for item in checks
        ]
        print_table(name, ("check", "state", "finding"), rows)
    wrong = [item.name for item in checks if not item.ok]
    if wrong:
        text = f"{name} is not fit to run: {', '.join(wrong)}; restore or retrain it"
        end_with(ModelError(text), printed=json)


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="Lightning .ckpt, state dict or .safetensors.")],
    name: Annotated[str | None, typer.Option(help="Name of the new model.")] = None,
    variables: Annotated[
        str | None, typer.Option(help="Canonical names in the network's order: u10,v10,t2m,tcc.")
    ] = None,
    grid: Annotated[
        str | None, typer.Option(help="A grid's name, or north,west,dlat,dlon,nlat,nlon.")
    ] = None,
    rows: Annotated[
        str | None,
        typer.Option(help="Latitudes in training: north_first, or south_first (WeatherBench)."),
    ] = None,
    normalisation: Annotated[
        str | None,
        typer.Option(help="t2m=OFFSET:SCALE,…, a JSON file, or `checkpoint` for what it holds."),
    ] = None,
    step_hours: Annotated[int, typer.Option(help="Hours between frames.", min=1)] = 1,
    licence: Annotated[str, typer.Option(help="Terms of the weights.")] = "not stated",
    into: Annotated[
        Path | None, typer.Option(help="Folder of model folders; the workspace's by default.")
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Make a model folder of a published Met2Net checkpoint.

    Sizes come from the file, which is read without running any code in it. What the file cannot
    say is given by options, or prompted for on a terminal.
    """
    from met2net_ops.models.checkpoint import read_published
    from met2net_ops.models.importing import import_checkpoint, open_questions

    models = into or _required_models(workspace)
    checkpoint = read_published(file)
    answers = {
        "--name": name,
        "--variables": variables,
        "--grid": grid,
        "--rows": rows,
        "--normalisation": normalisation,
    }
    given = _facts(answers, checkpoint)
    if sys.stdin.isatty():
        for question in open_questions(checkpoint, given):
            answers[question.option] = typer.prompt(
                visible(f"{question.option[2:]}: {question.text}"),
                default=visible(question.suggestion) or None,
                err=True,
            )
        given = _facts(answers, checkpoint)
    folder = import_checkpoint(checkpoint, given, models, step_hours=step_hours, licence=licence)
    if unused := checkpoint.facts.get("weights_not_used"):
        taken = checkpoint.facts["weights_from"]
        print_lines(f"took the weights in {taken}; those in {unused} are not used", err=True)
    if json:
        print_json({"name": folder.name, "path": folder.path, "checksum": folder.checksum})
    else:
        print_lines(f"{folder.path}")


def _facts(answers: dict[str, str | None], checkpoint: PublishedCheckpoint) -> ImportFacts:
    from met2net_ops.models.importing import (
        ImportFacts,
        parse_grid,
        parse_normalisation,
        parse_rows,
        parse_variables,
    )

    names, grid, rows = answers["--variables"], answers["--grid"], answers["--rows"]
    variables = parse_variables(names) if names else None
    scales = answers["--normalisation"]
    return ImportFacts(
        name=answers["--name"],
        variables=variables,
        grid=parse_grid(grid) if grid else None,
        rows=parse_rows(rows) if rows else None,
        normalisation=(
            parse_normalisation(scales, variables or checkpoint.variable_names, checkpoint)
            if scales
            else None
        ),
    )


def _find(name: str, workspace: Path | None) -> ModelFolder:
    from met2net_ops.models.registry import find_model

    return find_model(name, _workspace_models(workspace))


def _workspace_models(given: Path | None) -> Path | None:
    """The workspace's models; None without a workspace, unless one was named."""
    from met2net_ops.errors import SettingsError
    from met2net_ops.workspace import find_paths

    try:
        return find_paths(given).models
    except SettingsError:
        if given is not None:
            raise
        return None


def _required_models(given: Path | None) -> Path:
    from met2net_ops.workspace import find_paths

    return find_paths(given).models
