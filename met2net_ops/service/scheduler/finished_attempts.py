"""Attempts that have ended but are not in the ledger yet: no full disk loses a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from met2net_ops.service.ledger.states import CycleState, ExitKind
from met2net_ops.service.ledger.transaction import AttemptResult
from met2net_ops.service.scheduler.actions import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from met2net_ops.service.clock import Clock
    from met2net_ops.service.ledger.changes import LedgerSnapshot
    from met2net_ops.service.ledger.writer import LedgerWriter
    from met2net_ops.settings import ServeSettings

    Attempt = tuple[str, datetime, AttemptResult]


class FinishedAttempts:
    """Model, cycle and result of attempts that are not in the ledger yet, oldest first."""

    def __init__(self) -> None:
        self._waiting: list[Attempt] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Add attempts that have ended."""
        self._waiting += attempts

    def add_lost(self, snapshot: LedgerSnapshot, running: Iterable[tuple[str, datetime]]) -> None:
        """Add attempts that no process works on: a service that was killed began them."""
        known = {*running, *((model, time) for model, time, _ in self._waiting)}
        reason = "the service was killed meanwhile"
        self._waiting += [
            (cycle.model, cycle.reference_time, AttemptResult(ExitKind.LOST, reason))
            for cycle in snapshot.cycles
            if cycle.state is CycleState.RUNNING
            and (cycle.model, cycle.reference_time) not in known
        ]

    def write(
        self, ledger: LedgerWriter, clock: Clock, settings: ServeSettings
    ) -> Iterator[Attempt]:
        """Those that the ledger has taken, one by one; what it does not take now stays.

        Raises:
            ServiceError: the ledger cannot be written.
        """
        while self._waiting:
            record(ledger, clock.now(), self._waiting[0], settings)
            yield self._waiting.pop(0)
