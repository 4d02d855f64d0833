"""The times of a field, and whether it is an analysis or a forecast."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from met2net_ops.fields import FieldKind
from met2net_ops.grib.keys import get_long, get_text
from met2net_ops.grib.records import GribUnreadableError

_MAX_LEAD = timedelta(days=3660)
_STEP = re.compile(r"(-?\d+)([smhD]?)(?:-(\d+)([smhD]?))?")
_STEP_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "": timedelta(hours=1),
    "D": timedelta(days=1),
}
# Lengths of the units of code table 4.4 (edition 2) and table 4 (edition 1). Months and years
# have none; ecCodes does not return from some of the values that are not in the tables.
_UNITS2 = {
    0: timedelta(minutes=1), 1: timedelta(hours=1), 2: timedelta(days=1), 10: timedelta(hours=3),
    11: timedelta(hours=6), 12: timedelta(hours=12), 13: timedelta(seconds=1),
}  # fmt: skip
_UNITS1 = _UNITS2 | {
    13: timedelta(minutes=15), 14: timedelta(minutes=30), 254: timedelta(seconds=1),
}  # fmt: skip
_INSTANT = timedelta(0)


@dataclass(frozen=True, slots=True)
class Times:
    """When a field holds; `problem` says what of it cannot be read.

    Attributes:
        reference: UTC, None if it cannot be read.
        valid: the end of the interval for accumulations; None likewise.
        interval: zero for instants.
        problem: "" if all is well.
    """

    reference: datetime | None
    valid: datetime | None
    interval: timedelta
    problem: str = ""


def read_times(handle: int, step_type: str, step_range: str) -> Times:
    """The times of a field. Never fails: `problem` says what cannot be read."""
    reference = valid = None
    interval = _INSTANT
    try:
        reference = _time(get_long(handle, "dataDate"), get_long(handle, "dataTime"))
        valid = read_valid_time(handle)
        if step_type != "instant":
            start, stop = parse_step_range(step_range)
            interval = stop - start
    except GribUnreadableError as error:
        return Times(reference, valid, interval, str(error))
    if not _INSTANT <= valid - reference <= _MAX_LEAD:
        problem = f"it is valid {valid - reference} after its reference time"
        return Times(reference, valid, interval, problem)
    return Times(reference, valid, interval)


def check_units(handle: int) -> None:
    """Refuse time units and leads that no forecast has, before ecCodes computes with them.

    Raises:
        GribUnreadableError: there are such.
    """
    edition = get_long(handle, "edition")
    unit = "indicatorOfUnitOfTimeRange"
    if edition == 1:
        counted = {"P1": unit, "P2": unit}
    else:
        counted = {"forecastTime": unit}
        if get_long(handle, "numberOfTimeRange", 0):
            counted["lengthOfTimeRange"] = "indicatorOfUnitForTimeRange"
    for key, unit_key in counted.items():
        code = get_long(handle, unit_key)
        length = (_UNITS1 if edition == 1 else _UNITS2).get(code)
        if length is None:
            raise GribUnreadableError(f"its times are counted in units of code {code}")
        count = get_long(handle, key, 0)
        if abs(count) > _MAX_LEAD / length:
            raise GribUnreadableError(f"its {key} is {count} x {length}")


def read_valid_time(handle: int) -> datetime:
    """The time a field is valid for, the end of its interval if it has one; UTC.

    Raises:
        GribUnreadableError: it has none.
    """
    return _time(get_long(handle, "validityDate"), get_long(handle, "validityTime"))


def read_kind(handle: int, edition: int, times: Times) -> FieldKind:
    """Analysis or forecast.

    ecCodes' `dataType` says it: `an`, or `af` (analysis and forecast products in one file) at
    lead 0. Edition 1 without it: time range indicators 0, 1 and 10 at lead 0 (code table 5).
    """
    data_type = get_text(handle, "dataType", "")
    at_start = times.valid == times.reference
    if data_type:
        analysis = data_type == "an" or (data_type == "af" and at_start)
    else:
        indicator = get_long(handle, "timeRangeIndicator", 0)
        analysis = edition == 1 and at_start and indicator in (0, 1, 10)
    return FieldKind.ANALYSIS if analysis else FieldKind.FORECAST


def _time(date: int, clock: int) -> datetime:
    """UTC from ecCodes' YYYYMMDD and HHMM."""
    year, month, day = date // 10000, date // 100 % 100, date % 100
    try:
        time = datetime(year, month, day, clock // 100, clock % 100, tzinfo=UTC)
    except ValueError as error:
        raise GribUnreadableError(f"{date} {clock:04d} is no date and time: {error}") from error
    if not 1800 <= year < 2300:
        raise GribUnreadableError(f"its date {date} is out of the question")
    return time


def parse_step_range(text: str) -> tuple[timedelta, timedelta]:
    """Start and end of an ecCodes stepRange; hours where no unit is written.

    Raises:
        GribUnreadableError: it is not one.

    >>> [str(t) for t in parse_step_range("30m-1h")]
    ['0:30:00', '1:00:00']
    """
    match = _STEP.fullmatch(text)
    if match is None:
        raise GribUnreadableError(f"its step range {text!r} cannot be read")
    start = int(match[1]) * _STEP_UNITS[match[2]]
    stop = start if match[3] is None else int(match[3]) * _STEP_UNITS[match[4]]
    if stop < start:
        raise GribUnreadableError(f"its step range {text!r} ends before it begins")
    return start, stop
