"""`met2net-ops coverage`: what is in the archive, what is late, what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from met2net_ops.cli.common import (
    JsonOption,
    WorkspaceOption,
    console,
    open_workspace,
    print_json,
    print_sources,
    print_table,
)

if TYPE_CHECKING:
    from datetime import timedelta

    from met2net_ops.archive.coverage import Coverage


def command(
    since: Annotated[
        str | None, typer.Option(help="First valid time, such as 2026-11-22T06 (UTC).")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Last valid time.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which variable is there for which hour, which is late and which is missing.

    Of remote sources it says which run is waited for or late, and since when.

    By default the 48 steps up to now, or up to the newest frame if that is older than five days;
    never before the first frame.
    """
    from datetime import UTC, datetime, timedelta

    from met2net_ops.archive.coverage import coverage, default_end
    from met2net_ops.feeds.state import source_states
    from met2net_ops.times import TimeFormatError, parse_time

    where = open_workspace(workspace)
    archive = where.archive
    now = datetime.now(UTC)
    last = parse_time(until) if until else default_end(archive, now)
    span = archive.span()
    if since:
        first = parse_time(since)
    else:
        first = max(last - 47 * archive.step, min(span[0], last) if span else last)
    if last < first:
        raise TimeFormatError(f"--until {until} lies before --since {since}")
    found = coverage(
        archive,
        where.usable_frames,
        where.settings.archive.variables,
        first,
        last,
        now=now,
        late_after=timedelta(hours=where.settings.ingest.late_after_hours),
    )
    sources = source_states(where, now)
    if as_json:
        print_json({
            "since": found.times[0],
            "until": found.times[-1],
            "step": archive.step,
            "variables": found.variables,
            "counts": dict(found.counts()),
            "lacking": [
                {"variable": name, "time": time, "state": state}
                for name, time, state in found.lacking()
            ],
            "sources": sources,
        })  # fmt: skip
        return
    _print(found, archive.step)
    print_sources(sources)


def _print(found: Coverage, step: timedelta) -> None:
    from datetime import timedelta

    from rich.text import Text

    from met2net_ops.archive.coverage import FrameState

    signs = {
        FrameState.THERE: Text("✓", "green"),
        FrameState.INCOMPLETE: Text("◐", "yellow"),
        FrameState.LATE: Text("~", "yellow"),
        FrameState.MISSING: Text("✗", "red"),
        FrameState.DUE: Text("·"),
    }
    slots = timedelta(days=1) // step
    rows: dict[tuple[str, str], list[Text]] = {}
    for index, time in enumerate(found.times):
        slot = (time - time.replace(hour=0, minute=0, second=0)) // step
        for name, states in zip(found.variables, found.states, strict=True):
            row = rows.setdefault((f"{time:%Y-%m-%d}", name), [Text(" ")] * slots)
            row[slot] = signs[states[index]]
    quarter = max(slots // 4, 1)
    hours = "".join(f"{6 * part:02d}".ljust(quarter) for part in range(4)) if slots >= 8 else "UTC"
    table = [
        (day if name == found.variables[0] else "", name, Text.assemble(*row))
        for (day, name), row in rows.items()
    ]
    print_table("", ("day", "variable", hours.rstrip()), table)
    counts = found.counts()
    parts = [Text.assemble(signs[state], f" {counts[state]} {state}") for state in FrameState]
    console().print(Text("   ").join(parts))
