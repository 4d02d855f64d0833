"""Verification of published cycles: when, of which cycles, and what becomes of them."""

from __future__ import annotations

import logging
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from met2net_ops.service.ledger.changes import Move
from met2net_ops.service.ledger.states import CycleState
from met2net_ops.service.workers.child import Answer, Failure
from met2net_ops.service.workers.jobs import VerifyDone, VerifyJob
from met2net_ops.service.workers.worker import Worker, WorkerState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from met2net_ops.service.clock import Clock
    from met2net_ops.service.ledger.records import Cycle
    from met2net_ops.service.workers.jobs import VerifyVerdict
    from met2net_ops.service.workers.pipe import Inbox
    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace

_APART = timedelta(days=3)  # cycles further apart are verified in jobs of their own
_SUBJECT = "verification"

_log = logging.getLogger(__name__)


def candidates(now: datetime, cycles: Iterable[Cycle], settings: Settings) -> list[Cycle]:
    """Cycles for which truth may still come, or that were published only now (a backfill)."""
    patience = timedelta(days=settings.serve.verify_days)
    day = timedelta(days=1)

    def may(cycle: Cycle) -> bool:
        # One that is not verified yet is tried beyond its time, so that it can be closed.
        span = patience if cycle.state is CycleState.VERIFIED else 2 * patience + day
        published = cycle.published_at
        return truth_ends(cycle, settings) + span >= now or (
            published is not None and published + day >= now
        )

    return [cycle for cycle in cycles if may(cycle)]


def truth_ends(cycle: Cycle, settings: Settings) -> datetime:
    """The last valid time of a published cycle, by the step of the archive."""
    return cycle.reference_time + cycle.leads * timedelta(hours=settings.archive.step_hours)


def jobs_for(cycles: Sequence[Cycle]) -> list[VerifyJob]:
    """As few ranges of cycles as cover them without large holes."""
    jobs: list[VerifyJob] = []
    for cycle in sorted(cycles, key=lambda one: (one.model, one.reference_time)):
        model, time = cycle.model, cycle.reference_time
        if jobs and jobs[-1].model == model and time - jobs[-1].until <= _APART:
            jobs[-1] = VerifyJob(model, jobs[-1].since, time)
        else:
            jobs.append(VerifyJob(model, time, time))
    return jobs


def judged(
    now: datetime, cycle: Cycle, verdict: VerifyVerdict, settings: Settings
) -> tuple[Move | None, dict[str, Any]]:
    """What a verdict changes: the state, once all truth is there or the wait for it is over."""
    columns = {"verification": verdict.words} if verdict.words != cycle.verification else {}
    if cycle.state is not CycleState.PUBLISHED:
        return None, columns
    waited = now >= truth_ends(cycle, settings) + timedelta(days=settings.serve.verify_days)
    if not (verdict.final or (verdict.any and waited)):
        return None, columns
    reason = verdict.words if verdict.final else f"the wait for truth is over: {verdict.words}"
    move = Move(
        cycle.model, cycle.reference_time, CycleState.PUBLISHED, CycleState.VERIFIED, reason
    )
    return move, columns


class VerificationQueue:
    """Keeps verification up to date, in a process of its own.

    Attributes:
        problem: why the last verification failed, or "".
    """

    def __init__(self, workspace: Workspace, opener: str, clock: Clock) -> None:
        self.problem = ""
        self._settings = workspace.settings
        self._clock = clock
        self._worker = Worker(opener, _SUBJECT, workspace, clock)
        self._jobs: deque[VerifyJob] = deque()
        self._next = 0.0

    @property
    def inbox(self) -> Inbox | None:
        """What to wait on."""
        return self._worker.inbox

    @property
    def wants_work(self) -> bool:
        """Whether it is time to verify again."""
        serve = self._settings.serve
        return serve.verify and not self._busy and self._clock.monotonic() >= self._next

    @property
    def _busy(self) -> bool:
        return bool(self._jobs) or self._worker.status is WorkerState.BUSY

    def reconfigure(self, workspace: Workspace) -> None:
        """Go on with other settings."""
        self._settings = workspace.settings
        self._worker.reconfigure(workspace)

    def queue(self, jobs: Sequence[VerifyJob]) -> None:
        """Verify these, and wait `serve.verify_minutes` before the next ones."""
        minutes = self._settings.serve.verify_minutes
        self._next = self._clock.monotonic() + self._clock.seconds_until(minutes * 60)
        self._jobs.extend(jobs)

    def poll(self) -> list[tuple[VerifyJob, tuple[VerifyVerdict, ...]]]:
        """Verdicts since the last call; submits the next job."""
        if not self._jobs and self._worker.status is WorkerState.OFF:
            return []  # started when there is something to do
        done = []
        for message in self._worker.poll():
            match message:
                case Answer(VerifyDone(verdicts)):
                    self.problem = ""
                    done.append((self._jobs.popleft(), verdicts))
                case Answer() | Failure():
                    self._failed(message)
        if self._worker.problem and self._jobs:
            self.problem = self._worker.problem
            self._jobs.clear()
        if self._jobs and self._worker.status is WorkerState.IDLE:
            self._worker.submit(self._jobs[0])
        return done

    def close(self) -> None:
        """End the process now; what it was doing is done again another time."""
        self._worker.close()

    def _failed(self, message: Answer | Failure) -> None:
        if isinstance(message, Failure):
            self.problem = message.reason
        else:
            self.problem = f"it answered {message.value!r}"
        if self._jobs:
            job = self._jobs.popleft()
            facts = {"model": job.model, "since": job.since, "reason": self.problem}
            _log.error("verification failed", extra=facts)
