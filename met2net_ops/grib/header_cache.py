"""Headers read before: a field like one of an earlier hour needs no ecCodes to be listed."""

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

if TYPE_CHECKING:
    from met2net_ops.grib.records import MessageRecord
    from met2net_ops.grib.sections import Header

_KEPT = 4096  # of each kind: a large centre's fields for all leads of a run
_YEARS = range(1800, 2300)  # others are asked about, and refused

_Value = TypeVar("_Value")


class HeaderCache:
    """Rows of an inventory, by what they depend on. One may serve many files.

    A feed delivers the same fields hour after hour, and asking ecCodes for the twenty keys of one
    takes longer than unpacking its values. Headers that differ in nothing but their reference time
    have rows that differ in nothing but their times, by as much; this holds for those whose
    reference time ecCodes, too, reads from the octets for it.
    """

    def __init__(self) -> None:
        self._names: dict[bytes, Names] = {}
        self._records: dict[bytes, MessageRecord] = {}

    def read(self, header: Header, place: FieldPlacement) -> MessageRecord:
        """The row of one field. Never fails: what cannot be read says so in `unreadable`."""
        reference = _reference_time(header)
        like = self._records.get(header.clockless) if header.clockless else None
        if like and reference and (valid := _moved(like, reference)):
            try:
                check_templates(header.message)
            except GribUnreadableError as error:
                return unreadable_record(header, place, str(error))
            return replace(
                like,
                field=place.field,
                message=place.message,
                sub_message=place.sub_message,
                offset=place.frame.offset,
                length=place.frame.length,
                reference_time=reference,
                valid_time=valid,
                header=header.checksum,
            )
        record = self._ask(header, place)
        comparable = header.clockless and record.reference_time == reference
        if reference and comparable and not record.unreadable:
            _keep(self._records, header.clockless, record)
        return record

    def _ask(self, header: Header, place: FieldPlacement) -> MessageRecord:
        try:
            with open_field(header.message) as handle:
                names = self._names.get(header.naming)
                if names is None:
                    names = read_names(handle)
                    _keep(self._names, header.naming, names)
                return read_record(handle, header, place, names)
        except GribUnreadableError as error:
            return unreadable_record(header, place, str(error))


def _reference_time(header: Header) -> datetime | None:
    """The time in the octets for it; None if it is none, or has seconds, which ecCodes drops.

    Edition 1 counts years within a century, the last of which is 100 (section 1, octets 13, 25).
    """
    octets = header.clock
    if len(octets) == 7:
        year, rest, seconds = int.from_bytes(octets[:2], "big"), octets[2:6], octets[6]
    else:
        year, rest, seconds = (octets[0] - 1) * 100 + octets[1], octets[2:6], 0
    month, day, hour, minute = rest
    if seconds or year not in _YEARS:
        return None
    try:
        return datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return None


def _moved(like: MessageRecord, reference: datetime) -> datetime | None:
    """The valid time of a row with that reference time."""
    try:
        return reference + like.lead if like.lead is not None else None
    except OverflowError:
        return None


def _keep(kept: dict[bytes, _Value], key: bytes, value: _Value) -> None:
    kept[key] = value
    if len(kept) > _KEPT:
        del kept[next(iter(kept))]
