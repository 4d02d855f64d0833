"""Times: UTC everywhere, aware `datetime` in data classes, naive-UTC `datetime64[ns]` in arrays."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import numpy as np

from met2net_ops.errors import Met2NetOpsError

HOUR = timedelta(hours=1)

_TIME = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2})(?::?(\d{2})(?::?(\d{2}))?)?)?Z?")


class TimeFormatError(Met2NetOpsError):
    """A time was not written the way we read times."""

    exit_code = 2


def parse_time(text: str) -> datetime:
    """Read `2026-11-22`, `2026-11-22T06`, `2026-11-22T06:00Z` as UTC.

    Raises:
        TimeFormatError: the text is not such a time.

    >>> parse_time("2026-11-22T06")
    datetime.datetime(2026, 11, 22, 6, 0, tzinfo=datetime.timezone.utc)
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise TimeFormatError(f"cannot read the time {text!r}; write it like 2026-11-22T06 (UTC)")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise TimeFormatError(f"{text!r} is no time: {error}") from error


def parse_range(text: str) -> tuple[datetime, datetime]:
    """Read `A..B`, both ends included.

    Raises:
        TimeFormatError: no `..`, an end that is no time, or B before A.

    >>> [t.hour for t in parse_range("2026-11-22T00..2026-11-22T06")]
    [0, 6]
    """
    first, separator, last = text.partition("..")
    if not separator:
        raise TimeFormatError(f"cannot read the range {text!r}; write it like A..B")
    start, stop = parse_time(first), parse_time(last)
    if stop < start:
        raise TimeFormatError(f"the range {text!r} ends before it begins")
    return start, stop


def time_range(start: datetime, stop: datetime, step: timedelta = HOUR) -> list[datetime]:
    """Every time from start to stop, both included.

    >>> len(time_range(parse_time("2026-11-22"), parse_time("2026-11-23")))
    25
    """
    return [start + step * i for i in range((stop - start) // step + 1)]


def to_datetime64(time: datetime) -> np.datetime64:
    """An aware time as naive-UTC `datetime64[ns]`, as arrays hold it."""
    return np.datetime64(time.astimezone(UTC).replace(tzinfo=None), "ns")


def from_datetime64(time: np.datetime64) -> datetime:
    """The reverse of `to_datetime64` (to microseconds).

    >>> from_datetime64(to_datetime64(parse_time("2026-11-22T06"))).hour
    6
    """
    micros = int(time.astype("datetime64[us]").astype(np.int64))
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def format_time(time: datetime) -> str:
    """How messages and tables show a time.

    >>> format_time(parse_time("2026-11-22T06"))
    '2026-11-22T06:00Z'
    """
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
