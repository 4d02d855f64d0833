"""The state of a deployment: one level that monitors understand, and the reasons.

It does not depend on the ledger alone: the service leaves a heartbeat in its lock file as well, and
disks and files are checked here, so that a full disk or a bad `met2net.toml` hides nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from met2net_ops.errors import Met2NetOpsError, ServiceError
from met2net_ops.feeds.state import SourceState, source_states
from met2net_ops.ingest.unwanted import ADVICE, unwanted_feeds
from met2net_ops.service.ledger.reader import open_ledger_reader
from met2net_ops.service.ledger.states import BAD, GOOD, OPEN, CycleState
from met2net_ops.service.lock import lock_holder
from met2net_ops.service.storage import disk_problem, product_bytes, written_folders
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.service.ledger.reader import LedgerReader
    from met2net_ops.service.ledger.records import Cycle, Heartbeat
    from met2net_ops.service.lock import Holder
    from met2net_ops.workspace import Workspace

_RECENT = timedelta(days=7)
_SILENT = timedelta(minutes=5)  # without a heartbeat for longer it hangs


class Level(StrEnum):
    """How well it works, best first; see `EXIT_CODES`."""

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
        newest: reference time of the newest published forecast; None without.
        published_at: when that was published.
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
        heartbeat: the last one in the ledger.
        models: one line each.
        sources: how it stands with the files of remote sources.
    """

    level: Level
    reasons: tuple[str, ...]
    holder: Holder | None
    heartbeat: Heartbeat | None
    models: tuple[ModelStatus, ...]
    sources: tuple[SourceState, ...] = ()


def status(workspace: Workspace, now: datetime) -> DeploymentStatus:
    """The state of the workspace; changes nothing.

    Raises:
        ServiceError: nothing serves the workspace, and the ledger cannot be read.
    """
    models = [one.model for one in workspace.settings.schedules]
    folders = written_folders(workspace)
    seen = {"disk": disk_problem(folders, product_bytes(workspace.settings))}
    for feed in unwanted_feeds(workspace, now):
        if feed.since_a_day:
            seen[f"feed {feed.name}"] = f"{feed}; {ADVICE}"
    sources: list[SourceState] = []
    try:
        sources = source_states(workspace, now)
    except Met2NetOpsError as error:
        seen["sources"] = str(error)
    return replace(_status(workspace.paths, models, seen, now), sources=tuple(sources))


def status_without_settings(paths: WorkspacePaths, problem: str, now: datetime) -> DeploymentStatus:
    """The same where `met2net.toml` cannot be read; a running service says what it works with.

    Args:
        paths: of the workspace.
        problem: what is wrong with the settings.
        now: the current time, UTC.

    Raises:
        ServiceError: nothing serves the workspace, and the ledger cannot be read.
    """
    disk = disk_problem([paths.root, paths.products, paths.logs], 0)
    return _status(paths, [], {"settings": problem, "disk": disk}, now)


def _status(
    paths: WorkspacePaths, models: Sequence[str], seen: Mapping[str, str], now: datetime
) -> DeploymentStatus:
    """Put together what this process sees, what the service reports, and what the ledger knows."""
    holder = lock_holder(paths)
    served = holder is not None and holder.serves
    problems = {part: problem for part, problem in seen.items() if problem}
    heartbeat: Heartbeat | None = None
    lines: tuple[ModelStatus, ...] = ()
    try:
        ledger = open_ledger_reader(paths)
        heartbeat = ledger.heartbeat()
        own = holder.heartbeat if holder is not None else None
        scheduled = models or (own.models if own is not None else ledger.models())
        lines = tuple(_model(ledger, model, now) for model in sorted(set(scheduled)))
    except ServiceError as error:
        if not served:
            raise
        problems["ledger"] = str(error)
    reasons = [f"{line.model}: {line.reason}" for line in lines if line.reason]
    levels = [line.level for line in lines]
    if holder is None or not holder.serves:
        levels.append(Level.STOPPED)
        reasons.insert(0, _stopped(heartbeat))
    else:
        last, reported = _last_round(holder, heartbeat)
        problems = {**reported, **problems}
        if not paths.ledger.exists():
            gone = f"{paths.ledger} was moved away or deleted while the service runs; put it back"
            problems.setdefault("ledger", gone)
        if last is not None and abs(now - last) > _SILENT:  # a clock set back is seen at once
            levels.append(Level.STOPPED)
            reasons.insert(0, f"the service hangs: no heartbeat since {format_time(last)}")
    if problems:
        levels.append(Level.FAILING)
        parts = {problem: part for part, problem in reversed(problems.items())}  # each once
        reasons += [f"{part}: {problem}" for problem, part in reversed(parts.items())]
    order = list(Level)
    level = max([Level.FINE, *levels], key=order.index)
    return DeploymentStatus(level, tuple(reasons), holder, heartbeat, lines)


def _last_round(
    holder: Holder, heartbeat: Heartbeat | None
) -> tuple[datetime | None, Mapping[str, str]]:
    """When the service that holds the lock last completed a round, and the problems it had then.

    The lock file is asked first: the heartbeat in the ledger may be that of an earlier service.
    """
    if holder.heartbeat is not None:
        return holder.heartbeat.at, holder.heartbeat.problems
    if heartbeat is None or (holder.since is not None and heartbeat.started < holder.since):
        return holder.since, {}
    return heartbeat.at, heartbeat.problems


def _stopped(heartbeat: Heartbeat | None) -> str:
    if heartbeat is None:
        return "the service has never run; `met2net-ops serve` starts it"
    if heartbeat.ended is None:
        last = format_time(heartbeat.at)
        return f"the service does not run; it was killed or crashed after {last}"
    return f"the service does not run; it was stopped at {format_time(heartbeat.ended)}"


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
        # One that is run again has been published, however late that was.
        overdue = (
            cycle.late_at is not None
            and cycle.published_at is None
            and cycle.state in (CycleState.READY, CycleState.RUNNING)
        )
        if cycle.state is CycleState.LATE or overdue:
            first = cycle.reason.partition("\n")[0]
            return Level.LATE, f"{format_time(cycle.reference_time)} is late: {first}"
    return Level.FINE, ""
