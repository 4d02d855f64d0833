"""`met2net-ops observations`: import station reports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from met2net_ops.cli.common import (
    JsonOption,
    QuietOption,
    WorkspaceOption,
    end_with,
    open_workspace,
    print_json,
    print_lines,
    print_table,
    track_for,
)

if TYPE_CHECKING:
    from met2net_ops.observations.accounts import Import

_REASONS = 5  # shown per file

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
        str | None, typer.Option(help="bufr, metar or csv; by default recognised from the file.")
    ] = None,
    received: Annotated[
        str | None,
        typer.Option(help="When METARs were received; by default when a file was modified."),
    ] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="Read also what was imported before, as with a corrected column map, and put the "
            "new reports in place of the old.",
        ),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and import files as they are delivered.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Import station reports; every record is taken, or refused with a reason, and counted.

    Importing a file twice changes nothing, unless --again is given. Files are left where they are.
    """
    from met2net_ops.observations.accounts import raise_unreadable
    from met2net_ops.observations.report import ObservationError
    from met2net_ops.observations.store import import_each
    from met2net_ops.observations.table import parse_columns
    from met2net_ops.times import parse_time

    if form not in (None, "bufr", "metar", "csv"):
        raise typer.BadParameter(f"--form is bufr, metar or csv, not {form!r}")
    if watch and (json or again):
        raise typer.BadParameter("--watch prints as it goes: leave out --json and --again")
    place = open_workspace(workspace)
    folder = place.root / place.settings.observations.folder
    columns = [*place.settings.observations.columns, *(column or [])]
    parse_columns(columns)  # a wrong map is refused before any file is opened
    store = place.paths.observations
    came = None if received is None else parse_time(received)
    own = place.settings.observations.places
    places = place.root / own if own else None
    if watch:
        from met2net_ops.observations.watch import watch_folder

        for path in paths or [folder]:
            if path.exists() and not path.is_dir():
                raise typer.BadParameter(f"--watch is for folders; {path} is a file")
            path.mkdir(parents=True, exist_ok=True)
        for done in watch_folder(
            store, paths or [folder], columns, form=form, received=came, places=places
        ):
            print_lines(done.error or f"{done.name}: {done.taken} of {done.records} records taken")
            if not quiet and not done.error:
                _print_remarks(done)
        return
    if not paths:
        folder.mkdir(parents=True, exist_ok=True)
    found = list(
        import_each(
            store,
            paths or [folder],
            columns,
            form=form,
            received=came,
            places=places,
            again=again,
            track=track_for(quiet or json),
        )
    )
    if json:
        print_json(found)
    elif not found:
        print_lines(f"No files in {', '.join(str(path) for path in paths or [folder])}.")
    else:
        _print_imports(found, quiet=quiet)
    try:
        raise_unreadable(found)
    except ObservationError as error:
        end_with(error, printed=json)


def _print_imports(found: list[Import], *, quiet: bool) -> None:
    """A row for each file that could be read, and what to know about it."""
    rows = [
        (
            item.name,
            item.form,
            str(item.records),
            str(item.taken),
            str(item.values),
            str(sum(item.refused.values())),
            "imported" if item.new else "was imported before; --again reads it again",
        )
        for item in found
        if not item.error
    ]
    columns_shown = ("file", "form", "records", "taken", "values", "refused", "")
    if rows:
        print_table("", columns_shown, rows, right=("records", "taken", "values", "refused"))
    for item in found if not quiet else ():
        if not item.error:
            _print_remarks(item)


def _print_remarks(item: Import) -> None:
    """What was assumed, refused and lost."""
    for note in item.notes:
        print_lines(f"{item.name}: {note}")
    _print_reasons(item.name, "refused", item.refused, item.refusals)
    _print_reasons(item.name, "lost", item.lost, item.lost_values)


def _print_reasons(name: str, fate: str, counts: dict[str, int], details: tuple[str, ...]) -> None:
    """The reasons, the most frequent first, each with an example."""
    reasons = sorted(counts.items(), key=lambda pair: -pair[1])
    for reason, count in reasons[:_REASONS]:
        example = next((text for text in details if text.endswith(reason)), "")
        where = f" ({example.removesuffix(f': {reason}')})" if example else ""
        print_lines(f"{name}: {count} {fate}: {reason}{where}")
    if len(reasons) > _REASONS:
        rest = sum(count for _, count in reasons[_REASONS:])
        print_lines(f"{name}: {rest} {fate} for other reasons; --json lists each")
