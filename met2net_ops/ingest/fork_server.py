"""The parent's side of the process that decoders are forked from.

Loading ecCodes and the libraries around it takes longer than decoding a day of global fields. One
process loads them, and every decoder is forked from it at once; a crash in a decoder cannot reach
it, since it never reads a file.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections import deque
from typing import IO

# glibc otherwise gives every field's few megabytes back and asks for them again: 400 page faults.
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "134217728"}
_PATIENCE_S = 60.0  # to load the libraries, on a machine that has much else to do
_DYING_S = 5.0
_REPLY_BYTES = 8


class DecoderProcess:
    """A forked process; its number is known once it has been forked."""

    def __init__(self, fork_server: ForkServer, stderr: IO[bytes]) -> None:
        self._fork_server = fork_server
        self._stderr = stderr
        self.number: int | None = None

    def end(self) -> str:
        """Kill it, unless it is dead already, and say how it ended."""
        status = self._fork_server.end(self)
        with self._stderr as stream:
            stream.seek(0)
            lines = stream.read().decode(errors="replace").strip().splitlines()
        if status is None:
            return self._fork_server.last_words()
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            return f"signal {signal.Signals(-code).name}"
        return f"exit code {code}: {lines[-1] if lines else 'no message'}"


class ForkServer:
    """Forks decoders. Started early, it loads what they need while others do other things."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._stderr: IO[bytes] | None = None
        self._requested: deque[DecoderProcess] = deque()  # whose process number is not known yet
        self.loaded = False  # it was seen to fork
        self._words = ""

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start loading, if it has not been started or has died; returns at once."""
        if self._process is not None and self._process.poll() is None:
            return
        self.stop()
        ours, theirs = socket.socketpair()
        ours.settimeout(_PATIENCE_S)
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "met2net_ops.ingest.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=self._stderr,
                env={**os.environ, **_KEEP_MEMORY},
            )
        self._control = ours

    def fork(self, orders: int, results: int) -> DecoderProcess:
        """Ask for a decoder; returns at once.

        Args:
            orders: descriptor it shall read from; may be closed here afterwards.
            results: descriptor it shall write to; likewise.
        """
        self.start()
        assert self._control is not None
        stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by DecoderProcess.end
        decoder = DecoderProcess(self, stderr)
        with contextlib.suppress(OSError):  # it has died meanwhile: found out from the results
            socket.send_fds(self._control, [b"fork...."], [orders, results, stderr.fileno()])
            self._requested.append(decoder)
        return decoder

    def end(self, decoder: DecoderProcess) -> int | None:
        """Kill a decoder and tell its wait status; None if the fork_server itself has died.

        The decoders of a fork_server that dies are killed by the operating system.
        """
        if self._control is None:
            return None
        if not self.loaded and not select.select([self._control], [], [], 0)[0]:
            self.stop()  # still loading: there is none yet, and none is wanted
            return None
        try:
            while self._requested:  # replies come in the order of requests
                self._requested[0].number = self._reply()
                self._requested.popleft()
            if decoder.number is None:
                return None
            os.kill(decoder.number, signal.SIGKILL)  # a zombie until waited for: never another's
            self._control.send(decoder.number.to_bytes(_REPLY_BYTES, "little"))
            return self._reply()
        except OSError:  # dead, or silent for longer than it can take
            self._bury()
            return None

    def last_words(self) -> str:
        """Why it ended."""
        return self._words or "the process it is forked from died"

    def stop(self) -> None:
        """Kill it, and all its decoders with it."""
        if self._process is not None:
            assert self._stderr is not None
            assert self._control is not None
            self._process.kill()
            self._process.wait()
            self._stderr.close()
            self._control.close()
        self._process = self._control = self._stderr = None
        self._requested.clear()

    def _bury(self) -> None:
        """It has died, or hangs: keep its last words."""
        assert self._process is not None
        assert self._stderr is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(_DYING_S)
            self._stderr.seek(0)
            lines = self._stderr.read().decode(errors="replace").strip().splitlines()
            self._words = f"exit code {code}: {lines[-1]}" if lines else ""
        self.stop()

    def _reply(self) -> int:
        assert self._control is not None
        data = self._control.recv(_REPLY_BYTES, socket.MSG_WAITALL)
        if len(data) < _REPLY_BYTES:
            raise ConnectionResetError
        self.loaded = True
        return int.from_bytes(data, "little")
