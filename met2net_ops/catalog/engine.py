"""Opening the catalog: SQLite in the workspace, or whatever URL the settings give."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from met2net_ops.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine, MetaData

    from met2net_ops.settings import Settings
    from met2net_ops.workspace import Workspace

_BUSY_TIMEOUT_S = 60.0


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


def open_engine(workspace: Workspace, settings: Settings, tables: MetaData) -> Engine:
    """The catalog's engine, with `tables` made where they are lacking.

    On SQLite: write-ahead log, so that readers never wait; a writer waits a minute for another.

    Raises:
        ArchiveError: the database cannot be opened.
    """
    url = settings.catalog.url or f"sqlite:///{workspace.catalog}"
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    try:
        with writing(engine) as connection:
            tables.create_all(connection)
    except ArchiveError:
        engine.dispose()
        raise
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that will write: it takes the write lock at once instead of half-way.

    Raises:
        ArchiveError: the database cannot be opened or written; nothing of this transaction is kept.
    """
    try:
        with engine.connect() as connection:
            marked = connection.execution_options(met2net_ops_writes=True)
            with marked.begin():
                yield marked
    except SQLAlchemyError as error:
        reason = str(error.__cause__ or error)
        raise ArchiveError(
            f"cannot write the catalog {engine.url.render_as_string()}: {reason}. Check "
            "catalog.url in met2net.toml, permissions and free space, then run it again."
        ) from error


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see _begin_sqlite
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(_BUSY_TIMEOUT_S * 1000)}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("met2net_ops_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
