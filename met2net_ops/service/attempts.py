"""Attempts that have ended, until the ledger has it: a result is never lost to a full disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from met2net_ops.service.actions import record
from met2net_ops.service.page import Ending
from met2net_ops.service.states import ExitKind, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from met2net_ops.service.book import Book
    from met2net_ops.service.clock import Clock
    from met2net_ops.service.tick import Standing
    from met2net_ops.settings import ServeSettings

    Attempt = tuple[str, datetime, Ending]


class Ended:
    """Model, cycle and ending of attempts that are not in the ledger yet, oldest first."""

    def __init__(self) -> None:
        self._waiting: list[Attempt] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, attempts: Iterable[Attempt]) -> None:
        """They have ended."""
        self._waiting += attempts

    def pick_up(self, standing: Standing, running: Iterable[tuple[str, datetime]]) -> None:
        """Attempts that nobody is making: a service that was killed began them."""
        known = {*running, *((model, time) for model, time, _ in self._waiting)}
        reason = "the service ended without notice meanwhile"
        self._waiting += [
            (cycle.model, cycle.reference_time, Ending(ExitKind.LOST, reason))
            for cycle in standing.cycles
            if cycle.state is State.RUNNING and (cycle.model, cycle.reference_time) not in known
        ]

    def write(self, book: Book, clock: Clock, settings: ServeSettings) -> Iterator[Attempt]:
        """Those that the ledger has taken, one by one; what it does not take now stays.

        Raises:
            ServiceError: the ledger cannot be written.
        """
        while self._waiting:
            record(book, clock.now(), self._waiting[0], settings)
            yield self._waiting.pop(0)
