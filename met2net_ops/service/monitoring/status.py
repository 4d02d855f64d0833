"""How a deployment stands, in one word a monitor understands, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from met2net_ops.service.ledger.reader import open_ledger_reader
from met2net_ops.service.ledger.states import BAD, GOOD, OPEN, CycleState
from met2net_ops.service.lock import lock_holder
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from met2net_ops.service.ledger.reader import LedgerReader
    from met2net_ops.service.ledger.records import Cycle, Heartbeat
    from met2net_ops.service.lock import Holder
    from met2net_ops.workspace import Workspace

_RECENT = timedelta(days=7)
_SILENT = timedelta(minutes=5)  # without a sign of life for longer it hangs


class Level(StrEnum):
    """How it stands, best first; see `EXIT_CODES`."""

    FINE = "fine"
    LATE = "late"
    FAILING = "failing"
    STOPPED = "stopped"


EXIT_CODES = {Level.FINE: 0, Level.LATE: 1, Level.FAILING: 2, Level.STOPPED: 3}
"""As Nagios, Icinga and their like read them: OK, warning, critical, unknown."""


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One model.

    Attributes:
        model: its name.
        level: fine, late or failing.
        reason: why it is not fine.
        newest: reference time of the newest forecast that is out; None without.
        published_at: when that came out.
        next: the next reference time; None if none is known.
        states: state → how many cycles of the last week, and open ones.
    """

    model: str
    level: Level
    reason: str
    newest: datetime | None
    published_at: datetime | None
    next: datetime | None
    states: Mapping[CycleState, int]


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """The whole deployment.

    Attributes:
        level: the worst of all.
        reasons: why it is not fine.
        holder: who serves; None if nobody does.
        pulse: the service's last sign of life.
        models: one line each.
    """

    level: Level
    reasons: tuple[str, ...]
    holder: Holder | None
    pulse: Heartbeat | None
    models: tuple[ModelStatus, ...]


def status(workspace: Workspace, now: datetime) -> DeploymentStatus:
    """How the workspace stands; only looks.

    Raises:
        ServiceError: the ledger cannot be read.
    """
    ledger = open_ledger_reader(workspace.paths)
    holder, pulse = lock_holder(workspace.paths), ledger.pulse()
    models = sorted({one.model for one in workspace.settings.schedules})
    lines = tuple(_model(ledger, model, now) for model in models)
    reasons = [f"{line.model}: {line.reason}" for line in lines if line.reason]
    levels = [line.level for line in lines]
    if holder is None or not holder.serves:
        levels.append(Level.STOPPED)
        reasons.insert(0, _stopped(pulse))
    else:
        own = _own(pulse, holder)
        since = holder.since if own is None else own.at
        if since is not None and abs(now - since) > _SILENT:  # a clock set back is seen at once
            levels.append(Level.STOPPED)
            reasons.insert(0, f"the service hangs: no sign of life since {format_time(since)}")
        if own is not None and own.problems:
            levels.append(Level.FAILING)
            reasons += [f"{part}: {problem}" for part, problem in own.problems.items()]
    order = list(Level)
    level = max([Level.FINE, *levels], key=order.index)
    return DeploymentStatus(level, tuple(reasons), holder, pulse, lines)


def _own(pulse: Heartbeat | None, holder: Holder) -> Heartbeat | None:
    """The sign of life, if it is of the service that holds the lock and not of one before."""
    if pulse is None or (holder.since is not None and pulse.started < holder.since):
        return None
    return pulse


def _stopped(pulse: Heartbeat | None) -> str:
    if pulse is None:
        return "the service has never run; `met2net-ops serve` starts it"
    if pulse.ended is None:
        last = format_time(pulse.at)
        return f"the service does not run; it ended without notice after {last}"
    return f"the service does not run; it was ended at {format_time(pulse.ended)}"


def _model(ledger: LedgerReader, model: str, now: datetime) -> ModelStatus:
    unfinished = ledger.cycles(model, states=OPEN)
    shown = {one.reference_time: one for one in ledger.cycles(model, since=now - _RECENT)}
    shown |= {one.reference_time: one for one in unfinished}
    counts = Counter(one.state for one in shown.values())
    good = next(iter(ledger.cycles(model, states=GOOD, limit=1)), None)
    ahead = [time for time in shown if time > now]
    ended = next(iter(ledger.cycles(model, states=GOOD | BAD, backfill=False, limit=1)), None)
    level, reason = _judge(ended, [one for one in unfinished if not one.backfill])
    return ModelStatus(
        model=model,
        level=level,
        reason=reason,
        newest=None if good is None else good.reference_time,
        published_at=None if good is None else good.published_at,
        next=min(ahead, default=None),
        states=counts,
    )


def _judge(ended: Cycle | None, unfinished: Iterable[Cycle]) -> tuple[Level, str]:
    """Failing if the newest cycle that came to an end has no forecast; late if one is due."""
    if ended is not None and ended.state in BAD:
        first = ended.reason.partition("\n")[0]
        return Level.FAILING, f"{format_time(ended.reference_time)} {ended.state}: {first}"
    for cycle in unfinished:
        # One that is made anew is out already, however late that was.
        overdue = (
            cycle.late_at is not None
            and cycle.published_at is None
            and cycle.state in (CycleState.READY, CycleState.RUNNING)
        )
        if cycle.state is CycleState.LATE or overdue:
            first = cycle.reason.partition("\n")[0]
            return Level.LATE, f"{format_time(cycle.reference_time)} is late: {first}"
    return Level.FINE, ""
