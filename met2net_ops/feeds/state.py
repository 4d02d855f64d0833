"""How it stands with each remote source: what is waited for, and what is late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from met2net_ops.feeds.plan import WantedFile
    from met2net_ops.feeds.run import RemoteFeed
    from met2net_ops.workspace import Workspace


class Timeliness(StrEnum):
    """How it stands with the files of a source."""

    COMPLETE = "complete"  # everything that was expected by now is there
    WAITING = "waiting"  # a file is expected, and its deadline lies ahead
    LATE = "late"  # a deadline has passed


@dataclass(frozen=True, slots=True)
class SourceState:
    """The files of one feed that are in the same state.

    Attributes:
        feed: of the settings.
        source: that it is fetched from.
        state: of the files.
        reference_time: of the run of the first of them; None if complete.
        since: when that file was expected, or its deadline if it is late; None if complete.
        files: how many.
    """

    feed: str
    source: str
    state: Timeliness
    reference_time: datetime | None = None
    since: datetime | None = None
    files: int = 0


def source_states(workspace: Workspace, now: datetime) -> list[SourceState]:
    """One entry per feed with a source and state; nothing is requested from the network.

    Args:
        workspace: whose feeds and catalog; `days` of each feed says how far back is looked.
        now: aware UTC.

    Raises:
        FeedError: a source or mirror is unknown.
        ArchiveError: the catalog cannot be read.
    """
    settings = workspace.settings
    if not settings.observations.sources and all(one.source is None for one in settings.feeds):
        return []
    from met2net_ops.feeds.run import missing_files, remote_feeds  # HTTP takes long to import

    found = []
    for feed in remote_feeds(workspace):
        files = missing_files(workspace, feed, now - timedelta(days=feed.days), now)
        late = [file for file in files if file.deadline < now]
        waiting = [file for file in files if file.expected <= now <= file.deadline]
        found += _states(feed, late, waiting)
    return found


def _states(
    feed: RemoteFeed, late: Sequence[WantedFile], waiting: Sequence[WantedFile]
) -> list[SourceState]:
    def state(kind: Timeliness, run: datetime, since: datetime, count: int) -> SourceState:
        return SourceState(feed.name, feed.source.name, kind, run, since, count)

    found = []
    if late:
        first = min(late, key=lambda file: file.deadline)
        found.append(state(Timeliness.LATE, first.reference_time, first.deadline, len(late)))
    if waiting:
        first = min(waiting, key=lambda file: file.expected)
        found.append(state(Timeliness.WAITING, first.reference_time, first.expected, len(waiting)))
    return found or [SourceState(feed.name, feed.source.name, Timeliness.COMPLETE)]
