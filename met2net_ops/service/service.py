"""The service: one loop that looks, decides, writes down, acts and waits.

Of the service only this loop changes the ledger, so that what happens in which order is plain.
Feeds are watched in threads that do nothing to cycles but wake it; forecasts and verification
happen in child processes. Each part of a round is guarded by itself: what goes
wrong in one is logged, shown by `status` until it goes right again, and keeps no other from going
on.
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
from met2net_ops.forecast.forecaster import ForecasterSpec
from met2net_ops.service.clock import Clock, SystemClock
from met2net_ops.service.feed_watch import FeedWatchers
from met2net_ops.service.ledger.states import CycleState, ExitKind
from met2net_ops.service.ledger.transaction import AttemptResult
from met2net_ops.service.lock import ServiceLock, take_lock
from met2net_ops.service.monitoring.listeners import Listeners, ServicePhase
from met2net_ops.service.monitoring.problems import Problems
from met2net_ops.service.monitoring.publisher import StatusPublisher
from met2net_ops.service.reload import reload_settings
from met2net_ops.service.scheduler.actions import carry_out, write_verdicts
from met2net_ops.service.scheduler.decisions import tick
from met2net_ops.service.scheduler.finished_attempts import FinishedAttempts
from met2net_ops.service.scheduler.readiness import ArchiveProbe
from met2net_ops.service.scheduler.schedule import read_schedules
from met2net_ops.service.scheduler.verification_queue import VerificationQueue, candidates, jobs_for
from met2net_ops.service.wakeup import Wakeup
from met2net_ops.service.workers import verification_job
from met2net_ops.service.workers.pool import WorkerPool
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Collection
    from contextlib import AbstractContextManager
    from datetime import datetime

    from met2net_ops.service.ledger.changes import LedgerSnapshot
    from met2net_ops.service.ledger.writer import LedgerWriter
    from met2net_ops.service.scheduler.schedule import Schedule
    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace

_LOOK_S = 0.25  # while a child works: its memory and time are watched
_IDLE_S = 1.0  # between two rounds at most
_BREATH_S = 0.05  # between two ticks, however much news there is
_LAST_TRIES = 3
_GRACE_S = 15.0  # for a ledger that cannot be written when it is time to go
_RUNNABLE = (CycleState.READY, CycleState.RUNNING)

_log = logging.getLogger(__name__)


class Service:
    """Serves one workspace, from `run` until it is asked to stop."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        opener: str,
        clock: Clock | None = None,
        seams: Listeners | None = None,
        verify_opener: str = verification_job.OPENER,
        only: Collection[tuple[str, datetime]] | None = None,
    ) -> None:
        """Check the settings; nothing is started yet.

        Args:
            workspace: to serve.
            opener: "module:function" that opens models in a child process, see `child`.
            clock: the system's, unless a test bends time.
            seams: what is connected to the service.
            verify_opener: like `opener`, for verification.
            only: run these cycles alone, each once, then end; no feeds, no schedule.

        Raises:
            SettingsError: the schedules are not valid.
        """
        self.workspace = workspace
        self.settings = workspace.settings
        self._clock = clock or SystemClock()
        self._seams = seams or Listeners()
        self._schedules: tuple[Schedule, ...] = read_schedules(
            workspace.settings, self._clock.now()
        )
        self._only = None if only is None else set(only)
        models = [schedule.model for schedule in self._schedules]
        if only is not None:
            models = sorted({model for model, _ in only})
        self._crew = WorkerPool(workspace, models, opener, self._clock)
        self._topup = VerificationQueue(workspace, verify_opener, self._clock)
        self._probe = ArchiveProbe(workspace, self._crew.spec_of)
        self._feeds: list[FeedWatchers] = []
        self._bell = Wakeup()
        self._problems = Problems()
        self._stop_asked = 0
        self._reload_asked = False
        self._stop_at: float | None = None
        self._next_tick = 0.0
        self._ended = FinishedAttempts()
        self._last_tick = float("-inf")

    # --- asked from outside: signal handlers and other threads ---

    def wake(self) -> None:
        """Go round at once: there is news."""
        self._bell.ring()

    def stop(self) -> None:
        """End in good order: runs under way get `stop_seconds`; asked again, end at once."""
        self._stop_asked += 1
        self.wake()

    def reload(self) -> None:
        """Read the settings again."""
        self._reload_asked = True
        self.wake()

    def spec_of(self, model: str) -> ForecasterSpec | None:
        """What a model needs; None while it has not been opened."""
        spec = self._crew.spec_of(model)
        return spec if isinstance(spec, ForecasterSpec) else None

    # --- life ---

    def run(self, lock: ServiceLock | None = None) -> None:
        """Serve until stopped.

        Args:
            lock: of the workspace, where it is held already; it is let go of at the end.

        Raises:
            ServiceError: another process serves this workspace, or the ledger cannot be opened.
            ArchiveError: the archive cannot be made or opened.
        """
        with lock or take_lock(self.workspace.paths, since=self._clock.now()):
            self.workspace.create_archive()
            self._book: LedgerWriter = self.workspace.create_ledger()
            self._telling = StatusPublisher(self._book, self._clock, self._seams, self._problems)
            try:
                self._begin()
                while not self._done():
                    self._round()
                    self._wait()
            finally:
                self._finish()

    def _begin(self) -> None:
        facts = {"workspace": str(self.workspace.root), "pid": os.getpid()}
        _log.info("service starts", extra=facts)
        with self._guard("monitor"):
            self._seams.on_settings(self.settings)
        if self._only is None:
            self._feeds.append(FeedWatchers(self.workspace, self.wake))
        self._say(ServicePhase.READY, self._line())

    def _round(self) -> None:
        begun = time.perf_counter()
        if self._reload_asked:
            self._reload_asked = False
            self._reload()
        with self._guard("stop"):
            self._heed_stop()
        if self._crew.running or not self._stop_asked:  # else none would be started again
            with self._guard("runs"):
                self._ended.add(self._crew.poll())
        with self._guard("ledger"):
            self._record()
            if self._book.changed_by_others():
                self._next_tick = 0.0
        if not self._stop_asked:
            with self._guard("tick"):
                self._tick()
        with self._guard("verification", clears=False):
            self._verify()
        with self._guard("events"):
            self._telling.events()
        if self._telling.due(self._last_tick):
            self._beat(ended=False)
            with self._guard("monitor"):
                counts = [feeds.counts for feeds in self._feeds]
                seconds = time.perf_counter() - begun
                self._telling.show(self._crew.started, counts, self.all_problems(), seconds)
        with self._guard("service manager"):
            self._seams.on_round()

    def _wait(self) -> None:
        """Until there is news, or it is time to look again."""
        inboxes: list[object] = [*self._crew.inboxes, self._bell]
        if self._topup.inbox is not None:
            inboxes.append(self._topup.inbox)
        until_tick = max(self._next_tick - self._clock.monotonic(), 0.0)
        longest = _LOOK_S if len(inboxes) > 1 and self._crew.running else _IDLE_S
        ready: list[object] = list(wait(inboxes, min(until_tick, longest)))  # type: ignore[arg-type]
        if self._bell in ready:
            self._bell.quieten()
        if ready:
            self._next_tick = min(self._next_tick, self._last_tick + _BREATH_S)

    def _done(self) -> bool:
        busy = bool(self._crew.running or self._ended)
        if self._only is not None and not busy and (not self._only or self._crew.problems):
            return True
        if self._stop_at is None:
            return False
        return not busy or self._clock.monotonic() > self._stop_at + _GRACE_S

    def _finish(self) -> None:
        self._say(ServicePhase.STOPPING, "ending")
        for feeds in self._feeds:
            feeds.stop()
        self._ended.add(self._crew.abandon("the service was ended"))
        self._topup.close()
        for _ in range(_LAST_TRIES):
            if not self._ended:
                break
            with self._guard("ledger"):
                self._record()
        with self._guard("events"):
            self._telling.events()
        self._beat(ended=True)
        self._let_feeds_end()
        self._book.close()
        self._bell.close()
        _log.info("service ended", extra={"problems": self.problems})
        self._say(ServicePhase.STOPPED, "ended")

    def _let_feeds_end(self) -> None:
        """Give what is being read the time that is left; none if asked to end at once."""
        now = self._clock.monotonic()
        end = max(now if self._stop_at is None else self._stop_at, now + _IDLE_S)
        for feeds in self._feeds:
            while not feeds.join(_LOOK_S):
                if self._clock.monotonic() >= end or self._stop_asked > 1:
                    _log.warning("a feed is still being read; it is left to itself")
                    break

    def _heed_stop(self) -> None:
        if not self._stop_asked:
            return
        now = self._clock.monotonic()
        if self._stop_at is None:
            self._stop_at = now + self.settings.serve.stop_seconds
            for feeds in self._feeds:
                feeds.stop()
            _log.info("asked to end", extra={"running": len(self._crew.running)})
            self._say(ServicePhase.STOPPING, self._line())
        if self._crew.running and (now >= self._stop_at or self._stop_asked > 1):
            reason = "the service was asked to end, and the run took too long"
            self._ended.add(self._crew.abandon(reason))

    # --- the parts of a round ---

    def _tick(self) -> None:
        now = self._clock.monotonic()
        if now < self._next_tick:
            return
        self._last_tick = now
        self._next_tick = now + _IDLE_S  # should anything go wrong
        wall = self._clock.now()
        standing = self._book.standing(wall)
        self._ended.pick_up(standing, self._crew.running.items())
        decisions = tick(
            wall,
            self._restricted(standing),
            self._schedules if self._only is None else (),
            self.settings.serve,
            self._probe,
            self._crew.idle,
            self.settings.serve.parallel - len(self._crew.running),
        )
        entered, begun = carry_out(self._book, wall, decisions)
        if entered:  # what is new may start at once
            self._next_tick = 0.0
        else:
            self._next_tick = now + self._clock.seconds_until(self.settings.serve.tick_seconds)
        for model, reference_time, force in begun:
            if not self._crew.submit(model, reference_time, force=force):
                ending = AttemptResult(
                    ExitKind.ABANDONED, "its process had ended; another one starts"
                )
                self._ended.add([(model, reference_time, ending)])

    def _restricted(self, standing: LedgerSnapshot) -> LedgerSnapshot:
        if self._only is None:
            return standing
        wanted = [one for one in standing.cycles if (one.model, one.reference_time) in self._only]
        there = {(one.model, one.reference_time) for one in wanted if one.state in _RUNNABLE}
        self._only &= there
        return replace(standing, cycles=wanted)

    def _record(self) -> None:
        """Write down how attempts ended; what cannot be written now is kept for the next round."""
        for model, time_, ending in self._ended.write(self._book, self._clock, self.settings.serve):
            self._telling.counts.ended(model, ending)
            if self._only is not None and ending.kind is not ExitKind.LOST:
                self._only.discard((model, time_))
            self._next_tick = 0.0

    def _verify(self) -> None:
        now = self._clock.now()
        if self._topup.wants_work and self._only is None and not self._stop_asked:
            serve = self.settings.serve
            longest = timedelta(hours=self.settings.archive.step_hours) * max(
                self.settings.forecast.leads, 1
            )
            since = now - longest - timedelta(days=2 * serve.verify_days + 1)
            cycles = self._book.published(since, now - timedelta(days=1))
            self._topup.queue(jobs_for(candidates(now, cycles, self.settings)))
        for job, verdicts in self._topup.poll():
            write_verdicts(self._book, now, job, verdicts, self.settings)
        if self._topup.problem:
            self._problems.note("verification", self._topup.problem)
        else:
            self._problems.clear("verification")

    def _beat(self, *, ended: bool) -> None:
        if self._only is None:  # runs by hand are no service
            with self._guard("pulse"):
                self._telling.beat(self.all_problems(), ended=ended)

    def _reload(self) -> None:
        self._say(ServicePhase.RELOADING, "reading met2net.toml again")
        try:
            settings, schedules = reload_settings(self.workspace, self._clock.now())
        except Met2NetOpsError as error:
            self._problems.note("reload", f"refused, the settings of before go on: {error}")
        else:
            self._change_to(settings, schedules)
        self._say(ServicePhase.READY, self._line())

    def _change_to(self, settings: Settings, schedules: tuple[Schedule, ...]) -> None:
        before, self.settings, self._schedules = self.settings, settings, schedules
        self._problems.clear("reload")
        workspace = self.workspace.with_settings(settings)
        self._crew.reconfigure(workspace, [schedule.model for schedule in schedules])
        self._topup.reconfigure(workspace)
        self._probe = ArchiveProbe(workspace, self._crew.spec_of)
        sections = ("feeds", "ingest", "observations", "archive")
        if any(getattr(before, name) != getattr(settings, name) for name in sections):
            for feeds in self._feeds:
                feeds.stop()
            self._feeds.append(FeedWatchers(self.workspace.with_settings(settings), self.wake))
        with self._guard("monitor"):
            self._seams.on_settings(settings)
        self._next_tick = 0.0
        _log.info("settings reloaded")

    @property
    def problems(self) -> dict[str, str]:
        """Part of the service itself → what is wrong with it now."""
        return self._problems.now()

    def all_problems(self) -> dict[str, str]:
        """Component → what is wrong with it now."""
        feeds = self._feeds[-1].problems if self._feeds else {}
        return {**self.problems, **self._crew.problems, **feeds}

    def _line(self) -> str:
        """For people who ask the service manager."""
        running = ", ".join(
            f"{model} {format_time(cycle)}" for model, cycle in self._crew.running.items()
        )
        return f"running {running}" if running else f"{len(self._schedules)} models on schedule"

    def _say(self, phase: ServicePhase, line: str) -> None:
        with self._guard("service manager"):
            self._seams.on_phase(phase, line)

    def _guard(self, part: str, *, clears: bool = True) -> AbstractContextManager[None]:
        return self._problems.guard(part, clears=clears)
