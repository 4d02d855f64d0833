"""List everything that is in a GRIB file without decoding a value."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from met2net_ops.grib.headers import Names, Place, read_names, read_record, unreadable_record
from met2net_ops.grib.keys import open_field
from met2net_ops.grib.records import Damage, Inventory
from met2net_ops.grib.scan import ByteSource, scan
from met2net_ops.grib.split import extract_header, field_sections
from met2net_ops.grib.unreadable import UnreadableError

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
    names: dict[bytes, Names] = {}
    messages = 0
    for found in scan(source):
        if isinstance(found, Damage):
            damage.append(found)
            continue
        for sub_message, sections in enumerate(field_sections(found.edition, found.sections)):
            place = Place(len(records), messages, sub_message, found)
            header = extract_header(source, found, sections)
            record = _read(header.message, place, names, header.naming)
            records.append(replace(record, header=header.checksum))
        messages += 1
    return Inventory(source.path, source.size, tuple(records), tuple(damage))


def _read(message: bytes, place: Place, names: dict[bytes, Names], naming: bytes) -> MessageRecord:
    try:
        with open_field(message) as handle:
            if naming not in names:
                names[naming] = read_names(handle)
            return read_record(handle, place, names[naming])
    except UnreadableError as error:
        return unreadable_record(place, str(error))
