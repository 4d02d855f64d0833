"""Writing the ledger: every change in one transaction, and into the history."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy import (
    LABEL_STYLE_TABLENAME_PLUS_COL,
    URL,
    and_,
    create_engine,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from met2net_ops.errors import ServiceError
from met2net_ops.service.ledger import tables
from met2net_ops.service.ledger.changes import LedgerSnapshot
from met2net_ops.service.ledger.events import CycleEvent, EventKind
from met2net_ops.service.ledger.reader import VERSION, check_version, cycles_of, models_of
from met2net_ops.service.ledger.states import GOOD, OPEN, CycleState
from met2net_ops.service.ledger.transaction import SERVICE, LedgerTransaction
from met2net_ops.sqlite import make_private, prepare_to_write, writes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.service.ledger.records import Cycle

_GIVEN_UP = (CycleState.EXPIRED, CycleState.SKIPPED)
_BACKFILL = 500  # of a backfill's cycles, the newest so many are considered in each round
_BUSY_TIMEOUT_S = 2.0  # then the change is made in the next round: the loop must go on

_log = logging.getLogger(__name__)


class LedgerWriter:
    """The ledger of one workspace, to write to; any number of processes may do so at once.

    A file that was put in its place under a running service is opened instead; where there is none
    any more, every call raises until it is back, for a new ledger would have forgotten all cycles.

    Raises:
        ServiceError: the ledger cannot be made or opened, or is of another version.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._version: int | None = None
        self._engine = create_engine(URL.create("sqlite", database=str(file)))
        self._opened: os.stat_result | None = None
        prepare_to_write(self._engine, _BUSY_TIMEOUT_S)
        with suppress(OSError):  # said by the first transaction
            make_private(file)
        self._prepare()

    def _prepare(self) -> None:
        """Make the tables and indexes that the file lacks, if it is of this version."""
        with self._connection(write=True) as connection:
            self._opened = self._file.stat()
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if version:
                check_version(version, self._file)
            tables.tables.create_all(connection)
            for index in tables.added_indexes:
                index.create(connection, checkfirst=True)
            connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")

    def _check_file(self) -> None:
        """Open the file anew if it is another one than before."""
        if self._opened is None:
            return
        try:
            now = self._file.stat()
        except OSError as error:
            raise ServiceError(
                f"the ledger {self._file} was moved away or deleted while the service runs: "
                f"{error.strerror}. Put it back, or restart the service to begin a new one"
            ) from error
        if not os.path.samestat(self._opened, now):
            _log.warning("the ledger was replaced, it is opened again")
            self._engine.dispose()
            self._opened = self._version = None
            self._prepare()

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def changed_by_others(self) -> bool:
        """Whether another process has written to the ledger since the last call.

        Raises:
            ServiceError: the ledger cannot be read.
        """
        with self._connection() as connection:
            # It counts what other connections commit, and this engine uses but one.
            version = connection.exec_driver_sql("PRAGMA data_version").scalar_one()
        before, self._version = self._version, version
        return before is not None and version != before

    @contextmanager
    def transaction(self, now: datetime) -> Iterator[LedgerTransaction]:
        """A transaction: all of it is kept, or nothing.

        Raises:
            ServiceError: the database cannot be written; nothing was changed.
        """
        with self._connection(write=True) as connection:
            yield LedgerTransaction(connection, now)

    def snapshot(self, now: datetime) -> LedgerSnapshot:
        """What decisions depend on.

        Raises:
            ServiceError: the ledger cannot be read.
        """
        columns = tables.cycles.c
        unfinished = columns.state.in_([*map(str, OPEN), str(CycleState.HELD)])
        given_up = columns.state.in_([str(state) for state in _GIVEN_UP])
        scheduled = and_(
            columns.backfill.is_(False), or_(unfinished, and_(given_up, columns.expires > now))
        )
        backfill = (
            select(tables.cycles)
            .where(and_(columns.backfill.is_(True), unfinished))
            .order_by(columns.reference_time.desc())
            .limit(_BACKFILL)
        )
        with self._connection() as connection:
            cycles = cycles_of(connection, select(tables.cycles).where(scheduled))
            cycles += cycles_of(connection, backfill)
            models = models_of(connection)
            newest = {model: _newest_scheduled(connection, model, now) for model in models}
            by_operator = [
                (model, time)
                for model in models
                for time in _between(connection, model, newest[model], now)
            ]
        known = {model: time for model, time in newest.items() if time is not None}
        return LedgerSnapshot(cycles, known, frozenset(by_operator))

    def published(self, since: datetime, published_since: datetime) -> list[Cycle]:
        """Published cycles, by reference time or by when they were published.

        Raises:
            ServiceError: the ledger cannot be read.
        """
        columns = tables.cycles.c
        recent = or_(columns.reference_time >= since, columns.published_at >= published_since)
        # An expression, so that SQLite finds the recent ones by their times: most cycles are good.
        out = func.coalesce(columns.state, "").in_([str(state) for state in GOOD])
        with self._connection() as connection:
            return cycles_of(connection, select(tables.cycles).where(and_(out, recent)))

    def states(self, since: datetime) -> list[tuple[str, datetime, CycleState]]:
        """Model, reference time and state of all cycles from `since` on, and of all open ones.

        Raises:
            ServiceError: the ledger cannot be read.
        """
        columns = tables.cycles.c
        query = select(columns.model, columns.reference_time, columns.state).where(
            or_(columns.reference_time >= since, columns.state.in_([str(one) for one in OPEN]))
        )
        with self._connection() as connection:
            rows = connection.execute(query).all()
        return [(row.model, row.reference_time, CycleState(row.state)) for row in rows]

    def newest_published(self) -> dict[str, datetime]:
        """Model → reference time of its newest published forecast, however old.

        Raises:
            ServiceError: the ledger cannot be read.
        """
        columns = tables.cycles.c
        newest = select(columns.reference_time).where(
            columns.state.in_([str(state) for state in GOOD])
        )
        newest = newest.order_by(columns.reference_time.desc()).limit(1)
        with self._connection() as connection:
            found = {
                model: connection.scalars(newest.where(columns.model == model)).one_or_none()
                for model in models_of(connection)
            }
        return {model: time for model, time in found.items() if time is not None}

    def undelivered_events(self) -> list[CycleEvent]:
        """Events that have not been delivered yet, oldest first.

        Raises:
            ServiceError: the ledger cannot be read.
        """
        count = (
            select(func.count())
            .where(tables.attempts.c.cycle_id == tables.cycles.c.id)
            .correlate(tables.cycles)
            .scalar_subquery()
        )
        query = (
            select(tables.events, tables.cycles, count.label("tries"))
            .join(tables.cycles, tables.events.c.cycle_id == tables.cycles.c.id)
            .where(tables.events.c.told_at.is_(None))
            .order_by(tables.events.c.id)
            .set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
        )
        with self._connection() as connection:
            rows = connection.execute(query).all()
        return [
            CycleEvent(
                row.events_id, EventKind(row.events_kind), row.events_at, row.cycles_model,
                row.cycles_reference_time, CycleState(row.cycles_state), row.events_reason,
                row.tries, row.cycles_product,
            )
            for row in rows
        ]  # fmt: skip

    @contextmanager
    def _connection(self, *, write: bool = False) -> Iterator[Connection]:
        self._check_file()
        try:
            with self._engine.connect() as connection:
                used = writes(connection) if write else connection
                with used.begin():
                    yield used
        except (SQLAlchemyError, OSError) as error:
            raise ServiceError(
                f"cannot {'write' if write else 'read'} the ledger {self._file}: "
                f"{error.__cause__ or error}. Nothing was changed; check permissions and free "
                "space, then try again. A damaged ledger can be moved away while nothing serves: "
                "products stay, the history of cycles begins anew."
            ) from error


def _newest_scheduled(connection: Connection, model: str, now: datetime) -> datetime | None:
    """Reference time of the newest cycle up to now that the service itself entered.

    What was entered by hand says nothing of the cycles before it: they may have been missed.
    """
    columns, entry = tables.cycles.c, tables.history.c
    by_service = exists().where(
        and_(entry.cycle_id == columns.id, entry.before.is_(None), entry.by == SERVICE)
    )
    query = (
        select(columns.reference_time)
        .where(and_(columns.model == model, columns.reference_time <= now, by_service))
        .order_by(columns.reference_time.desc())
        .limit(1)
    )
    return connection.scalars(query).one_or_none()


def _between(
    connection: Connection, model: str, after: datetime | None, until: datetime
) -> Sequence[datetime]:
    """Reference times of a model that the ledger knows, after one time up to another."""
    columns = tables.cycles.c
    query = select(columns.reference_time).where(
        and_(columns.model == model, columns.reference_time <= until)
    )
    if after is not None:
        query = query.where(columns.reference_time > after)
    return connection.scalars(query).all()


def open_ledger_writer(paths: WorkspacePaths) -> LedgerWriter:
    """The workspace's ledger, to write to; made where there is none.

    Raises:
        ServiceError: it cannot be made or opened.
    """
    return LedgerWriter(paths.ledger)
