"""The service's side of a child process: start, give work, watch, end, replace.

Nothing here waits: the loop calls `look` whenever the child may have something to say, and at least
once a second. Every way for a child to end badly becomes one `Failure`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING

from met2net_ops.service.child import Answer, Failure, Opened, Opening
from met2net_ops.service.pipe import Inbox, send
from met2net_ops.service.states import ExitKind

if TYPE_CHECKING:
    from met2net_ops.service.clock import Clock
    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace

_FIRST_WAIT_S, _LONGEST_WAIT_S = 2.0, 300.0  # between two starts that failed
_REAPING_S = 5.0
_LAST_WORDS = 300

News = Opened | Answer | Failure

_log = logging.getLogger(__name__)


class Status(StrEnum):
    """What a worker is doing."""

    OFF = "off"
    OPENING = "opening"
    IDLE = "idle"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may take.

    Attributes:
        open_seconds: to open.
        job_seconds: for a job.
        memory: bytes it may hold; None for any.
        jobs: then it is replaced.
    """

    open_seconds: float
    job_seconds: float
    memory: int | None
    jobs: int

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Those of `[serve]`."""
        serve = settings.serve
        memory = None if serve.memory_mb is None else serve.memory_mb * 1_000_000
        return cls(serve.start_seconds, serve.timeout_seconds, memory, serve.recycle_runs)


@dataclass
class _Process:
    process: subprocess.Popen[bytes]
    orders: int
    results: Inbox
    stderr: IO[bytes]
    since: float
    served: int = 0


class Worker:
    """One child process at a time, started again when it ends.

    Attributes:
        status: what it is doing.
        hello: what the opener said last; None before it ever opened.
        started: how many processes there have been.
        problem: why it cannot be opened, or "".
    """

    def __init__(
        self, opener: str, subject: str, workspace: Workspace, settings: Settings, clock: Clock
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            opener: "module:function", see `child`.
            subject: what to open, such as the name of a model.
            workspace: to work in.
            settings: to work with.
            clock: for time-outs.
        """
        self.status = Status.OFF
        self.hello: object = None
        self.started = 0
        self.problem = ""
        self._opener = opener
        self._opening = Opening(workspace, settings, subject)
        self._limits = Limits.of(settings)
        self._clock = clock
        self._child: _Process | None = None
        self._stale = False
        self._failed_starts = 0
        self._next_start = 0.0
        self._unreaped: list[subprocess.Popen[bytes]] = []

    @property
    def inbox(self) -> Inbox | None:
        """What to wait on; None while there is no process."""
        return None if self._child is None else self._child.results

    def renew(self, settings: Settings) -> None:
        """Work with other settings from the next job on."""
        opening = self._opening
        self._opening = Opening(opening.workspace, settings, opening.subject)
        self._limits = Limits.of(settings)
        self._failed_starts, self._next_start = 0, 0.0
        if self.status is Status.BUSY:
            self._stale = True
        else:
            self._end()

    def give(self, job: object) -> bool:
        """Hand over a job; False if there is no one to take it. Only while idle."""
        assert self.status is Status.IDLE
        assert self._child is not None
        try:
            send(self._child.orders, job)
        except OSError:  # it died while it had nothing to do
            self._end()
            return False
        self.status, self._child.since = Status.BUSY, self._clock.monotonic()
        return True

    def look(self) -> list[News]:
        """What has happened since the last look; starts the child where there is none."""
        self._unreaped = [process for process in self._unreaped if process.poll() is None]
        if self._child is None:
            if self._clock.monotonic() >= self._next_start:
                self._start()
            return []
        child = self._child
        gone = child.process.poll() is not None
        news = [self._heard(item) for item in child.results.take()]
        if self._child is child and not news:
            ended = gone or child.results.ended
            failure = self._death(child) if ended else self._too_much(child)
            if failure is not None:
                return self._lost(failure)
        if self.status is Status.IDLE and (self._stale or child.served >= self._limits.jobs):
            self._end()
            self._start()
        return news

    def close(self) -> None:
        """End the child now, whatever it is doing."""
        self._end()

    def _heard(self, item: News) -> News:
        assert self._child is not None
        match item:
            case Opened(hello):
                self.hello, self.status, self.problem = hello, Status.IDLE, ""
                self._failed_starts = 0
            case Answer():
                self._child.served += 1
                self.status = Status.IDLE
            case Failure(_, reason, spoiled):
                if self.status is Status.OPENING:
                    self._start_failed(reason)
                elif spoiled:
                    self._end()
                else:
                    self._child.served += 1
                    self.status = Status.IDLE
        return item

    def _death(self, child: _Process) -> Failure:
        code = self._reap(child)
        child.stderr.seek(0)
        lines = child.stderr.read().decode(errors="replace").strip().splitlines()
        return Failure(ExitKind.CRASHED, _epitaph(code, lines), spoiled=True)

    def _too_much(self, child: _Process) -> Failure | None:
        limits, elapsed = self._limits, self._clock.monotonic() - child.since
        if self.status is Status.OPENING and elapsed > limits.open_seconds:
            reason = f"it was not open after {limits.open_seconds:g} s"
            return Failure(ExitKind.TIMEOUT, reason, spoiled=True)
        if self.status is Status.BUSY and elapsed > limits.job_seconds:
            reason = f"it had not ended after {limits.job_seconds:g} s, and was ended"
            return Failure(ExitKind.TIMEOUT, reason, spoiled=True)
        if limits.memory is not None and (held := _resident(child.process.pid)) > limits.memory:
            reason = f"it held {held / 1e6:.0f} MB of memory, {limits.memory / 1e6:.0f} are allowed"
            return Failure(ExitKind.MEMORY, reason, spoiled=True)
        return None

    def _lost(self, failure: Failure) -> list[News]:
        """The child is no more, or must go."""
        before = self.status
        facts = {"subject": self._opening.subject, "doing": str(before), "reason": failure.reason}
        _log.warning("child process lost", extra=facts)
        if before is Status.OPENING:
            self._start_failed(failure.reason)
        else:
            self._end()
        return [failure] if before is Status.BUSY else []

    def _start_failed(self, reason: str) -> None:
        self.problem = reason
        wait = min(_FIRST_WAIT_S * 2.0 ** min(self._failed_starts, 30), _LONGEST_WAIT_S)
        self._failed_starts += 1
        self._next_start = self._clock.monotonic() + wait
        self._end()

    def _start(self) -> None:
        read_orders, orders = os.pipe()
        results, give_results = os.pipe()
        stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        theirs = [read_orders, give_results]
        command = ["-m", "met2net_ops.service.child", self._opener, str(os.getpid())]
        try:
            process = subprocess.Popen(
                [sys.executable, *command, *map(str, theirs)],
                pass_fds=theirs,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                # Threads that spin while they wait starve the service and the decoders.
                env={"OMP_WAIT_POLICY": "passive", **os.environ},
            )
        except OSError as error:  # no memory, or no more processes
            os.close(orders)
            os.close(results)
            stderr.close()
            self._start_failed(f"no process can be started: {error}")
            return
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self.started += 1
        self._stale = False
        self.status = Status.OPENING
        now = self._clock.monotonic()
        self._child = _Process(process, orders, Inbox(results), stderr, now)
        with contextlib.suppress(OSError):  # dead already: found out at the next look
            send(orders, self._opening)

    def _end(self) -> None:
        child, self._child, self.status = self._child, None, Status.OFF
        if child is None:
            return
        os.close(child.orders)
        child.results.close()
        self._reap(child)
        child.stderr.close()

    def _reap(self, child: _Process) -> int | None:
        with contextlib.suppress(ProcessLookupError):
            child.process.kill()
        try:
            return child.process.wait(_REAPING_S)
        except subprocess.TimeoutExpired:  # stuck in the kernel, as on a dead network disk
            self._unreaped.append(child.process)
            return None


def _epitaph(code: int | None, lines: list[str]) -> str:
    if code is None:
        return "it hangs in the system and cannot be ended"
    last = f": {lines[-1][:_LAST_WORDS]}" if lines else ""
    if code >= 0:
        return f"it ended by itself with exit code {code}{last}"
    name = signal.Signals(-code).name
    if name == "SIGKILL":
        return "it was killed (SIGKILL); the system's log says whether memory had run out"
    return f"it was ended by {name}{_fault(lines)}"


def _fault(lines: list[str]) -> str:
    """The innermost Python line of a faulthandler report."""
    for line in lines:
        if line.strip().startswith("File "):
            return f" at {line.strip()[:_LAST_WORDS]}"
    return ""


def _resident(pid: int) -> int:
    """Bytes of memory a process holds; 0 where that cannot be told."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
