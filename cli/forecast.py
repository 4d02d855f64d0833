"""`met2net-ops forecast`: window, rollout, gate, product, for one cycle or many."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

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
    from met2net_ops.errors import Met2NetOpsError
    from met2net_ops.forecast.forecaster import Forecaster
    from met2net_ops.forecast.result import CycleResult
    from met2net_ops.forecast.window import FrameSource
    from met2net_ops.settings import Settings


def command(
    cycle: Annotated[
        str,
        typer.Option(help="Reference time (UTC), like 2026-11-22T06, or the latest possible."),
    ] = "latest",
    cycles: Annotated[
        str | None,
        typer.Option(help="Many reference times, A..B, both included.", show_default=False),
    ] = None,
    every: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Hours between the reference times of --cycles; by default the archive's step.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Model, or persistence, persistence-24h, damped-persistence, linear-online; else "
            "that of the settings.",
            show_default=False,
        ),
    ] = None,
    leads: Annotated[
        int | None,
        typer.Option(min=1, max=2400, help="Lead times, in the model's steps.", show_default=False),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="auto, cpu, cuda or cuda:N.", show_default=False),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also redo forecasts that are already published.")
    ] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make forecasts from the archive and publish them as CF NetCDF.

    Exit codes: 5 input is missing, 6 the model, 7 the gate refused, 8 the product could not be
    written, 9 the archive, 10 grids differ. Of many cycles all are tried; the first that went
    wrong decides.
    """
    from met2net_ops.forecast.inputs import catalog_origins
    from met2net_ops.forecast.run import run_cycles
    from met2net_ops.models.selection import choose_forecaster

    for option, text in (("--model", model), ("--device", device)):
        if text is not None and not text.strip():
            raise typer.BadParameter(f"{option} is empty; name one, or leave the option out")
    place = open_workspace(workspace)
    place = place.with_forecast(model=model, leads=leads, device=device)
    analyses = place.usable_frames
    forecaster = choose_forecaster(place, analyses)
    results = run_cycles(
        forecaster,
        analyses,
        place,
        _reference_times(cycle, cycles, every, analyses, forecaster, place.settings),
        force=force,
        origins=catalog_origins(place.catalog),
        track=track_for(quiet or json),
    )
    documents: list[dict[str, Any]] = []
    error: Met2NetOpsError | None = None
    for result in results:
        error = error or result.error
        if json:
            documents.append(_document(result))
        elif cycles is not None:
            _print_line(result)
        elif result.error is None:
            _print_one(result, quiet=quiet)
    if json:
        print_json(documents if cycles is not None else documents[0])
    if error is not None:
        end_with(error, printed=json)


def _reference_times(
    cycle: str,
    cycles: str | None,
    every: int | None,
    source: FrameSource,
    forecaster: Forecaster,
    settings: Settings,
) -> list[datetime]:
    from met2net_ops.forecast.window import latest_reference_time
    from met2net_ops.times import format_time, parse_range, parse_time, time_range

    if cycles is None and cycle == "latest":
        gaps = settings.forecast.max_gap_frames
        return [latest_reference_time(source, forecaster.spec, gaps)]
    if cycles is not None:
        start, stop = parse_range(cycles)
        times = time_range(start, stop, timedelta(hours=every) if every else source.step)
    else:
        times = [parse_time(cycle)]
    for time in times:
        if (time - time.replace(hour=0, minute=0, second=0)) % source.step:
            raise typer.BadParameter(
                f"{format_time(time)} is no cycle: the archive has frames every "
                f"{source.step // timedelta(hours=1)} h, counted from 00 UTC"
            )
    return times


def _print_one(result: CycleResult, *, quiet: bool) -> None:
    """The path, alone where asked to be quiet, and what is good to know about it."""
    from met2net_ops.times import format_time

    print_lines(result.path)
    if quiet:
        return
    print_lines(
        f"{result.model} from {format_time(result.reference_time)}: {result.leads} leads, valid "
        f"{format_time(result.valid_from)} to {format_time(result.valid_to)}"
    )
    if result.note:
        print_lines(f"{result.note[0].upper()}{result.note[1:]}.")
        return
    if result.table is not None and result.table.gaps:
        gaps = ", ".join(f"{name} {format_time(time)}" for name, time in result.table.gaps)
        print_lines(f"Interpolated in time: {gaps}")
    for line in result.report.summary():
        print_lines(f"Gate: {line}")
    total = sum(result.seconds.values())
    rows = [(stage, f"{seconds:.3f}") for stage, seconds in result.seconds.items()]
    print_table("", ("stage", "seconds"), [*rows, ("all", f"{total:.3f}")], right=("seconds",))


def _print_line(result: CycleResult) -> None:
    from met2net_ops.times import format_time

    reason = f": {str(result.error).splitlines()[0]}" if result.error is not None else ""
    reason += f": {result.note}" if result.note else ""
    print_lines(f"{format_time(result.reference_time)} {result.state:9} {result.path}{reason}")


def _document(result: CycleResult) -> dict[str, Any]:
    return {
        "model": result.model,
        "reference_time": result.reference_time,
        "state": result.state,
        "path": result.path,
        "leads": result.leads,
        "valid_from": result.valid_from,
        "valid_to": result.valid_to,
        "gaps_filled": result.table.gaps if result.table is not None else [],
        "missing": result.table.missing if result.table is not None else [],
        "findings": result.report.findings,
        "seconds": result.seconds,
        "note": result.note,
        "error": str(result.error) if result.error is not None else None,
    }
