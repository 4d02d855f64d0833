"""What to do now, decided from the ledger, the schedules and the archive.

`decide` is a pure function from the present state to a list of decisions; the service carries them
out. Time comes in as an argument, so that every rule here can be tested at any moment of any clock,
one that jumps included.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from met2net_ops.service.ledger.changes import Enter, LedgerSnapshot, Move
from met2net_ops.service.ledger.events import EventKind
from met2net_ops.service.ledger.states import CycleState
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from met2net_ops.service.ledger.records import Cycle
    from met2net_ops.service.scheduler.schedule import Schedule
    from met2net_ops.settings import ServeSettings

LONGEST_DOWNTIME = timedelta(days=366)  # beyond it nothing is entered: a clock may be years wrong

_BEFORE_RUN = (CycleState.EXPECTED, CycleState.WAITING, CycleState.LATE)


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the archive has for a cycle.

    Attributes:
        complete: every frame of the window is there.
        startable: it can start, with gaps filled where the rules allow it.
        detail: what is missing, or will be filled, in words.
    """

    complete: bool
    startable: bool
    detail: str


class ReadinessProbe(Protocol):
    """Looks into the archive."""

    def __call__(self, model: str, reference_time: datetime) -> Readiness:
        """What there is for this cycle; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Start:
    """Begin an attempt of a cycle that is ready."""

    model: str
    reference_time: datetime


Decision = Enter | Move | Start


def decide(
    now: datetime,
    snapshot: LedgerSnapshot,
    schedules: Sequence[Schedule],
    settings: ServeSettings,
    probe: ReadinessProbe,
    idle: frozenset[str],
    room: int = 1,
) -> list[Decision]:
    """Decide what to do.

    Args:
        now: wall clock.
        snapshot: what the ledger knows.
        schedules: which cycles there are.
        settings: how many to catch up, how long a run may take.
        probe: asked once for every cycle that has not run yet and whose time has come.
        idle: models whose process is waiting for work.
        room: how many more cycles may run.

    Returns:
        New cycles first, then changes of state, then at most `room` starts, one per idle model:
        scheduled cycles before those of a backfill, the newest first.
    """
    by_model = {schedule.model: schedule for schedule in schedules}
    known = {(cycle.model, cycle.reference_time) for cycle in snapshot.cycles}
    known |= snapshot.by_operator
    decisions: list[Decision] = []
    for schedule in schedules:
        newest = snapshot.newest.get(schedule.model)
        decisions += _due(now, schedule, newest, settings.catch_up, known)
    ready: list[Cycle] = []
    for cycle in snapshot.cycles:
        move = _judge(now, cycle, by_model.get(cycle.model), settings, probe)
        if move is not None:
            decisions.append(move)
        after = move.after if move is not None else cycle.state
        if after is CycleState.READY:
            ready.append(cycle)
    # New cycles come first, being newer: they are considered in the next decision, at once.
    new = {
        one.model for one in decisions if isinstance(one, Enter) and one.state is CycleState.WAITING
    }
    return decisions + _starts(now, ready, settings, idle - new)[: max(room, 0)]


def _due(
    now: datetime,
    schedule: Schedule,
    newest: datetime | None,
    catch_up: int,
    known: set[tuple[str, datetime]],
) -> Iterator[Enter]:
    """Cycles the ledger lacks: those since the newest it knows, and the next one ahead."""
    since = now - schedule.expire if newest is None else max(newest, now - LONGEST_DOWNTIME)
    times = list(schedule.between(since, now))
    if newest is None:
        yield from _first(now, schedule, times[-1:], known)
        times = []
    for place, time in enumerate(reversed(times)):  # 0 is the newest
        if (schedule.model, time) in known:
            continue
        if place < catch_up or place == 0:
            yield _enter(schedule, time, CycleState.WAITING, "")
        else:
            reason = (
                f"missed while the service was not running; it makes up for the newest {catch_up}"
            )
            yield _enter(schedule, time, CycleState.SKIPPED, reason)
    ahead = schedule.following(now)
    if ahead is not None and (schedule.model, ahead) not in known:
        yield _enter(schedule, ahead, CycleState.EXPECTED, "")


def _first(
    now: datetime,
    schedule: Schedule,
    newest: Sequence[datetime],
    known: set[tuple[str, datetime]],
) -> Iterator[Enter]:
    """The newest cycle of a model that was never scheduled before; earlier ones were not missed.

    Where its deadline has passed already, it runs if its data are there, but alarms nobody: there
    was no service that could have been late.
    """
    for time in newest:
        if (schedule.model, time) in known:
            continue
        if now < time + schedule.deadline:
            yield _enter(schedule, time, CycleState.WAITING, "")
        else:
            reason = "its deadline passed before the first start of the service"
            yield replace(_enter(schedule, time, CycleState.WAITING, reason), backfill=True)


def _enter(schedule: Schedule, time: datetime, state: CycleState, reason: str) -> Enter:
    return Enter(
        schedule.model, time, state, time + schedule.deadline, time + schedule.expire, reason
    )


def _judge(
    now: datetime,
    cycle: Cycle,
    schedule: Schedule | None,
    settings: ServeSettings,
    probe: ReadinessProbe,
) -> Move | None:
    """The next state of one cycle; None if it stays as it is."""
    if cycle.state in (CycleState.EXPIRED, CycleState.SKIPPED):
        return _reopened(now, cycle, schedule)
    if cycle.state in _BEFORE_RUN:
        return _before_run(now, cycle, schedule, settings, probe)
    # The window of a backfill is complete and nobody waits for it: it only waits for its turn.
    patient = cycle.backfill and schedule is not None
    if cycle.state is CycleState.READY and now >= cycle.expires and not patient:
        return _expired(cycle, "it was ready, but could not be run in time")
    if cycle.state in (CycleState.READY, CycleState.RUNNING):
        return _overdue(now, cycle, settings)
    return None


def _reopened(now: datetime, cycle: Cycle, schedule: Schedule | None) -> Move | None:
    """A cycle given up at a time in the future: the clock was ahead, and has been set back."""
    by_operator = bool(cycle.history) and cycle.history[-1].by != "service"
    if by_operator or schedule is None:
        return None
    ahead = cycle.reference_time > now
    too_early = ahead if cycle.state is CycleState.SKIPPED else now < cycle.expires
    if not too_early or (ahead and not schedule.has(cycle.reference_time)):
        return None
    return _move(cycle, CycleState.EXPECTED if ahead else CycleState.WAITING, "the clock went back")


def _before_run(
    now: datetime,
    cycle: Cycle,
    schedule: Schedule | None,
    settings: ServeSettings,
    probe: ReadinessProbe,
) -> Move | None:
    if cycle.reference_time > now:
        if schedule is None or not schedule.has(cycle.reference_time):
            if cycle.state is CycleState.EXPECTED and not cycle.backfill:
                return _move(cycle, CycleState.SKIPPED, "it is no longer in the schedule")
            return None
        if cycle.state is CycleState.EXPECTED:
            return None
        return _move(cycle, CycleState.EXPECTED, "the clock went back")
    expired = now >= cycle.expires
    if expired and not cycle.backfill:
        return _expired(cycle, cycle.reason or "the service was not running")
    window = probe(cycle.model, cycle.reference_time)
    due = cycle.backfill or now >= cycle.deadline
    if window.complete:
        return _move(cycle, CycleState.READY, "its window is complete")
    if due and window.startable:
        return _move(cycle, CycleState.READY, window.detail)
    if expired:  # of a long backfill, a cycle may be considered no sooner
        return _expired(cycle, window.detail)
    if due and not cycle.backfill:
        if cycle.state is CycleState.LATE:
            return None
        return _move(cycle, CycleState.LATE, window.detail, EventKind.LATE)
    if cycle.state is CycleState.LATE:
        return _move(cycle, CycleState.WAITING, "the clock went back")
    if cycle.state is CycleState.EXPECTED:
        return _move(cycle, CycleState.WAITING, window.detail)
    return None


def _expired(cycle: Cycle, why: str) -> Move:
    reason = f"no forecast by {format_time(cycle.expires)}: {why}"
    return _move(cycle, CycleState.EXPIRED, reason, None if cycle.backfill else EventKind.FAILED)


def _overdue(now: datetime, cycle: Cycle, settings: ServeSettings) -> Move | None:
    """Report once that a cycle which could start is not published in time."""
    grace = timedelta(seconds=settings.timeout_seconds)
    if cycle.late_at is not None or cycle.backfill or now < cycle.deadline + grace:
        return None
    reason = f"the forecast was due by {format_time(cycle.deadline)}"
    return _move(cycle, cycle.state, reason, EventKind.LATE)


def _move(cycle: Cycle, after: CycleState, reason: str, event: EventKind | None = None) -> Move:
    return Move(cycle.model, cycle.reference_time, cycle.state, after, reason, event)


def _starts(
    now: datetime, ready: Iterable[Cycle], settings: ServeSettings, idle: frozenset[str]
) -> list[Start]:
    """One start per idle model."""
    patience = timedelta(seconds=max(settings.retry_seconds, settings.retry_max_seconds))

    def may(cycle: Cycle) -> bool:
        wait = cycle.not_before
        # Longer than any wait we ever set: the clock went back since.
        return wait is None or now >= wait or wait - now > patience

    def order(cycle: Cycle) -> tuple[bool, float]:
        return cycle.backfill, -cycle.reference_time.timestamp()

    taken: set[str] = set()
    starts = []
    for cycle in sorted(filter(may, ready), key=order):
        if cycle.model in idle and cycle.model not in taken:
            taken.add(cycle.model)
            starts.append(Start(cycle.model, cycle.reference_time))
    return starts
