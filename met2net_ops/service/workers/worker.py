"""The service's side of a child process: start, give work, watch, end, replace.

Nothing here waits: the loop calls `look` whenever the child may have something to say, and at least
once a second. Every way for a child to end badly becomes one `Failure`.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from met2net_ops.service.ledger.states import ExitKind
from met2net_ops.service.workers.child import Answer, Failure, Opened, Opening
from met2net_ops.service.workers.pipe import PipeUnreadableError, send
from met2net_ops.service.workers.process import ChildProcess, start_child

if TYPE_CHECKING:
    import subprocess

    from met2net_ops.service.clock import Clock
    from met2net_ops.service.workers.pipe import Inbox
    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace

_FIRST_WAIT_S, _LONGEST_WAIT_S = 2.0, 300.0  # between two starts that failed

News = Opened | Answer | Failure

_log = logging.getLogger(__name__)


class WorkerState(StrEnum):
    """What a worker is doing."""

    OFF = "off"
    OPENING = "opening"
    IDLE = "idle"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class WorkerLimits:
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
    def of(cls, settings: Settings) -> WorkerLimits:
        """Those of `[serve]`."""
        serve = settings.serve
        memory = None if serve.memory_mb is None else serve.memory_mb * 1_000_000
        return cls(serve.start_seconds, serve.timeout_seconds, memory, serve.recycle_runs)


class Worker:
    """One child process at a time, started again when it ends.

    Attributes:
        status: what it is doing.
        hello: what the opener said last; None before it ever opened.
        started: how many processes there have been.
        problem: why it cannot be opened, or "".
    """

    def __init__(self, opener: str, subject: str, workspace: Workspace, clock: Clock) -> None:
        """Prepare; nothing is started yet.

        Args:
            opener: "module:function", see `child`.
            subject: what to open, such as the name of a model.
            workspace: to work in.
            clock: for time-outs.
        """
        self.status = WorkerState.OFF
        self.hello: object = None
        self.started = 0
        self.problem = ""
        self._opener = opener
        self._opening = Opening(workspace, subject)
        self._limits = WorkerLimits.of(workspace.settings)
        self._clock = clock
        self._child: ChildProcess | None = None
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
        self._opening = Opening(opening.workspace.with_settings(settings), opening.subject)
        self._limits = WorkerLimits.of(settings)
        self._failed_starts, self._next_start = 0, 0.0
        if self.status is WorkerState.BUSY:
            self._stale = True
        else:
            self._end()

    def give(self, job: object) -> bool:
        """Hand over a job; False if there is no one to take it. Only while idle."""
        assert self.status is WorkerState.IDLE
        assert self._child is not None
        try:
            send(self._child.orders, job)
        except OSError:
            self._lost(Failure(ExitKind.CRASHED, "it ended while it had nothing to do"))
            return False
        self.status, self._child.since = WorkerState.BUSY, self._clock.monotonic()
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
        try:
            news = [self._heard(item) for item in child.results.take()]
        except PipeUnreadableError as error:
            return self._lost(Failure(ExitKind.CRASHED, str(error), spoiled=True))
        if self._child is child and not news:
            ended = gone or child.results.ended
            failure = self._death(child) if ended else self._too_much(child)
            if failure is not None:
                return self._lost(failure)
        if self.status is WorkerState.IDLE and (self._stale or child.served >= self._limits.jobs):
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
                self.hello, self.status, self.problem = hello, WorkerState.IDLE, ""
            case Answer():
                self._served()
            case Failure(_, reason, spoiled):
                if self.status is WorkerState.OPENING:
                    self._start_failed(reason)
                elif spoiled:
                    self._end()
                else:
                    self._served()
        return item

    def _served(self) -> None:
        assert self._child is not None
        self._child.served += 1
        self.status = WorkerState.IDLE
        self._failed_starts = 0  # only now: it may open, and then hold too much memory at once

    def _death(self, child: ChildProcess) -> Failure:
        return Failure(ExitKind.CRASHED, child.epitaph(self._reap(child)), spoiled=True)

    def _too_much(self, child: ChildProcess) -> Failure | None:
        limits, elapsed = self._limits, self._clock.monotonic() - child.since
        if self.status is WorkerState.OPENING and elapsed > limits.open_seconds:
            reason = f"it was not open after {limits.open_seconds:g} s"
            return Failure(ExitKind.TIMEOUT, reason, spoiled=True)
        if self.status is WorkerState.BUSY and elapsed > limits.job_seconds:
            reason = f"it had not ended after {limits.job_seconds:g} s, and was ended"
            return Failure(ExitKind.TIMEOUT, reason, spoiled=True)
        if limits.memory is not None and (held := child.resident()) > limits.memory:
            reason = f"it held {held / 1e6:.0f} MB of memory, {limits.memory / 1e6:.0f} are allowed"
            return Failure(ExitKind.MEMORY, reason, spoiled=True)
        return None

    def _lost(self, failure: Failure) -> list[News]:
        """The child is no more, or must go."""
        before, child = self.status, self._child
        facts = {"subject": self._opening.subject, "doing": str(before), "reason": failure.reason}
        _log.warning("child process lost", extra=facts)
        useless = child is not None and not child.served and before is WorkerState.IDLE
        if before is WorkerState.OPENING or useless:
            self._start_failed(failure.reason)
        else:
            self._end()
        return [failure] if before is WorkerState.BUSY else []

    def _start_failed(self, reason: str) -> None:
        self.problem = reason
        wait = min(_FIRST_WAIT_S * 2.0 ** min(self._failed_starts, 30), _LONGEST_WAIT_S)
        self._failed_starts += 1
        self._next_start = self._clock.monotonic() + wait
        self._end()

    def _start(self) -> None:
        try:
            self._child = child = start_child(self._opener, self._clock.monotonic())
        except OSError as error:
            self._start_failed(f"no process can be started: {error}")
            return
        self.started += 1
        self._stale = False
        self.status = WorkerState.OPENING
        with contextlib.suppress(OSError):  # dead already: found out at the next look
            send(child.orders, self._opening)

    def _end(self) -> None:
        child, self._child, self.status = self._child, None, WorkerState.OFF
        if child is None:
            return
        self._reap(child)
        child.close()

    def _reap(self, child: ChildProcess) -> int | None:
        code = child.end()
        if code is None:
            self._unreaped.append(child.process)
        return code
