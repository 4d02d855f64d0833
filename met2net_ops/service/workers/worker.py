"""The service's side of a child process: start it, give it jobs, watch, end and replace it.

Nothing here blocks: the loop calls `poll` whenever the child may have sent something, and at least
once a second. Every bad end of a child becomes one `Failure`. An exception on the way, such as that
of a system call, costs at most the job under way: the child is replaced, and answers that have
arrived are kept.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from met2net_ops.service.backoff import backoff_seconds
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

Message = Opened | Answer | Failure

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
        memory: bytes of memory; None for no limit.
        jobs: number of jobs after which it is replaced.
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
        hello: what the opener returned last; None before the first time.
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
        self._outdated = False
        self._failed_starts = 0
        self._next_start = 0.0
        self._messages: list[Message] = []
        self._unreaped: list[subprocess.Popen[bytes]] = []

    @property
    def inbox(self) -> Inbox | None:
        """What to wait on; None while there is no process."""
        return None if self._child is None else self._child.results

    def reconfigure(self, workspace: Workspace) -> None:
        """Work in this workspace, with its settings, from the next job on."""
        self._opening = Opening(workspace, self._opening.subject)
        self._limits = WorkerLimits.of(workspace.settings)
        self._failed_starts, self._next_start = 0, 0.0
        if self.status is WorkerState.BUSY:
            self._outdated = True
        else:
            self._end()

    def submit(self, job: object) -> bool:
        """Hand over a job, only while idle; False if the process cannot take it."""
        assert self.status is WorkerState.IDLE
        assert self._child is not None
        try:
            send(self._child.orders, job)
        except Exception as error:
            self._fail(Failure(ExitKind.CRASHED, f"it ended while it had nothing to do ({error})"))
            return False
        self.status, self._child.since = WorkerState.BUSY, self._clock.monotonic()
        return True

    def poll(self) -> list[Message]:
        """What the child has sent since the last call; starts a child where there is none."""
        self._reap()
        try:
            self._watch()
        except Exception as error:
            _log.exception("a child process cannot be watched", extra=self._facts())
            reason = f"unexpected {type(error).__name__} while its process was watched: {error}"
            self._fail(Failure(ExitKind.ERROR, reason, spoiled=True))
        messages, self._messages = self._messages, []
        return messages

    def close(self) -> None:
        """End the child now, whatever it is doing."""
        self._end()

    def _watch(self) -> None:
        child = self._child
        if child is None:
            if self._clock.monotonic() >= self._next_start:
                self._start()
            return
        ended = child.process.poll() is not None
        try:
            items = child.results.take()
        except PipeUnreadableError as error:
            self._fail(Failure(ExitKind.CRASHED, str(error), spoiled=True))
            return
        for item in items:
            self._receive(item)
        if self._child is child and not items:
            if ended or child.results.ended:
                self._fail(None)
            elif (failure := self._beyond_limits(child)) is not None:
                self._fail(failure)
        if self.status is WorkerState.IDLE and (
            self._outdated or (self._child and self._child.served >= self._limits.jobs)
        ):
            self._end()
            self._start()

    def _receive(self, item: Message) -> None:
        self._messages.append(item)
        match item:
            case Opened(hello):
                self.hello, self.status, self.problem = hello, WorkerState.IDLE, ""
            case Answer():
                self._job_done()
            case Failure(_, reason, spoiled):
                if self.status is WorkerState.OPENING:
                    self._start_failed(reason)
                elif spoiled:
                    self._end()
                else:
                    self._job_done()

    def _job_done(self) -> None:
        assert self._child is not None
        self._child.served += 1
        self.status = WorkerState.IDLE
        self._failed_starts = 0  # only now: it may open, and then hold too much memory at once

    def _beyond_limits(self, child: ChildProcess) -> Failure | None:
        limits, elapsed = self._limits, self._clock.monotonic() - child.since
        if self.status is WorkerState.OPENING and elapsed > limits.open_seconds:
            reason = f"it was not open after {limits.open_seconds:g} s (serve.start_seconds)"
            return Failure(ExitKind.TIMEOUT, reason, spoiled=True)
        if self.status is WorkerState.BUSY and elapsed > limits.job_seconds:
            reason = f"it was killed after {limits.job_seconds:g} s (serve.timeout_seconds)"
            return Failure(ExitKind.TIMEOUT, reason, spoiled=True)
        if limits.memory is not None and (held := child.resident()) > limits.memory:
            reason = (
                f"it held {held / 1e6:.0f} MB of memory, {limits.memory / 1e6:.0f} MB are allowed "
                "(serve.memory_mb)"
            )
            return Failure(ExitKind.MEMORY, reason, spoiled=True)
        return None

    def _fail(self, failure: Failure | None) -> None:
        """End the child because of `failure`; None where it has ended by itself."""
        before, child = self.status, self._child
        how = self._end()
        if failure is None:
            failure = Failure(ExitKind.CRASHED, f"its process ended: {how}", spoiled=True)
        facts = {**self._facts(), "doing": str(before), "reason": failure.reason}
        _log.warning("child process lost", extra=facts)
        useless = child is not None and not child.served and before is WorkerState.IDLE
        if before is WorkerState.OPENING or useless:
            self._start_failed(failure.reason)
        if before is WorkerState.BUSY:
            self._messages.append(failure)

    def _start_failed(self, reason: str) -> None:
        self.problem = reason
        self._failed_starts += 1
        wait = backoff_seconds(self._failed_starts, _FIRST_WAIT_S, _LONGEST_WAIT_S)
        self._next_start = self._clock.monotonic() + wait
        self._end()

    def _start(self) -> None:
        self._outdated = False
        try:
            self._child = child = start_child(self._opener, self._clock.monotonic())
            self.started += 1
            self.status = WorkerState.OPENING
            with contextlib.suppress(BrokenPipeError):  # dead already: the next poll says why
                send(child.orders, self._opening)
        except Exception as error:
            _log.exception("a child process cannot be started", extra=self._facts())
            self._start_failed(f"no process can be started: {error}")

    def _end(self) -> str:
        """End the child, whatever goes wrong on the way, and say how it ended."""
        child, self._child, self.status = self._child, None, WorkerState.OFF
        if child is None:
            return ""
        how = "it could not be ended"
        for step in (child.end, child.close):
            try:
                how = step() or how
            except Exception:
                _log.exception("a child process cannot be ended cleanly", extra=self._facts())
        if child.process.returncode is None:
            self._unreaped.append(child.process)
        return how

    def _reap(self) -> None:
        """Try again to end processes that could not be ended."""
        for process in list(self._unreaped):
            with contextlib.suppress(Exception):
                process.kill()
                if process.poll() is not None:
                    self._unreaped.remove(process)

    def _facts(self) -> dict[str, object]:
        return {"subject": self._opening.subject}
