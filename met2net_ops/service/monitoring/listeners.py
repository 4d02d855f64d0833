"""What the service reports while it runs, and the functions that it calls with it.

The service calls a listener from its only loop: a listener must return at once and do slow work in
a thread or process of its own. An exception of a listener is logged, shown by `status` as a problem
and affects nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from met2net_ops.feeds.run import Lateness
    from met2net_ops.service.ledger.events import CycleEvent
    from met2net_ops.service.ledger.states import CycleState
    from met2net_ops.settings import Settings


class ServicePhase(StrEnum):
    """Phases of the service, as service managers distinguish them."""

    READY = "ready"  # it has started, or is done reloading
    RELOADING = "reloading"
    STOPPING = "stopping"
    STOPPED = "stopped"  # the last call of all


@dataclass(frozen=True, slots=True)
class FileCounts:
    """Files read since the service started.

    Attributes:
        read: GRIB files.
        refused: of them, those in which something was refused.
        imported: files of station reports.
    """

    read: int = 0
    refused: int = 0
    imported: int = 0

    def __add__(self, other: FileCounts) -> FileCounts:
        return FileCounts(
            self.read + other.read, self.refused + other.refused, self.imported + other.imported
        )


@dataclass(frozen=True, slots=True)
class ServiceSnapshot:
    """The state of the service after one round of its loop.

    Attributes:
        at: wall clock, UTC.
        started: when the service started.
        states: (model, state) → how many cycles, of those that are open or younger than a week.
        newest_published: model → reference time of its newest published cycle.
        next_expected: model → the next reference time.
        attempts: (model, how it ended) → how many, since the service started.
        children_started: model → child processes started since the service started.
        seconds: model → stage timings of its last published cycle.
        files_read: GRIB files read since the service started.
        files_refused: of them, those in which something was refused.
        problems: component → what is wrong with it now.
        late: feed → the file of its source that has been late for longest.
        round_seconds: how long this round took.
    """

    at: datetime
    started: datetime
    states: Mapping[tuple[str, CycleState], int] = field(default_factory=dict)
    newest_published: Mapping[str, datetime] = field(default_factory=dict)
    next_expected: Mapping[str, datetime] = field(default_factory=dict)
    attempts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    children_started: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    files_read: int = 0
    files_refused: int = 0
    problems: Mapping[str, str] = field(default_factory=dict)
    late: Mapping[str, Lateness] = field(default_factory=dict)
    round_seconds: float = 0.0


def _ignore(*_: object) -> None:
    """The default listener."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Functions that the service calls; every one must return at once.

    Attributes:
        on_event: a cycle is late, failed, was rejected or has recovered: for hooks.
        on_round: after every round, about once a second: for watchdogs.
        on_snapshot: after a round with decisions, and at least every half minute: for metrics, and
            for retention when it is due.
        on_phase: the service is ready, reloads or stops, with a line for people: for sd_notify.
        on_settings: once before the first round, and after every reload that was accepted.
    """

    on_event: Callable[[CycleEvent], None] = _ignore
    on_round: Callable[[], None] = _ignore
    on_snapshot: Callable[[ServiceSnapshot], None] = _ignore
    on_phase: Callable[[ServicePhase, str], None] = _ignore
    on_settings: Callable[[Settings], None] = _ignore
