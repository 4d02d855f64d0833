"""The times of a field, and whether it is an analysis or a forecast."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from met2net_ops.fields import FieldKind
from met2net_ops.grib.keys import get_long, get_text
from met2net_ops.grib.records import GribUnreadableError

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
YEARS = range(1800, 2300)
_MAX_LEAD = timedelta(days=3660)
_STEP = re.compile(r"(-?\d+)([smhD]?)(?:-(-?\d+)([smhD]?))?")
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
_INITIALISED_ANALYSIS = 1  # code table 5 of edition 1
_VERIFYING_TIME = 2  # code table 1.2


@dataclass(frozen=True, slots=True)
class Times:
    """The times of a field.

    Attributes:
        reference: UTC, None if it cannot be read.
        valid: the end of the interval for accumulations; None likewise.
        interval: length of the interval, zero for instants.
        problem: why the times cannot be used, "" if they can.
    """

    reference: datetime | None
    valid: datetime | None
    interval: timedelta
    problem: str = ""


def read_times(handle: int, step_type: str, step_range: str) -> Times:
    """The times of a field whose units are sound (`check_units`); what is wrong is in `problem`.

    The lead may be negative: edition 2 codes forecast times with a sign. The valid time is not
    ecCodes' own, which is wrong for some negative minutes (2.50.0).
    """
    reference, interval = read_reference(handle), _INSTANT
    if reference is None:
        date = f"{get_long(handle, 'dataDate', 0)} {get_long(handle, 'dataTime', 0):04d}"
        return Times(None, None, interval, f"its reference time {date} is no date and time")
    try:
        start, stop = parse_step_range(step_range)
        if step_type != "instant":
            interval = stop - start
        if abs(stop) > _MAX_LEAD:
            return Times(reference, None, interval, f"it is valid {stop} after its reference time")
        valid = reference + stop
        problem = _contradiction(handle, reference, valid, step_range)
    except (GribUnreadableError, OverflowError) as error:
        return Times(reference, None, interval, str(error))
    return Times(reference, valid, interval, problem)


def read_reference(handle: int) -> datetime | None:
    """The reference time, UTC; None if it is none, or not between the years 1800 and 2300."""
    date, clock = get_long(handle, "dataDate", 0), get_long(handle, "dataTime", 0)
    second = get_long(handle, "second", 0)
    try:
        time = datetime(
            date // 10000, date // 100 % 100, date % 100, clock // 100, clock % 100,
            second if second < 60 else 0, tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        return None
    return time if time.year in YEARS else None


def check_units(handle: int) -> None:
    """Refuse time units and leads that no forecast has, before ecCodes computes with them.

    Raises:
        GribUnreadableError: the message has such, or no forecast time at all.
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


def _contradiction(handle: int, reference: datetime, valid: datetime, step_range: str) -> str:
    """What else the header says of these times and is not true of them; "" if all agrees."""
    end = _end_of_interval(handle)
    if end is not None and end != valid:
        return (
            f"its interval ends at {end:{_FORMAT}} by date, but by its reference time "
            f"{reference:{_FORMAT}} and step range {step_range} at {valid:{_FORMAT}}"
        )
    if valid == reference:
        return ""
    if get_long(handle, "edition") == 1:
        if get_long(handle, "timeRangeIndicator", 0) == _INITIALISED_ANALYSIS:
            return f"its time range indicator 1 means an analysis, but its step is {step_range}"
    elif get_long(handle, "significanceOfReferenceTime", 0) == _VERIFYING_TIME:
        return f"its reference time is said to be its valid time, but its step is {step_range}"
    return ""


def _end_of_interval(handle: int) -> datetime | None:
    """The end of the overall time interval in edition 2; None if it is not stated.

    Raises:
        GribUnreadableError: it is no date and time.
    """
    if not get_long(handle, "numberOfTimeRange", 0):
        return None
    units = ("year", "month", "day", "hour", "minute", "second")
    parts = [get_long(handle, f"{unit}OfEndOfOverallTimeInterval", 0) for unit in units]
    if not any(parts[:3]):
        return None
    year, month, day, hour, minute, second = parts
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise GribUnreadableError(f"the end of its interval, {parts}, is no time") from error


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
