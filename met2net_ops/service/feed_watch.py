"""The feeds, watched in threads of the service: files are read as soon as they are complete."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from met2net_ops.service.backoff import backoff_seconds
from met2net_ops.service.clock import SystemClock
from met2net_ops.service.monitoring.listeners import FileCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from met2net_ops.feeds.run import Lateness
    from met2net_ops.service.clock import Clock
    from met2net_ops.workspace import Workspace

_FIRST_WAIT_S, _LONGEST_WAIT_S = 2.0, 300.0
_TRUSTED_AGAIN_S = 30.0

_log = logging.getLogger(__name__)


class Feeds:
    """The feeds of a service: watched, stopped, and watched again under other settings."""

    def __init__(
        self, wake: Callable[[], None], check: Callable[[], None], clock: Clock | None = None
    ) -> None:
        """Prepare; nothing is watched yet.

        Args:
            wake: called after something was read; must return at once.
            check: called in the threads before they open the archive and the catalog; raises
                where these must not be opened.
            clock: by which remote sources are asked; the machine's by default.
        """
        self._clock = clock
        self._wake = wake
        self._check = check
        self._watchers: list[FeedWatchers] = []

    def start(self, workspace: Workspace) -> None:
        """Watch the feeds of this workspace, and those of before no longer."""
        self.stop()
        self._watchers.append(FeedWatchers(workspace, self._wake, self._check, self._clock))

    def stop(self) -> None:
        """Ask the threads to end at their next safe point."""
        for watchers in self._watchers:
            watchers.stop()

    def join(self, seconds: float) -> bool:
        """Wait for the threads that were asked to end; whether all of them have."""
        return all(watchers.join(seconds) for watchers in self._watchers)

    @property
    def problems(self) -> dict[str, str]:
        """Component → what is wrong with it now."""
        return self._watchers[-1].problems if self._watchers else {}

    @property
    def late(self) -> dict[str, Lateness]:
        """Feed → the file of its source that has been late for longest."""
        return self._watchers[-1].late if self._watchers else {}

    @property
    def counts(self) -> FileCounts:
        """Files read since the service started."""
        return sum((watchers.counts for watchers in self._watchers), FileCounts())


class FeedWatchers:
    """Reads GRIB feeds and station reports until stopped; starts again after an error."""

    def __init__(
        self,
        workspace: Workspace,
        wake: Callable[[], None],
        check: Callable[[], None],
        clock: Clock | None = None,
    ) -> None:
        self._workspace = workspace
        self._clock = clock or SystemClock()
        self._wake = wake
        self._check = check
        self._stop = threading.Event()
        self._counts = FileCounts()
        self._counting = threading.Lock()
        self._problems: dict[str, str] = {}
        self._late: dict[str, Lateness] = {}
        self._resumed: dict[str, float] = {}
        watched: dict[str, Callable[[], Iterator[Any]]] = {"observations": self._observations}
        if workspace.settings.feeds:
            watched["ingest"] = self._ingest
        for feed in workspace.settings.feeds:
            if feed.source is not None:
                (workspace.root / feed.path).mkdir(parents=True, exist_ok=True)
                watched[f"fetch {feed.name}"] = partial(self._fetch, feed.name)
        for name in workspace.settings.observations.sources:
            watched[f"fetch {name}"] = partial(self._fetch, name)
        self._threads = [
            threading.Thread(target=self._keep_watching, args=item, name=item[0], daemon=True)
            for item in watched.items()
        ]
        for thread in self._threads:
            thread.start()

    @property
    def problems(self) -> dict[str, str]:
        """Component → what is wrong with it now."""
        if self._stop.is_set():
            return {}
        now = time.monotonic()
        found = {
            name: problem
            for name, problem in self._problems.copy().items()  # its threads change it meanwhile
            if now - self._resumed.get(name, now) < _TRUSTED_AGAIN_S
        }
        for thread in self._threads:
            if not thread.is_alive():
                found[thread.name] = "its thread has ended unexpectedly; restart the service"
        return found

    @property
    def late(self) -> dict[str, Lateness]:
        """Feed → the file of its source that has been late for longest."""
        return {} if self._stop.is_set() else self._late.copy()

    @property
    def counts(self) -> FileCounts:
        """Files read by these threads."""
        with self._counting:
            return self._counts

    def stop(self) -> None:
        """Ask the threads to end at their next safe point."""
        self._stop.set()

    def join(self, seconds: float) -> bool:
        """Wait for the threads; whether all have ended."""
        for thread in self._threads:
            thread.join(seconds / len(self._threads))
        return not any(thread.is_alive() for thread in self._threads)

    def _keep_watching(self, name: str, watch: Callable[[], Iterator[Any]]) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                self._check()
                for _ in watch():
                    failures = 0
                    self._problems.pop(name, None)
                    self._wake()
            except Exception as error:
                failures += 1
                wait = backoff_seconds(failures, _FIRST_WAIT_S, _LONGEST_WAIT_S)
                self._problems[name] = f"{error}"
                facts = {"reason": str(error), "again_in_seconds": wait}
                _log.exception("%s broke off", name, extra=facts)
                self._resumed.pop(name, None)
                self._stop.wait(wait)
                self._resumed[name] = time.monotonic()

    def _count(self, counts: FileCounts) -> None:
        with self._counting:
            self._counts += counts

    def _ingest(self) -> Iterator[Any]:
        from met2net_ops.ingest.watch import watch_files

        for report in watch_files(self._workspace, [], self._stop):
            self._count(FileCounts(read=1, refused=int(report.refused_something)))
            level = logging.WARNING if report.refused_something else logging.INFO
            facts = {
                "path": report.path,
                "state": report.state.value,
                "frames": {fate.value: count for fate, count in report.frames.items()},
            }
            if report.problem:
                facts["problem"] = report.problem
            _log.log(level, "file read", extra=facts)
            yield report

    def _fetch(self, name: str) -> Iterator[Any]:
        """Fetch from a remote source what is due; what is late is a problem of the feed."""
        from met2net_ops.feeds.run import remote_feeds
        from met2net_ops.feeds.watch import watch_feed

        component = f"feed {name}"
        found = remote_feeds(self._workspace, [name])
        (feed,) = [one for one in found if one.name == name]
        clock, stop = self._clock, self._stop
        for watch, done in watch_feed(
            self._workspace, feed, feed.days, stop, now=clock.now,
            wait=lambda seconds: stop.wait(clock.seconds_until(seconds)),
        ):  # fmt: skip
            if watch.late:
                first = min(watch.late, key=lambda one: one.since)
                more = f", and {len(watch.late) - 1} more" if len(watch.late) > 1 else ""
                self._problems[component], self._late[name] = f"{first}{more}", first
            else:
                self._problems.pop(component, None)
                self._late.pop(name, None)
            if done is not None and done.path is not None:
                facts = {"path": str(done.path), "bytes": done.size, "file": str(done.file)}
                _log.info("fetched", extra=facts)
                yield done
            elif done is not None and done.published:
                facts = {"file": str(done.file), "reason": "; ".join(done.failures.values())}
                _log.warning("not fetched", extra=facts)

    def _observations(self) -> Iterator[Any]:
        from met2net_ops.observations.watch import watch_folder

        root, settings = self._workspace.root, self._workspace.settings.observations
        places = root / settings.places if settings.places else None
        for done in watch_folder(
            self._workspace.paths.observations,
            [root / settings.folder],
            settings.columns,
            places=places,
            stop=self._stop,
        ):
            self._count(FileCounts(imported=int(done.new)))
            level = logging.WARNING if done.refused else logging.INFO
            facts = {
                "file": done.name,
                "taken": done.taken,
                "refused": done.refused,
                "lost": done.lost,
            }
            _log.log(level, "reports imported", extra=facts)
            yield done
