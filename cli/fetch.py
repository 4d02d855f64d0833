"""`met2net-ops fetch`: get what the feeds want from remote sources."""

from __future__ import annotations

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
    from met2net_ops.feeds.fetch import Fetched


def command(
    source: Annotated[
        list[str] | None,
        typer.Option(help="Only this feed or source; may come repeatedly.", show_default=False),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="First valid time, such as 2026-11-22T06 (UTC); default two days ago."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Last valid time; now by default.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only print what would be fetched.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Fetch GRIB messages from the sources of [[feeds]], by range and each proven.

    What was fetched before is not fetched again, and what is killed goes on with the same command.
    `met2net-ops ingest` reads what has come, `met2net-ops observations import` the station reports.
    """
    from datetime import timedelta

    from met2net_ops.errors import FeedError
    from met2net_ops.feeds.run import Fetcher, missing_files, remote_feeds, utc_now
    from met2net_ops.times import TimeFormatError, format_time, parse_time

    place = open_workspace(workspace)
    now = utc_now()
    last = parse_time(until) if until else now
    first = parse_time(since) if since else last - timedelta(days=2)
    if last < first:
        raise TimeFormatError(f"--until {until} lies before --since {since}")
    feeds = remote_feeds(place, source or ())
    if not feeds:
        raise FeedError(
            'no feed has a source: add source = "gfs" to one of [[feeds]] in met2net.toml; '
            "`met2net-ops sources` lists them"
        )
    plans = {feed.name: missing_files(place, feed, first, last) for feed in feeds}
    published = {
        name: [file for file in files if file.expected <= now] for name, files in plans.items()
    }
    if not (json or quiet):
        for feed in feeds:
            there, later = published[feed.name], len(plans[feed.name]) - len(published[feed.name])
            print_lines(
                f"{feed.name}: {len(there)} files of {feed.source.name} from "
                f"{', '.join(mirror.name for mirror in feed.source.mirrors)}, "
                f"{sum(len(file.variables) for file in there)} messages, valid "
                f"{format_time(first)} to {format_time(last)}"
                + (f"; {later} more are not due yet" if later else "")
            )
            if feed.lacking:
                print_lines(f"{feed.name}: {feed.source.name} has no {', '.join(feed.lacking)}")
    if dry_run:
        if json:
            print_json(
                [
                    {"feed": name, "source": file.source.name, "run": file.reference_time,
                     "lead": file.lead, "variables": file.variables, "expected": file.expected,
                     "url": file.source.mirrors[0].address(file.reference_time, file.lead)}
                    for name, files in published.items() for file in files
                ]
            )  # fmt: skip
        return
    place.create_archive()
    done: list[Fetched] = []
    for feed in feeds:
        files = published[feed.name]
        with Fetcher(place, feed) as fetcher:
            track = track_for(quiet or json, lambda: fetcher.received)
            done += track(fetcher.fetch(files, utc_now), f"fetching {feed.name}", total=len(files))
    if json:
        print_json(
            [
                {"source": one.file.source.name, "run": one.file.reference_time,
                 "lead": one.file.lead, "path": one.path, "bytes": one.size,
                 "published": one.published, "failures": one.failures}
                for one in done
            ]
        )  # fmt: skip
    elif not quiet:
        _print_done(done)
    if failed := [one for one in done if one.path is None and one.published]:
        why = next(iter(failed[0].failures.values()))
        raise FeedError(
            f"{len(failed)} of {len(done)} files could not be fetched, the first because {why}. "
            "The same command tries again."
        )


def _print_done(done: list[Fetched]) -> None:
    came = [one for one in done if one.path is not None]
    waiting = [one for one in done if not one.published]
    size = sum(one.size for one in came)
    print_lines(f"Fetched {len(came)} files, {size / 1e6:.1f} MB.")
    if waiting:
        rows = [(str(one.file), next(iter(one.failures.values()), "")) for one in waiting[:10]]
        print_table(f"Not published yet: {len(waiting)}", ("file", "answer"), rows)
