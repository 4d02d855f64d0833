"""Asking Parquet files by DuckDB, with one way of saying that one of them cannot be read.

Columns of the answers become arrays without pandas, which Arrow would import for it: forty
megabytes and a quarter of a second.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

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


def number_column(table: pa.Table, name: str) -> NDArray[Any]:
    """A column of numbers, or of times as int64; NaN where it has none."""
    column = table[name].combine_chunks()
    if pa.types.is_timestamp(column.type):
        column = column.view(pa.int64())
    return np.from_dlpack(column) if not column.null_count else np.asarray(column.to_numpy(False))


def encoded_column(table: pa.Table, name: str) -> tuple[list[Any], NDArray[Any]]:
    """The different values of a column, None among them, and which of them each row has."""
    encoded = table[name].combine_chunks().dictionary_encode(null_encoding="encode")
    return encoded.dictionary.to_pylist(), np.from_dlpack(encoded.indices)


def text_column(table: pa.Table, name: str) -> NDArray[np.str_]:
    """A column of text."""
    values, rows = encoded_column(table, name)
    return np.take(np.array(values, dtype=np.str_), rows)
