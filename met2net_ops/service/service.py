"""The service of one workspace, as its callers see it: run, stop, reload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from met2net_ops.forecast.forecaster import ForecasterSpec
from met2net_ops.service.clock import Clock, SystemClock
from met2net_ops.service.lock import ServiceLock, take_lock
from met2net_ops.service.loop import ServiceLoop
from met2net_ops.service.monitoring.listeners import Listeners
from met2net_ops.service.scheduler.schedule import read_schedules
from met2net_ops.service.wakeup import Requests
from met2net_ops.service.workers import verification_job

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from met2net_ops.workspace import Workspace


class Service:
    """Serves one workspace, from `run` until `stop`."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        opener: str,
        clock: Clock | None = None,
        listeners: Listeners | None = None,
        verify_opener: str = verification_job.OPENER,
        only: Collection[tuple[str, datetime]] | None = None,
    ) -> None:
        """Check the settings; nothing is started yet.

        Args:
            workspace: to serve.
            opener: "module:function" that opens models in a child process, see `child`.
            clock: the system's by default.
            listeners: called with events, snapshots and phases.
            verify_opener: like `opener`, for verification.
            only: run these cycles alone, each once, then end; no feeds, no schedule.

        Raises:
            SettingsError: the schedules are not valid.
        """
        self.workspace = workspace
        self._opener = opener
        self._verify_opener = verify_opener
        self._clock = clock or SystemClock()
        self._listeners = listeners or Listeners()
        self._schedules = read_schedules(workspace.settings, self._clock.now())
        self._only = only
        self._requests = Requests()
        self._loop: ServiceLoop | None = None

    def wake(self) -> None:
        """Begin the next round at once; may be called from signal handlers and threads."""
        self._requests.wakeup.signal()

    def stop(self) -> None:
        """End in good order: runs under way get `stop_seconds`; called again, end at once."""
        self._requests.stops += 1
        self.wake()

    def reload(self) -> None:
        """Read the settings again."""
        self._requests.reload = True
        self.wake()

    def spec_of(self, model: str) -> ForecasterSpec | None:
        """What a model needs; None while it has not been opened."""
        spec = None if self._loop is None else self._loop.pool.spec_of(model)
        return spec if isinstance(spec, ForecasterSpec) else None

    @property
    def problems(self) -> dict[str, str]:
        """Part of the service itself → what is wrong with it now."""
        return {} if self._loop is None else self._loop.problems.now()

    def all_problems(self) -> dict[str, str]:
        """Part of the service, model or feed → what is wrong with it now."""
        return {} if self._loop is None else self._loop.all_problems()

    def run(self, lock: ServiceLock | None = None) -> None:
        """Serve until stopped.

        Args:
            lock: of the workspace, where it is held already; it is released at the end.

        Raises:
            ServiceError: another process serves this workspace, or the ledger cannot be opened.
            ArchiveError: the archive cannot be made or opened.
        """
        with lock or take_lock(self.workspace.paths, since=self._clock.now()) as held:
            self.workspace.create_archive()
            ledger = self.workspace.create_ledger()
            self._loop = ServiceLoop(
                self.workspace,
                self._schedules,
                ledger,
                held,
                opener=self._opener,
                verify_opener=self._verify_opener,
                clock=self._clock,
                listeners=self._listeners,
                requests=self._requests,
                wake=self.wake,
                only=self._only,
            )
            self._loop.run()
