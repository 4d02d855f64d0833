"""How far a fetch is: bytes, their rate, and the time that is left."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_WINDOW = 10.0  # seconds over which the rate is taken
_APART = 0.1  # seconds between two samples


@dataclass(frozen=True, slots=True)
class TransferState:
    """How far a fetch is.

    Attributes:
        bytes: that came, indices and repeated requests included.
        rate: bytes a second over the last ten seconds.
        left: until all files are there; None while no file came or nothing comes.
    """

    bytes: int
    rate: float
    left: timedelta | None


class Transfer:
    """Counts what comes of some files; any thread may report."""

    def __init__(self, files: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin to count.

        Args:
            files: that are to be fetched.
            clock: seconds since some moment.
        """
        self.files = files
        self._clock = clock
        self._lock = threading.Lock()
        self._bytes = 0
        self._ended = 0
        self._sizes: list[int] = []  # of the files that came
        self._samples = deque([(clock(), 0)])

    def came(self, count: int) -> None:
        """So many bytes more."""
        with self._lock:
            now = self._clock()
            self._bytes += count
            if now - self._samples[-1][0] >= _APART:
                self._samples.append((now, self._bytes))
            self._forget(now)

    def ended(self, size: int) -> None:
        """One file is over.

        Args:
            size: bytes of its messages; 0 if it could not be fetched.
        """
        with self._lock:
            self._ended += 1
            if size:
                self._sizes.append(size)

    def state(self) -> TransferState:
        """How far it is now. Files that are still to come count as large as those that came."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            began, before = self._samples[0]
            rate = (self._bytes - before) / max(now - began, _APART)
            left = None
            if self._sizes and rate > 0:
                mean = sum(self._sizes) / len(self._sizes)
                left = timedelta(seconds=mean * (self.files - self._ended) / rate)
            return TransferState(self._bytes, rate, left)

    def _forget(self, now: float) -> None:
        """Keep one sample from before the window."""
        while len(self._samples) > 1 and self._samples[1][0] <= now - _WINDOW:
            self._samples.popleft()
