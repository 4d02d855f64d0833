"""SQLite as we use it: write-ahead log, readers that never wait and writers that say so first."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from met2net_ops.permissions import owner_and_group

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine

BUSY_TIMEOUT_S = 60.0


def connect_to_read(file: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """Open SQLite read-only.

    A write-ahead log needs files beside the database. Where none can be made and there are none,
    there is no writer either, and SQLite may be told that nothing changes.
    """
    log = file.with_name(f"{file.name}-wal")
    still = not os.access(file.parent, os.W_OK) and not log.exists()
    uri = f"{file.as_uri()}?{'immutable=1' if still else 'mode=ro'}"
    return sqlite3.connect(uri, uri=True, timeout=busy_timeout_s)


def make_private(file: Path) -> None:
    """Make an empty database that others cannot read, where there is none (0640, less the umask).

    SQLite gives the files beside it, `-wal` and `-shm`, the same permissions.

    Raises:
        OSError: it cannot be made.
    """
    with open(file, "ab", opener=owner_and_group):
        pass


def prepare_to_write(engine: Engine, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
    """Make connections of `engine` keep a write-ahead log and wait that long for other writers.

    Transactions begin as `writes` says.
    """

    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, see _begin
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(busy_timeout_s * 1000)}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", _begin)


def writes(connection: Connection) -> Connection:
    """The connection, its transactions taking the write lock at once instead of half-way."""
    return connection.execution_options(met2net_ops_writes=True)


def _begin(connection: Connection) -> None:
    wanted = connection.get_execution_options().get("met2net_ops_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if wanted else "BEGIN")
