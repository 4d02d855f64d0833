"""Clocks: the service asks one for the time instead of the system, so that tests can bend it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time of day, which may jump, and a time that never does."""

    def now(self) -> datetime:
        """Wall clock, aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only go forward; for time-outs."""
        ...

    def seconds_until(self, span: float) -> float:
        """How many real seconds to wait for `span` seconds of the wall clock."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Wall clock, aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def seconds_until(self, span: float) -> float:
        """`span`."""
        return span
