"""Carrying out decisions: each function is one transaction, and logs it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from met2net_ops.service.ledger.changes import Enter, Move
from met2net_ops.service.ledger.states import BAD, CycleState, ExitKind
from met2net_ops.service.scheduler.decisions import Start
from met2net_ops.service.scheduler.retries import after_attempt
from met2net_ops.service.scheduler.verification_queue import judged
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from met2net_ops.service.ledger.events import CycleEvent
    from met2net_ops.service.ledger.transaction import AttemptResult
    from met2net_ops.service.ledger.writer import LedgerWriter
    from met2net_ops.service.scheduler.decisions import Decision
    from met2net_ops.service.workers.jobs import VerifyJob, VerifyVerdict
    from met2net_ops.settings import ServeSettings, Settings

_log = logging.getLogger(__name__)


def carry_out(
    ledger: LedgerWriter, now: datetime, decisions: Sequence[Decision]
) -> tuple[int, list[tuple[str, datetime, bool]]]:
    """Write decisions into the ledger.

    Returns:
        How many cycles are new; and model, cycle and whether to make it even if it is published,
        for each attempt begun.

    Raises:
        ServiceError: the ledger cannot be written; nothing was changed.
    """
    if not decisions:
        return 0, []
    entered, begun = 0, []
    with ledger.transaction(now) as transaction:
        for decision in decisions:
            match decision:
                case Enter():
                    entered += transaction.enter(decision)
                case Move():
                    transaction.move(decision)
                case Start(model, reference_time):
                    if transaction.begin(model, reference_time) is not None:
                        force = transaction.overwrites(model, reference_time)
                        begun.append((model, reference_time, force))
    for decision in decisions:
        if isinstance(decision, Move):
            _log_move(decision)
    for model, reference_time, _ in begun:
        _log.info("attempt begins", extra={"model": model, "cycle": format_time(reference_time)})
    return entered, begun


def record(
    ledger: LedgerWriter,
    now: datetime,
    attempt: tuple[str, datetime, AttemptResult],
    settings: ServeSettings,
) -> None:
    """Record how an attempt ended, and what becomes of its cycle.

    Raises:
        ServiceError: the ledger cannot be written; nothing was changed.
    """
    model, reference_time, result = attempt
    move: Move | None = None
    with ledger.transaction(now) as transaction:
        cycle = transaction.cycle(model, reference_time)
        if cycle is not None and cycle.state is CycleState.RUNNING:
            move, columns = after_attempt(cycle, result, settings, now)
            transaction.end(move, result, columns)
    good = result.kind in (ExitKind.PUBLISHED, ExitKind.UNCHANGED)
    facts = {
        "model": model,
        "cycle": format_time(reference_time),
        "kind": str(result.kind),
        "reason": result.reason,
        "seconds": dict(result.seconds),
        "product": result.product,
    }
    _log.log(logging.INFO if good else logging.ERROR, "attempt ended", extra=facts)
    if move is not None:
        _log_move(move)


def write_verdicts(
    ledger: LedgerWriter,
    now: datetime,
    job: VerifyJob,
    verdicts: Sequence[VerifyVerdict],
    settings: Settings,
) -> None:
    """Record how far cycles have been verified.

    Raises:
        ServiceError: the ledger cannot be written; nothing was changed.
    """
    moves = []
    with ledger.transaction(now) as transaction:
        for verdict in verdicts:
            cycle = transaction.cycle(job.model, verdict.reference_time)
            if cycle is None:
                continue  # a product that was made by hand
            move, columns = judged(now, cycle, verdict, settings)
            if columns:
                transaction.note(job.model, verdict.reference_time, columns)
            if move is not None and transaction.move(move):
                moves.append(move)
    for move in moves:
        _log_move(move)


def deliver_events(
    ledger: LedgerWriter, now: datetime, on_event: Callable[[CycleEvent], None], delivered: set[int]
) -> None:
    """Deliver events that have not been delivered yet.

    Args:
        ledger: the ledger.
        now: wall clock.
        on_event: called with each.
        delivered: ids of events that were delivered but could not be marked so: this process does
            not deliver them again.

    Raises:
        ServiceError: the ledger cannot be read or written.
    """
    events = ledger.undelivered_events()
    for event in events:
        if event.id in delivered:
            continue
        delivered.add(event.id)
        facts = {
            "kind": str(event.kind),
            "model": event.model,
            "cycle": format_time(event.reference_time),
            "reason": event.reason,
        }
        _log.warning("event", extra=facts)
        on_event(event)
    if events:
        with ledger.transaction(now) as transaction:
            transaction.mark_delivered([event.id for event in events])
    delivered.clear()


def _log_move(move: Move) -> None:
    facts = {
        "model": move.model,
        "cycle": format_time(move.reference_time),
        "before": str(move.before),
        "after": str(move.after),
        "reason": move.reason,
    }
    bad = move.after in BAD or move.after is CycleState.LATE
    _log.log(logging.WARNING if bad else logging.INFO, "cycle %s", move.after, extra=facts)
