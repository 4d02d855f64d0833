"""What an operator can do to cycles, with a running service or without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from met2net_ops.errors import ServiceError
from met2net_ops.service.ledger.changes import Enter, Move
from met2net_ops.service.ledger.states import CycleState
from met2net_ops.service.ledger.transaction import OPERATOR
from met2net_ops.service.ledger.writer import open_ledger_writer
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.service.ledger.records import Cycle
    from met2net_ops.service.ledger.transaction import LedgerTransaction
    from met2net_ops.service.scheduler.schedule import Schedule

_AT_ONCE = 500  # cycles entered in one transaction: a service beside us must not wait long
_DONE = (CycleState.PUBLISHED, CycleState.VERIFIED)


def hold(paths: WorkspacePaths, model: str, times: Sequence[datetime], now: datetime) -> None:
    """Keep cycles from starting until they are released.

    Raises:
        ServiceError: one is not in the ledger, or cannot be held in its state; nothing is changed.
    """
    _move_all(paths, model, times, now, CycleState.HELD, "held by hand")


def release(paths: WorkspacePaths, model: str, times: Sequence[datetime], now: datetime) -> None:
    """Let held cycles go on as if they had never been held.

    Raises:
        ServiceError: one is not held; nothing is changed.
    """
    ledger = open_ledger_writer(paths)
    try:
        with ledger.transaction(now) as transaction:
            for time in times:
                cycle = _known(transaction, model, time)
                if cycle.state is not CycleState.HELD:
                    raise ServiceError(f"{_name(cycle)} is {cycle.state}, not held")
                _move(transaction, cycle, CycleState.WAITING, "released by hand", {})
    finally:
        ledger.close()


def skip(paths: WorkspacePaths, model: str, times: Sequence[datetime], now: datetime) -> None:
    """Leave cycles out for good.

    Raises:
        ServiceError: one is not in the ledger, or has run or is running; nothing is changed.
    """
    _move_all(paths, model, times, now, CycleState.SKIPPED, "skipped by hand")


def run_now(
    paths: WorkspacePaths,
    schedule: Schedule,
    times: Sequence[datetime],
    now: datetime,
    *,
    again: bool = False,
    alone: bool = False,
) -> None:
    """Have cycles run now, with gaps filled where the rules allow it, whatever their deadline.

    Args:
        paths: whose ledger.
        schedule: of the model.
        times: reference times; those the ledger lacks are entered.
        now: wall clock.
        again: also those that are published, whose forecast is then made again.
        alone: nothing serves the workspace, so that what is `running` was left by a kill.

    Raises:
        ServiceError: one is running, held, or has run already; nothing is changed.
    """
    ledger = open_ledger_writer(paths)
    try:
        with ledger.transaction(now) as transaction:
            for time in times:
                _run(transaction, schedule, time, now, again=again, alone=alone)
    finally:
        ledger.close()


def backfill(
    paths: WorkspacePaths, schedule: Schedule, times: Sequence[datetime], now: datetime
) -> int:
    """Enter cycles of a past range; they run after the scheduled ones, the newest first.

    They start as soon as the archive has what they need, with gaps filled as the rules allow, and
    expire like others if it never does.

    Returns:
        How many were entered; those the ledger knows are left as they are.

    Raises:
        ServiceError: the ledger cannot be written.
    """
    ledger = open_ledger_writer(paths)
    try:
        entered = 0
        for first in range(0, len(times), _AT_ONCE):
            with ledger.transaction(now) as transaction:
                for time in times[first : first + _AT_ONCE]:
                    item = Enter(
                        schedule.model,
                        time,
                        CycleState.WAITING,
                        now,
                        now + schedule.expire,
                        "backfill",
                        backfill=True,
                    )
                    entered += transaction.enter(item, by=OPERATOR)
        return entered
    finally:
        ledger.close()


def _run(
    transaction: LedgerTransaction,
    schedule: Schedule,
    time: datetime,
    now: datetime,
    *,
    again: bool,
    alone: bool,
) -> None:
    model = schedule.model
    if time > now:
        raise ServiceError(
            f"{model} {format_time(time)} is in the future; it runs when its time has come"
        )
    deadline, expires = now + schedule.deadline, now + schedule.expire
    entry = Enter(model, time, CycleState.WAITING, deadline, expires, "requested by hand")
    transaction.enter(entry, by=OPERATOR)
    cycle = _known(transaction, model, time)
    if cycle.state is CycleState.RUNNING:
        if alone:
            return  # the next decision finds that no process works on this attempt, and repeats it
        raise ServiceError(f"{_name(cycle)} is running already")
    if cycle.state in _DONE and not again:
        raise ServiceError(
            f"{_name(cycle)} is {cycle.state}; `met2net-ops cycles rerun` runs it again"
        )
    word = "run again" if again else "run"
    columns: dict[str, object] = {
        "failures": 0,
        "not_before": None,
        "deadline": max(deadline, cycle.deadline),
        "expires": max(expires, cycle.expires),
    }
    if cycle.state is not CycleState.READY:  # there an earlier request is still valid
        columns["force"] = cycle.state in _DONE
    if cycle.state is CycleState.HELD:
        raise ServiceError(f"{_name(cycle)} is held; release it first")
    _move(transaction, cycle, CycleState.READY, f"{word} by hand", columns)


def _move_all(
    paths: WorkspacePaths,
    model: str,
    times: Sequence[datetime],
    now: datetime,
    after: CycleState,
    reason: str,
) -> None:
    ledger = open_ledger_writer(paths)
    try:
        with ledger.transaction(now) as transaction:
            for time in times:
                _move(transaction, _known(transaction, model, time), after, reason, {})
    finally:
        ledger.close()


def _move(
    transaction: LedgerTransaction,
    cycle: Cycle,
    after: CycleState,
    reason: str,
    columns: dict[str, object],
) -> None:
    move = Move(cycle.model, cycle.reference_time, cycle.state, after, reason)
    try:
        transaction.move(move, by=OPERATOR, columns=columns)
    except ServiceError as error:
        raise ServiceError(
            f"{_name(cycle)} is {cycle.state}: it cannot become {after} from there"
        ) from error


def _known(transaction: LedgerTransaction, model: str, time: datetime) -> Cycle:
    cycle = transaction.cycle(model, time)
    if cycle is None:
        raise ServiceError(
            f"the ledger has no cycle {format_time(time)} of {model}; "
            "`met2net-ops cycles list` shows those it has"
        )
    return cycle


def _name(cycle: Cycle) -> str:
    return f"{cycle.model} {format_time(cycle.reference_time)}"
