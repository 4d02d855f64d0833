"""Rung from signal handlers and threads, heard by the loop while it waits."""

from __future__ import annotations

import os
from contextlib import suppress


class Wakeup:
    """A pipe to oneself; may be waited on like any other."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._read

    def signal(self) -> None:
        """Wake whoever waits; nothing happens once it is closed."""
        with suppress(OSError):  # full, so that it wakes anyhow; or closed
            os.write(self._write, b"n")

    def clear(self) -> None:
        """It has been heard."""
        with suppress(BlockingIOError):
            os.read(self._read, 4096)

    def close(self) -> None:
        """No more."""
        ends = self._read, self._write
        # Someone may still want to ring: not by way of a file that gets the same number.
        self._read = self._write = -1
        for descriptor in ends:
            os.close(descriptor)
