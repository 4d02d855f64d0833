"""Where every frame came from, and what replaced what."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, not_, select, update

from met2net_ops.catalog.engine import Catalog, rows, writing
from met2net_ops.catalog.origin import Origin
from met2net_ops.catalog.tables import origins as table
from met2net_ops.fields import FieldKind

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row


__all__ = [
    "Catalog",
    "Origin",
    "forget_frames",
    "history",
    "origins",
    "origins_of_file",
    "record_origins",
]

_TIMES_PER_QUERY = 500


def origins(
    catalog: Catalog, variables: Collection[str], times: Collection[datetime]
) -> dict[tuple[str, datetime], Origin]:
    """Origins of the frames in the archive now, by (variable, valid time).

    Frames that were written without the ingest have none.

    Raises:
        ArchiveError: the catalog cannot be read.
    """
    ordered = sorted(set(times))
    queries = [
        select(table).where(
            table.c.archive == catalog.archive,
            table.c.variable.in_(list(variables)),
            table.c.valid_time.in_(ordered[begin : begin + _TIMES_PER_QUERY]),
            table.c.replaced_by.is_(None),
        )
        for begin in range(0, len(ordered), _TIMES_PER_QUERY)
    ]
    found = map(_origin, rows(catalog.engine, queries))
    return {(origin.variable, origin.valid_time): origin for origin in found}


def origins_of_file(catalog: Catalog, file_sha256: str) -> list[Origin]:
    """Origins of the frames in the archive now that came from a file of that content.

    Raises:
        ArchiveError: the catalog cannot be read.
    """
    query = select(table).where(
        table.c.archive == catalog.archive,
        table.c.file_sha256 == file_sha256,
        table.c.replaced_by.is_(None),
    )
    return [_origin(row) for row in rows(catalog.engine, [query])]


def history(catalog: Catalog, variable: str, time: datetime) -> list[Origin]:
    """Every origin a frame ever had, the present one first.

    Raises:
        ArchiveError: the catalog cannot be read.
    """
    query = (
        select(table)
        .where(
            table.c.archive == catalog.archive,
            table.c.variable == variable,
            table.c.valid_time == time,
        )
        .order_by(table.c.id.desc())
    )
    return [_origin(row) for row in rows(catalog.engine, [query])]


def record_origins(catalog: Catalog, new: Sequence[Origin]) -> None:
    """Make these the present origins of their frames (one each); those there become their past.

    Raises:
        ArchiveError: the catalog cannot be written; nothing of this was recorded.
    """
    with writing(catalog.engine) as connection:
        present = _present_ids(connection, catalog.archive, new)
        first = [origin for origin in new if (origin.variable, origin.valid_time) not in present]
        if first:
            values = [_values(catalog.archive, origin) for origin in first]
            connection.execute(insert(table), values)
        for origin in new:
            old = present.get((origin.variable, origin.valid_time))
            if old is not None:
                _replace(connection, old, _values(catalog.archive, origin))


def forget_frames(
    catalog: Catalog, before: datetime, kept: Sequence[tuple[datetime, datetime]] = ()
) -> int:
    """Say of all frames with valid times before that they are no longer in the archive.

    What they came from stays in their history, and the files they came from count as read.

    Args:
        catalog: of the archive.
        before: the first valid time that is not concerned.
        kept: spans of valid times, both ends included, that are not concerned either.

    Returns:
        How many frames were in the archive until now.

    Raises:
        ArchiveError: the catalog cannot be written; nothing of this was recorded.
    """
    gone = update(table).where(
        table.c.archive == catalog.archive,
        table.c.replaced_by.is_(None),
        table.c.valid_time < before,
        *(not_(table.c.valid_time.between(first, last)) for first, last in kept),
    )
    with writing(catalog.engine) as connection:
        # A row that is its own successor tells of a frame that nothing took the place of.
        return connection.execute(gone.values(replaced_by=table.c.id)).rowcount


def _replace(connection: Connection, old: int, values: dict[str, Any]) -> None:
    replaced = update(table).where(table.c.id == old)
    # Its own successor for a moment: only one row per frame may have no successor.
    connection.execute(replaced.values(replaced_by=old))
    inserted = connection.execute(insert(table).values(**values)).inserted_primary_key
    assert inserted is not None
    connection.execute(replaced.values(replaced_by=inserted[0]))


def _present_ids(
    connection: Connection, archive: str, new: Sequence[Origin]
) -> dict[tuple[str, datetime], int]:
    """Row numbers of the present origins of these frames."""
    names = {origin.variable for origin in new}
    times = sorted({origin.valid_time for origin in new})
    found = {}
    for begin in range(0, len(times), _TIMES_PER_QUERY):
        query = select(table.c.id, table.c.variable, table.c.valid_time).where(
            table.c.archive == archive,
            table.c.variable.in_(names),
            table.c.valid_time.in_(times[begin : begin + _TIMES_PER_QUERY]),
            table.c.replaced_by.is_(None),
        )
        found.update({(row.variable, row.valid_time): row.id for row in connection.execute(query)})
    return found


def _values(archive: str, origin: Origin) -> dict[str, Any]:
    values = {name: getattr(origin, name) for name in Origin.__slots__ if name != "lead"}
    return {
        **values,
        "archive": archive,
        "inputs": list(origin.inputs),
        "kind": origin.kind.value,
        "lead_seconds": int(origin.lead.total_seconds()),
    }


def _origin(row: Row[Any]) -> Origin:
    values = {name: getattr(row, name) for name in Origin.__slots__ if name != "lead"}
    values["inputs"] = tuple(values["inputs"])
    values["kind"] = FieldKind(values["kind"])
    return Origin(**values, lead=timedelta(seconds=row.lead_seconds))
