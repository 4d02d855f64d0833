"""`met2net-ops sources`: the remote sources that are known."""

from __future__ import annotations

from met2net_ops.cli.common import JsonOption, WorkspaceOption, print_json, print_table


def command(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List remote sources: what they give, when they publish it, and under which licence.

    A file of your own in the workspace's folder sources/ adds one; see docs/feeds.md.
    """
    from met2net_ops.errors import SettingsError
    from met2net_ops.feeds.source import find_sources
    from met2net_ops.workspace import find_paths

    try:
        folder = find_paths(workspace).root / "sources"
    except SettingsError:
        if workspace is not None:
            raise
        folder = None
    found = find_sources(folder).values()
    if json:
        print_json([source.model_dump() for source in found])
        return
    for source in found:
        times = source.schedule
        leads = ", ".join(f"+{lead}" for lead in source.analysis_leads)
        published = (
            f"from {times.first_minutes / 60:.1f} h after the reference time; late "
            f"{times.deadline_minutes:g} minutes after it is expected"
        )
        hours = f"{', '.join(f'{hour:02d}' for hour in times.hours)} UTC"
        series = f"leads {leads} h of each run; up to +{times.longest_lead} h can be had"
        if source.reports:
            what = [("station reports", source.reports), ("hours", hours)]
        else:
            what = [
                ("grid", f"{source.grid}, every {source.step_hours} h"),
                ("fields", ", ".join(source.fields)),
                ("runs", hours),
                ("series", series),
            ]
        rows = [
            *what,
            ("published", published),
            ("mirrors", ", ".join(mirror.name for mirror in source.mirrors)),
            ("licence", source.licence),
            ("attribution", source.attribution),
            ("account", source.account or "none needed"),
        ]
        print_table(f"{source.name}: {source.title}", ("", ""), rows)
