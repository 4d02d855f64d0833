"""One transaction on the ledger: every change goes into the history as well."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as insert_unless

from met2net_ops.errors import ServiceError
from met2net_ops.service.ledger import tables
from met2net_ops.service.ledger.events import EventKind
from met2net_ops.service.ledger.reader import cycles_of
from met2net_ops.service.ledger.states import STATES, CycleState, ExitKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row

    from met2net_ops.service.ledger.changes import Enter, Move
    from met2net_ops.service.ledger.records import Cycle, Heartbeat

SERVICE, OPERATOR = "service", "operator"


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """How an attempt ended.

    Attributes:
        kind: which way.
        reason: why, for people.
        seconds: per stage.
        product: the published file, relative to the workspace.
        leads: of the product.
    """

    kind: ExitKind
    reason: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    product: str = ""
    leads: int = 0


class LedgerTransaction:
    """One transaction on the ledger."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def enter(self, item: Enter, *, by: str = SERVICE) -> bool:
        """Put a cycle into the ledger; False if it is there already."""
        row = {
            "model": item.model,
            "reference_time": item.reference_time,
            "state": str(item.state),
            "since": self._now,
            "reason": item.reason,
            "by": by,
            "deadline": item.deadline,
            "expires": item.expires,
            "backfill": item.backfill,
        }
        made = self._connection.execute(
            insert_unless(tables.cycles).values(row).on_conflict_do_nothing()
        )
        if not made.rowcount:
            return False
        assert made.inserted_primary_key is not None
        self._remember(made.inserted_primary_key[0], None, item.state, item.reason, by)
        return True

    def move(
        self, move: Move, *, by: str = SERVICE, columns: Mapping[str, object] | None = None
    ) -> bool:
        """Change a cycle's state, and record the event that goes with it.

        Args:
            move: what becomes of the cycle.
            by: who makes the change.
            columns: what else changes.

        Returns:
            False, with nothing changed, if the cycle is no longer in the state it is to come from:
            another process was quicker.
        """
        if move.before is not move.after:
            facts = STATES[move.before]
            if move.after not in (facts.after if by == SERVICE else facts.by_operator):
                raise ServiceError(f"a cycle cannot go from {move.before} to {move.after}")
        row = self._row(move.model, move.reference_time)
        if row is None or row.state != move.before:
            return False
        values: dict[str, object] = {**(columns or {}), "reason": move.reason}
        if move.before is not move.after:
            values |= {"state": str(move.after), "since": self._now, "by": by}
        if move.event is EventKind.LATE:
            values["late_at"] = self._now
        if move.event is not None:
            values["alarmed"] = move.event is not EventKind.RECOVERED
        self._change(row, values)
        self._remember(row.id, move.before, move.after, move.reason, by)
        if move.event is not None:
            self._add_event(row, move.event, move.reason)
        return True

    def begin(self, model: str, reference_time: datetime) -> int | None:
        """Start an attempt of a cycle that is ready; its number, or None if it no longer is."""
        row = self._row(model, reference_time)
        if row is None or row.state != CycleState.READY:
            return None
        query = select(func.max(tables.attempts.c.number)).where(
            tables.attempts.c.cycle_id == row.id
        )
        number: int = (self._connection.execute(query).scalar() or 0) + 1
        self._connection.execute(
            insert(tables.attempts).values(
                cycle_id=row.id, number=number, started=self._now, reason="", seconds={}
            )
        )
        reason = f"attempt {number}"
        self._change(row, {"state": str(CycleState.RUNNING), "since": self._now, "reason": reason})
        self._remember(row.id, CycleState.READY, CycleState.RUNNING, reason, SERVICE)
        return number

    def overwrites(self, model: str, reference_time: datetime) -> bool:
        """Whether the forecast is to be made even if the same one is published."""
        row = self._row(model, reference_time)
        return row is not None and bool(row.force)

    def end(self, move: Move, result: AttemptResult, columns: Mapping[str, object]) -> bool:
        """Close the attempt under way and make the change it leads to.

        Returns:
            False if the cycle is not running.
        """
        row = self._row(move.model, move.reference_time)
        if row is None or row.state != CycleState.RUNNING:
            return False
        self._connection.execute(
            update(tables.attempts)
            .where(and_(tables.attempts.c.cycle_id == row.id, tables.attempts.c.ended.is_(None)))
            .values(
                ended=self._now,
                kind=str(result.kind),
                reason=result.reason,
                seconds=dict(result.seconds),
            )
        )
        return self.move(move, columns=columns)

    def note(self, model: str, reference_time: datetime, columns: Mapping[str, object]) -> None:
        """Set columns that are no change of state."""
        row = self._row(model, reference_time)
        if row is not None:
            self._change(row, columns)

    def write_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Replace the heartbeat."""
        values = {
            "id": 1,
            "host": heartbeat.host,
            "pid": heartbeat.pid,
            "started": heartbeat.started,
            "at": heartbeat.at,
            "ended": heartbeat.ended,
            "problems": dict(heartbeat.problems),
        }
        statement = insert_unless(tables.heartbeat).values(values)
        self._connection.execute(
            statement.on_conflict_do_update(index_elements=["id"], set_=values)
        )

    def mark_delivered(self, ids: Sequence[int]) -> None:
        """Note that events have been delivered."""
        self._connection.execute(
            update(tables.events).where(tables.events.c.id.in_(ids)).values(told_at=self._now)
        )

    def cycle(self, model: str, reference_time: datetime) -> Cycle | None:
        """A cycle as it stands inside this transaction."""
        columns = tables.cycles.c
        query = select(tables.cycles).where(
            and_(columns.model == model, columns.reference_time == reference_time)
        )
        found = cycles_of(self._connection, query)
        return found[0] if found else None

    def _row(self, model: str, reference_time: datetime) -> Row[Any] | None:
        columns = tables.cycles.c
        query = select(tables.cycles).where(
            and_(columns.model == model, columns.reference_time == reference_time)
        )
        return self._connection.execute(query).one_or_none()

    def _change(self, row: Row[Any], values: Mapping[str, object]) -> None:
        self._connection.execute(
            update(tables.cycles).where(tables.cycles.c.id == row.id).values(**values)
        )

    def _remember(
        self, key: int, before: CycleState | None, after: CycleState, reason: str, by: str
    ) -> None:
        self._connection.execute(
            insert(tables.history).values(
                cycle_id=key, at=self._now, before=before and str(before), after=str(after),
                reason=reason, by=by,
            )
        )  # fmt: skip

    def _add_event(self, row: Row[Any], kind: EventKind, reason: str) -> None:
        self._connection.execute(
            insert(tables.events).values(
                cycle_id=row.id, kind=str(kind), at=self._now, reason=reason
            )
        )
