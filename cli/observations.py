"""`met2net-ops observations`: import station reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from met2net_ops.cli.common import (
    JsonOption,
    QuietOption,
    WorkspaceOption,
    open_workspace,
    print_json,
    print_table,
    track_for,
)

app = typer.Typer(help="Station reports: SYNOP BUFR, METAR, CSV.", no_args_is_help=True)


@app.command("import")
def import_(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Files or folders; by default the folder in [observations]."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help='What a CSV column is, like "t2m = temp_c degC"; may come repeatedly.'),
    ] = None,
    form: Annotated[
        str | None, typer.Option(help="bufr, metar or csv; by default told from the file.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and import files as they are delivered.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Import station reports; every record is taken, or refused with a reason, and counted.

    Importing a file twice changes nothing. Files are left where they are.
    """
    from met2net_ops.observations.store import import_files

    place, settings = open_workspace(workspace)
    folder = place.root / settings.observations.folder
    columns = [*settings.observations.columns, *(column or [])]
    if watch:
        from met2net_ops.observations.watch import watch_folder

        for path in paths or [folder]:
            path.mkdir(parents=True, exist_ok=True)
        for done in watch_folder(place, paths or [folder], columns):
            typer.echo(_sentence(done.name, done.taken, done.records))
        return
    if not paths:
        folder.mkdir(parents=True, exist_ok=True)
    found = import_files(
        place, paths or [folder], columns, form=form, track=track_for(quiet or json)
    )
    if json:
        print_json(found)
        return
    rows = [
        (
            item.name,
            item.form,
            str(item.records),
            str(item.taken),
            str(item.values),
            str(sum(item.refused.values())),
            "imported" if item.new else "was imported before",
        )
        for item in found
    ]
    columns_shown = ("file", "form", "records", "taken", "values", "refused", "")
    print_table("", columns_shown, rows, right=("records", "taken", "values", "refused"))
    if not quiet:
        for item in found:
            for reason, count in sorted(item.refused.items(), key=lambda pair: -pair[1])[:5]:
                typer.echo(f"{item.name}: {count} x {reason}")


def _sentence(name: str, taken: int, records: int) -> str:
    return f"{name}: {taken} of {records} records taken"
