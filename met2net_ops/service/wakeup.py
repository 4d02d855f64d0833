"""What signal handlers and other threads ask of the loop, and how they wake it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field


class Wakeup:
    """A pipe from this process to itself, which can be waited on like any other."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._read

    def signal(self) -> None:
        """Wake the waiting thread; does nothing once it is closed."""
        with suppress(OSError):  # full, so that it wakes in any case; or closed
            os.write(self._write, b"n")

    def clear(self) -> None:
        """Discard signals that have been received."""
        with suppress(BlockingIOError):
            os.read(self._read, 4096)

    def close(self) -> None:
        """Close the pipe."""
        ends = self._read, self._write
        # A late signal must not be written to another file that gets the same number.
        self._read = self._write = -1
        for descriptor in ends:
            os.close(descriptor)


@dataclass
class Requests:
    """What signal handlers and other threads ask of the loop.

    Attributes:
        stops: how often it was asked to stop.
        reload: whether to read the settings again.
        wakeup: ends its wait.
    """

    stops: int = 0
    reload: bool = False
    wakeup: Wakeup = field(default_factory=Wakeup)
