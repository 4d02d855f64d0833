"""Which files were read, with what content and to what end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from met2net_ops.catalog.engine import rows, writing
from met2net_ops.catalog.tables import files as table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from met2net_ops.catalog.engine import Catalog


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What is remembered of a content: its SHA-256, and the report as plain data."""

    sha256: str
    report: dict[str, Any]


def known_file(
    catalog: Catalog, path: str, size: int, mtime_ns: int, recipe: str
) -> KnownFile | None:
    """A file that was read with that recipe and has not been touched since.

    Raises:
        ArchiveError: the catalog cannot be read.
    """
    return _newest(
        catalog,
        table.c.path == path,
        table.c.size == size,
        table.c.mtime_ns == mtime_ns,
        table.c.recipe == recipe,
    )


def known_content(catalog: Catalog, sha256: str, recipe: str) -> KnownFile | None:
    """A content that was read with that recipe, under whatever name.

    Raises:
        ArchiveError: the catalog cannot be read.
    """
    return _newest(catalog, table.c.sha256 == sha256, table.c.recipe == recipe)


def holds_other_content(catalog: Catalog, path: str, sha256: str, recipe: str) -> bool:
    """Whether a file of that name was read with that recipe, and had another content then.

    Raises:
        ArchiveError: the catalog cannot be read.
    """
    known = _newest(catalog, table.c.path == path, table.c.recipe == recipe)
    return known is not None and known.sha256 != sha256


def _newest(catalog: Catalog, *conditions: ColumnElement[bool]) -> KnownFile | None:
    query = (
        select(table.c.sha256, table.c.report)
        .where(table.c.archive == catalog.archive, *conditions)
        .order_by(table.c.id.desc())
        .limit(1)
    )
    found = rows(catalog.engine, [query])
    return KnownFile(found[0].sha256, found[0].report) if found else None


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file that was read: its absolute path, when, and the report as plain data."""

    path: str
    ingested_at: datetime
    report: dict[str, Any]


def files_since(catalog: Catalog, since: datetime, most: int = 2000) -> list[ReadFile]:
    """Files read since then, newest first; no more than so many, whatever the catalog's age.

    Raises:
        ArchiveError: the catalog cannot be read.
    """
    newest = (
        select(table.c.path, table.c.ingested_at, table.c.report)
        .where(table.c.archive == catalog.archive)
        .order_by(table.c.id.desc())
        .limit(most)
    )
    found = rows(catalog.engine, [newest])
    return [
        ReadFile(row.path, row.ingested_at, row.report) for row in found if row.ingested_at >= since
    ]


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


def remember_files(catalog: Catalog, read: Sequence[FileRow]) -> None:
    """Everything in these files has been dealt with; earlier content of their names is forgotten.

    Raises:
        ArchiveError: the catalog cannot be written.
    """
    with writing(catalog.engine) as connection:
        for row in read:
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
