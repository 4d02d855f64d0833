"""Fetch as a service does: ask for a file when it is due, and say when it is late."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from met2net_ops.feeds.run import Fetcher, Lateness, missing_files, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from threading import Event

    from met2net_ops.feeds.fetch import Fetched
    from met2net_ops.feeds.http import Retries
    from met2net_ops.feeds.plan import WantedFile
    from met2net_ops.feeds.run import RemoteFeed
    from met2net_ops.workspace import Workspace

POLL = timedelta(seconds=30)  # between requests for a file that is due
POLL_LATE = timedelta(minutes=10)  # and for one that is late, at first
_LATER = 12  # what is late for two hours and more is asked for in this part of its lateness
_LONGEST_SLEEP = timedelta(minutes=5)  # the clock may be set meanwhile
_AHEAD = timedelta(days=1)

Key = tuple[datetime, timedelta]


@dataclass
class Watch:
    """What is known of one feed between two rounds.

    Attributes:
        feed: which.
        asked: reference time and lead → when it was last requested, and what came of it.
        late: files that are not there after their deadline.
    """

    feed: RemoteFeed
    asked: dict[Key, tuple[datetime, str]] = field(default_factory=dict)
    late: tuple[Lateness, ...] = ()

    def due(self, files: Sequence[WantedFile], now: datetime) -> list[WantedFile]:
        """Files to request now, newest valid time first."""
        found = [file for file in files if self._next(file) <= now]
        return sorted(found, key=lambda file: file.valid_time, reverse=True)

    def note(self, done: Fetched, now: datetime) -> None:
        """Remember what became of a request."""
        key = (done.file.reference_time, done.file.lead)
        if done.path is not None:
            self.asked.pop(key, None)
        else:
            self.asked[key] = (now, "; ".join(done.failures.values()))

    def look(self, files: Sequence[WantedFile], now: datetime) -> timedelta:
        """Note what is late, forget what is no longer missing; how long nothing is due."""
        keys = {(file.reference_time, file.lead) for file in files}
        self.asked = {key: value for key, value in self.asked.items() if key in keys}
        self.late = tuple(
            Lateness(file, file.deadline, self._answer(file))
            for file in files
            if file.deadline < now
        )
        wait = min((self._next(file) - now for file in files), default=_LONGEST_SLEEP)
        return max(min(wait, _LONGEST_SLEEP), timedelta(0))

    def _answer(self, file: WantedFile) -> str:
        asked = self.asked.get((file.reference_time, file.lead))
        return "" if asked is None else asked[1]

    def _next(self, file: WantedFile) -> datetime:
        asked = self.asked.get((file.reference_time, file.lead))
        if asked is None:
            lag = min(mirror.lag_minutes for mirror in self.feed.source.mirrors)
            return file.expected + timedelta(minutes=lag)
        if asked[0] <= file.deadline:
            return asked[0] + POLL
        return asked[0] + max(POLL_LATE, (asked[0] - file.deadline) / _LATER)


def watch_feed(
    workspace: Workspace,
    feed: RemoteFeed,
    days: float,
    stop: Event,
    *,
    now: Callable[[], datetime] = utc_now,
    retries: Retries | None = None,
    wait: Callable[[float], object] | None = None,
) -> Iterator[tuple[Watch, Fetched | None]]:
    """Fetch what is due until stopped; what is missing of the last days as well.

    Args:
        workspace: whose catalog remembers what was fetched.
        feed: what to fetch.
        days: how far back.
        stop: ends it at the next safe point.
        now: the clock, aware UTC.
        retries: of every request.
        wait: for so many seconds, or until `stop` is set; a test has its own.

    Yields:
        After each file that was requested, and after each round (then None).

    Raises:
        ArchiveError: the catalog cannot be read or written.
        OSError: the spool cannot be written.
    """
    watch = Watch(feed)
    feed.spool.mkdir(parents=True, exist_ok=True)

    wait = wait or stop.wait
    with Fetcher(workspace, feed, retries=retries, pause=wait) as fetcher:
        while not stop.is_set():
            since = now() - timedelta(days=days)
            files = missing_files(workspace, feed, since, now() + _AHEAD)
            for done in fetcher.fetch(watch.due(files, now()), now, stop.is_set):
                watch.note(done, now())
                yield watch, done
            files = missing_files(workspace, feed, since, now() + _AHEAD)
            rest = watch.look(files, now())
            yield watch, None
            wait(max(rest.total_seconds(), 0.2))
