"""The processes that make forecasts, one per model, and what they are doing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from met2net_ops.service.ledger.states import ExitKind
from met2net_ops.service.ledger.transaction import AttemptResult
from met2net_ops.service.workers.child import Answer, Failure
from met2net_ops.service.workers.jobs import ForecastDone, ForecastJob
from met2net_ops.service.workers.worker import Worker, WorkerState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from met2net_ops.service.clock import Clock
    from met2net_ops.service.workers.pipe import Inbox
    from met2net_ops.workspace import Workspace


class WorkerPool:
    """One warm process per model.

    Attributes:
        running: model → cycle whose attempt is under way.
    """

    def __init__(
        self,
        workspace: Workspace,
        models: Iterable[str],
        opener: str,
        clock: Clock,
    ) -> None:
        self.running: dict[str, datetime] = {}
        self._workspace = workspace
        self._opener = opener
        self._clock = clock
        self._workers: dict[str, Worker] = {}
        self._leaving: set[str] = set()
        self.reconfigure(workspace, models)

    @property
    def inboxes(self) -> list[Inbox]:
        """What to wait on."""
        return [worker.inbox for worker in self._workers.values() if worker.inbox is not None]

    @property
    def idle(self) -> frozenset[str]:
        """Models whose process waits for work."""
        return frozenset(
            model
            for model, worker in self._workers.items()
            if worker.status is WorkerState.IDLE and model not in self._leaving
        )

    @property
    def problems(self) -> dict[str, str]:
        """Models that cannot be opened."""
        return {
            f"model {model}": worker.problem
            for model, worker in self._workers.items()
            if worker.problem
        }

    @property
    def started(self) -> dict[str, int]:
        """Model → processes started so far."""
        return {model: worker.started for model, worker in self._workers.items()}

    def spec_of(self, model: str) -> object:
        """What the model needs, once it has been open."""
        worker = self._workers.get(model)
        return None if worker is None else worker.hello

    def reconfigure(self, workspace: Workspace, models: Iterable[str]) -> None:
        """Go on with other settings and models; runs under way end as they began."""
        self._workspace = workspace
        wanted = set(models)
        self._leaving = self._workers.keys() - wanted
        for model in wanted:
            if model in self._workers:
                self._workers[model].reconfigure(workspace)
            else:
                self._workers[model] = Worker(self._opener, model, workspace, self._clock)

    def submit(self, model: str, reference_time: datetime, *, force: bool) -> bool:
        """Begin a run; False if the process cannot take it."""
        if not self._workers[model].submit(ForecastJob(reference_time, force)):
            return False
        self.running[model] = reference_time
        return True

    def poll(self) -> list[tuple[str, datetime, AttemptResult]]:
        """Runs that have ended since the last call: model, cycle and result."""
        ended = []
        for model, worker in list(self._workers.items()):
            if model in self._leaving and model not in self.running:
                worker.close()
                del self._workers[model]
                continue
            ended += [
                (model, self.running.pop(model), self._result(message))
                for message in worker.poll()
                if isinstance(message, Answer | Failure) and model in self.running
            ]
            if model in self.running and worker.status is not WorkerState.BUSY:
                lost = AttemptResult(ExitKind.CRASHED, "its process was replaced without an answer")
                ended.append((model, self.running.pop(model), lost))
        return ended

    def abandon(self, reason: str) -> list[tuple[str, datetime, AttemptResult]]:
        """End all processes now; the runs that were under way."""
        self.close()
        ended = [
            (model, cycle, AttemptResult(ExitKind.ABANDONED, reason))
            for model, cycle in self.running.items()
        ]
        self.running.clear()
        return ended

    def close(self) -> None:
        """End all processes now."""
        for worker in self._workers.values():
            worker.close()

    def _result(self, message: Answer | Failure) -> AttemptResult:
        if isinstance(message, Failure):
            return AttemptResult(message.kind, message.reason)
        done = message.value
        if not isinstance(done, ForecastDone):
            return AttemptResult(
                ExitKind.ERROR, f"the process answered with a {type(done).__name__}"
            )
        path = Path(done.path)
        inside = path.is_relative_to(self._workspace.root)
        return AttemptResult(
            kind=ExitKind.UNCHANGED if done.unchanged else ExitKind.PUBLISHED,
            reason=done.note,
            seconds=done.seconds,
            product=str(path.relative_to(self._workspace.root) if inside else path),
            leads=done.leads,
        )
