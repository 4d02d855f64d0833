"""What the service tells others while it runs, and the seams through which it does.

The service calls a seam from its only loop: what is passed in must return at once and do slow work
in a thread or process of its own. What a seam raises is logged, shown by `status` as a problem and
costs nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from met2net_ops.service.states import State
    from met2net_ops.settings import Settings


class EventKind(StrEnum):
    """What a hook can be told of."""

    LATE = "late"  # the deadline has passed and there is no forecast
    FAILED = "failed"  # there will be no forecast: attempts are used up, or it has expired
    REJECTED = "rejected"  # there is one, but the gate refused it
    RECOVERED = "recovered"  # the forecast is out after all, after one of the others


@dataclass(frozen=True, slots=True)
class Event:
    """Something about a cycle that people want to know.

    Told at least once: after the service was killed it may come again, with the same `id`.

    Attributes:
        id: counts up in this workspace.
        kind: what happened.
        at: when.
        model: name of the model.
        reference_time: the cycle.
        state: where the cycle stood when it was told.
        reason: why, for people.
        attempts: how many there have been.
        product: the published file, relative to the workspace; "" without.
    """

    id: int
    kind: EventKind
    at: datetime
    model: str
    reference_time: datetime
    state: State
    reason: str
    attempts: int
    product: str


class Phase(StrEnum):
    """The life of the service, as a service manager wants to hear of it."""

    READY = "ready"  # it has started, or is done reloading
    RELOADING = "reloading"
    STOPPING = "stopping"
    STOPPED = "stopped"  # the last call of all


@dataclass(frozen=True, slots=True)
class Snapshot:
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
    states: Mapping[tuple[str, State], int] = field(default_factory=dict)
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
class Seams:
    """What is connected to the service; every call must return at once.

    Attributes:
        on_event: a cycle is late, failed, was rejected or recovered: hooks.
        on_round: after every round, about once a second: a sign of life.
        on_tick: after a round that had something to decide, and now and then: metrics, and
            retention when its time has come.
        on_phase: the service is ready, reloads, stops, with a line for people: sd_notify.
        on_settings: once before the first round, and after every reload that held.
    """

    on_event: Callable[[Event], None] = _ignore
    on_round: Callable[[], None] = _ignore
    on_tick: Callable[[Snapshot], None] = _ignore
    on_phase: Callable[[Phase, str], None] = _ignore
    on_settings: Callable[[Settings], None] = _ignore
