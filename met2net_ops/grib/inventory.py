"""List everything that is in a GRIB file without decoding a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from met2net_ops.grib.headers import (
    Place,
    UnreadableError,
    open_field,
    read_record,
    unreadable_record,
)
from met2net_ops.grib.records import Damage, Inventory
from met2net_ops.grib.scan import ByteSource, scan
from met2net_ops.grib.split import extract_field, field_sections

if TYPE_CHECKING:
    from pathlib import Path

    from met2net_ops.grib.records import MessageRecord


def inventory(path: Path) -> Inventory:
    """Every field of a file, sub-messages included, and every damaged byte range.

    Raises:
        IngestError: the file cannot be opened or read at all.
    """
    with ByteSource(path) as source:
        return take_inventory(source)


def take_inventory(source: ByteSource) -> Inventory:
    """As `inventory`, of an open file."""
    records: list[MessageRecord] = []
    damage: list[Damage] = []
    messages = 0
    for found in scan(source):
        if isinstance(found, Damage):
            damage.append(found)
            continue
        message = source.read(found.offset, found.length)
        if len(message) < found.length:
            there = len(message)
            damage.append(Damage(found.offset, there, "the file shrank while it was read"))
            continue
        for sub_message in range(len(field_sections(found.edition, found.sections))):
            place = Place(len(records), messages, sub_message, found)
            field = extract_field(message, found.edition, found.sections, sub_message)
            try:
                with open_field(field) as handle:
                    records.append(read_record(handle, place))
            except UnreadableError as error:
                records.append(unreadable_record(place, str(error)))
        messages += 1
    return Inventory(source.path, source.size, tuple(records), tuple(damage))
