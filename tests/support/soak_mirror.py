"""What the service should have come to: the same deliveries, and nothing ever goes wrong.

The rules of a cycle are said here once more, hour by hour and in plain words; the ingest and the
forecast are the real ones, called in order in one process.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from met2net_ops.forecast.forecaster import Forecaster
from met2net_ops.forecast.inputs import catalog_origins
from met2net_ops.forecast.run import run_cycle
from met2net_ops.forecast.window import frame_table
from met2net_ops.ingest.pipeline import open_session
from met2net_ops.models.selection import choose_forecaster
from met2net_ops.paths import WorkspacePaths
from met2net_ops.settings import Settings
from met2net_ops.times import HOUR
from met2net_ops.workspace import Workspace


@dataclass
class Expected:
    """What should have become of a cycle.

    Attributes:
        state: "waiting", "late", "published", "expired" or "skipped".
        was_late: whether its deadline passed before it could start.
        product: the right product; None without.
    """

    state: str = "waiting"
    was_late: bool = False
    product: Path | None = None


@dataclass
class Mirror:
    """A workspace beside the one that is served.

    Attributes:
        workspace: where it lies.
        settings: the same as those of the service.
        catch_up: how many missed cycles a service that comes back enters.
        cycles: what should have become of them.
        seen: the latest time that the service's clock has shown, rightly or not.
    """

    workspace: WorkspacePaths
    settings: Settings
    catch_up: int
    cycles: dict[datetime, Expected] = field(default_factory=dict)
    seen: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Mirror:
        self._session = self._stack.enter_context(
            open_session(Workspace(self.workspace, self.settings), 1)
        )
        source = Workspace(self.workspace, self.settings).analyses
        self.forecaster: Forecaster = choose_forecaster(
            Workspace(self.workspace, self.settings), source
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def deliver(self, path: Path, now: datetime) -> None:
        """A file has come."""
        list(self._session.read([path]))
        self.look(now)

    def expect(self, cycles: list[datetime]) -> None:
        """These have become due, oldest first; beyond the newest `catch_up` they are left out."""
        for place, cycle in enumerate(reversed(cycles)):
            self.cycles[cycle] = Expected("waiting" if place < self.catch_up else "skipped")

    def is_entered(self, cycle: datetime) -> bool:
        """Whether the service has entered that cycle: each hour it enters the next one, too."""
        return cycle - HOUR <= self.seen

    def show(self, now: datetime) -> None:
        """The service's clock shows that time."""
        self.seen = max(self.seen, now)

    def look(self, now: datetime) -> None:
        """What has changed for the cycles that are open, now that the service is there."""
        self.show(now)
        schedule = self.settings.schedules[0]
        source = Workspace(self.workspace, self.settings).analyses
        gap = self.settings.forecast.max_gap_frames
        for cycle, expected in self.cycles.items():
            if expected.state not in ("waiting", "late"):
                continue
            table = frame_table(source, self.forecaster.spec, cycle, gap)
            due = now >= cycle + schedule.deadline
            if table.present.all() or (due and table.complete and now < cycle + schedule.expire):
                result = run_cycle(
                    self.forecaster, source, Workspace(self.workspace, self.settings), cycle,
                    origins=catalog_origins(Workspace(self.workspace, self.settings).catalog),
                )  # fmt: skip
                expected.state, expected.product = "published", result.path
            elif now >= cycle + schedule.expire:
                expected.state = "expired"
            elif due:
                expected.state, expected.was_late = "late", True

    def can_bear(self, jump: timedelta, now: datetime) -> bool:
        """Whether a clock that is ahead for a moment makes no cycle start with gaps filled."""
        source = Workspace(self.workspace, self.settings).analyses
        gap = self.settings.forecast.max_gap_frames
        hours = int(jump / HOUR) + 2
        ahead = [max(self.cycles, default=now) + n * HOUR for n in range(1, hours)]
        waiting = [c for c, e in self.cycles.items() if e.state in ("waiting", "late")]
        return not any(
            frame_table(source, self.forecaster.spec, cycle, gap).complete
            for cycle in waiting + ahead
        )
