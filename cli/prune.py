"""`met2net-ops prune`: remove old data."""

from __future__ import annotations

from typing import Annotated

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


def command(
    workspace: WorkspaceOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only show what would be removed.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Remove old products, frames, quarantine and logs by the rules of [retention].

    Nothing that a cycle still needs is removed, however old. The service does this once a day by
    itself; beside it this command is safe. Ends with exit code 1 if something could not be removed.
    """
    from datetime import UTC, datetime
    from functools import partial

    from met2net_ops.models.selection import find_spec
    from met2net_ops.service.retention import StaleKind, plan_retention, present, retain
    from met2net_ops.times import format_time

    place = open_workspace(workspace)
    clock = datetime.now(UTC)
    now = present(place, clock)
    plan = plan_retention(place, now, partial(find_spec, place))
    removed = None if dry_run else retain(place, plan, track=track_for(quiet))
    counts = plan.counts()
    if json:
        print_json({
            "dry_run": dry_run,
            "counted_from": now,
            "old": [
                {"kind": kind, "count": counts[kind], "spared": plan.spared[kind],
                 "oldest": (plan.span(kind) or (None, None))[0],
                 "newest": (plan.span(kind) or (None, None))[1], "bytes": plan.size(kind)}
                for kind in StaleKind
            ],
            "files": [file.path for file in plan.files],
            "removed": None if removed is None else dict(removed.counts),
            "problems": [] if removed is None else removed.problems,
        })  # fmt: skip
    else:
        if now < clock:
            print_lines(f"Days are counted from {format_time(now)}: there is no newer frame.")
        rows = []
        for kind in StaleKind:
            span, size = plan.span(kind), plan.size(kind)
            rows.append((
                kind.value,
                str(counts[kind]),
                f"{format_time(span[0])} … {format_time(span[1])}" if span else "",
                f"{size / 1e6:.1f} MB" if size and counts[kind] else "",
                str(plan.spared[kind] or ""),
            ))  # fmt: skip
        title = "Would be removed" if dry_run else "Old enough to be removed"
        columns = ("what", "how many", "from … to", "size", "still needed")
        print_table(title, columns, rows, right=("how many", "size", "still needed"))
        if removed is not None:
            total = sum(removed.counts.values())
            print_lines(f"{total} removed." if total else "Nothing was removed.")
    for problem in () if removed is None else removed.problems:
        print_lines(problem, err=True)
    if removed is not None and removed.problems:
        raise typer.Exit(1)
