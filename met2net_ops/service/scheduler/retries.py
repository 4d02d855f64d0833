"""What becomes of a cycle after an attempt: retries and their waits."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from met2net_ops.service.backoff import backoff_seconds
from met2net_ops.service.ledger.changes import Move
from met2net_ops.service.ledger.events import EventKind
from met2net_ops.service.ledger.states import COSTLESS, CycleState, ExitKind
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from datetime import datetime

    from met2net_ops.service.ledger.records import Cycle
    from met2net_ops.service.ledger.transaction import AttemptResult
    from met2net_ops.settings import ServeSettings


def after_attempt(
    cycle: Cycle, result: AttemptResult, settings: ServeSettings, now: datetime
) -> tuple[Move, dict[str, Any]]:
    """What becomes of a running cycle.

    Returns:
        The change of state, and what else changes in its row.
    """
    if result.kind in (ExitKind.PUBLISHED, ExitKind.UNCHANGED):
        event = EventKind.RECOVERED if cycle.alarmed else None
        unchanged = result.kind is ExitKind.UNCHANGED and cycle.published_at is not None
        return _move(cycle, CycleState.PUBLISHED, result.reason, event), {
            "product": result.product,
            "leads": result.leads,
            "published_at": cycle.published_at if unchanged else now,
            "failures": 0,
            "not_before": None,
            "force": False,
        }
    if result.kind is ExitKind.REJECTED:
        return _move(cycle, CycleState.FAILED, result.reason, EventKind.REJECTED), {
            "not_before": None
        }
    if result.kind in COSTLESS:
        return _move(cycle, CycleState.READY, result.reason), {"not_before": None}
    failures = cycle.failures + 1
    if failures >= settings.attempts:
        reason = f"attempt {failures} of {settings.attempts} was the last: {result.reason}"
        return _move(cycle, CycleState.FAILED, reason, EventKind.FAILED), {
            "failures": failures,
            "not_before": None,
        }
    # After a kill of the service there is nothing to wait for.
    lost = result.kind is ExitKind.LOST
    wait = backoff_seconds(failures, settings.retry_seconds, settings.retry_max_seconds)
    again = None if lost else now + timedelta(seconds=wait)
    when = "at once" if again is None else f"at {format_time(again)}"
    reason = f"attempt {failures} of {settings.attempts} failed, again {when}: {result.reason}"
    return _move(cycle, CycleState.READY, reason), {"failures": failures, "not_before": again}


def _move(cycle: Cycle, after: CycleState, reason: str, event: EventKind | None = None) -> Move:
    event = None if cycle.backfill else event  # nobody waits for one: it alarms nobody
    return Move(cycle.model, cycle.reference_time, cycle.state, after, reason, event)
