"""The process of a child as its parent sees it: start it, end it, tell what became of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from met2net_ops.service.workers.pipe import Inbox

_REAPING_S = 5.0
_LAST_WORDS = 300
_TAIL = 1 << 18  # bytes of what it printed that are looked at


@dataclass
class ChildProcess:
    """A child that runs, and the ends of the pipes to it.

    Attributes:
        process: itself.
        orders: descriptor for what it is told.
        results: what it says.
        printed: what it and its libraries print.
        since: when it began what it is doing.
        served: how many jobs it has done.
    """

    process: subprocess.Popen[bytes]
    orders: int
    results: Inbox
    printed: IO[bytes]
    since: float
    served: int = 0

    def end(self) -> int | None:
        """Kill it; its exit code, None where it is stuck in the kernel and cannot be ended."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        try:
            return self.process.wait(_REAPING_S)
        except subprocess.TimeoutExpired:  # as on a dead network disk
            return None

    def close(self) -> None:
        """Close the pipes and forget what it printed."""
        os.close(self.orders)
        self.results.close()
        self.printed.close()

    def epitaph(self, code: int | None) -> str:
        """How it ended, for people."""
        if code is None:
            return "it hangs in the system and cannot be ended"
        size = self.printed.seek(0, os.SEEK_END)
        self.printed.seek(max(size - _TAIL, 0))
        lines = self.printed.read().decode(errors="replace").strip().splitlines()
        if code >= 0:
            last = f": {lines[-1][:_LAST_WORDS]}" if lines else ""
            return f"it ended by itself with exit code {code}{last}"
        if -code == signal.SIGKILL:
            return "it was killed (SIGKILL); the system's log says whether memory had run out"
        return f"it was ended by {_signal_name(-code)}{_fault(lines)}"

    def resident(self) -> int:
        """Bytes of memory it holds; 0 where that cannot be told."""
        try:
            statm = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii")
            return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            return 0


def start_child(opener: str, now: float) -> ChildProcess:
    """Start `met2net_ops.service.workers.child`.

    Args:
        opener: "module:function", see there.
        now: what time it is, by the clock for time-outs.

    Raises:
        OSError: no memory, processes, descriptors or room for its messages; nothing is left open.
    """
    with ExitStack() as undo, ExitStack() as theirs:
        printed = undo.enter_context(tempfile.TemporaryFile())
        read_orders, orders = os.pipe()
        theirs.callback(os.close, read_orders)
        undo.callback(os.close, orders)
        read_results, results = os.pipe()
        undo.callback(os.close, read_results)
        theirs.callback(os.close, results)
        # -P: a file json.py where the service was started shall not be taken for the library's.
        command = [sys.executable, "-P", "-m", "met2net_ops.service.workers.child", opener]
        process = subprocess.Popen(
            [*command, str(os.getpid()), str(read_orders), str(results)],
            pass_fds=[read_orders, results],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            # Threads that spin while they wait starve the service and the decoders.
            env={"OMP_WAIT_POLICY": "passive", **os.environ},
        )
        undo.pop_all()
    return ChildProcess(process, orders, Inbox(read_results), printed, now)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have none
        return f"signal {number}"


def _fault(lines: list[str]) -> str:
    """The innermost Python line of a faulthandler report."""
    for line in lines:
        if line.strip().startswith("File "):
            return f" at {line.strip()[:_LAST_WORDS]}"
    return ""
