"""Opening the catalog: SQLite in the workspace, or whatever URL the settings give.

Only ingest and retention write it. Readers change nothing, wait for no writer, need no right to
write, and find nothing where there is no catalog yet.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, create_engine, inspect, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from met2net_ops.catalog.tables import tables
from met2net_ops.errors import ArchiveError, SettingsError
from met2net_ops.sqlite import connect_to_read, prepare_to_write, writes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Engine, Row, Select


@dataclass(frozen=True, slots=True)
class Catalog:
    """A catalog, as far as it tells of one archive.

    Attributes:
        engine: the database.
        archive: identity of the archive; "" while there is none.
    """

    engine: Engine
    archive: str

    def dispose(self) -> None:
        """Close the connections."""
        self.engine.dispose()


def reading_engine(address: str) -> Engine:
    """The catalog for those who only look, see `rows`; nothing is made or opened yet.

    Raises:
        SettingsError: `catalog.url` cannot be used.
    """
    url = _url(address)
    file = _sqlite_file(url)
    if file is None:
        return _engine(url)
    # No pool: a connection would go on looking at a file that was moved away or made anew.
    return _engine(url, creator=lambda: connect_to_read(file), poolclass=NullPool)


def writing_engine(address: str) -> Engine:
    """The catalog for those who write, with its tables made where they are lacking.

    On SQLite: write-ahead log, so that readers never wait; a writer waits a minute for another.

    Raises:
        SettingsError: `catalog.url` cannot be used.
        ArchiveError: the database cannot be opened or written, or has tables of another version.
    """
    engine = _engine(_url(address))
    if engine.dialect.name == "sqlite":
        prepare_to_write(engine)
    try:
        with writing(engine) as connection:
            _check_columns(connection)
            tables.create_all(connection)
    except ArchiveError:
        engine.dispose()
        raise
    return engine


def rows(engine: Engine, queries: Sequence[Select[Any]], *, made: str = "") -> list[Row[Any]]:
    """What queries find, all at one moment; nothing where the tables have not been made yet.

    Args:
        engine: the database.
        queries: each a select.
        made: a table without which there is nothing, where others may be there already.

    Raises:
        ArchiveError: the database cannot be read, or has tables of another version.
    """
    file = _sqlite_file(engine.url)
    if file is not None and not file.exists():
        return []
    try:
        with engine.begin() as connection:
            if made and not inspect(connection).has_table(made):
                return []
            return [row for query in queries for row in connection.execute(query)]
    except SQLAlchemyError as error:
        return _why_not(engine, error)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that will write: it takes the write lock at once instead of half-way.

    Raises:
        ArchiveError: the database cannot be opened or written; nothing of this transaction is kept.
    """
    try:
        with engine.connect() as connection:
            marked = writes(connection)
            with marked.begin():
                yield marked
    except SQLAlchemyError as error:
        raise _failed("write", engine, error) from error


def sqlite_url(file: Path) -> str:
    """The address of a SQLite file, as `reading_engine` takes it."""
    return URL.create("sqlite", database=str(file)).render_as_string(hide_password=False)


def _url(address: str) -> URL:
    try:
        return make_url(address)
    except ArgumentError as error:
        raise SettingsError(_unusable(str(error))) from error


def _engine(url: URL, **options: Any) -> Engine:
    try:
        return create_engine(url, **options)
    except ArgumentError as error:
        raise SettingsError(_unusable(str(error))) from error
    except ImportError as error:
        advice = f"{error}; install it: pip install {error.name}"
        raise SettingsError(_unusable(advice)) from error


def _sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite URL; None for other databases, and for SQLite's own kinds of names."""
    name = url.database or ""
    if url.get_backend_name() != "sqlite" or not name or name.startswith((":", "file:")):
        return None
    return Path(name).absolute()


def _unusable(reason: str) -> str:
    return (
        f"catalog.url cannot be used: {reason}. Set it to an SQLAlchemy URL such as "
        "sqlite:////data/catalog.sqlite or postgresql+psycopg://user@host/name, or remove it from "
        "met2net.toml: then the catalog lies in the workspace."
    )


def _why_not(engine: Engine, error: SQLAlchemyError) -> list[Row[Any]]:
    """After a query failed: nothing, if there are no tables to ask; else say what is wrong."""
    try:
        with engine.connect() as connection:
            _check_columns(connection)
            made = any(inspect(connection).has_table(name) for name in tables.tables)
    except SQLAlchemyError:
        raise _failed("read", engine, error) from error
    if made:
        raise _failed("read", engine, error) from error
    return []


def _check_columns(connection: Connection) -> None:
    """Raise ArchiveError if a table that is there is not as this version makes it."""
    inspector = inspect(connection)
    for table in tables.tables.values():
        if inspector.has_table(table.name):
            there = {column["name"] for column in inspector.get_columns(table.name)}
            for column in table.columns:
                if column.name not in there:
                    raise ArchiveError(
                        f"the catalog {_shown(connection.engine)} was made by "
                        f"another version: {table.name} has no column {column.name}; move it away "
                        "and ingest again: frames stay, origins are found anew"
                    )


def _failed(what: str, engine: Engine, error: SQLAlchemyError) -> ArchiveError:
    reason = str(error.__cause__ or error)
    return ArchiveError(
        f"cannot {what} the catalog {_shown(engine)}: {reason}. Check "
        "catalog.url in met2net.toml, permissions and free space, then run it again."
    )


def _shown(engine: Engine) -> str:
    """The file of a SQLite catalog, else the URL, without its password."""
    file = _sqlite_file(engine.url)
    return engine.url.render_as_string() if file is None else str(file)
