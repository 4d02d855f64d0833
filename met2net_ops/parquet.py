"""Asking Parquet files by DuckDB, with one way of saying that one of them cannot be read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from met2net_ops.errors import Met2NetOpsError


@contextmanager
def asking(
    what: str, then: str, error: type[Met2NetOpsError]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that lives as long as a question.

    Args:
        what: is read, for people.
        then: what to do after the damaged file has been removed.
        error: what to raise.

    Raises:
        Met2NetOpsError: of that kind: a file cannot be read.
    """
    try:
        with duckdb.connect() as connection:
            yield connection
    except duckdb.Error as problem:
        said = str(problem).splitlines()[0]
        raise error(f"cannot read {what}: {said}. Remove the file it names and {then}") from problem
