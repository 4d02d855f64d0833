"""What the archive has, as a table."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pandas as pd

from met2net_ops.archive.coverage import FrameState, coverage, default_end
from met2net_ops.archive.frames import open_archive

if TYPE_CHECKING:
    from datetime import datetime

    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace

_COVERAGE_FRAMES = 24
_MARKS = {
    FrameState.THERE: "✓",
    FrameState.LATE: "~",
    FrameState.MISSING: "✗",
    FrameState.DUE: "·",
}


def coverage_table(workspace: Workspace, settings: Settings, now: datetime) -> pd.DataFrame | None:
    """Variable x time of the newest day: ✓ archived, ~ late, ✗ missing; None without frames.

    Raises:
        ArchiveError: there is no archive, or not for these settings.
    """
    archive = open_archive(workspace, settings)
    span = archive.span()
    if span is None:
        return None
    until = default_end(archive, now)
    found = coverage(
        archive,
        settings.archive.variables,
        max(span[0], until - archive.step * (_COVERAGE_FRAMES - 1)),
        until,
        now=now,
        late_after=timedelta(hours=settings.ingest.late_after_hours),
    )
    return pd.DataFrame(
        [[_MARKS[state] for state in row] for row in found.states],
        index=pd.Index(found.variables, name="variable"),
        columns=[f"{time:%d %H}Z" for time in found.times],
    )
