"""A clock that someone else sets: eight bytes in a file, seen by every process at once."""

from __future__ import annotations

import mmap
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

_SECONDS = struct.Struct("=d")
SPEED = 600.0  # how many seconds of this clock a wait of the service stands for, per real second


class SetClock:
    """Shows what was set last; a `met2net_ops.service.clock.Clock`."""

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as stream:
            self._memory = mmap.mmap(stream.fileno(), _SECONDS.size)

    @classmethod
    def make(cls, file: Path, now: datetime) -> SetClock:
        file.write_bytes(_SECONDS.pack(now.timestamp()))
        return cls(file)

    def now(self) -> datetime:
        return datetime.fromtimestamp(_SECONDS.unpack_from(self._memory)[0], UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def seconds_until(self, span: float) -> float:
        return span / SPEED

    def set(self, now: datetime) -> None:
        # Not pack_into: it clears the bytes first, and a reader would see 1970.
        self._memory[:] = _SECONDS.pack(now.timestamp())

    def go(self, by: timedelta) -> None:
        self.set(self.now() + by)
