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
import socket
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from met2net_ops.archive.frames import create_archive
from met2net_ops.errors import Met2NetOpsError, ServiceError
from met2net_ops.forecast.forecaster import ForecasterSpec
from met2net_ops.service import verifying
from met2net_ops.service.actions import carry_out, record, tell, write_verdicts
from met2net_ops.service.book import Book, open_book
from met2net_ops.service.clock import Clock, SystemClock
from met2net_ops.service.crew import Crew
from met2net_ops.service.events import Phase, Seams
from met2net_ops.service.feeds import Feeds
from met2net_ops.service.lock import ServiceLock, take_lock
from met2net_ops.service.page import Ending
from met2net_ops.service.probing import ArchiveProbe
from met2net_ops.service.records import Pulse
from met2net_ops.service.reload import renewed
from met2net_ops.service.schedule import read_schedules
from met2net_ops.service.snapshot import Counts, snapshot
from met2net_ops.service.states import ExitKind, State
from met2net_ops.service.tick import tick
from met2net_ops.service.topup import TopUp, candidates, jobs_for
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from met2net_ops.service.events import Event
    from met2net_ops.service.schedule import Schedule
    from met2net_ops.service.tick import Standing
    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace

_LOOK_S = 0.25  # while a child works: its memory and time are watched
_IDLE_S = 1.0
_BREATH_S = 0.05  # between two ticks, however much news there is
_SHOWN = timedelta(days=7)
_LAST_TRIES = 3
_GRACE_S = 15.0  # for a ledger that cannot be written when it is time to go
_RUNNABLE = (State.READY, State.RUNNING)

_log = logging.getLogger(__name__)


class Service:
    """Serves one workspace, from `run` until it is asked to stop."""

    def __init__(
        self,
        workspace: Workspace,
        settings: Settings,
        *,
        opener: str,
        clock: Clock | None = None,
        seams: Seams | None = None,
        verify_opener: str = verifying.OPENER,
        only: Collection[tuple[str, datetime]] | None = None,
    ) -> None:
        """Check the settings; nothing is started yet.

        Args:
            workspace: to serve.
            settings: its settings.
            opener: "module:function" that opens models in a child process, see `child`.
            clock: the system's, unless a test bends time.
            seams: what is connected to the service.
            verify_opener: like `opener`, for verification.
            only: run these cycles alone, each once, then end; no feeds, no schedule.

        Raises:
            SettingsError: the schedules do not hold.
        """
        self.workspace = workspace
        self.settings = settings
        self.problems: dict[str, str] = {}
        self._clock = clock or SystemClock()
        self._seams = seams or Seams()
        self._schedules: tuple[Schedule, ...] = read_schedules(settings, self._clock.now())
        self._only = None if only is None else set(only)
        models = [schedule.model for schedule in self._schedules]
        if only is not None:
            models = sorted({model for model, _ in only})
        self._crew = Crew(workspace, settings, models, opener, self._clock)
        self._topup = TopUp(workspace, settings, verify_opener, self._clock)
        self._probe = ArchiveProbe(workspace, settings, self._crew.spec_of)
        self._feeds: list[Feeds] = []
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._stop_asked = 0
        self._reload_asked = False
        self._stop_at: float | None = None
        self._next_tick = 0.0
        self._unrecorded: list[tuple[str, datetime, Ending]] = []
        self._handed: set[int] = set()
        self._counts = Counts()
        self._last_tick = self._last_beat = -1.0

    # --- asked from outside: signal handlers and other threads ---

    def wake(self) -> None:
        """Go round at once: there is news."""
        with suppress(OSError):  # full, so that it wakes anyhow; or ended
            os.write(self._wake_write, b"n")

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
        with lock or take_lock(self.workspace, since=self._clock.now()):
            create_archive(self.workspace, self.settings)
            self._book: Book = open_book(self.workspace)
            self._started = self._clock.now()
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
        with self._guard("seams"):
            self._seams.on_settings(self.settings)
        if self._only is None:
            self._feeds.append(Feeds(self.workspace, self.settings, self.wake))
        with self._guard("seams"):
            self._seams.on_phase(Phase.READY, self._line())

    def _round(self) -> None:
        begun = time.perf_counter()
        if self._reload_asked:
            self._reload_asked = False
            self._reload()
        with self._guard("stop"):
            self._heed_stop()
        with self._guard("runs"):
            self._unrecorded += self._crew.look()
        with self._guard("ledger"):
            self._record()
            if self._book.changed_by_others():
                self._next_tick = 0.0
        if not self._stop_asked:
            with self._guard("tick"):
                self._tick()
        with self._guard("verification"):
            self._verify()
        with self._guard("events"):
            tell(self._book, self._clock.now(), self._on_event, self._handed)
        if self._pulse_due:
            with self._guard("pulse"):
                self._beat(ended=False)
            with self._guard("seams"):
                self._show(time.perf_counter() - begun)

    def _wait(self) -> None:
        """Until there is news, or it is time to look again."""
        inboxes: list[object] = [*self._crew.inboxes, self._wake_read]
        if self._topup.inbox is not None:
            inboxes.append(self._topup.inbox)
        until_tick = max(self._next_tick - self._clock.monotonic(), 0.0)
        longest = _LOOK_S if len(inboxes) > 1 and self._crew.running else _IDLE_S
        ready = wait(inboxes, timeout=min(until_tick, longest))  # type: ignore[arg-type]
        if self._wake_read in ready:
            with suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        if ready:
            self._next_tick = min(self._next_tick, self._last_tick + _BREATH_S)

    def _done(self) -> bool:
        busy = bool(self._crew.running or self._unrecorded)
        if self._only is not None and not busy and (not self._only or self._crew.problems):
            return True
        if self._stop_at is None:
            return False
        return not busy or self._clock.monotonic() > self._stop_at + _GRACE_S

    def _finish(self) -> None:
        with self._guard("seams"):
            self._seams.on_phase(Phase.STOPPING, "ending")
        for feeds in self._feeds:
            feeds.stop()
        self._unrecorded += self._crew.abandon("the service was ended")
        self._topup.close()
        for _ in range(_LAST_TRIES):
            if not self._unrecorded:
                break
            with self._guard("ledger"):
                self._record()
        with self._guard("events"):
            tell(self._book, self._clock.now(), self._on_event, self._handed)
        with self._guard("pulse"):
            self._beat(ended=True)
        left = 0.0 if self._stop_at is None else self._stop_at - self._clock.monotonic()
        for feeds in self._feeds:
            if not feeds.join(max(left, _IDLE_S)):
                _log.warning("a feed is still being read; it is left to itself")
        self._book.close()
        # A feed left to itself may still want to wake us: not by way of someone else's file.
        ends = self._wake_read, self._wake_write
        self._wake_read = self._wake_write = -1
        for descriptor in ends:
            os.close(descriptor)
        _log.info("service ended", extra={"problems": self.problems})
        with self._guard("seams"):
            self._seams.on_phase(Phase.STOPPED, "ended")

    def _heed_stop(self) -> None:
        if not self._stop_asked:
            return
        now = self._clock.monotonic()
        if self._stop_at is None:
            self._stop_at = now + self.settings.serve.stop_seconds
            for feeds in self._feeds:
                feeds.stop()
            _log.info("asked to end", extra={"running": len(self._crew.running)})
            with self._guard("seams"):
                self._seams.on_phase(Phase.STOPPING, self._line())
        if self._crew.running and (now >= self._stop_at or self._stop_asked > 1):
            reason = "the service was asked to end, and the run took too long"
            self._unrecorded += self._crew.abandon(reason)

    # --- the parts of a round ---

    def _tick(self) -> None:
        now = self._clock.monotonic()
        if now < self._next_tick:
            return
        self._last_tick = now
        self._next_tick = now + _IDLE_S  # should anything go wrong
        wall = self._clock.now()
        standing = self._book.standing(wall)
        self._pick_up(standing)
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
            if not self._crew.give(model, reference_time, force=force):
                ending = Ending(ExitKind.ABANDONED, "its process had ended; another one starts")
                self._unrecorded.append((model, reference_time, ending))

    def _pick_up(self, standing: Standing) -> None:
        """Attempts that nobody is making: a service that was killed began them."""
        known = set(self._crew.running.items())
        known |= {(model, time) for model, time, _ in self._unrecorded}
        for cycle in standing.cycles:
            key = cycle.model, cycle.reference_time
            if cycle.state is State.RUNNING and key not in known:
                ending = Ending(ExitKind.LOST, "the service ended without notice meanwhile")
                self._unrecorded.append((*key, ending))

    def _restricted(self, standing: Standing) -> Standing:
        if self._only is None:
            return standing
        wanted = [one for one in standing.cycles if (one.model, one.reference_time) in self._only]
        there = {(one.model, one.reference_time) for one in wanted if one.state in _RUNNABLE}
        self._only &= there
        return replace(standing, cycles=wanted)

    def _record(self) -> None:
        """Write down how attempts ended; what cannot be written now is kept for the next round."""
        while self._unrecorded:
            model, reference_time, ending = self._unrecorded[0]
            record(self._book, self._clock.now(), self._unrecorded[0], self.settings.serve)
            self._unrecorded.pop(0)
            self._counts.ended(model, ending)
            if self._only is not None and ending.kind is not ExitKind.LOST:
                self._only.discard((model, reference_time))
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
        for job, verdicts in self._topup.look():
            write_verdicts(self._book, now, job, verdicts, self.settings)
        if self._topup.problem:
            self.problems["verification"] = self._topup.problem
        else:
            self.problems.pop("verification", None)

    def _beat(self, *, ended: bool) -> None:
        if self._only is not None:
            return  # runs by hand are no service
        now = self._clock.now()
        pulse = Pulse(
            host=socket.gethostname(),
            pid=os.getpid(),
            started=self._started,
            at=now,
            ended=now if ended else None,
            problems=self.all_problems(),
        )
        with self._book.page(now) as page:
            page.beat(pulse)
        self._last_beat = self._clock.monotonic()

    @property
    def _pulse_due(self) -> bool:
        """After each tick, but not for every file of a large delivery."""
        return self._last_tick > self._last_beat and (
            self._last_beat < 0 or self._clock.monotonic() - self._last_beat >= _IDLE_S
        )

    def _show(self, seconds: float) -> None:
        now = self._clock.now()
        shown = snapshot(
            now,
            self._started,
            self._book.states(now - _SHOWN),
            self._book.newest_published(),
            self._counts,
            self._crew.started,
            [feeds.counts for feeds in self._feeds],
            self.all_problems(),
            seconds,
        )
        self._seams.on_tick(shown)

    def _reload(self) -> None:
        with self._guard("seams"):
            self._seams.on_phase(Phase.RELOADING, "reading met2net.toml again")
        try:
            settings, schedules = renewed(self.workspace, self.settings, self._clock.now())
        except Met2NetOpsError as error:
            self.problems["reload"] = f"refused, the settings of before go on: {error}"
            _log.error("reload refused", extra={"reason": str(error)})
        else:
            self._change_to(settings, schedules)
        with self._guard("seams"):
            self._seams.on_phase(Phase.READY, self._line())

    def _change_to(self, settings: Settings, schedules: tuple[Schedule, ...]) -> None:
        before, self.settings, self._schedules = self.settings, settings, schedules
        self.problems.pop("reload", None)
        self._crew.renew(settings, [schedule.model for schedule in schedules])
        self._topup.renew(settings)
        self._probe = ArchiveProbe(self.workspace, settings, self._crew.spec_of)
        sections = ("feeds", "ingest", "observations", "archive")
        if any(getattr(before, name) != getattr(settings, name) for name in sections):
            for feeds in self._feeds:
                feeds.stop()
            self._feeds.append(Feeds(self.workspace, settings, self.wake))
        with self._guard("seams"):
            self._seams.on_settings(settings)
        self._next_tick = 0.0
        _log.info("settings reloaded")

    def _on_event(self, event: Event) -> None:
        with self._guard("seams"):
            self._seams.on_event(event)

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

    @contextmanager
    def _guard(self, part: str) -> Iterator[None]:
        """What goes wrong inside is logged once, remembered, and forgotten when it goes right."""
        try:
            yield
        except ServiceError as error:
            self._trouble(part, str(error), error)
        except Exception as error:
            self._trouble(part, f"unexpected {type(error).__name__}: {error}", error)
        else:
            if part != "verification":
                self.problems.pop(part, None)

    def _trouble(self, part: str, reason: str, error: Exception) -> None:
        if self.problems.get(part) != reason:
            _log.error("%s went wrong", part, extra={"reason": reason}, exc_info=error)
        self.problems[part] = reason
