"""Whom archived data are owed to: licence and attribution of every source that was fetched from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, literal, select

from met2net_ops.catalog.engine import rows, writing
from met2net_ops.catalog.tables import origins
from met2net_ops.catalog.tables import source_credits as table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Engine

    from met2net_ops.catalog.engine import Catalog


@dataclass(frozen=True, slots=True)
class Credit:
    """What must be shown where data of a source are used.

    Attributes:
        folder: that its files are put into, each under a name that begins "SOURCE_".
        source: name of the source.
        licence: under which the data are.
        attribution: that the source asks for.
    """

    folder: str
    source: str
    licence: str
    attribution: str

    def __str__(self) -> str:
        return f"{self.attribution} (licence: {self.licence})"

    @property
    def path_prefix(self) -> str:
        """How the paths of its files begin."""
        return str(PurePath(self.folder) / f"{self.source}_")


def record_credit(engine: Engine, credit: Credit) -> None:
    """Remember a source, in place of what was remembered of it before.

    Raises:
        ArchiveError: the catalog cannot be read or written.
    """
    if credit in known_credits(engine):
        return
    with writing(engine) as connection:
        key = (table.c.folder == credit.folder) & (table.c.source == credit.source)
        connection.execute(delete(table).where(key))
        values = {name: getattr(credit, name) for name in Credit.__slots__}
        connection.execute(insert(table).values(values))


def known_credits(engine: Engine) -> tuple[Credit, ...]:
    """Every source that was ever fetched from, by name.

    Raises:
        ArchiveError: the catalog cannot be read.
    """
    query = select(table).order_by(table.c.source, table.c.folder)
    found = rows(engine, [query], made=table.name)
    return tuple(Credit(row.folder, row.source, row.licence, row.attribution) for row in found)


def attributions(owed: Iterable[Credit]) -> tuple[str, ...]:
    """What to show, each text once.

    >>> attributions([Credit("a", "gfs", "free", "NOAA"), Credit("b", "gfs", "free", "NOAA")])
    ('NOAA (licence: free)',)
    """
    return tuple(dict.fromkeys(map(str, owed)))


def credits_of_frames(
    catalog: Catalog, variables: Sequence[str], since: datetime, until: datetime
) -> tuple[Credit, ...]:
    """The sources of the frames that are in the archive now, by valid time, both included.

    Raises:
        ArchiveError: the catalog cannot be read.
    """
    known = known_credits(catalog.engine)
    queries = [
        select(literal(number).label("number"))
        .where(
            origins.c.archive == catalog.archive,
            origins.c.variable.in_(list(variables)),
            origins.c.valid_time.between(since, until),
            origins.c.replaced_by.is_(None),
            origins.c.path.startswith(credit.path_prefix, autoescape=True),
        )
        .limit(1)
        for number, credit in enumerate(known)
    ]
    return tuple(known[row.number] for row in rows(catalog.engine, queries))
