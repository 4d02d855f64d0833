"""Hooks, metrics, systemd and retention, connected to the listeners of a service.

Hooks are called on events, monitors and systemd get the state of the service, and retention runs
once a day. Everything slow happens in threads of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from met2net_ops.errors import Met2NetOpsError
from met2net_ops.service.monitoring.hooks import Hooks
from met2net_ops.service.monitoring.listeners import Listeners, ServicePhase
from met2net_ops.service.monitoring.metrics import MetricsBoard, MetricsServer, Seen
from met2net_ops.service.monitoring.systemd import SystemdNotifier, systemd_notifier
from met2net_ops.service.retention import plan_retention, present, retain

if TYPE_CHECKING:
    from datetime import datetime

    from met2net_ops.feeds.run import Lateness
    from met2net_ops.service.ledger.events import CycleEvent
    from met2net_ops.service.monitoring.listeners import ServiceSnapshot
    from met2net_ops.service.retained_data import SpecOf
    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace

_RETENTION_EVERY = timedelta(days=1)
_CLOSING_S = 5.0  # for hooks to finish what is queued

_log = logging.getLogger(__name__)


class Integrations:
    """Hooks, metrics, service manager and retention of one service.

    Pass `listeners` to the service; everything else follows from what it calls.
    """

    def __init__(
        self, workspace: Workspace, spec_of: SpecOf, manager: SystemdNotifier | None = None
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            workspace: that is served.
            spec_of: the model of a name, None if there is none; called in a thread.
            manager: the service manager; by default the one the environment names.
        """
        self.board = MetricsBoard(workspace.root)
        self.server: MetricsServer | None = None
        self._workspace = workspace
        self._spec_of = spec_of
        self._manager = manager or systemd_notifier()
        self._settings: Settings | None = None
        self._hooks: Hooks | None = None
        self._retired: list[Hooks] = []
        self._retained: datetime | None = None
        self._retention: threading.Thread | None = None
        self._stopping = threading.Event()
        self._last_alive = float("-inf")
        self._late: dict[str, Lateness] = {}

    @property
    def listeners(self) -> Listeners:
        """What to connect."""
        return Listeners(
            on_event=self._event,
            on_round=self._round,
            on_snapshot=self._on_snapshot,
            on_phase=self._phase,
            on_settings=self._change,
        )

    def _change(self, settings: Settings) -> None:
        before, self._settings = self._settings, settings
        if before is None or before.hooks != settings.hooks:
            if self._hooks is not None:
                self._hooks.retire()
                self._retired = [one for one in self._retired if one.busy] + [self._hooks]
            self._hooks = Hooks(self._workspace.paths, settings.hooks)
        if before is not None and before.monitor != settings.monitor and self.server is not None:
            self.server.close()
            self.server = None
        self._listen(settings)

    def _listen(self, settings: Settings) -> None:
        """Listen if that is wanted; where the address is in use, the next snapshot tries again."""
        address, port = settings.monitor.address, settings.monitor.port
        if self.server is not None or port is None:
            return
        self.server = MetricsServer(self.board, address, port)
        host = f"[{address}]" if ":" in address else address
        where = f"http://{host}:{self.server.port}/metrics"
        _log.info("metrics can be read", extra={"url": where})

    def _event(self, event: CycleEvent) -> None:
        if self._hooks is not None:
            self._hooks.fire(str(event.kind), facts_of(event))

    def _on_snapshot(self, snapshot: ServiceSnapshot) -> None:
        assert self._settings is not None
        self._call_for_sources(snapshot)
        hooks = {} if self._hooks is None else self._hooks.counts()
        self.board.seen = Seen(snapshot, hooks)
        busy = self._retention is not None and self._retention.is_alive()
        # In both directions: the clock may have been set back.
        due = self._retained is None or abs(snapshot.at - self._retained) >= _RETENTION_EVERY
        if due and not busy:
            self._retained = snapshot.at
            self._retention = threading.Thread(
                target=self._retain, args=(self._settings, snapshot.at), name="retention",
                daemon=True,
            )  # fmt: skip
            self._retention.start()
        self._listen(self._settings)

    def _call_for_sources(self, snapshot: ServiceSnapshot) -> None:
        """Call hooks for sources that have become late, or are late no longer."""
        before, self._late = self._late, dict(snapshot.late)
        if self._hooks is None:
            return
        for feed in self._late.keys() - before.keys():
            self._hooks.fire("late", facts_of_source(feed, self._late[feed], snapshot.at))
        for feed in before.keys() - self._late.keys():
            self._hooks.fire("recovered", facts_of_source(feed, before[feed], snapshot.at))

    def _round(self) -> None:
        """Feed the watchdogs: from the loop itself, so that nothing feeds them when it hangs."""
        self.board.round_completed()
        every, now = self._manager.alive_every, time.monotonic()
        if every is not None and now - self._last_alive >= every.total_seconds():
            self._last_alive = now
            self._manager.alive()

    def _phase(self, phase: ServicePhase, line: str) -> None:
        match phase:
            case ServicePhase.READY:
                self._manager.ready(line)
            case ServicePhase.RELOADING:
                self._manager.reloading()
            case ServicePhase.STOPPING:
                self._manager.stopping(line)
            case ServicePhase.STOPPED:
                self._end()

    def _retain(self, settings: Settings, now: datetime) -> None:
        try:
            workspace = self._workspace.with_settings(settings)
            plan = plan_retention(workspace, present(workspace, now), self._spec_of)
            retain(workspace, plan, should_stop=self._stopping.is_set)
        except (Met2NetOpsError, OSError) as error:
            _log.error("nothing was removed", extra={"reason": str(error)})
        except Exception:
            _log.exception("retention broke off")

    def _end(self) -> None:
        self._stopping.set()
        if self._hooks is not None:
            self._hooks.close(_CLOSING_S)
        for hooks in self._retired:
            hooks.close(0.0)
        if self.server is not None:
            self.server.close()
        if self._retention is not None:
            self._retention.join(_CLOSING_S)


def facts_of(event: CycleEvent) -> dict[str, Any]:
    """What hooks get about an event, besides its kind."""
    return {
        "id": event.id,
        "at": event.at,
        "model": event.model,
        "cycle": event.reference_time,
        "state": str(event.state),
        "reason": event.reason,
        "attempts": event.attempts,
        "product": event.product,
    }


def facts_of_source(feed: str, late: Lateness, at: datetime) -> dict[str, Any]:
    """What hooks get about a source that is late, or was."""
    return {
        "at": at,
        "feed": feed,
        "source": late.file.source.name,
        "cycle": late.file.reference_time,
        "since": late.since,
        "reason": str(late),
    }
