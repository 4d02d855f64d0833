"""Times: UTC everywhere, aware `datetime` in data classes, naive-UTC `datetime64[ns]` in arrays."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import numpy as np

from met2net_ops.errors import Met2NetOpsError

HOUR = timedelta(hours=1)

_ISO = re.compile(
    r"""(?P<year>\d{4})
    (?:(?P<dash>[-/])(?P<month>\d{1,2})(?P=dash)(?P<day>\d{1,2}) | (?P<month_>\d\d)(?P<day_>\d\d))
    (?:(?:[Tt_]|\ +|(?<=\d{8}))
        (?P<hour>\d{1,2})
        (?::?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?
        \ ?(?P<zone>[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?)?
    | [Zz])?""",
    re.VERBOSE | re.ASCII,
)
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?=\D|$)", re.ASCII)
_MOST_OFFSET = timedelta(hours=14)


class TimeFormatError(Met2NetOpsError):
    """A time was not written the way we read times."""

    exit_code = 2


def parse_time(text: str) -> datetime:
    """Read a time as people and programs write it, as UTC where it names no offset.

    That is ISO 8601, extended or basic: `2026-11-22`, `2026-11-22T06`, `2026-11-22 06:00:00.5Z`,
    `20261122T0600`, with an offset such as `+02:00`, with hour 24 for the end of a day; a slash
    for the dash; and `22.11.2026 06:00`, where the dots mean that the day comes first.

    Raises:
        TimeFormatError: the text is not such a time.

    >>> parse_time("2026-11-22T06")
    datetime.datetime(2026, 11, 22, 6, 0, tzinfo=datetime.timezone.utc)
    >>> format_time(parse_time("2026-11-22T24:00+02:00"))
    '2026-11-22T22:00Z'
    """
    written = text.strip()
    match = _ISO.fullmatch(_DAY_FIRST.sub(r"\3-\2-\1", written, count=1))
    if match is None:
        raise TimeFormatError(f"cannot read the time {text!r}; write it like 2026-11-22T06 (UTC)")
    part = match.groupdict(default="0")
    hour, minute, second = int(part["hour"]), int(part["minute"]), int(part["second"])
    fraction = timedelta(microseconds=int(part["fraction"][:6].ljust(6, "0")))
    end_of_day = hour == 24 and not (minute or second or fraction)
    try:
        time = datetime(
            int(part["year"]),
            int(part["month"]) or int(part["month_"]),
            int(part["day"]) or int(part["day_"]),
            0 if end_of_day else hour,
            minute,
            second,
            tzinfo=UTC,
        )
        return time + fraction + timedelta(days=end_of_day) - _offset(part["zone"])
    except (ValueError, OverflowError) as error:
        raise TimeFormatError(
            f"{text!r} is not a time ({error}); write it like 2026-11-22T06 (UTC)"
        ) from error


def _offset(zone: str) -> timedelta:
    """The offset from UTC that a time names.

    >>> _offset("-03:30") == -timedelta(hours=3, minutes=30)
    True
    """
    if zone[0] not in "+-":
        return timedelta()
    digits = zone[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if offset > _MOST_OFFSET or int(digits[2:]) > 59:
        raise ValueError(f"no place on Earth has the offset {zone}")
    return -offset if zone[0] == "-" else offset


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


def naive_utc(time: datetime) -> datetime:
    """An aware time as UTC without a zone, as databases, Parquet and plots hold it.

    >>> naive_utc(parse_time("2026-11-22T06:00+01:00"))
    datetime.datetime(2026, 11, 22, 5, 0)
    """
    return time.astimezone(UTC).replace(tzinfo=None)


def to_datetime64(time: datetime) -> np.datetime64:
    """An aware time as naive-UTC `datetime64[ns]`, as arrays hold it."""
    return np.datetime64(naive_utc(time), "ns")


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
