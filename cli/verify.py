"""`met2net-ops verify`: score forecasts against analyses and stations."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
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
    from met2net_ops.verification.pending import VerifyOptions
    from met2net_ops.verification.results.comparison import PairedLine
    from met2net_ops.verification.results.query import Selection
    from met2net_ops.verification.results.score_values import ScoreValue
    from met2net_ops.verification.results.summary import ScoreLine
    from met2net_ops.workspace import Workspace


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
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Verify and show every cycle; without a period only the last 30 days are shown, "
            "and looked through for what has changed.",
        ),
    ] = False,
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
    from met2net_ops.verification.pending import VerifyOptions
    from met2net_ops.verification.report.page import write_report
    from met2net_ops.verification.results.summary import write_csv, write_text

    if explain is not None:
        print_explanation(explain, as_json=json)
        return
    place = open_workspace(workspace)
    asked = _Request(
        model=model, versus=versus, region=region, by=by, leads=tuple(lead) if lead else None,
        scores=tuple(score or ()), truths=_truths(against),
    )  # fmt: skip
    first, last = _period(cycle, since, until, every)
    _check_request(asked, export, to, centre, json=json)
    shown = _first_shown(place, model) if not (every or first or last) else first
    options = VerifyOptions(
        model=None if versus else model, since=first, until=last, everything=every, again=again,
        rebuild_climatology=rebuild_climatology, workers=workers, scheduler=scheduler,
        track=track_for(quiet or json),
    )  # fmt: skip
    found = _verify_and_score(place, asked, options, shown)
    if csv is not None:
        write_csv(csv, found.lines)
    if report is not None:
        write_report(report, place.paths, found.selections, found.outcomes, datetime.now(UTC))
    records = _export(place, asked, shown, last, centre) if export is not None else []
    if to is not None:
        write_text(to, "\n".join([*records, ""]))
    if records and to is None:
        print_lines(*records)
    elif json:
        _print_as_json(found, asked)
    else:
        _print_as_tables(found, asked, quiet=quiet)
        if report is not None:
            print_lines(f"Report: {report.absolute()}")
    if failed := [outcome for outcome in found.outcomes if outcome.status == "failed"]:
        reasons = "\n".join(outcome.reason for outcome in failed)
        end_with(
            VerificationError(
                f"{len(failed)} of {len(found.outcomes)} products could not be compared:\n{reasons}"
            ),
            printed=json,
        )


@dataclass(frozen=True, slots=True)
class _Request:
    """Which scores to show.

    Attributes:
        model: only this one.
        versus: the model to compare it with.
        region: a name of `[[regions]]`, land, sea or all.
        by: what to tell scores apart by.
        leads: hours; None for all.
        scores: names, in place of the usual table.
        truths: "analysis", "stations" or both.
    """

    model: str | None
    versus: str | None
    region: str
    by: By | None
    leads: tuple[int, ...] | None
    scores: tuple[str, ...]
    truths: tuple[str, ...]

    @property
    def group(self) -> str | None:
        """What to group by, as verification names it."""
        return None if self.by is None else str(self.by)


@dataclass
class _Found:
    """What verification came to, and the scores of the request."""

    outcomes: list[VerificationOutcome] = field(default_factory=list)
    selections: list[Selection] = field(default_factory=list)
    lines: list[ScoreLine] = field(default_factory=list)
    compared: dict[str, list[PairedLine]] = field(default_factory=dict)
    values: list[ScoreValue] = field(default_factory=list)


def _truths(against: Against) -> tuple[str, ...]:
    return ("analysis", "stations") if against is Against.ALL else (str(against),)


def _period(
    cycle: str | None, since: str | None, until: str | None, every: bool
) -> tuple[datetime | None, datetime | None]:
    """First and last cycle of the options."""
    from met2net_ops.times import parse_time

    if cycle is not None and (since is not None or until is not None):
        raise typer.BadParameter("give --cycle, or --since and --until, not both")
    first, last = (
        None if text is None else parse_time(text) for text in (cycle or since, cycle or until)
    )
    if first is not None and last is not None and first > last:
        raise typer.BadParameter(f"--since {since} is later than --until {until}")
    if every and (first or last):
        raise typer.BadParameter("give --all, or a period, not both")
    return first, last


def _check_request(
    asked: _Request, export: str | None, to: Path | None, centre: str, *, json: bool
) -> None:
    """Refuse options that do not go together."""
    from met2net_ops.verification.results.export import check_centre
    from met2net_ops.verification.results.scores import score as known_score

    for name in asked.scores:
        if known_score(name).baseline and asked.versus is not None:
            raise typer.BadParameter(
                f"{name} compares with a baseline; with --versus give the score it is made of"
            )
    if asked.versus is not None and asked.model is None:
        raise typer.BadParameter("--versus needs --model: the one to compare it with")
    if export not in (None, "wmo") or (export is None and to is not None):
        raise typer.BadParameter("write --export wmo, with --to FILE for a file")
    if export is not None:
        check_centre(centre)
        if json and to is None:
            raise typer.BadParameter("--json and --export both print; give --to FILE")
    for truth in asked.truths:
        _check_group(asked.by, truth, asked.region)


def _first_shown(place: Workspace, model: str | None) -> datetime | None:
    """The earliest cycle that is shown where no period is given; None without any product."""
    from met2net_ops.products.index import newest_product
    from met2net_ops.verification.due import RECENT

    newest = newest_product(place.paths, model)
    return None if newest is None else newest.reference_time - RECENT


def _verify_and_score(
    place: Workspace, asked: _Request, options: VerifyOptions, shown: datetime | None
) -> _Found:
    """Verify what is due against each truth, and derive the scores of the request."""
    from met2net_ops.verification.results.comparison import USUAL, compare_models
    from met2net_ops.verification.results.query import Selection, region_of
    from met2net_ops.verification.results.score_values import score_values
    from met2net_ops.verification.results.summary import summary
    from met2net_ops.verification.run_analyses import verify_analyses
    from met2net_ops.verification.run_stations import verify_stations

    box = region_of(asked.region, place.settings)
    found = _Found()
    for truth in asked.truths:
        verify = verify_analyses if truth == "analysis" else verify_stations
        found.outcomes += verify(place, **options)
        of_region = box if truth == "stations" else asked.region
        selection = Selection(
            truth=truth,
            model=asked.model,
            since=shown,
            until=options["until"],
            region=None if asked.by is By.REGION else of_region,
            leads=asked.leads,
        )
        found.selections.append(selection)
        found.lines += summary(place.paths, selection, asked.group)
        for name in asked.scores:
            found.values += score_values(place.paths, selection, name, asked.group)
        if asked.versus is not None and asked.model is not None:
            found.compared[truth] = compare_models(
                place.paths, selection, asked.model, asked.versus, asked.scores or USUAL
            )
    return found


def _export(
    place: Workspace,
    asked: _Request,
    first: datetime | None,
    last: datetime | None,
    centre: str,
) -> list[str]:
    """Records of station scores for the WMO lead centre; what lacks is said on stderr."""
    from met2net_ops.verification.results.export import lacking_parameters, wmo_records
    from met2net_ops.verification.results.query import Selection, region_of

    box = region_of(asked.region, place.settings)
    chosen = Selection("stations", asked.model, first, last, region=box, leads=asked.leads)
    records = wmo_records(place.paths, chosen, centre)
    for text in lacking_parameters(records):
        print_lines(text, err=True)
    return records


def _print_as_json(found: _Found, asked: _Request) -> None:
    document = {
        "cycles": found.outcomes,
        "scores": found.lines,
        "comparison": [line for of_truth in found.compared.values() for line in of_truth],
    }
    print_json({**document, "values": found.values} if asked.scores else document)


def _print_as_tables(found: _Found, asked: _Request, *, quiet: bool) -> None:
    print_values(found.values)
    print_scores(found.outcomes, [] if asked.scores else found.lines, quiet=quiet)
    if found.outcomes and not (found.values or found.lines):
        print_lines("No scores for this selection.")
    for truth, of_truth in found.compared.items():
        print_paired(f"{asked.model} less {asked.versus} against {truth}", of_truth)


def _check_group(by: By | None, truth: str, region: str) -> None:
    if by in (By.STATION, By.HEIGHT, By.SURFACE) and truth == "analysis":
        raise typer.BadParameter(f"--by {by} is for --against stations")
    if by is By.REGION and (truth == "stations" or region != "all"):
        raise typer.BadParameter(
            "--by region is for --against analysis without --region; stations are chosen by "
            "--region, and told apart by station, height or surface"
        )
