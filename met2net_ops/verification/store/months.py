"""One file of sums for all cycles of a month, in the place of their own files.

`verification/<truth>/<model>/<YYYY>/<MM>/<model>_<YYYYMM>.parquet`. Its metadata holds the record
of every cycle in it. A cycle that has a file of its own counts from there (`listing`): late truth
writes one, and the next compaction takes it in.

Killed at any moment, a compaction loses nothing. The file of the month is written beside, read
back against the files it was made from, and moved into place; only then do those go, each unless it
was replaced meanwhile.
"""

from __future__ import annotations

import json
import re
import zlib
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from met2net_ops.errors import ProductError, VerificationError
from met2net_ops.products.publish import claim
from met2net_ops.times import TimeFormatError, format_time, naive_utc, parse_time
from met2net_ops.verification.store.files import (
    TRUTHS,
    Record,
    cycle_of,
    damaged,
    read_record,
    record_from,
    record_values,
    sums_path,
)
from met2net_ops.verification.store.rows import FEW_VALUES, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from met2net_ops.paths import WorkspacePaths

_RECORDS = b"met2net-ops-month"
_CYCLES = b"met2net-ops-cycles"
_NAME = re.compile(r".+_\d{6}\.parquet")
_ROWS_SORTED = 65_536  # as many as are in memory at once
_ROWS_IN_GROUP = 16_384
# A query wants one kind, variable and region: whatever else lies in groups it passes over.
_ORDER = ("kind", "variable", "subset", "system", "cycle", "lead_hours", "threshold")


@dataclass(frozen=True, slots=True)
class MonthEntry:
    """A cycle in the file of its month.

    Attributes:
        source: size, modification time and inode of the file its sums came from.
        record: what they were made from.
    """

    source: str
    record: Record


def is_month(path: Path) -> bool:
    """Whether a name is that of a month's file."""
    return path.name[0] != "." and _NAME.fullmatch(path.name) is not None


def month_path(folder: Path) -> Path:
    """The file of a month, in its folder `<model>/<YYYY>/<MM>`."""
    year, model = folder.parent, folder.parent.parent
    return folder / f"{model.name}_{year.name}{folder.name}.parquet"


def month_cycles(path: Path) -> list[datetime]:
    """The cycles in the file of a month, without their records, which take longer to read.

    Raises:
        VerificationError: the file is damaged.
    """
    try:
        names = (pq.read_schema(path).metadata or {})[_CYCLES].decode().split()
        return [parse_time(name) for name in names]
    except (OSError, KeyError, ValueError, TimeFormatError) as error:
        raise damaged(path, error) from error


def read_month(path: Path) -> dict[datetime, MonthEntry]:
    """The cycles in the file of a month; none if there is no such file.

    Raises:
        VerificationError: the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        text = zlib.decompress((pq.read_schema(path).metadata or {})[_RECORDS])
        read = [(source, record_from(values)) for source, values in json.loads(text)]
    except (OSError, KeyError, ValueError, TypeError, zlib.error, TimeFormatError) as error:
        raise damaged(path, error) from error
    return {
        record.cycle: MonthEntry(source, record) for source, record in read if record is not None
    }


class StoredRecords:
    """What stored sums were made from, from the file of a cycle or else that of its month.

    The file of a month is read once in the life of this object.
    """

    def __init__(self, paths: WorkspacePaths, truth: str) -> None:
        self._paths, self._truth = paths, truth
        self._months: dict[Path, dict[datetime, MonthEntry]] = {}

    def of(self, model: str, cycle: datetime) -> Record | None:
        """The record of a cycle; None if there is none.

        Raises:
            VerificationError: the file that should hold it is damaged.
        """
        path = sums_path(self._paths, self._truth, model, cycle)
        record = read_record(path)
        if record is not None:
            return record
        month = month_path(path.parent)
        if month not in self._months:
            self._months[month] = read_month(month)
        entry = self._months[month].get(cycle)
        return None if entry is None else entry.record


def compact_months(paths: WorkspacePaths, before: datetime) -> list[Path]:
    """Put the cycles of every month that ended before a time into one file each.

    Args:
        paths: of the workspace.
        before: later months stay as they are.

    Returns:
        The files written.

    Raises:
        VerificationError: one cannot be written, or was not read back as it was written; all files
            it was to replace are still there.
    """
    last = f"{before:%Y/%m}"
    folders = [
        folder
        for truth in TRUTHS
        for folder in sorted((paths.verification / truth).glob("*/*/*"))
        if f"{folder.parent.name}/{folder.name}" < last
    ]
    return [month_path(folder) for folder in folders if _compact(folder)]


def _compact(folder: Path) -> bool:
    """Whether the file of the month was written."""
    locks = [path for path in folder.iterdir() if path.name[0] == "." and path.suffix == ".lock"]
    if not locks and not any(cycle_of(path) is not None for path in folder.iterdir()):
        return False
    target = month_path(folder)
    try:
        with claim(target) as held:
            _clear(locks)
            before = read_month(target)
            own = _own(folder)
            merged = before | {entry.record.cycle: entry for entry in own.values()}
            if merged != before:
                _write(held.temporary, target, own, merged)
                held.place(target)
            _remove_merged(own)
            return merged != before
    except ProductError:  # another process compacts this month
        return False
    except OSError as error:
        raise VerificationError(
            f"cannot write {target}: {error}; make room or check permissions, then verify again"
        ) from error


def _clear(locks: list[Path]) -> None:
    """Remove what killed processes left behind beside their locks."""
    for lock in locks:
        with suppress(ProductError), claim(lock.with_name(lock.stem[1:])):
            pass


def _own(folder: Path) -> dict[Path, MonthEntry]:
    """Files of single cycles in the folder of a month; not what is damaged or of other formats."""
    found = {}
    for path in sorted(path for path in folder.iterdir() if cycle_of(path) is not None):
        source = _source(path)  # before it is read: what replaces it meanwhile is not removed
        try:
            record = read_record(path)
        except VerificationError:
            continue  # verified again when it is next looked at
        if source is not None and record is not None:
            found[path] = MonthEntry(source, record)
    return found


def _source(path: Path) -> str | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ino}"


def _write(
    temporary: Path,
    target: Path,
    own: dict[Path, MonthEntry],
    merged: dict[datetime, MonthEntry],
) -> None:
    records = [[entry.source, record_values(entry.record)] for _, entry in sorted(merged.items())]
    schema = SCHEMA.with_metadata({
        _RECORDS: zlib.compress(json.dumps(records).encode()),
        _CYCLES: " ".join(format_time(cycle) for cycle in sorted(merged)),
    })  # fmt: skip
    cycles = {entry.record.cycle for entry in own.values()}
    with pq.ParquetWriter(
        temporary, schema, compression="zstd", use_dictionary=FEW_VALUES
    ) as writer:
        for table in _sorted_rows(target, own, cycles):
            writer.write_table(table, row_group_size=_ROWS_IN_GROUP)
    back = pq.ParquetFile(temporary)
    groups = (back.read_row_group(group) for group in range(back.num_row_groups))
    wanted = (
        table.slice(first, _ROWS_IN_GROUP)
        for table in _sorted_rows(target, own, cycles)
        for first in range(0, table.num_rows, _ROWS_IN_GROUP)
    )
    for group, rows in zip_longest(groups, wanted):
        if group is None or rows is None or not group.equals(rows):
            raise VerificationError(
                f"{target}: the disk gave back other sums than were written, or a file of "
                f"{target.parent} was replaced meanwhile; the files of its cycles stay"
            )


def _sorted_rows(
    target: Path, own: dict[Path, MonthEntry], cycles: set[datetime]
) -> Iterator[pa.Table]:
    """All rows of the month to be, so many at a time; the same every time."""
    waiting: list[pa.Table] = []
    for table in _rows(target, own, cycles):
        waiting.append(table)
        if sum(one.num_rows for one in waiting) >= _ROWS_SORTED:
            yield _sorted(waiting)
            waiting = []
    if waiting:
        yield _sorted(waiting)


def _rows(target: Path, own: dict[Path, MonthEntry], cycles: set[datetime]) -> Iterator[pa.Table]:
    """Rows of the month as it is, less those of cycles with a file of their own, then theirs."""
    if target.is_file():
        replaced = pa.array([naive_utc(cycle) for cycle in cycles], SCHEMA.field("cycle").type)
        for batch in pq.ParquetFile(target).iter_batches(_ROWS_SORTED):
            table = pa.Table.from_batches([batch])
            yield table.filter(pc.invert(pc.is_in(table["cycle"], replaced)))
    for path in own:
        for batch in pq.ParquetFile(path).iter_batches(_ROWS_SORTED):
            yield pa.Table.from_batches([batch])


def _sorted(tables: list[pa.Table]) -> pa.Table:
    """In one table of all columns, which older files may lack."""
    bare = [table.replace_schema_metadata(None) for table in tables]
    together = pa.concat_tables([SCHEMA.empty_table(), *bare], promote_options="default")
    return together.sort_by([(name, "ascending") for name in _ORDER]).combine_chunks()


def _remove_merged(own: dict[Path, MonthEntry]) -> None:
    """Remove the files of cycles that the month's file now holds, unless replaced meanwhile."""
    for path, entry in own.items():
        try:
            with claim(path):
                if _source(path) == entry.source:
                    path.unlink()
        except ProductError:
            continue  # it is being verified at this moment; it counts, and goes next time
