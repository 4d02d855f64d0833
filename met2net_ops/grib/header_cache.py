"""A cache of headers: a field like one of an earlier hour is listed without ecCodes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from met2net_ops.grib.headers import (
    FieldPlacement,
    Names,
    read_names,
    read_record,
    unreadable_record,
)
from met2net_ops.grib.keys import open_field
from met2net_ops.grib.records import GribUnreadableError
from met2net_ops.grib.templates import check_templates
from met2net_ops.grib.times import YEARS

if TYPE_CHECKING:
    from met2net_ops.grib.records import MessageRecord
    from met2net_ops.grib.sections import Header

_SIZE = 4096  # entries of each kind: a large centre's fields for all leads of a run

_Value = TypeVar("_Value")


class HeaderCache:
    """Records of an inventory by the bytes they depend on. One cache may serve many files.

    A feed delivers the same fields hour after hour, and reading the twenty keys of a header with
    ecCodes takes longer than unpacking its values. Headers that differ only in their reference
    time have records that differ only in their times, and by the same amount. The cache relies on
    that only where ecCodes, too, takes the reference time from those octets.
    """

    def __init__(self) -> None:
        self._names: dict[bytes, Names] = {}
        self._records: dict[bytes, MessageRecord] = {}

    def read(self, header: Header, place: FieldPlacement) -> MessageRecord:
        """The record of one field. Never fails: `unreadable` says that something cannot be read."""
        reference = _reference_time(header.reference_time)
        cached = self._records.get(header.record_key) if header.record_key else None
        if cached and reference and (valid := _valid_time(cached, reference)):
            try:
                check_templates(header.message)
            except GribUnreadableError as error:
                return unreadable_record(header, place, str(error))
            return replace(
                cached,
                field=place.field,
                message=place.message,
                sub_message=place.sub_message,
                offset=place.frame.offset,
                length=place.frame.length,
                reference_time=reference,
                valid_time=valid,
                header=header.checksum,
            )
        record = self._read_with_eccodes(header, place)
        cacheable = header.record_key and reference and record.reference_time == reference
        if cacheable and not record.unreadable:
            _store(self._records, header.record_key, record)
        return record

    def _read_with_eccodes(self, header: Header, place: FieldPlacement) -> MessageRecord:
        try:
            with open_field(header.message) as handle:
                names = self._names.get(header.names_key)
                if names is None:
                    names = read_names(handle)
                    _store(self._names, header.names_key, names)
                return read_record(handle, header, place, names)
        except GribUnreadableError as error:
            return unreadable_record(header, place, str(error))


def _reference_time(octets: bytes) -> datetime | None:
    """The time in the octets of section 1 for it.

    None if it is no time, or has seconds, so that ecCodes reads it. Edition 1 counts years within
    a century, the last of which is 100 (section 1, octets 13 and 25).
    """
    if len(octets) == 7:
        year, rest, seconds = int.from_bytes(octets[:2], "big"), octets[2:6], octets[6]
    else:
        year, rest, seconds = (octets[0] - 1) * 100 + octets[1], octets[2:6], 0
    month, day, hour, minute = rest
    if seconds or year not in YEARS:
        return None
    try:
        return datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return None


def _valid_time(record: MessageRecord, reference: datetime) -> datetime | None:
    """The valid time of a record if that were its reference time."""
    try:
        return reference + record.lead if record.lead is not None else None
    except OverflowError:
        return None


def _store(cache: dict[bytes, _Value], key: bytes, value: _Value) -> None:
    """Add an entry; the oldest one makes room."""
    cache[key] = value
    if len(cache) > _SIZE:
        del cache[next(iter(cache))]
