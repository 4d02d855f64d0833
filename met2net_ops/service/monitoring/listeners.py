"""What the service tells others while it runs, and the listeners it tells.

The service calls a listener from its only loop: a listener must return at once and do slow work in
a thread or process of its own. What a listener raises is logged, shown by `status` as a problem and
affects nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from met2net_ops.service.ledger.events import CycleEvent
    from met2net_ops.service.ledger.states import CycleState
    from met2net_ops.settings import Settings


class ServicePhase(StrEnum):
    """The life of the service, as a service manager wants to hear of it."""

    READY = "ready"  # it has started, or is done reloading
    RELOADING = "reloading"
    STOPPING = "stopping"
    STOPPED = "stopped"  # the last call of all


@dataclass(frozen=True, slots=True)
class ServiceSnapshot:
    """How the service stands after one round of its loop.

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
        tick_seconds: how long this round took.
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
    tick_seconds: float = 0.0


def _ignore(*_: object) -> None:
    """What a seam does where nothing is connected to it."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """What is connected to the service; every call must return at once.

    Attributes:
        on_event: a cycle is late, failed, was rejected or recovered: hooks.
        on_round: after every round, about once a second: a sign of life.
        on_tick: after a round that had something to decide, and now and then: metrics, and
            retention when its time has come.
        on_phase: the service is ready, reloads, stops, with a line for people: sd_notify.
        on_settings: once before the first round, and after every reload that held.
    """

    on_event: Callable[[CycleEvent], None] = _ignore
    on_round: Callable[[], None] = _ignore
    on_tick: Callable[[ServiceSnapshot], None] = _ignore
    on_phase: Callable[[ServicePhase, str], None] = _ignore
    on_settings: Callable[[Settings], None] = _ignore
