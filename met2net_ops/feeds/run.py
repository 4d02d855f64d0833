"""Fetch what a workspace's feeds want from remote sources, for the past as for the present."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from met2net_ops.catalog.credits import Credit, record_credit
from met2net_ops.errors import FeedError
from met2net_ops.feeds.fetch import fetch_file
from met2net_ops.feeds.http import Bandwidth, Host, Retries
from met2net_ops.feeds.plan import usable_mirrors, wanted_files
from met2net_ops.feeds.record import fetched, preferred_mirror, record_fetched
from met2net_ops.feeds.source import REPORTS, find_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from met2net_ops.feeds.fetch import Fetched
    from met2net_ops.feeds.plan import WantedFile
    from met2net_ops.feeds.source import Source
    from met2net_ops.settings import FeedSettings
    from met2net_ops.workspace import Workspace

_AT_ONCE = 8  # files of one source in progress


@dataclass(frozen=True, slots=True)
class RemoteFeed:
    """A feed of the settings whose files come from a remote source.

    Attributes:
        name: of the feed.
        source: with mirrors, leads and limits as the settings want them.
        spool: folder that ingest reads.
        variables: of the archive that the source has.
        lacking: of the archive that it does not have.
        bytes_per_second: None for any.
        days: how far back a service fetches what is missing.
    """

    name: str
    source: Source
    spool: Path
    variables: tuple[str, ...]
    lacking: tuple[str, ...]
    bytes_per_second: float | None
    days: float = 2.0


def remote_feeds(workspace: Workspace, only: Sequence[str] = ()) -> list[RemoteFeed]:
    """The feeds of the settings that name a source, and the sources of station reports.

    Args:
        workspace: whose settings.
        only: names of feeds or sources; all if none is given.

    Raises:
        FeedError: a source or mirror is unknown, or a name fits no feed.
    """
    folder = workspace.root / "sources"
    found = []
    for feed in workspace.settings.feeds:
        if feed.source is None or (only and not {feed.name, feed.source} & set(only)):
            continue
        source = _as_wanted(find_source(feed.source, folder), feed)
        if source.reports:
            raise FeedError(
                f"feed {feed.name}: {source.name} has station reports; name it in "
                "observations.sources"
            )
        names = workspace.settings.archive.variables
        found.append(
            RemoteFeed(
                feed.name,
                source,
                workspace.root / feed.path,
                tuple(name for name in names if name in source.fields),
                tuple(name for name in names if name not in source.fields),
                feed.bytes_per_second,
                feed.days,
            )
        )
    found += _report_feeds(workspace, only)
    if only and not found:
        raise FeedError(f"no feed in met2net.toml has a source {' or '.join(only)}")
    return found


def _report_feeds(workspace: Workspace, only: Sequence[str]) -> list[RemoteFeed]:
    settings, found = workspace.settings.observations, []
    for name in settings.sources:
        if only and name not in only:
            continue
        source = find_source(name, workspace.root / "sources")
        if not source.reports:
            raise FeedError(
                f"observations.sources: {name} has no station reports; name it under [[feeds]]"
            )
        spool = workspace.root / settings.folder / name
        found.append(RemoteFeed(name, source, spool, (REPORTS,), (), None, settings.source_days))
    return found


def _as_wanted(source: Source, feed: FeedSettings) -> Source:
    """The source with the feed's own mirrors, address, leads and limits."""
    mirrors = {mirror.name: mirror for mirror in source.mirrors}
    if unknown := [name for name in feed.mirrors if name not in mirrors]:
        raise FeedError(
            f"feed {feed.name}: {source.name} has no mirror {unknown[0]!r}; it has "
            f"{', '.join(mirrors)}"
        )
    chosen = [mirrors[name] for name in feed.mirrors] or list(mirrors.values())
    if feed.base_url is not None:
        first = chosen[0]
        address = feed.base_url.rstrip("/") + urlsplit(first.url).path
        own = {"name": "base_url", "url": address, "lag_minutes": 0.0, "keep_days": None}
        chosen = [first.model_copy(update=own)]
    if feed.connections is not None:
        chosen = [mirror.model_copy(update={"connections": feed.connections}) for mirror in chosen]
    leads = source.analysis_leads if feed.leads is None else feed.leads
    if leads and max(leads) > source.schedule.longest_lead:
        raise FeedError(
            f"feed {feed.name}: {source.name} has leads up to {source.schedule.longest_lead} h, "
            f"not {max(leads)}"
        )
    return source.model_copy(update={"mirrors": tuple(chosen), "analysis_leads": leads})


def missing_files(
    workspace: Workspace, feed: RemoteFeed, since: datetime, until: datetime
) -> list[WantedFile]:
    """What a feed still has to fetch for these valid times, oldest first.

    Raises:
        ArchiveError: the catalog cannot be read.
    """
    engine = workspace.catalog.engine
    try:
        there = fetched(engine, str(feed.spool), feed.source.name, since, until)
    finally:
        engine.dispose()
    return wanted_files(feed.source, feed.variables, since, until, there)


class Fetcher:
    """Fetches files of one feed over connections that stay open."""

    def __init__(
        self,
        workspace: Workspace,
        feed: RemoteFeed,
        *,
        retries: Retries | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            workspace: whose catalog remembers what was fetched.
            feed: what to fetch, and where it goes.
            retries: of every request.
            pause: waits between attempts.
        """
        self.feed = feed
        self._retries = retries
        self._pause = pause
        self._catalog = workspace.create_catalog()
        self._stack = ExitStack()
        self._bandwidth = Bandwidth(feed.bytes_per_second)
        self.hosts: Mapping[str, Host] = {}

    def __enter__(self) -> Fetcher:
        self.hosts = {
            mirror.name: self._stack.enter_context(
                Host(mirror, retries=self._retries, bandwidth=self._bandwidth, pause=self._pause)
            )
            for mirror in self.feed.source.mirrors
        }
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._catalog.dispose()

    @property
    def received(self) -> int:
        """Bytes of bodies that have come so far, indices and what was refused included."""
        return self._bandwidth.received

    def fetch(
        self,
        files: Sequence[WantedFile],
        now: Callable[[], datetime],
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[Fetched]:
        """Fetch files, several at a time; each is recorded once it lies in the spool.

        Raises:
            ArchiveError: the catalog cannot be written.
            OSError: the spool cannot be written.
        """
        spool, source = str(self.feed.spool), self.feed.source
        if files:
            credit = Credit(spool, source.name, source.licence, source.attribution)
            record_credit(self._catalog.engine, credit)
        preferred = preferred_mirror(self._catalog.engine, spool, self.feed.source.name)

        def one(file: WantedFile) -> Fetched | None:
            if should_stop():
                return None
            mirrors = usable_mirrors(file, now(), preferred)
            return fetch_file(file, mirrors, self.hosts, self.feed.spool)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for done in pool.map(one, files):
                if done is None:
                    continue
                if done.messages:
                    record_fetched(self._catalog.engine, spool, done.messages)
                yield done


@dataclass(frozen=True, slots=True)
class Lateness:
    """A file that is not there after its deadline.

    Attributes:
        file: which.
        since: its deadline.
        why: what the mirrors said last, "" if they were not asked.
    """

    file: WantedFile
    since: datetime
    why: str = ""

    def __str__(self) -> str:
        why = f": {self.why}" if self.why else ""
        return f"{self.file} is late since {self.since:%Y-%m-%dT%H:%MZ}{why}"


def utc_now() -> datetime:
    """The present, aware UTC."""
    return datetime.now(UTC)
