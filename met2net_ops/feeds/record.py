"""What was fetched: a table of the catalog, one row for every message."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    delete,
    insert,
    select,
)

from met2net_ops.catalog.engine import rows, writing
from met2net_ops.catalog.tables import UtcTime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine

_metadata = MetaData()

table = Table(
    "fetched_messages",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("folder", String, nullable=False),  # the spool: workspaces may share a catalog
    Column("source", String(64), nullable=False),
    Column("reference_time", UtcTime, nullable=False),
    Column("lead_seconds", BigInteger, nullable=False),
    Column("variable", String(32), nullable=False),
    Column("valid_time", UtcTime, nullable=False, index=True),
    Column("mirror", String(64), nullable=False),
    Column("url", String, nullable=False),
    Column("etag", String, nullable=False),
    Column("modified", String, nullable=False),
    Column("first_byte", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("file", String, nullable=False),
    Column("fetched_at", UtcTime, nullable=False),
    UniqueConstraint("folder", "source", "reference_time", "lead_seconds", "variable"),
)


@dataclass(frozen=True, slots=True)
class FetchedMessage:
    """One message that was fetched, proven and put into the spool.

    Attributes:
        source: who published it.
        reference_time: of its run.
        lead_seconds: of its file.
        variable: of ours.
        valid_time: what time it is for.
        mirror: where it was fetched from.
        url: of the object.
        etag: of the object, "" where the host sends none.
        modified: Last-Modified of the object, "" likewise.
        first_byte: offset in the object.
        bytes: of the message.
        sha256: of the message.
        seconds: that its request took.
        file: name in the spool.
    """

    source: str
    reference_time: datetime
    lead_seconds: int
    variable: str
    valid_time: datetime
    mirror: str
    url: str
    etag: str
    modified: str
    first_byte: int
    bytes: int
    sha256: str
    seconds: float
    file: str


def record_fetched(engine: Engine, folder: str, messages: Sequence[FetchedMessage]) -> None:
    """Remember what was fetched into a spool.

    Raises:
        ArchiveError: the catalog cannot be written; nothing was recorded.
    """
    names = [field.name for field in fields(FetchedMessage)]
    now = datetime.now(UTC)
    with writing(engine) as connection:
        _metadata.create_all(connection)
        for message in messages:
            key = (
                (table.c.folder == folder)
                & (table.c.source == message.source)
                & (table.c.reference_time == message.reference_time)
                & (table.c.lead_seconds == message.lead_seconds)
                & (table.c.variable == message.variable)
            )
            connection.execute(delete(table).where(key))
            values = {name: getattr(message, name) for name in names}
            connection.execute(insert(table).values(folder=folder, fetched_at=now, **values))


def fetched(
    engine: Engine, folder: str, source: str, since: datetime, until: datetime
) -> frozenset[tuple[datetime, timedelta, str]]:
    """Reference time, lead and variable of what a spool was given, by valid time.

    Raises:
        ArchiveError: the catalog cannot be read.
    """
    query = select(table.c.reference_time, table.c.lead_seconds, table.c.variable).where(
        table.c.folder == folder,
        table.c.source == source,
        table.c.valid_time.between(since, until),
    )
    found = rows(engine, [query], made=table.name)
    return frozenset(
        (row.reference_time, timedelta(seconds=row.lead_seconds), row.variable) for row in found
    )


def preferred_mirror(engine: Engine, folder: str, source: str) -> str:
    """The mirror that worked last; "" if none has.

    Raises:
        ArchiveError: the catalog cannot be read.
    """
    query = (
        select(table.c.mirror)
        .where(table.c.folder == folder, table.c.source == source)
        .order_by(table.c.id.desc())
        .limit(1)
    )
    found = rows(engine, [query], made=table.name)
    return found[0].mirror if found else ""
