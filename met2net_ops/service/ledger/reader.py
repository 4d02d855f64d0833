"""Reading the ledger: safe beside a running service, which never waits for a reader."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from met2net_ops.errors import ServiceError
from met2net_ops.service.ledger import tables
from met2net_ops.service.ledger.records import Attempt, Change, Cycle, Heartbeat
from met2net_ops.service.ledger.states import CycleState, ExitKind
from met2net_ops.sqlite import connect_to_read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection, Row, Select

    from met2net_ops.paths import WorkspacePaths

_IDS_PER_QUERY = 500
VERSION = 1  # of the tables, as SQLite's user_version


class LedgerReader:
    """The ledger of one workspace, for reading; a workspace without one has no cycles."""

    def __init__(self, file: Path) -> None:
        self._file = file
        # No pool: a connection would keep reading a file that was moved away or replaced.
        self._engine = create_engine(
            "sqlite://", creator=lambda: connect_to_read(file.absolute()), poolclass=NullPool
        )

    def cycles(
        self,
        model: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        states: Iterable[CycleState] | None = None,
        backfill: bool | None = None,
        limit: int | None = None,
    ) -> list[Cycle]:
        """Cycles with their attempts and history, newest reference time first, then by model.

        Args:
            model: only of this model.
            since: earliest reference time.
            until: latest reference time, included.
            states: only those in one of these states now.
            backfill: only those of backfills, or only the others.
            limit: at most so many, the newest.

        Raises:
            ServiceError: the ledger cannot be read.
        """
        query = select(tables.cycles)
        if model is not None:
            query = query.where(tables.cycles.c.model == model)
        if since is not None:
            query = query.where(tables.cycles.c.reference_time >= since)
        if until is not None:
            query = query.where(tables.cycles.c.reference_time <= until)
        if states is not None:
            query = query.where(tables.cycles.c.state.in_([str(state) for state in states]))
        if backfill is not None:
            query = query.where(tables.cycles.c.backfill.is_(backfill))
        if limit is not None:
            newest_first = tables.cycles.c.reference_time.desc(), tables.cycles.c.model
            query = query.order_by(*newest_first).limit(limit)
        # Sorted here: for an ORDER BY, SQLite would read all cycles of a model in that order.
        found = self._read(lambda connection: cycles_of(connection, query)) or []
        return sorted(found, key=lambda cycle: (-cycle.reference_time.timestamp(), cycle.model))

    def cycle(self, model: str, reference_time: datetime) -> Cycle | None:
        """One cycle; None if the ledger does not know it.

        Raises:
            ServiceError: the ledger cannot be read.
        """
        found = self.cycles(model, since=reference_time, until=reference_time)
        return found[0] if found else None

    def models(self) -> list[str]:
        """Every model that ever had a cycle, by name."""
        return self._read(models_of) or []

    def counts(self, since: datetime | None = None) -> dict[tuple[str, CycleState], int]:
        """How many cycles each model has in each state, by (model, state).

        Args:
            since: earliest reference time.
        """
        columns = tables.cycles.c
        query = select(columns.model, columns.state, func.count()).group_by(
            columns.model, columns.state
        )
        if since is not None:
            query = query.where(columns.reference_time >= since)
        found = self._read(lambda connection: list(connection.execute(query))) or []
        return {(model, CycleState(state)): count for model, state, count in found}

    def heartbeat(self) -> Heartbeat | None:
        """The last heartbeat of the service; None if none ever ran.

        Raises:
            ServiceError: the ledger cannot be read.
        """
        query = select(tables.heartbeat)
        row = self._read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            return None
        return Heartbeat(row.host, row.pid, row.started, row.at, row.ended, row.problems)

    def _read(self, ask: Any) -> Any:
        """What `ask` finds, all at one moment; None where there is no ledger yet."""
        if not self._file.exists():
            return None
        try:
            with self._engine.connect() as connection:
                version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
                if version == 0:
                    return None
                check_version(version, self._file)
                return ask(connection)
        except SQLAlchemyError as error:
            raise ServiceError(
                f"cannot read the ledger {self._file}: {error.__cause__ or error}. Check "
                "permissions; if it is damaged, stop the service, move it away and start again: "
                "products stay, the history of cycles begins anew."
            ) from error


def check_version(version: int, file: Path) -> None:
    """Raise ServiceError if the ledger was made by a version that writes it differently."""
    if version != VERSION:
        raise ServiceError(
            f"the ledger {file} has layout {version}, this version of met2net-ops knows "
            f"{VERSION}: use the version that made it, or move it away to start anew"
        )


def open_ledger_reader(paths: WorkspacePaths) -> LedgerReader:
    """The workspace's ledger, for reading; nothing is made or opened yet."""
    return LedgerReader(paths.ledger)


def cycles_of(connection: Connection, query: Select[Any]) -> list[Cycle]:
    """The cycles a query on their table finds, in its order, with attempts and history."""
    rows = connection.execute(query).all()
    ids = [row.id for row in rows]
    tries = _by_cycle(connection, tables.attempts, ids)
    changes = _by_cycle(connection, tables.history, ids)
    return [_cycle_of(row, tries[row.id], changes[row.id]) for row in rows]


def models_of(connection: Connection) -> list[str]:
    """The models in the ledger, by name: one step in the index each, however many cycles."""
    model = tables.cycles.c.model
    found: list[str] = []
    while True:
        query = select(func.min(model))
        name = connection.scalar(query.where(model > found[-1]) if found else query)
        if name is None:
            return found
        found.append(name)


def _by_cycle(connection: Connection, table: Any, ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    for first in range(0, len(ids), _IDS_PER_QUERY):
        some = ids[first : first + _IDS_PER_QUERY]
        query = select(table).where(table.c.cycle_id.in_(some)).order_by(table.c.id)
        for row in connection.execute(query):
            found[row.cycle_id].append(row)
    return found


def _cycle_of(row: Row[Any], tries: Iterable[Row[Any]], changes: Iterable[Row[Any]]) -> Cycle:
    return Cycle(
        model=row.model,
        reference_time=row.reference_time,
        state=CycleState(row.state),
        since=row.since,
        reason=row.reason,
        deadline=row.deadline,
        expires=row.expires,
        product=row.product,
        leads=row.leads,
        published_at=row.published_at,
        late_at=row.late_at,
        alarmed=row.alarmed,
        backfill=row.backfill,
        failures=row.failures,
        not_before=row.not_before,
        verification=row.verification,
        attempts=tuple(
            Attempt(
                one.number, one.started, one.ended, one.kind and ExitKind(one.kind), one.reason,
                one.seconds,
            )
            for one in tries
        ),
        history=tuple(
            Change(
                one.at, one.before and CycleState(one.before), CycleState(one.after), one.reason,
                one.by,
            )
            for one in changes
        ),
    )  # fmt: skip
