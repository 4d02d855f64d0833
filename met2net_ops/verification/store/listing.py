"""Which files hold the sums of a period, and how they are asked, by DuckDB.

The sums of a cycle count from its own file where it has one, and else from that of its month.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from met2net_ops.errors import VerificationError
from met2net_ops.parquet import asking
from met2net_ops.times import naive_utc
from met2net_ops.verification.store.files import cycle_of
from met2net_ops.verification.store.months import is_month, month_cycles
from met2net_ops.verification.store.rows import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

    from met2net_ops.paths import WorkspacePaths

# Has all columns, whatever the files have; a registered Arrow table would import pandas.
_TYPES = {"string": "VARCHAR", "timestamp[us]": "TIMESTAMP", "int32": "INTEGER", "double": "DOUBLE"}
_NO_ROW = ", ".join(f"NULL::{_TYPES[str(field.type)]} AS {field.name}" for field in SCHEMA)
_TRIES = 3  # a compaction may remove files between listing and reading


@dataclass(frozen=True)
class StoredSums:
    """The files that hold the sums of some models and cycles against one truth.

    Attributes:
        paths: of the workspace.
        truth: "analysis" or "stations".
        models: only of these; None for all.
        since: earliest cycle.
        until: latest cycle, included.
        cycles: files of single cycles, by model and cycle.
        months: files of whole months, which may also hold cycles outside the period.
    """

    paths: WorkspacePaths
    truth: str
    models: tuple[str, ...] | None
    since: datetime | None
    until: datetime | None
    cycles: tuple[Path, ...] = ()
    months: tuple[Path, ...] = ()

    @cached_property
    def state(self) -> str:
        """Changes when any of the files does, or the period."""
        digest = hashlib.sha256(f"{self.since} {self.until}\n".encode())
        for path in (*self.months, *self.cycles):
            try:
                stat = path.stat()
            except FileNotFoundError:  # replaced or removed since it was listed
                continue
            digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def verified(self) -> set[tuple[str, datetime]]:
        """Model and cycle of all sums in the period.

        Raises:
            VerificationError: the file of a month is damaged.
        """
        found = {(path.parts[-4], cycle_of(path)) for path in self.cycles}
        for path in self.months:
            found |= {(path.parts[-4], cycle) for cycle in month_cycles(path)}
        return {
            (model, cycle)
            for model, cycle in found
            if cycle is not None and _within(cycle, self.since, self.until)
        }

    def times(self) -> list[datetime]:
        """Cycles that have sums in the period, ascending.

        Raises:
            VerificationError: the file of a month is damaged.
        """
        return sorted({cycle for _, cycle in self.verified()})

    def newest(self) -> datetime | None:
        """The newest cycle of the one model there is; None without any.

        Raises:
            VerificationError: the file of a month is damaged.
        """
        last = replace(self, cycles=self.cycles[-1:], months=self.months[-1:]).times()
        return last[-1] if last else None

    def ask(
        self, query: str, values: Mapping[str, object] | None = None, *, later: bool = False
    ) -> pa.Table:
        """The answer to a query over the table `stored`, which has the columns of `rows.SCHEMA`.

        Args:
            query: in SQL, after a WITH clause.
            values: what it names.
            later: whether it asks for columns that files of earlier versions lack (of the surface
                and of classes), which takes a little longer.

        Raises:
            VerificationError: a file cannot be read.
        """
        listed = self
        for turn in range(1, _TRIES + 1):
            try:
                return listed._ask(query, values or {}, later=later)
            except VerificationError:
                files = (*listed.months, *listed.cycles)
                if turn == _TRIES or all(path.exists() for path in files):
                    raise
            listed = stored_sums(self.paths, self.truth, self.models, self.since, self.until)
        raise AssertionError("the last try returns or raises")

    def _ask(self, query: str, values: Mapping[str, object], *, later: bool) -> pa.Table:
        source, files = self._source(later=later)
        with asking(
            "the stored sums", "run `met2net-ops verify` again", VerificationError
        ) as connection:
            asked = connection.sql(f"WITH stored AS ({source}) {query}", params={**files, **values})
            return asked.to_arrow_table()

    def _source(self, *, later: bool) -> tuple[str, dict[str, object]]:
        """All rows that count, in SQL, and the values the text names."""
        parts = [f"SELECT {_NO_ROW} WHERE false"]
        values: dict[str, object] = {}
        if self.cycles:
            parts.append(f"SELECT * FROM read_parquet($cycle_files, union_by_name = {later})")
            values["cycle_files"] = [str(path) for path in self.cycles]
        if self.months:
            where = []
            folders = {path.parent for path in self.months}
            if own := [path.stem for path in self.cycles if path.parent in folders]:
                where.append("NOT list_contains($own, model || strftime(cycle, '_%Y%m%d%H'))")
                values["own"] = own
            for name, sign, limit in (("since", ">=", self.since), ("until", "<=", self.until)):
                if limit is not None:
                    where.append(f"cycle {sign} ${name}")
                    values[name] = naive_utc(limit)
            parts.append(
                f"SELECT * FROM read_parquet($month_files, union_by_name = {later}) "
                f"WHERE {' AND '.join(where) or 'true'}"
            )
            values["month_files"] = [str(path) for path in self.months]
        return " UNION ALL BY NAME ".join(parts), values


def stored_sums(
    paths: WorkspacePaths,
    truth: str,
    models: Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> StoredSums:
    """List the files of a period; folders of other months are not read.

    Args:
        paths: of the workspace.
        truth: "analysis" or "stations".
        models: only of these; None for all.
        since: earliest cycle.
        until: latest cycle, included.
    """
    first = "" if since is None else f"{since:%Y/%m}"
    last = "9999/99" if until is None else f"{until:%Y/%m}"
    cycles, months = [], []
    root = paths.verification / truth
    # Not a glob of the name: model names may hold characters that mean something there.
    names = [path.name for path in root.glob("*")] if models is None else dict.fromkeys(models)
    for folder in (month for name in names for month in (root / name).glob("*/*")):
        if not first <= f"{folder.parent.name}/{folder.name}" <= last:
            continue
        for path in folder.glob("*.parquet"):
            cycle = cycle_of(path)
            if cycle is not None and _within(cycle, since, until):
                cycles.append(path)
            elif is_month(path):
                months.append(path)
    named = None if models is None else tuple(models)
    return StoredSums(
        paths, truth, named, since, until, tuple(sorted(cycles)), tuple(sorted(months))
    )


def _within(cycle: datetime, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or cycle >= since) and (until is None or cycle <= until)
