"""Which files were read, with what content and to what end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from met2net_ops.catalog.engine import writing
from met2net_ops.catalog.tables import files as table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from met2net_ops.catalog.engine import Catalog


def content_of(catalog: Catalog, path: str, size: int, mtime_ns: int, recipe: str) -> str | None:
    """SHA-256 of a file that was read with that recipe and has not been touched since."""
    query = select(table.c.sha256).where(
        table.c.archive == catalog.archive,
        table.c.path == path,
        table.c.size == size,
        table.c.mtime_ns == mtime_ns,
        table.c.recipe == recipe,
    )
    with catalog.engine.begin() as connection:
        return connection.execute(query).scalar()


def was_read(catalog: Catalog, sha256: str, recipe: str) -> bool:
    """Whether this content was read with that recipe, under whatever name."""
    query = (
        select(table.c.id)
        .where(
            table.c.archive == catalog.archive,
            table.c.sha256 == sha256,
            table.c.recipe == recipe,
        )
        .limit(1)
    )
    with catalog.engine.begin() as connection:
        return connection.execute(query).scalar() is not None


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file that has been dealt with.

    Attributes:
        path: absolute.
        size: bytes.
        mtime_ns: nanoseconds since 1970.
        sha256: of the content.
        recipe: checksum of what it was read for.
        messages: fields in it.
        report: verdicts and frames, plain data.
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str
    recipe: str
    messages: int
    report: dict[str, Any]


def remember_files(catalog: Catalog, rows: Sequence[FileRow]) -> None:
    """Everything in these files has been dealt with; earlier content of their names is forgotten.

    Raises:
        ArchiveError: the catalog cannot be written.
    """
    with writing(catalog.engine) as connection:
        for row in rows:
            values = {name: getattr(row, name) for name in FileRow.__slots__}
            connection.execute(
                delete(table).where(
                    table.c.archive == catalog.archive,
                    table.c.path == row.path,
                    table.c.recipe == row.recipe,
                )
            )
            values |= {"archive": catalog.archive, "ingested_at": datetime.now(UTC)}
            connection.execute(insert(table).values(**values))
