"""What the service reports: events to hooks, heartbeats to `status`, snapshots to monitors."""

from __future__ import annotations

import os
import socket
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from met2net_ops.service.ledger.records import Heartbeat
from met2net_ops.service.ledger.states import CycleState
from met2net_ops.service.lock import LockHeartbeat
from met2net_ops.service.monitoring.listeners import ServiceSnapshot
from met2net_ops.service.scheduler.actions import deliver_events

if TYPE_CHECKING:
    from collections.abc import Mapping

    from met2net_ops.feeds.run import Lateness
    from met2net_ops.service.clock import Clock
    from met2net_ops.service.ledger.events import CycleEvent
    from met2net_ops.service.ledger.transaction import AttemptResult
    from met2net_ops.service.ledger.writer import LedgerWriter
    from met2net_ops.service.lock import ServiceLock
    from met2net_ops.service.monitoring.listeners import FileCounts, Listeners
    from met2net_ops.service.monitoring.problems import Problems
    from met2net_ops.workspace import Workspace

_LOCK_EVERY_S = 1.0  # between two heartbeats in the lock file
_LEDGER_EVERY_S = 4.0  # between two heartbeats in the ledger, each of them a write to the disk
_SNAPSHOT_EVERY_S, _SNAPSHOT_PAUSE_S = 30.0, 1.0  # longest and shortest time between snapshots
_SHOWN = timedelta(days=7)


@dataclass
class AttemptCounts:
    """What has happened since the service started.

    Attributes:
        attempts: (model, how it ended) → how many.
        seconds: model → stage timings of its last forecast.
    """

    attempts: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: dict[str, Mapping[str, float]] = field(default_factory=dict)

    def add(self, model: str, result: AttemptResult) -> None:
        """Count an attempt that has ended."""
        self.attempts[model, str(result.kind)] += 1
        if result.seconds:
            self.seconds[model] = dict(result.seconds)


class StatusPublisher:
    """Reports to others how the service is.

    Attributes:
        counts: what has happened since the service started.
    """

    def __init__(
        self,
        ledger: LedgerWriter,
        lock: ServiceLock,
        clock: Clock,
        listeners: Listeners,
        problems: Problems,
    ) -> None:
        self.counts = AttemptCounts()
        self._ledger = ledger
        self._lock = lock
        self._clock = clock
        self._listeners = listeners
        self._problems = problems
        self._started = datetime.now(UTC)
        self._delivered: set[int] = set()
        self._shown: Mapping[str, str] = {}
        self._last_lock = self._last_ledger = self._last_snapshot = float("-inf")

    def deliver_events(self) -> None:
        """Hand events to the listeners that have not been handed over yet.

        Raises:
            ServiceError: the ledger cannot be read or written.
        """
        deliver_events(self._ledger, self._clock.now(), self._on_event, self._delivered)

    def write_heartbeat(
        self, workspace: Workspace, problems: Mapping[str, str], *, ended: bool = False
    ) -> None:
        """Leave a heartbeat in the lock file and in the ledger, when it is time to.

        Its time is the machine's: whoever reads it compares it with theirs.

        Args:
            workspace: that is served.
            problems: component → what is wrong with it.
            ended: the service ends now.

        Raises:
            OSError: the lock file cannot be written.
            ServiceError: the ledger cannot be written.
        """
        now, monotonic = datetime.now(UTC), self._clock.monotonic()
        changed = ended or problems != self._shown
        if changed or monotonic - self._last_lock >= _LOCK_EVERY_S:
            models = tuple(schedule.model for schedule in workspace.settings.schedules)
            beat = LockHeartbeat(now, problems, models, workspace.archive_url)
            self._lock.write_heartbeat(beat)
            self._last_lock, self._shown = monotonic, dict(problems)
        if changed or monotonic - self._last_ledger >= _LEDGER_EVERY_S:
            self._last_ledger = monotonic  # also where it fails: a locked ledger costs seconds
            heartbeat = Heartbeat(
                host=socket.gethostname(),
                pid=os.getpid(),
                started=self._started,
                at=now,
                ended=now if ended else None,
                problems=dict(problems),
            )
            with self._ledger.transaction(now) as transaction:
                transaction.write_heartbeat(heartbeat)

    def snapshot_due(self, last_decision: float) -> bool:
        """Whether to publish: after each decision, but not for every file of a large delivery."""
        since = self._clock.monotonic() - self._last_snapshot
        decided = last_decision > self._last_snapshot
        return since >= _SNAPSHOT_EVERY_S or (decided and since >= _SNAPSHOT_PAUSE_S)

    def publish_snapshot(
        self,
        children_started: Mapping[str, int],
        files: FileCounts,
        problems: Mapping[str, str],
        late: Mapping[str, Lateness],
        round_seconds: float,
    ) -> None:
        """Show monitors how the service is.

        Args:
            children_started: model → processes started.
            files: that were read.
            problems: component → what is wrong.
            late: feed → the file that has been late for longest.
            round_seconds: how long the round took.

        Raises:
            ServiceError: the ledger cannot be read.
        """
        self._last_snapshot = self._clock.monotonic()
        now = self._clock.now()
        cycles = self._ledger.states(now - _SHOWN)
        ahead: dict[str, datetime] = {}
        for model, time, state in cycles:
            if state is CycleState.EXPECTED:
                ahead[model] = min(time, ahead.get(model, time))
        self._listeners.on_snapshot(
            ServiceSnapshot(
                at=now,
                started=self._started,
                states=Counter((model, state) for model, _, state in cycles),
                newest_published=self._ledger.newest_published(),
                next_expected=ahead,
                attempts=dict(self.counts.attempts),
                children_started=dict(children_started),
                seconds=dict(self.counts.seconds),
                files_read=files.read,
                files_refused=files.refused,
                problems=dict(problems),
                late=dict(late),
                round_seconds=round_seconds,
            )
        )

    def _on_event(self, event: CycleEvent) -> None:
        with self._problems.guard("hooks"):
            self._listeners.on_event(event)
