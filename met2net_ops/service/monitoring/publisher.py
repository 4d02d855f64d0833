"""What the service tells of itself: events to hooks, a pulse to `status`, snapshots to monitors."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import TYPE_CHECKING

from met2net_ops.service.ledger.records import Heartbeat
from met2net_ops.service.monitoring.snapshot import Counts, snapshot
from met2net_ops.service.scheduler.actions import tell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from met2net_ops.service.clock import Clock
    from met2net_ops.service.ledger.events import CycleEvent
    from met2net_ops.service.ledger.writer import LedgerWriter
    from met2net_ops.service.monitoring.listeners import Listeners
    from met2net_ops.service.monitoring.problems import Problems

_BREATH_S, _SILENCE_S = 1.0, 30.0  # shortest and longest time between two pulses
_SHOWN = timedelta(days=7)


class StatusPublisher:
    """Tells others how it stands; holds what it needs for that.

    Attributes:
        counts: what has happened since the service started.
    """

    def __init__(
        self, book: LedgerWriter, clock: Clock, seams: Listeners, problems: Problems
    ) -> None:
        self.counts = Counts()
        self._book = book
        self._clock = clock
        self._seams = seams
        self._problems = problems
        self._started = clock.now()
        self._handed: set[int] = set()
        self._last = float("-inf")

    def events(self) -> None:
        """Hand over what nobody has been told of.

        Raises:
            ServiceError: the ledger cannot be read or written.
        """
        tell(self._book, self._clock.now(), self._on_event, self._handed)

    def due(self, last_tick: float) -> bool:
        """Whether to leave a pulse: after each tick, but not for every file of a large delivery."""
        since = self._clock.monotonic() - self._last
        return since >= _SILENCE_S or (last_tick > self._last and since >= _BREATH_S)

    def beat(self, problems: Mapping[str, str], *, ended: bool) -> None:
        """Leave a sign of life in the ledger.

        Raises:
            ServiceError: the ledger cannot be written.
        """
        now = self._clock.now()
        pulse = Heartbeat(
            host=socket.gethostname(),
            pid=os.getpid(),
            started=self._started,
            at=now,
            ended=now if ended else None,
            problems=dict(problems),
        )
        with self._book.page(now) as page:
            page.beat(pulse)
        self._last = self._clock.monotonic()

    def show(
        self,
        children: Mapping[str, int],
        files: Sequence[tuple[int, int, int]],
        problems: Mapping[str, str],
        seconds: float,
    ) -> None:
        """Show monitors how it stands.

        Args:
            children: model → processes started.
            files: read, refused and imported, per watch of the feeds.
            problems: component → what is wrong.
            seconds: how long the round took.

        Raises:
            ServiceError: the ledger cannot be read.
        """
        now = self._clock.now()
        states, newest = self._book.states(now - _SHOWN), self._book.newest_published()
        shown = snapshot(
            now, self._started, states, newest, self.counts, children, files, problems, seconds
        )
        self._seams.on_tick(shown)

    def _on_event(self, event: CycleEvent) -> None:
        with self._problems.guard("hooks"):
            self._seams.on_event(event)
