"""A worker's child process as its parent sees it: the process and the pipes to it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from met2net_ops.processes import explain_exit, kill, start_module, tail_lines
from met2net_ops.service.workers.pipe import Inbox

if TYPE_CHECKING:
    import subprocess

_CHILD = "met2net_ops.service.workers.child"


@dataclass
class ChildProcess:
    """A running child and the ends of the pipes to it.

    Attributes:
        process: the process itself.
        orders: descriptor to write jobs to.
        results: reads answers.
        output: file with what the child and its libraries print.
        since: when it began its current job, by the monotonic clock.
        served: how many jobs it has finished.
    """

    process: subprocess.Popen[bytes]
    orders: int
    results: Inbox
    output: IO[bytes]
    since: float
    served: int = 0

    def end(self) -> str:
        """Kill it if it still runs, and say how it ended."""
        return explain_exit(kill(self.process), tail_lines(self.output))

    def close(self) -> None:
        """Close the pipes and discard its output; every one of them is tried."""
        with ExitStack() as closing:
            closing.callback(self.output.close)
            closing.callback(self.results.close)
            closing.callback(os.close, self.orders)

    def resident(self) -> int:
        """Bytes of memory it holds; 0 where the system does not say."""
        try:
            statm = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii")
            return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            return 0


def start_child(opener: str, now: float) -> ChildProcess:
    """Start `met2net_ops.service.workers.child`.

    Args:
        opener: "module:function", see there.
        now: monotonic time.

    Raises:
        OSError: no memory, process, descriptor or temporary file is left; nothing stays open.
    """
    with ExitStack() as undo, ExitStack() as theirs:
        output = undo.enter_context(tempfile.TemporaryFile())
        read_orders, orders = os.pipe()
        theirs.callback(_close_quietly, read_orders)
        undo.callback(_close_quietly, orders)
        read_results, results = os.pipe()
        undo.callback(_close_quietly, read_results)
        theirs.callback(_close_quietly, results)
        inbox = Inbox(read_results)
        process = start_module(
            _CHILD,
            [opener, str(os.getpid()), str(read_orders), str(results)],
            descriptors=[read_orders, results],
            stdout=output,
            stderr=output,
            # Threads that spin while they wait starve the service and the decoders.
            environment={"OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "passive")},
        )
        undo.pop_all()
    return ChildProcess(process, orders, inbox, output, now)


def _close_quietly(descriptor: int) -> None:
    with contextlib.suppress(Exception):
        os.close(descriptor)
