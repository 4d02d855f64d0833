"""Attempts that have ended, until the ledger has it: a result is never lost to a full disk."""

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
    """Model, cycle and ending of attempts that are not in the ledger yet, oldest first."""

    def __init__(self) -> None:
        self._waiting: list[Attempt] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, attempts: Iterable[Attempt]) -> None:
        """They have ended."""
        self._waiting += attempts

    def pick_up(self, standing: LedgerSnapshot, running: Iterable[tuple[str, datetime]]) -> None:
        """Attempts that nobody is making: a service that was killed began them."""
        known = {*running, *((model, time) for model, time, _ in self._waiting)}
        reason = "the service ended without notice meanwhile"
        self._waiting += [
            (cycle.model, cycle.reference_time, AttemptResult(ExitKind.LOST, reason))
            for cycle in standing.cycles
            if cycle.state is CycleState.RUNNING
            and (cycle.model, cycle.reference_time) not in known
        ]

    def write(self, book: LedgerWriter, clock: Clock, settings: ServeSettings) -> Iterator[Attempt]:
        """Those that the ledger has taken, one by one; what it does not take now stays.

        Raises:
            ServiceError: the ledger cannot be written.
        """
        while self._waiting:
            record(book, clock.now(), self._waiting[0], settings)
            yield self._waiting.pop(0)
