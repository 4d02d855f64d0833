"""`met2net-ops verify`: score forecasts against analyses and stations."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from met2net_ops.cli.common import (
    JsonOption,
    QuietOption,
    WorkspaceOption,
    open_workspace,
    print_json,
    print_lines,
    track_for,
)
from met2net_ops.cli.verify_tables import (
    print_explanation,
    print_paired,
    print_scores,
    print_values,
)

if TYPE_CHECKING:
    from met2net_ops.verification.outcome import VerificationOutcome
    from met2net_ops.verification.results.comparison import PairedLine
    from met2net_ops.verification.results.summary import ScoreLine


class By(StrEnum):
    """What to tell scores apart by, besides variable and lead."""

    HOUR = "hour"
    MONTH = "month"
    REGION = "region"
    STATION = "station"
    HEIGHT = "height"
    SURFACE = "surface"


class Against(StrEnum):
    """What counts as the truth."""

    ANALYSIS = "analysis"
    STATIONS = "stations"
    ALL = "all"


def command(
    cycle: Annotated[
        str | None, typer.Option(help="Only this cycle, like 2026-11-22T06.", show_default=False)
    ] = None,
    since: Annotated[str | None, typer.Option(help="Earliest cycle.", show_default=False)] = None,
    until: Annotated[str | None, typer.Option(help="Latest cycle.", show_default=False)] = None,
    model: Annotated[
        str | None, typer.Option(help="Only this model; by default all.", show_default=False)
    ] = None,
    against: Annotated[Against, typer.Option(help="The truth.")] = Against.ANALYSIS,
    region: Annotated[
        str, typer.Option(help="Show scores of this region: a name of [[regions]], land or sea.")
    ] = "all",
    by: Annotated[
        By | None,
        typer.Option(
            help="Tell scores apart by hour of day or month of the valid time or region; against "
            "stations by station, its height, or the model's surface there."
        ),
    ] = None,
    lead: Annotated[
        list[int] | None, typer.Option(help="Show this lead time, in hours; may come repeatedly.")
    ] = None,
    score: Annotated[
        list[str] | None,
        typer.Option(help="Print this score instead, such as ets; may come repeatedly."),
    ] = None,
    explain: Annotated[
        str | None, typer.Option(help="Say what a score is, or all of them, and do nothing else.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Compute also what is there and has not changed.")
    ] = False,
    rebuild_climatology: Annotated[
        bool,
        typer.Option(
            "--rebuild-climatology", help="Compute the climatology from today's archive first."
        ),
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the work.")] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(help="A Dask scheduler to use instead, like tcp://host:8786."),
    ] = None,
    versus: Annotated[
        str | None,
        typer.Option(
            help="Compare --model with this one on the pairs both have, by RMSE or every --score."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write one self-contained HTML page.", show_default=False),
    ] = None,
    export: Annotated[
        str | None,
        typer.Option(help="wmo: write station scores as the WMO lead centre exchanges them."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(help="The file to export to; by default stdout.", show_default=False),
    ] = None,
    centre: Annotated[
        str, typer.Option(help="Identifier of the centre in an export, four letters.")
    ] = "none",
    csv: Annotated[
        Path | None, typer.Option(help="Write the scores to this file.", show_default=False)
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Compare published forecasts with the truth: what is due is computed, nothing twice.

    Prints a table per variable and lead. Ends with exit code 11 if a product could not be
    compared.
    """
    from met2net_ops.errors import VerificationError
    from met2net_ops.times import parse_time
    from met2net_ops.verification.report.page import write_report
    from met2net_ops.verification.results.comparison import USUAL, compare_models
    from met2net_ops.verification.results.export import (
        check_centre,
        lacking_parameters,
        wmo_records,
    )
    from met2net_ops.verification.results.query import Selection, region_of
    from met2net_ops.verification.results.score_values import ScoreValue, score_values
    from met2net_ops.verification.results.scores import score as known_score
    from met2net_ops.verification.results.summary import summary, write_csv, write_text
    from met2net_ops.verification.run_analyses import verify_analyses
    from met2net_ops.verification.run_stations import verify_stations

    if explain is not None:
        print_explanation(explain, as_json=json)
        return
    for name in score or ():
        if known_score(name).baseline and versus is not None:
            raise typer.BadParameter(
                f"{name} compares with a baseline; with --versus give the score it is made of"
            )
    place = open_workspace(workspace)
    if cycle is not None and (since is not None or until is not None):
        raise typer.BadParameter("give --cycle, or --since and --until, not both")
    first, last = (
        None if text is None else parse_time(text) for text in (cycle or since, cycle or until)
    )
    if first is not None and last is not None and first > last:
        raise typer.BadParameter(f"--since {since} is later than --until {until}")
    wanted = ("analysis", "stations") if against is Against.ALL else (str(against),)
    if versus is not None and model is None:
        raise typer.BadParameter("--versus needs --model: the one to compare it with")
    if export not in (None, "wmo") or (export is None and to is not None):
        raise typer.BadParameter("write --export wmo, with --to FILE for a file")
    if export is not None:
        check_centre(centre)
        if json and to is None:
            raise typer.BadParameter("--json and --export both print; give --to FILE")
    for truth in wanted:
        _check_group(by, truth, region)
    box = region_of(region, place.settings)
    options: dict[str, Any] = {
        "model": None if versus else model,
        "since": first,
        "until": last,
        "again": again,
        "rebuild_climatology": rebuild_climatology,
        "workers": workers,
        "scheduler": scheduler,
        "track": track_for(quiet or json),
    }
    outcomes: list[VerificationOutcome] = []
    selections: list[Selection] = []
    lines: list[ScoreLine] = []
    compared: dict[str, list[PairedLine]] = {}
    values: list[ScoreValue] = []
    for truth in wanted:
        verify = verify_analyses if truth == "analysis" else verify_stations
        outcomes += verify(place, **options)
        selections.append(
            Selection(
                truth=truth,
                model=model,
                since=first,
                until=last,
                region=None if by is By.REGION else box if truth == "stations" else region,
                leads=tuple(lead) if lead else None,
            )
        )
        group = None if by is None else str(by)
        lines += summary(place.paths, selections[-1], group)
        for name in score or ():
            values += score_values(place.paths, selections[-1], name, group)
        if versus is not None and model is not None:
            compared[truth] = compare_models(
                place.paths, selections[-1], model, versus, score or USUAL
            )
    if csv is not None:
        write_csv(csv, lines)
    if report is not None:
        write_report(report, place.paths, selections, outcomes, datetime.now(UTC))
    records: list[str] = []
    if export is not None:
        leads = tuple(lead) if lead else None
        chosen = Selection("stations", model, first, last, region=box, leads=leads)
        records = wmo_records(place.paths, chosen, centre)
        for text in lacking_parameters(records):
            print_lines(text, err=True)
    if to is not None:
        write_text(to, "\n".join([*records, ""]))
    if records and to is None:
        print_lines(*records)
    elif json:
        found = {
            "cycles": outcomes,
            "scores": lines,
            "comparison": [line for of_truth in compared.values() for line in of_truth],
        }
        print_json({**found, "values": values} if score else found)
    else:
        print_values(values)
        print_scores(outcomes, [] if score else lines, quiet=quiet)
        if outcomes and not (values or lines):
            print_lines("No scores for this selection.")
        for truth, of_truth in compared.items():
            print_paired(f"{model} less {versus} against {truth}", of_truth)
        if report is not None:
            print_lines(f"Report: {report.absolute()}")
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if failed:
        raise VerificationError(
            f"{len(failed)} of {len(outcomes)} products could not be compared:\n"
            + "\n".join(outcome.reason for outcome in failed)
        )


def _check_group(by: By | None, truth: str, region: str) -> None:
    if by in (By.STATION, By.HEIGHT, By.SURFACE) and truth == "analysis":
        raise typer.BadParameter(f"--by {by} is for --against stations")
    if by is By.REGION and (truth == "stations" or region != "all"):
        raise typer.BadParameter(
            "--by region is for --against analysis without --region; stations are chosen by "
            "--region, and told apart by station, height or surface"
        )
