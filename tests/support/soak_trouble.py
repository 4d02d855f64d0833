"""What goes wrong around the service under soak, while a file arrives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from soak_checks import eventually
from soak_clock import SetClock
from soak_desk import full, locked
from soak_findings import Findings
from soak_mirror import Mirror
from soak_plan import Trouble
from soak_process import ServiceProcess
from soak_service import BUSY_S

from met2net_ops.paths import WorkspacePaths
from met2net_ops.service.ledger.reader import open_ledger_reader
from met2net_ops.times import format_time


class Troubles:
    """Makes them, and ends them again."""

    def __init__(
        self,
        disk: Path,
        workspace: WorkspacePaths,
        clock: SetClock,
        service: ServiceProcess,
        mirror: Mirror,
        findings: Findings,
        patience: float,
    ) -> None:
        self._disk = disk
        self._workspace = workspace
        self._clock = clock
        self._service = service
        self._mirror = mirror
        self._findings = findings
        self._patience = patience
        self._ledger = open_ledger_reader(workspace)

    @contextmanager
    def around(self, trouble: Trouble | None) -> Iterator[None]:
        """Something goes wrong around the arrival of a file."""
        if trouble is None or trouble is Trouble.DOWN:
            yield
            return
        jump = timedelta(hours=5 if trouble is Trouble.CLOCK_AHEAD else -7)
        if trouble is Trouble.CLOCK_AHEAD and not self._mirror.can_bear(jump, self._clock.now()):
            yield
            return
        self._findings.happened[trouble] += 1
        match trouble:
            case Trouble.KILLED:
                yield
                time.sleep(float(np.random.default_rng(self._findings.happened[trouble]).random()))
                self._service.kill()
                self._service.start()
                self._findings.happened["service started"] += 1
            case Trouble.DISK_FULL:
                with full(self._disk):
                    yield
                    time.sleep(1.5)
            case Trouble.LEDGER_LOCKED:
                with locked(self._workspace.ledger):
                    yield
                    time.sleep(2.0 * BUSY_S)
            case Trouble.CATALOG_LOCKED:
                with locked(self._workspace.catalog):
                    yield
                    time.sleep(1.5)
            case Trouble.CLOCK_AHEAD | Trouble.CLOCK_BACK:
                now = self._clock.now()
                self._clock.set(now + jump)
                self._mirror.show(now + jump)
                self._beaten(now + jump)
                self._clock.set(now)
                yield
            case Trouble.RELOAD | Trouble.BAD_RELOAD:
                file = self._workspace.settings_file
                before = file.read_text()
                if trouble is Trouble.BAD_RELOAD:
                    file.write_text(before + "\n[nonsense]\n")
                self._service.reload()
                time.sleep(0.5)
                file.write_text(before)
                yield

    def _beaten(self, now: datetime) -> None:
        """Wait until the service has gone round at that time."""

        # Heartbeats carry the machine's time. The second one from here on is of a whole round.
        since, beats = datetime.now(UTC), set[datetime]()

        def went_round() -> bool:
            heartbeat = self._ledger.heartbeat()
            if heartbeat is not None and heartbeat.at > since:
                beats.add(heartbeat.at)
            return len(beats) >= 2

        if not eventually(self._patience, went_round):
            self._findings.wrong.append(
                f"the service never saw that the clock showed {format_time(now)}"
            )
