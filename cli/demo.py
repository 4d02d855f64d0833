"""`met2net-ops demo`: the whole loop on synthetic weather."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from met2net_ops.cli.common import (
    JsonOption,
    QuietOption,
    print_json,
    print_lines,
    print_table,
    track_for,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from met2net_ops.service.monitoring.listeners import ServiceSnapshot
    from met2net_ops.verification.results.summary import ScoreLine

_SHOWN_LEADS = (1, 6, 12, 24, 48)


def command(
    workspace: Annotated[
        Path, typer.Option("--workspace", "-w", help="Directory for the demonstration.")
    ] = Path("demo"),
    model: Annotated[
        str | None,
        typer.Option(help="Model to run; that of the settings by default.", show_default=False),
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Fetch from a centre on this machine, two days in four minutes, then at the pace "
            "of the clock, until stopped.",
        ),
    ] = False,
    cycles: Annotated[
        int | None,
        typer.Option(min=1, help="With --live: end after so many forecasts.", show_default=False),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show the whole loop on synthetic weather: ingest, forecast, verify.

    Makes a workspace, lets a feed deliver to it, and prints where everything is. Running it again
    is quick: nothing is done twice.
    """
    if live:
        _live(workspace, model, cycles, json=json, quiet=quiet)
        return
    if cycles is not None:
        raise typer.BadParameter("--cycles goes with --live")
    from met2net_ops import demo
    from met2net_ops.errors import IngestError
    from met2net_ops.forecast.inputs import catalog_origins
    from met2net_ops.forecast.run import run_cycles
    from met2net_ops.grib.records import VerdictKind
    from met2net_ops.ingest.pipeline import ingest
    from met2net_ops.models.selection import choose_forecaster
    from met2net_ops.observations.store import import_files
    from met2net_ops.times import HOUR
    from met2net_ops.verification.report.page import write_report
    from met2net_ops.verification.results.query import Selection
    from met2net_ops.verification.results.summary import summary
    from met2net_ops.verification.run_analyses import verify_analyses
    from met2net_ops.verification.run_stations import verify_stations

    track = track_for(quiet or json)
    say = _silent if quiet or json else print_lines
    place = demo.open_demo(workspace).with_forecast(model=model)
    say(f"Workspace   {place.root}")

    def bring(start: datetime, stop: datetime) -> str:
        new = demo.deliver(place, start, stop, track)
        files = ingest(place, [], track=track).files
        if refused := [file for file in files if file.refused_something]:
            why = refused[0].problem or "; ".join(refused[0].reasons(VerdictKind.REFUSED))
            raise IngestError(
                f"{refused[0].path} was refused: {why}. It is no longer as it was delivered: "
                "remove it and run the same command again, which delivers it anew."
            )
        return f"{new} new GRIB files delivered, {len(files)} in the feed, all read"

    *_, latest = demo.CYCLES
    say(f"Ingest      {bring(demo.FEED_START, latest)}")
    archive = place.usable_frames
    forecaster = choose_forecaster(place, archive)
    origins = catalog_origins(place.catalog)
    results = list(
        run_cycles(forecaster, archive, place, demo.CYCLES, origins=origins, track=track)
    )
    for result in results:
        if result.error is not None:
            raise result.error
    say(f"Forecast    {len(results)} cycles of {demo.LEADS} h with {forecaster.spec.name}")
    say(f"Two days on {bring(latest + HOUR, demo.FEED_STOP)}")
    reports = demo.deliver_reports(place, track)
    import_files(
        place.paths.observations, [reports], place.settings.observations.columns, track=track
    )
    name = forecaster.spec.name
    outcomes = [
        *verify_analyses(place, model=name, track=track),
        *verify_stations(place, model=name, track=track),
    ]
    selections = [Selection(truth=truth, model=name) for truth in ("analysis", "stations")]
    lines = [line for selection in selections for line in summary(place.paths, selection)]
    page = place.root / "report.html"
    write_report(page, place.paths, selections, outcomes, datetime.now(UTC))
    product = results[-1].path
    if json:
        print_json({"workspace": place.root, "product": product, "report": page, "scores": lines})
        return
    _print_scores(lines, name)
    print_lines(f"The latest forecast: {product}", f"The full report:     {page}")
    if not quiet:
        where = shlex.quote(str(workspace))
        print_lines(
            f"Dashboard:           met2net-ops dashboard --workspace {where}",
            f"All scores:          met2net-ops verify --workspace {where} --against all",
            f"Checks:              met2net-ops doctor --workspace {where}",
            "The weather is synthetic and the model knows no other: for your own, start with "
            "`met2net-ops init`.",
        )


def _live(root: Path, model: str | None, cycles: int | None, *, json: bool, quiet: bool) -> None:
    from met2net_ops.api import serve
    from met2net_ops.demo_live import (
        LIVE_MODEL,
        ReplayClock,
        live_centre,
        open_live_demo,
        replay_start,
    )
    from met2net_ops.times import format_time

    say = _silent if quiet or json else print_lines
    place = open_live_demo(root, model or LIVE_MODEL)
    clock = ReplayClock(replay_start(place, datetime.now(UTC)))
    shown: set[tuple[str, datetime]] = set()
    products: list[Path] = []

    def enough(snapshot: ServiceSnapshot) -> bool:
        for key in snapshot.newest_published.items():
            if key not in shown and snapshot.attempts.get((key[0], "published")):
                shown.add(key)
                products.append(place.paths.product(*key))
                say(
                    f"{format_time(clock.now())}  forecast of {format_time(key[1])}: {products[-1]}"
                )
        made = sum(count for (_, how), count in snapshot.attempts.items() if how == "published")
        return cycles is not None and made >= cycles

    with live_centre(place, clock, track_for(quiet or json)) as served:
        say(
            f"Workspace   {place.root}",
            f"Centre      {served.settings.feeds[0].base_url}, which publishes as GFS does",
            f"Clock       {format_time(clock.now())}, an hour in five seconds until it catches up",
            f"Dashboard   met2net-ops dashboard --workspace {shlex.quote(str(root))}",
            "Ctrl-C stops it; the log is in logs/.",
        )
        serve(served, clock=clock, until=enough, quiet=True)
    if json:
        print_json({"workspace": place.root, "products": products})


def _silent(*lines: object) -> None:
    """Print nothing."""


def _print_scores(lines: Sequence[ScoreLine], model: str) -> None:
    from met2net_ops.variables import VARIABLES
    from met2net_ops.verification.results.summary import error_unit

    shown: dict[tuple[str, int], dict[str, ScoreLine]] = {}
    for line in lines:
        if line.lead_hours in _SHOWN_LEADS and line.variable in VARIABLES:
            shown.setdefault((line.variable, line.lead_hours), {})[line.truth] = line
    rows = []
    for (variable, lead), by_truth in shown.items():
        unit, scale = error_unit(variable)
        cells = [f"{variable} ({unit})", f"+{lead} h"]
        for truth in ("analysis", "stations"):
            cells += _cells(by_truth.get(truth), scale)
        rows.append(cells)
    columns = ["variable", "lead", "grid\nRMSE", "persis-\ntence", "diff.", "n"]
    columns += ["stations\nRMSE", "persis-\ntence", "diff.", "n"]
    title = f"{model} against the analyses (grid) and stations that came later"
    print_table(title, columns, rows, right=columns[1:])


def _cells(line: ScoreLine | None, scale: float) -> list[str]:
    if line is None:
        return ["-"] * 4
    return [
        f"{line.rmse * scale:.2f}",
        f"{line.rmse_persistence * scale:.2f}",
        f"{100 * (line.rmse / line.rmse_persistence - 1):+.0f} %",
        str(line.n),
    ]
