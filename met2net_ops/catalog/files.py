"""Which files were read, with what content and to what end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from met2net_ops.catalog.engine import writing
from met2net_ops.catalog.tables import files as table

if TYPE_CHECKING:
    from sqlalchemy import Engine


def content_of(catalog: Engine, path: str, size: int, mtime_ns: int, recipe: str) -> str | None:
    """SHA-256 of a file that was read with that recipe and has not been touched since."""
    query = select(table.c.sha256).where(
        table.c.path == path,
        table.c.size == size,
        table.c.mtime_ns == mtime_ns,
        table.c.recipe == recipe,
    )
    with catalog.begin() as connection:
        return connection.execute(query).scalar()


def was_read(catalog: Engine, sha256: str, recipe: str) -> bool:
    """Whether this content was read with that recipe, under whatever name."""
    query = select(table.c.id).where(table.c.sha256 == sha256, table.c.recipe == recipe).limit(1)
    with catalog.begin() as connection:
        return connection.execute(query).scalar() is not None


def remember_file(
    catalog: Engine,
    *,
    path: str,
    size: int,
    mtime_ns: int,
    sha256: str,
    recipe: str,
    messages: int,
    report: dict[str, Any],
) -> None:
    """Everything in the file has been dealt with; earlier content of that name is forgotten."""
    with writing(catalog) as connection:
        connection.execute(delete(table).where(table.c.path == path, table.c.recipe == recipe))
        connection.execute(
            insert(table).values(
                path=path,
                size=size,
                mtime_ns=mtime_ns,
                sha256=sha256,
                recipe=recipe,
                messages=messages,
                report=report,
                ingested_at=datetime.now(UTC),
            )
        )
