"""Objects over a pipe: the reader never waits for a writer that stops in the middle of one."""

from __future__ import annotations

import os
import pickle
import struct
from typing import Any

_LENGTH = struct.Struct("!Q")
_CHUNK = 1 << 16


class PipeUnreadableError(Exception):
    """The other side sent bytes that are no object."""


def send(descriptor: int, item: object) -> None:
    """Write one object; waits while the pipe is full.

    Raises:
        OSError: the reader has closed its end.
    """
    data = pickle.dumps(item)
    rest = memoryview(_LENGTH.pack(len(data)) + data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


class Inbox:
    """The reading end of a pipe; owns the descriptor."""

    def __init__(self, descriptor: int, *, waits: bool = False) -> None:
        """Take over a descriptor.

        Args:
            descriptor: of a pipe, open for reading.
            waits: whether `take` blocks until there is something to read.
        """
        os.set_blocking(descriptor, waits)
        self._descriptor = descriptor
        self._waits = waits
        self._data = bytearray()
        self.ended = False

    def fileno(self) -> int:
        """The descriptor, to wait on."""
        return self._descriptor

    def take(self) -> list[Any]:
        """Every object that has arrived complete since the last call; sets `ended` at the end.

        Raises:
            PipeUnreadableError: the bytes are no object; the pipe is of no further use.
        """
        self._read()
        items = []
        while len(self._data) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._data)
            if len(self._data) < _LENGTH.size + length:
                break
            try:
                items.append(pickle.loads(self._data[_LENGTH.size : _LENGTH.size + length]))  # noqa: S301 - from our own child
            except Exception as error:
                if items:
                    break  # the next call raises
                self.ended = True
                raise PipeUnreadableError(f"what it sent cannot be read: {error!r}") from error
            del self._data[: _LENGTH.size + length]
        return items

    def _read(self) -> None:
        """Read once where reading may block, else everything there is."""
        while not self.ended:
            try:
                data = os.read(self._descriptor, _CHUNK)
            except BlockingIOError:
                return
            self.ended = not data
            self._data += data
            if self._waits:
                return

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)
