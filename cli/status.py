"""`met2net-ops status`: the state of the service and its cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from met2net_ops.cli.common import (
    JsonOption,
    QuietOption,
    WorkspaceOption,
    plain,
    print_json,
    print_lines,
    print_sources,
    print_table,
)

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from met2net_ops.service.monitoring.status import DeploymentStatus


def command(
    workspace: WorkspaceOption = None, json: JsonOption = False, quiet: QuietOption = False
) -> None:
    """Show whether the service runs and the state of its cycles; changes nothing.

    Exit codes, as monitors read them: 0 fine, 1 late (a forecast is due and not published), 2
    failing (the newest cycle to end has no forecast, or part of the service is in trouble), 3
    stopped (the service does not run, or hangs; also where the workspace cannot be read).
    """
    from datetime import UTC, datetime

    from met2net_ops.errors import Met2NetOpsError
    from met2net_ops.service.monitoring.status import EXIT_CODES, Level

    try:
        found = _status(workspace, datetime.now(UTC))
    except (Met2NetOpsError, OSError) as error:  # a monitor knows no other exit codes than these
        code = EXIT_CODES[Level.STOPPED]
        if json:
            print_json({"exit_code": code, "error": str(error)})
        print_lines("UNKNOWN", *(f"  {line}" for line in str(error).split("\n")), err=True)
        raise typer.Exit(code) from None
    if json:
        content = plain(found)
        content["pulse"] = content.pop("heartbeat")
        print_json({"exit_code": EXIT_CODES[found.level], "status": content})
    elif quiet:
        print_lines(found.level)
    else:
        _print(found)
    raise typer.Exit(EXIT_CODES[found.level])


def _status(given: Path | None, now: datetime) -> DeploymentStatus:
    """The state of a workspace, whose settings may be unreadable."""
    from met2net_ops.errors import SettingsError
    from met2net_ops.service.monitoring.status import status, status_without_settings
    from met2net_ops.settings import load_settings
    from met2net_ops.workspace import Workspace, find_paths

    paths = find_paths(given)
    try:
        settings = load_settings(paths.settings_file)
    except SettingsError as error:
        return status_without_settings(paths, str(error), now)
    return status(Workspace(paths, settings), now)


def _print(found: DeploymentStatus) -> None:
    from met2net_ops.times import format_time

    print_lines(f"{found.level.upper()}")
    for reason in found.reasons:
        print_lines(f"  {reason}")
    if found.holder is not None:
        print_lines(f"Served by {found.holder}")
    rows = [
        (
            line.model,
            line.level,
            format_time(line.newest) if line.newest else "-",
            format_time(line.published_at) if line.published_at else "-",
            format_time(line.next) if line.next else "-",
            ", ".join(f"{count} {state}" for state, count in line.states.items()) or "-",
        )
        for line in found.models
    ]
    if rows:
        columns = ("model", "", "newest forecast", "published", "next cycle", "last 7 days")
        print_table("", columns, rows)
    else:
        print_lines("No [[schedules]] in met2net.toml: there is nothing to serve.")
    print_sources(found.sources)
