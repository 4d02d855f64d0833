"""The loop of a running service: look, decide, record, act, wait.

Within the service only this loop changes the ledger, so that the order of events is plain. Feeds
are watched in threads that do nothing to cycles but wake the loop; forecasts and verification run
in child processes. Each part of a round is guarded separately: an error in one is logged, shown by
`status` until it is gone, and stops no other.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from datetime import timedelta
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from met2net_ops.errors import Met2NetOpsError
from met2net_ops.service.feed_watch import Feeds
from met2net_ops.service.ledger.states import CycleState, ExitKind
from met2net_ops.service.ledger.transaction import AttemptResult
from met2net_ops.service.monitoring.listeners import ServicePhase
from met2net_ops.service.monitoring.problems import Problems
from met2net_ops.service.monitoring.publisher import StatusPublisher
from met2net_ops.service.reload import reload_settings
from met2net_ops.service.scheduler.actions import carry_out, write_verdicts
from met2net_ops.service.scheduler.decisions import decide
from met2net_ops.service.scheduler.finished_attempts import FinishedAttempts
from met2net_ops.service.scheduler.readiness import ArchiveProbe
from met2net_ops.service.scheduler.verification_queue import VerificationQueue, candidates, jobs_for
from met2net_ops.service.storage import StorageCheck
from met2net_ops.service.workers.pool import WorkerPool
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from contextlib import AbstractContextManager
    from datetime import datetime

    from met2net_ops.service.clock import Clock
    from met2net_ops.service.ledger.changes import LedgerSnapshot
    from met2net_ops.service.ledger.writer import LedgerWriter
    from met2net_ops.service.lock import ServiceLock
    from met2net_ops.service.monitoring.listeners import Listeners
    from met2net_ops.service.scheduler.schedule import Schedule
    from met2net_ops.service.wakeup import Requests
    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace

_POLL_S = 0.25  # while a child works: its memory and time are watched
_IDLE_S = 1.0  # between two rounds at most
_PAUSE_S = 0.05  # between two decisions at least, however many files arrive
_LAST_TRIES = 3
_GRACE_S = 15.0  # for a ledger that cannot be written when it is time to end
_RUNNABLE = (CycleState.READY, CycleState.RUNNING)

_log = logging.getLogger(__name__)


class ServiceLoop:
    """One run of a service, from its first round to its last.

    Attributes:
        pool: the processes that forecast.
        problems: what is wrong with the parts of the service itself.
    """

    def __init__(
        self,
        workspace: Workspace,
        schedules: tuple[Schedule, ...],
        ledger: LedgerWriter,
        lock: ServiceLock,
        *,
        opener: str,
        verify_opener: str,
        clock: Clock,
        listeners: Listeners,
        requests: Requests,
        wake: Callable[[], None],
        only: Collection[tuple[str, datetime]] | None,
    ) -> None:
        self._workspace = workspace
        self._schedules = schedules
        self._ledger = ledger
        self._clock = clock
        self._listeners = listeners
        self._requests = requests
        self._only = None if only is None else set(only)
        self.problems = Problems()
        models = [schedule.model for schedule in schedules] if only is None else _models(only)
        self.pool = WorkerPool(workspace, models, opener, clock)
        self._verification = VerificationQueue(workspace, verify_opener, clock)
        self._probe = ArchiveProbe(workspace, self.pool.spec_of)
        self._publisher = StatusPublisher(ledger, lock, clock, listeners, self.problems)
        self._storage = StorageCheck(workspace)
        self._feeds = Feeds(wake, self._storage.stores.require, clock)
        self._finished = FinishedAttempts()
        self._stop_at: float | None = None
        self._next_decision = 0.0
        self._last_decision = float("-inf")

    @property
    def _settings(self) -> Settings:
        return self._workspace.settings

    def run(self) -> None:
        """Serve until stopped; the ledger is closed at the end."""
        try:
            self._begin()
            while not self._done():
                self._round()
                with self._guard("wait"):
                    self._wait()
        finally:
            self._finish()

    def all_problems(self) -> dict[str, str]:
        """Part of the service, model or feed → what is wrong with it now."""
        return {**self.problems.now(), **self.pool.problems, **self._feeds.problems}

    def _begin(self) -> None:
        facts = {"workspace": str(self._workspace.root), "pid": os.getpid()}
        _log.info("service starts", extra=facts)
        with self._guard("monitor"):
            self._listeners.on_settings(self._settings)
        if self._only is None:
            self._feeds.start(self._workspace)
        self._announce(ServicePhase.READY, self._status_line())

    def _round(self) -> None:
        begun = time.perf_counter()
        if self._requests.reload:
            self._requests.reload = False
            self._reload()
        with self._guard("stop"):
            self._handle_stop()
        if self.pool.running or not self._requests.stops:  # else none would be started again
            with self._guard("runs"):
                self._finished.add(self.pool.poll())
        with self._guard("ledger"):
            self._record()
            if self._ledger.changed_by_others():
                self._next_decision = 0.0
        if not self._requests.stops:
            with self._guard("scheduler"):
                self._decide()
        with self._guard("verification", clears=False):
            self._verify()
        with self._guard("events"):
            self._publisher.deliver_events()
        if self._only is None:  # cycles run by hand are no service
            with self._guard("storage"):
                self._check_storage()
            self._publish(time.perf_counter() - begun)
        with self._guard("service manager"):
            self._listeners.on_round()

    def _wait(self) -> None:
        """Until something has happened, or it is time for the next round."""
        wakeup = self._requests.wakeup
        inboxes: list[object] = [*self.pool.inboxes, wakeup]
        if self._verification.inbox is not None:
            inboxes.append(self._verification.inbox)
        until_decision = max(self._next_decision - self._clock.monotonic(), 0.0)
        longest = _POLL_S if self.pool.running else _IDLE_S
        ready: list[object] = list(wait(inboxes, min(until_decision, longest)))  # type: ignore[arg-type]
        if wakeup in ready:
            wakeup.clear()
        if ready:
            self._next_decision = min(self._next_decision, self._last_decision + _PAUSE_S)

    def _done(self) -> bool:
        busy = bool(self.pool.running or self._finished)
        if self._only is not None and not busy and (not self._only or self.pool.problems):
            return True
        if self._stop_at is None:
            return False
        return not busy or self._clock.monotonic() > self._stop_at + _GRACE_S

    def _finish(self) -> None:
        self._announce(ServicePhase.STOPPING, "ending")
        self._feeds.stop()
        self._finished.add(self.pool.abandon("the service was stopped"))
        self._verification.close()
        for _ in range(_LAST_TRIES):
            if not self._finished:
                break
            with self._guard("ledger"):
                self._record()
        with self._guard("events"):
            self._publisher.deliver_events()
        if self._only is None:
            with self._guard("heartbeat"):
                self._publisher.write_heartbeat(self._workspace, self.all_problems(), ended=True)
        self._join_feeds()
        self._ledger.close()
        self._requests.wakeup.close()
        _log.info("service ended", extra={"problems": self.problems.now()})
        self._announce(ServicePhase.STOPPED, "ended")

    def _join_feeds(self) -> None:
        """Give files being read the time that is left; none after a second request to stop."""
        now = self._clock.monotonic()
        end = max(now if self._stop_at is None else self._stop_at, now + _IDLE_S)
        while not self._feeds.join(_POLL_S):
            if self._clock.monotonic() >= end or self._requests.stops > 1:
                _log.warning("the service ends while a feed is still being read")
                return

    def _handle_stop(self) -> None:
        if not self._requests.stops:
            return
        now = self._clock.monotonic()
        if self._stop_at is None:
            self._stop_at = now + self._settings.serve.stop_seconds
            self._feeds.stop()
            _log.info("asked to end", extra={"running": len(self.pool.running)})
            self._announce(ServicePhase.STOPPING, self._status_line())
        if self.pool.running and (now >= self._stop_at or self._requests.stops > 1):
            reason = "the service was asked to end, and the run took too long"
            self._finished.add(self.pool.abandon(reason))

    def _decide(self) -> None:
        now = self._clock.monotonic()
        if now < self._next_decision:
            return
        self._last_decision = now
        self._next_decision = now + _IDLE_S  # after an error
        wall, serve = self._clock.now(), self._settings.serve
        snapshot = self._ledger.snapshot(wall)
        self._finished.add_lost(snapshot, self.pool.running.items())
        decisions = decide(
            wall,
            self._restricted(snapshot),
            self._schedules if self._only is None else (),
            serve,
            self._probe,
            self.pool.idle,
            serve.parallel - len(self.pool.running),
        )
        entered, begun = carry_out(self._ledger, wall, decisions)
        if entered:  # new cycles may start at once
            self._next_decision = 0.0
        else:
            self._next_decision = now + self._clock.seconds_until(serve.tick_seconds)
        for model, reference_time, force in begun:
            if not self.pool.submit(model, reference_time, force=force):
                reason = "its process had ended; another one is started"
                lost = AttemptResult(ExitKind.ABANDONED, reason)
                self._finished.add([(model, reference_time, lost)])

    def _restricted(self, snapshot: LedgerSnapshot) -> LedgerSnapshot:
        if self._only is None:
            return snapshot
        wanted = [one for one in snapshot.cycles if (one.model, one.reference_time) in self._only]
        there = {(one.model, one.reference_time) for one in wanted if one.state in _RUNNABLE}
        self._only &= there
        return replace(snapshot, cycles=wanted)

    def _record(self) -> None:
        """Record how attempts ended; what cannot be written now is kept for the next round."""
        for attempt in self._finished.write(self._ledger, self._clock, self._settings.serve):
            model, reference_time, result = attempt
            self._publisher.counts.add(model, result)
            if self._only is not None and result.kind is not ExitKind.LOST:
                self._only.discard((model, reference_time))
            self._next_decision = 0.0

    def _verify(self) -> None:
        now, settings = self._clock.now(), self._settings
        if self._verification.wants_work and self._only is None and not self._requests.stops:
            step = timedelta(hours=settings.archive.step_hours)
            longest = step * max(settings.forecast.leads, 1)
            since = now - longest - timedelta(days=2 * settings.serve.verify_days + 1)
            cycles = self._ledger.published(since, now - timedelta(days=1))
            self._verification.queue(jobs_for(candidates(now, cycles, settings)))
        for job, verdicts in self._verification.poll():
            write_verdicts(self._ledger, now, job, verdicts, settings)
        self.problems.set("verification", self._verification.problem)

    def _check_storage(self) -> None:
        """Stop the feeds while archive or catalog is missing, and open what was replaced."""
        found = self._storage.check(self._workspace, self._clock.monotonic())
        if found is None:
            return
        for part, problem in found.problems.items():
            self.problems.set(part, problem)
        if found.changes.missing:
            self._feeds.stop()
        elif found.changes.replaced and not self._requests.stops:
            files = {"files": found.changes.replaced}
            _log.warning("replaced while the service runs", extra=files)
            self._reopen(restart_feeds=True)

    def _publish(self, round_seconds: float) -> None:
        problems = self.all_problems()
        with self._guard("heartbeat"):
            self._publisher.write_heartbeat(self._workspace, problems)
        if self._publisher.snapshot_due(self._last_decision):
            with self._guard("monitor"):
                self._publisher.publish_snapshot(
                    self.pool.started, self._feeds.counts, problems, self._feeds.late, round_seconds
                )

    def _reload(self) -> None:
        self._announce(ServicePhase.RELOADING, "reading met2net.toml again")
        try:
            settings, schedules = reload_settings(self._workspace, self._clock.now())
        except Met2NetOpsError as error:
            self.problems.note("reload", f"refused, the service keeps its settings: {error}")
        else:
            self._change_settings(settings, schedules)
        self._announce(ServicePhase.READY, self._status_line())

    def _change_settings(self, settings: Settings, schedules: tuple[Schedule, ...]) -> None:
        before, self._schedules = self._settings, schedules
        self._workspace = self._workspace.with_settings(settings)
        self.problems.clear("reload")
        sections = ("feeds", "ingest", "observations", "archive")
        changed = any(getattr(before, name) != getattr(settings, name) for name in sections)
        self._reopen(restart_feeds=changed)
        with self._guard("monitor"):
            self._listeners.on_settings(settings)
        _log.info("settings reloaded")

    def _reopen(self, *, restart_feeds: bool) -> None:
        """Work with the present settings, and with what lies in the workspace now."""
        self._workspace = workspace = self._workspace.with_settings(self._settings)
        self.pool.reconfigure(workspace, [schedule.model for schedule in self._schedules])
        self._verification.reconfigure(workspace)
        self._probe = ArchiveProbe(workspace, self.pool.spec_of)
        if restart_feeds:
            self._feeds.start(workspace)
        self._next_decision = 0.0

    def _status_line(self) -> str:
        """For people who ask the service manager."""
        running = ", ".join(
            f"{model} {format_time(cycle)}" for model, cycle in self.pool.running.items()
        )
        return f"running {running}" if running else f"{len(self._schedules)} models on schedule"

    def _announce(self, phase: ServicePhase, line: str) -> None:
        with self._guard("service manager"):
            self._listeners.on_phase(phase, line)

    def _guard(self, part: str, *, clears: bool = True) -> AbstractContextManager[None]:
        return self.problems.guard(part, clears=clears)


def _models(cycles: Iterable[tuple[str, datetime]]) -> list[str]:
    return sorted({model for model, _ in cycles})
