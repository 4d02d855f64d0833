"""`met2net-ops ingest`: GRIB files into the archive."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from met2net_ops.cli.common import (
    JsonOption,
    QuietOption,
    WorkspaceOption,
    open_workspace,
    print_json,
    print_lines,
    print_table,
    track_for,
)

if TYPE_CHECKING:
    from collections import Counter

    from met2net_ops.ingest.report import FileReport

_REASONS_SHOWN = 3


def _path(text: str) -> Path:
    # Path("") would be the folder one happens to stand in.
    if not text.strip():
        raise typer.BadParameter("an empty path names no file or folder; is a variable unset?")
    return Path(text)


def command(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(parser=_path, help="Files and folders; all configured feeds by default."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay and read what is delivered, until stopped.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Read GRIB files into the archive and account for every message in them.

    Reading a file again changes nothing. Exit code 4: something was refused; what was good has
    been archived, and the refused bytes are in quarantine/ with the reason.
    """
    from met2net_ops.ingest.fork_server import ForkServer

    with _stop_signals() as stop, ForkServer() as fork_server:
        fork_server.start()  # it takes as long to load as the settings: at the same time
        where = open_workspace(workspace)
        if watch:
            from met2net_ops.ingest.watch import watch_files

            for report in watch_files(where, paths or [], stop, fork_server=fork_server):
                if as_json:
                    _print_json_line(report)
                elif not quiet or report.refused_something:
                    print_lines(_line(report))
            return
        from met2net_ops.ingest.pipeline import ingest
        from met2net_ops.ingest.unwanted import ADVICE, unwanted_feeds

        result = ingest(
            where, paths or [], fork_server=fork_server, track=track_for(quiet or as_json),
            should_stop=stop.is_set,
        )  # fmt: skip
    unwanted = [] if paths else unwanted_feeds(where, datetime.now(UTC))
    if as_json:
        print_json({
            "files": [file.as_json() for file in result.files], "stopped": result.stopped,
            "unwanted_feeds": unwanted,
        })  # fmt: skip
    else:
        shown = [file for file in result.files if not quiet or file.refused_something]
        if shown:
            _print_files(shown)
        if not result.files:
            print_lines("No files found.")
    for feed in unwanted:
        print_lines(f"Warning: {feed}; {ADVICE}", err=True)
    if result.stopped:
        print_lines("Stopped before all files were read; the same command goes on.", err=True)
        raise typer.Exit(130)
    if result.refused_something:
        from met2net_ops.errors import IngestError

        raise typer.Exit(IngestError.exit_code)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set: work ends at the next safe point."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_files(files: list[FileReport]) -> None:
    from met2net_ops.grib.records import VerdictKind

    rows = []
    for file in files:
        counts = [str(file.count(outcome) or "") for outcome in VerdictKind]
        rows.append([
            Path(file.path).name, file.state.value, *counts, _frames(file), _why(file),
        ])  # fmt: skip
    columns = ("file", "", "taken", "not wanted", "refused", "frames", "why")
    print_table("", columns, rows, right=("taken", "not wanted", "refused"))


def _frames(file: FileReport) -> str:
    fates = ", ".join(f"{number} {fate.value}" for fate, number in file.frames.items())
    return f"{fates}, up to {file.missing_points} points missing" if file.missing_points else fates


def _why(file: FileReport) -> list[str]:
    from met2net_ops.grib.records import VerdictKind

    parts = [file.problem] if file.problem else []
    outcomes = (
        [VerdictKind.REFUSED]
        if file.count(VerdictKind.TAKEN)
        else [VerdictKind.REFUSED, VerdictKind.NOT_WANTED]
    )
    parts += [
        f"{outcome.value}: {_most_common(reasons)}"
        for outcome in outcomes
        if (reasons := file.reasons(outcome))
    ]
    parts += [f"warning: {warning}" for warning in file.warnings]
    return parts


def _most_common(reasons: Counter[str]) -> str:
    shown = [f"{number} x {reason}" for reason, number in reasons.most_common(_REASONS_SHOWN)]
    if len(reasons) > _REASONS_SHOWN:
        shown.append(f"{len(reasons) - _REASONS_SHOWN} more reasons, see --json")
    return "; ".join(shown)


def _line(report: FileReport) -> str:
    parts = [report.state.value, report.path, _frames(report), " | ".join(_why(report))]
    return "  ".join(part for part in parts if part)


def _print_json_line(report: FileReport) -> None:
    print_json(report.as_json(), indent=None)
