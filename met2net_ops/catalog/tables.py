"""Tables of the ingest: files read, and where every frame came from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    text,
)

from met2net_ops.times import naive_utc


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC `datetime`; databases hold it naive."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        return value and naive_utc(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database."""
        return None if value is None else cast("datetime", value).replace(tzinfo=UTC)


tables = MetaData()

files = Table(
    "ingested_files",
    tables,
    Column("id", Integer, primary_key=True),
    Column("archive", String(32), nullable=False),  # its identity: archives may share a catalog
    Column("path", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    # What the file was read for: grid, variables, step. Other settings read it again.
    Column("recipe", String(64), nullable=False),
    Column("messages", Integer, nullable=False),
    Column("report", JSON, nullable=False),
    Column("ingested_at", UtcTime, nullable=False),
    Index("ingested_files_path", "archive", "path"),
    Index("ingested_files_content", "archive", "sha256", "recipe"),
)

source_credits = Table(
    "source_credits",
    tables,
    Column("folder", String, primary_key=True),  # that its files are put into
    Column("source", String(64), primary_key=True),
    Column("licence", String, nullable=False),
    Column("attribution", String, nullable=False),
)

origins = Table(
    "frame_origins",
    tables,
    Column("id", Integer, primary_key=True),
    Column("archive", String(32), nullable=False),
    Column("variable", String(32), nullable=False),
    Column("valid_time", UtcTime, nullable=False),
    Column("path", String, nullable=False),
    Column("file_sha256", String(64), nullable=False),
    Column("file_mtime_ns", BigInteger, nullable=False),
    Column("message", Integer, nullable=False),
    Column("field", Integer, nullable=False),
    Column("message_sha256", String(64), nullable=False),
    Column("inputs", JSON, nullable=False),
    Column("method", String, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("reference_time", UtcTime, nullable=False),
    Column("lead_seconds", BigInteger, nullable=False),
    Column("expver", String(8), nullable=False),
    Column("missing_points", Integer, nullable=False),
    Column("frame_sha256", String(64), nullable=False),
    Column("recorded_at", UtcTime, nullable=False),
    # The origin that took this one's place; NULL for what is in the archive now; itself for what
    # was removed from the archive since (retention).
    Column("replaced_by", Integer, ForeignKey("frame_origins.id", deferrable=True)),
    Index("frame_origins_frame", "archive", "variable", "valid_time"),
    Index("frame_origins_file", "archive", "file_sha256"),
    Index(
        "frame_origins_current",
        "archive",
        "variable",
        "valid_time",
        unique=True,
        sqlite_where=text("replaced_by IS NULL"),
        postgresql_where=text("replaced_by IS NULL"),
    ),
)
