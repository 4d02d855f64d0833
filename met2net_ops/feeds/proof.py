"""Every fetched message proves itself: framed as GRIB, and the field the plan says it is."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from met2net_ops.feeds.http import UnusableError
from met2net_ops.grib.inventory import inventory
from met2net_ops.times import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from met2net_ops.feeds.plan import WantedFile
    from met2net_ops.grib.records import MessageRecord


def prove(path: Path, file: WantedFile, messages: Sequence[tuple[tuple[str, ...], int]]) -> None:
    """Compare what lies in a file of fetched messages with what was planned.

    Args:
        path: the messages, one after the other.
        file: what was wanted.
        messages: the variables of ours that each message holds, and its bytes.

    Raises:
        UnusableError: a message is not framed by its range (GRIB … 7777 of that length), or is
            another parameter, level, time or member than planned.
    """
    found = inventory(path)
    if found.damage:
        damage = found.damage[0]
        raise UnusableError(
            f"{file}: what was fetched is not the messages of the index: {damage.reason}"
        )
    by_offset = {
        offset: list(records) for offset, records in groupby(found.records, lambda r: r.offset)
    }
    offset = 0
    for variables, length in messages:
        records = by_offset.pop(offset, [])
        if not records or records[0].length != length:
            raise UnusableError(
                f"{file}: the range for {' and '.join(variables)} ({length} bytes) does not hold "
                "exactly one GRIB message: the index is of another version of the file"
            )
        for variable in variables:
            _check_field(file, variable, records)
        offset += length
    if by_offset:
        raise UnusableError(f"{file}: more messages came than were requested")


def _check_field(file: WantedFile, variable: str, records: Sequence[MessageRecord]) -> None:
    same = [record for record in records if record.variable == variable]
    if not same:
        other = records[0]
        raise UnusableError(
            f"{file}: the message for {variable} holds {other.short_name} at "
            f"{other.type_of_level} {other.level:g} {other.reason}".rstrip()
        )
    (record, *_) = same
    if (record.reference_time, record.valid_time) != (file.reference_time, file.valid_time):
        times = [
            "no time" if time is None else format_time(time)
            for time in (record.reference_time, record.valid_time)
        ]
        raise UnusableError(
            f"{file}: the message for {variable} is of the run {times[0]}, for {times[1]}"
        )
    if record.number not in (None, 0):
        raise UnusableError(f"{file}: the message for {variable} is of member {record.number}")
    wanted = file.source.fields[variable].window
    interval = timedelta(0) if wanted == "instant" else timedelta(hours=1)
    if record.interval != interval:
        raise UnusableError(
            f"{file}: the message for {variable} is over {record.interval}, not {interval}"
        )
