"""Read the header of one field: the few keys that place it, and nothing of its values."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import eccodes

from met2net_ops.grib.recognise import Identity, Match, recognise
from met2net_ops.grib.records import Kind, MessageRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from met2net_ops.grib.scan import Frame

_MISSING = 2147483647  # ecCodes' "no value here"
_MAX_LEAD = timedelta(days=3660)
_STEP = re.compile(r"(-?\d+)([smhD]?)(?:-(\d+)([smhD]?))?")
_STEP_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "": timedelta(hours=1),
    "D": timedelta(days=1),
}
_INSTANT = timedelta(0)


class UnreadableError(Exception):
    """The header of a sound message makes no sense; says what does not."""


@contextmanager
def open_field(message: bytes) -> Iterator[int]:
    """An ecCodes handle on a message with one field, released at the end.

    Raises:
        UnreadableError: ecCodes makes nothing of it.
    """
    try:
        handle = eccodes.codes_new_from_message(message)
    except eccodes.CodesInternalError as error:
        raise UnreadableError(f"ecCodes cannot read it: {error}") from error
    try:
        yield handle
    finally:
        eccodes.codes_release(handle)


def get_long(handle: int, key: str, default: int | None = None) -> int:
    """An integer key; `default` where the message has none.

    Raises:
        UnreadableError: the message has none and there is no default.
    """
    try:
        return int(eccodes.codes_get_long(handle, key))
    except eccodes.CodesInternalError as error:
        if default is None:
            raise UnreadableError(f"ecCodes cannot read its {key}: {error}") from error
        return default


def get_text(handle: int, key: str, default: str | None = None) -> str:
    """A text key; `default` where the message has none.

    Raises:
        UnreadableError: the message has none and there is no default.
    """
    try:
        return str(eccodes.codes_get_string(handle, key))
    except (eccodes.CodesInternalError, UnicodeDecodeError) as error:
        if default is None:
            raise UnreadableError(f"ecCodes cannot read its {key}: {error}") from error
        return default


def get_double(handle: int, key: str, default: float | None = None) -> float:
    """A floating-point key; `default` where the message has none.

    Raises:
        UnreadableError: the message has none and there is no default.
    """
    try:
        return float(eccodes.codes_get_double(handle, key))
    except eccodes.CodesInternalError as error:
        if default is None:
            raise UnreadableError(f"ecCodes cannot read its {key}: {error}") from error
        return default


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field stands in its file."""

    field: int
    message: int
    sub_message: int
    frame: Frame


@dataclass(frozen=True, slots=True)
class Names:
    """What ecCodes calls a parameter and its level; slow to find out, and the same for all times.

    Attributes:
        short_name: `unknown` where it has none.
        param_id: 0 where it has none.
        type_of_level: `unknown` where it has none.
        centre: of origin.
    """

    short_name: str
    param_id: int
    type_of_level: str
    centre: str


def read_names(handle: int) -> Names:
    """The names of one field.

    Raises:
        UnreadableError: it has no centre.
    """
    return Names(
        short_name=get_text(handle, "shortName", "unknown"),
        param_id=get_long(handle, "paramId", 0),
        type_of_level=get_text(handle, "typeOfLevel", "unknown"),
        centre=get_text(handle, "centre"),
    )


@dataclass(frozen=True, slots=True)
class _Times:
    reference: datetime | None
    valid: datetime | None
    interval: timedelta
    problem: str = ""


def read_identity(handle: int, names: Names) -> Identity:
    """What identifies a field.

    Raises:
        UnreadableError: the keys for it are missing or damaged.
    """
    edition = get_long(handle, "edition")
    if edition == 1:
        keys: tuple[str, ...] = ("table2Version", "indicatorOfParameter")
        template = 0
    else:
        keys = ("discipline", "parameterCategory", "parameterNumber")
        template = get_long(handle, "productDefinitionTemplateNumber")
    number = get_long(handle, "number", -1)
    return Identity(
        edition=edition,
        centre=names.centre,
        parameter=tuple(get_long(handle, key) for key in keys),
        short_name=names.short_name,
        type_of_level=names.type_of_level,
        level=get_double(handle, "level", 0.0),
        step_type=get_text(handle, "stepType", "unknown"),
        step_range=get_text(handle, "stepRange", "unknown"),
        product_template=template,
        number=None if number < 0 else number,
    )


def read_record(handle: int, place: Place, names: Names) -> MessageRecord:
    """The row of one field. Never fails: what cannot be read says so in `unreadable`."""
    try:
        identity = read_identity(handle, names)
    except UnreadableError as error:
        return unreadable_record(place, str(error))
    times = _read_times(handle, identity)
    found = recognise(identity)
    variable, reason = (found.variable.name, "") if isinstance(found, Match) else (None, found)
    ni, nj = get_long(handle, "Ni", 0), get_long(handle, "Nj", 0)
    return MessageRecord(
        field=place.field,
        message=place.message,
        sub_message=place.sub_message,
        offset=place.frame.offset,
        length=place.frame.length,
        edition=identity.edition,
        centre=identity.centre,
        short_name=identity.short_name,
        param_id=names.param_id,
        parameter=identity.parameter,
        type_of_level=identity.type_of_level,
        level=identity.level,
        number=identity.number,
        step_type=identity.step_type,
        step_range=identity.step_range,
        reference_time=times.reference,
        valid_time=times.valid,
        interval=times.interval,
        kind=_read_kind(handle, identity, times),
        expver=get_text(handle, "expver", ""),
        grid_type=get_text(handle, "gridType", "unknown"),
        ni=0 if ni == _MISSING else ni,
        nj=0 if nj == _MISSING else nj,
        points=get_long(handle, "numberOfDataPoints", 0),
        variable=None if times.problem else variable,
        reason=times.problem or reason,
        unreadable=bool(times.problem),
    )


def unreadable_record(place: Place, reason: str) -> MessageRecord:
    """The row of a field whose frame is sound and whose header makes no sense."""
    return MessageRecord(
        field=place.field,
        message=place.message,
        sub_message=place.sub_message,
        offset=place.frame.offset,
        length=place.frame.length,
        edition=place.frame.edition,
        centre="",
        short_name="unknown",
        param_id=0,
        parameter=(),
        type_of_level="unknown",
        level=0.0,
        number=None,
        step_type="unknown",
        step_range="",
        reference_time=None,
        valid_time=None,
        interval=_INSTANT,
        kind=Kind.FORECAST,
        expver="",
        grid_type="unknown",
        ni=0,
        nj=0,
        points=0,
        variable=None,
        reason=reason,
        unreadable=True,
    )


def _read_times(handle: int, identity: Identity) -> _Times:
    reference = valid = None
    interval = _INSTANT
    try:
        reference = _time(get_long(handle, "dataDate"), get_long(handle, "dataTime"))
        valid = read_valid_time(handle)
        if identity.step_type != "instant":
            start, stop = parse_step_range(identity.step_range)
            interval = stop - start
    except UnreadableError as error:
        return _Times(reference, valid, interval, str(error))
    if not _INSTANT <= valid - reference <= _MAX_LEAD:
        problem = f"it is valid {valid - reference} after its reference time"
        return _Times(reference, valid, interval, problem)
    return _Times(reference, valid, interval)


def read_valid_time(handle: int) -> datetime:
    """The time a field is valid for, the end of its interval if it has one; UTC.

    Raises:
        UnreadableError: it has none.
    """
    return _time(get_long(handle, "validityDate"), get_long(handle, "validityTime"))


def _read_kind(handle: int, identity: Identity, times: _Times) -> Kind:
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
        analysis = identity.edition == 1 and at_start and indicator in (0, 1, 10)
    return Kind.ANALYSIS if analysis else Kind.FORECAST


def _time(date: int, clock: int) -> datetime:
    """UTC from ecCodes' YYYYMMDD and HHMM."""
    year, month, day = date // 10000, date // 100 % 100, date % 100
    try:
        time = datetime(year, month, day, clock // 100, clock % 100, tzinfo=UTC)
    except ValueError as error:
        raise UnreadableError(f"{date} {clock:04d} is no date and time: {error}") from error
    if not 1800 <= year < 2300:
        raise UnreadableError(f"its date {date} is out of the question")
    return time


def parse_step_range(text: str) -> tuple[timedelta, timedelta]:
    """Start and end of an ecCodes stepRange; hours where no unit is written.

    Raises:
        UnreadableError: it is not one.

    >>> [str(t) for t in parse_step_range("30m-1h")]
    ['0:30:00', '1:00:00']
    """
    match = _STEP.fullmatch(text)
    if match is None:
        raise UnreadableError(f"its step range {text!r} cannot be read")
    start = int(match[1]) * _STEP_UNITS[match[2]]
    stop = start if match[3] is None else int(match[3]) * _STEP_UNITS[match[4]]
    if stop < start:
        raise UnreadableError(f"its step range {text!r} ends before it begins")
    return start, stop
